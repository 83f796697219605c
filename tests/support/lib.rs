//! Support for the end-to-end tests.

mod client;
mod peer;
pub mod rabbitmq;
mod transcript;

pub use client::{SOON, broker, client, connected, drive_until, event, start, until};
pub use peer::{Peer, proxy};
pub use transcript::Seen;
