//! Support for the end-to-end tests.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and all else fails it"
)]

pub mod activemq;
mod client;
pub mod http;
mod kept;
mod peer;
pub mod rabbitmq;
mod transcript;

pub use client::{SOON, broker, client, connected, drive_until, event, start, until};
pub use peer::{Peer, proxy};
pub use transcript::Seen;
