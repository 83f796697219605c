#![no_main]

#[path = "../checks/client.rs"]
mod client;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| client::check(octets));
