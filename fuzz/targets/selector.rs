#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hobnail_mock_broker::fuzz::selector(octets));
