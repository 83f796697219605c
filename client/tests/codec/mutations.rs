//! The fuzz target of the reader without a fuzzer: the seeds, and what some
//! damage makes of them.

#[path = "../../../fuzz/checks/client.rs"]
mod client;

use client::check;
use std::path::Path;

/// Mutations of each seed.
const ROUNDS: u64 = 500;

#[test]
fn the_reader_bears_anything() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/stomp_client");
    let seeds = std::fs::read_dir(folder).unwrap();
    let mut seeds: Vec<_> = seeds.map(|s| s.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    let mut state = 7;
    for path in seeds {
        let seed = std::fs::read(path).unwrap();
        check(&seed);
        for _ in 0..ROUNDS {
            let mut octets = seed.clone();
            for _ in 0..1 + next(&mut state) % 4 {
                damage(&mut octets, &mut state);
            }
            check(&octets);
        }
    }
}

fn damage(octets: &mut Vec<u8>, state: &mut u64) {
    const WORDS: [&[u8]; 6] = [b"\0", b"\r\n", b"\n\n", b":", b"\\", b"content-length:9\n"];
    let at = next(state) as usize % (octets.len() + 1);
    let to = at + next(state) as usize % (octets.len() - at + 1);
    match next(state) % 5 {
        0 => octets.truncate(at),
        1 => drop(octets.drain(at..to)),
        2 => octets.extend_from_within(at..to),
        3 => {
            let word = WORDS[next(state) as usize % WORDS.len()];
            octets.splice(at..at, word.iter().copied());
        }
        _ => {
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= 1 << (next(state) % 8);
            }
        }
    }
}

/// splitmix64: the same damage in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
