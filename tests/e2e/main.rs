//! The client against the mock broker, over the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and all else fails it"
)]

mod acks;
mod conflict;
mod foreign_loop;
mod loss;
mod overflow;
mod publish;
mod refusals;
mod round_trip;
mod threads;
mod timeouts;
mod tokens;
mod transactions;
mod wire;
