//! STOMP 1.2 over WebSocket for programs that block: one reactor on one thread,
//! one timer wheel, no async runtime.
//!
//! A [`Client`] is driven by the thread that calls it. [`Client::spawn`] gives it
//! a thread of its own and leaves a [`Handle`] that any thread may use.
//!
//! Lost connections are made again, subscriptions restored and tokens renewed;
//! [`Event`]s tell of every step.
//!
//! # The run loop
//!
//! ```
//! # use std::time::Duration;
//! # let broker = hobnail_mock_broker::MockBroker::start(Default::default()).unwrap();
//! # let url = broker.url();
//! use hobnail::Client;
//!
//! let mut client = Client::builder(url).login("agent", "secret").connect()?;
//! let calls = client.subscription("/queue/calls").subscribe()?;
//! client.send("/queue/calls").body("ring").receipt().publish()?;
//! while let Some(message) = client.recv_timeout(Duration::from_millis(200))? {
//!     assert_eq!(message.text().unwrap(), "ring");
//!     assert_eq!(message.subscription(), calls.id());
//! }
//! client.close()?;
//! # Ok::<(), hobnail::Error>(())
//! ```
//!
//! With a thread of its own:
//!
//! ```
//! # let broker = hobnail_mock_broker::MockBroker::start(Default::default()).unwrap();
//! # let url = broker.url();
//! let handle = hobnail::Client::builder(url).connect()?.spawn()?;
//! let events = handle.subscribe("/topic/events")?;
//! handle.send("/topic/events").body("hello").publish()?;
//! assert_eq!(events.recv()?.body(), b"hello");
//! handle.close()?;
//! # Ok::<(), hobnail::Error>(())
//! ```

mod acknowledge;
pub mod auth;
mod client;
mod clock;
pub mod config;
pub mod core;
mod delivery;
pub mod dialect;
mod drain;
mod errand;
mod error;
mod event;
pub mod frame;
mod handle;
mod health;
#[cfg(feature = "oauth2")]
mod http;
mod ledger;
mod mailbox;
mod message;
mod metrics;
mod net;
mod offload;
mod port;
mod post;
mod publish;
#[doc(hidden)]
pub mod queue;
mod reactor;
pub mod region;
mod request;
mod rng;
mod run;
mod secret;
mod sink;
mod slot;
#[cfg(feature = "spill")]
mod spool;
mod subscription;
mod thread;
mod transaction;
#[doc(hidden)]
pub mod wheel;

pub use client::Client;
pub use config::{Builder, Config};
pub use core::{AckMode, Phase};
pub use dialect::Dialect;
pub use error::{
    AuthError, BrokerError, Error, LinkError, Misuse, ProtocolError, Refusal, RegionError,
    SpoolError, Stage, Undrained,
};
pub use event::{Connected, Event};
pub use handle::{Events, Handle};
pub use health::{Health, Stall};
pub use message::Message;
pub use metrics::{Depth, Gaps, Losses, Metrics, QueueDepth, RoundTrip};
pub use publish::{Pending, Publish};
pub use request::PendingReply;
#[cfg(feature = "spill")]
pub use spool::Spooled;
pub use subscription::{SubscribeRequest, Subscription};
pub use transaction::Transaction;

/// The README's example must compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
