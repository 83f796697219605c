//! The core against a broker in virtual time: two ends, one clock that jumps,
//! and laws that are checked at every step.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and all else fails it"
)]

mod app;
mod beats;
mod close;
mod conflict;
mod connect;
mod counters;
mod drain;
mod endpoints;
mod errors;
mod explore;
mod interleave;
mod laws;
mod pair;
mod publish;
mod quarantine;
mod rebind;
mod redial;
mod requests;
mod rotate;
mod seeds;
mod source;
mod subscribe;
mod suspects;
mod tokens;
mod transactions;
mod unexpected;
mod wire;

use std::time::Duration;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
