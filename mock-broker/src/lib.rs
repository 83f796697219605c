//! A correct small STOMP-over-WebSocket broker that misbehaves on command.
//!
//! [`MockBroker::start`] with the default [`Scenario`] is a broker as the
//! specification wants it, on a free port of the loopback interface. A scenario
//! only names what goes wrong, in Rust or as JSON:
//!
//! ```
//! use hobnail_mock_broker::{MockBroker, Rule, Scenario, error, mark, recv};
//!
//! let scenario = Scenario::builder()
//!     .rule(
//!         Rule::on(recv("SUBSCRIBE").nth(2))
//!             .conn(1)
//!             .then(error(401).message("token expired").keep_open())
//!             .then(mark("expired")),
//!     )
//!     .build();
//! let same = Scenario::from_json(
//!     r#"{"rules":[{"conn":1,"on":{"recv":"SUBSCRIBE","nth":2},
//!         "do":[{"error":{"code":401,"message":"token expired","close":false}},
//!               {"mark":"expired"}]}]}"#,
//! )?;
//! assert_eq!(scenario, same);
//! let broker = MockBroker::start(scenario)?;
//! println!("{}", broker.url());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything that happens is written to one totally ordered [transcript];
//! [`MockBroker::wait_for`] waits for an entry of it. The same seed gives the
//! same run, see [`Scenario::seed`]. [`engine`] is the broker without sockets,
//! clock and threads.

mod broker;
pub mod catalogue;
pub mod dialect;
pub mod engine;
mod faults;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
pub mod http;
mod json;
pub mod lint;
mod proxy;
mod rng;
pub mod script;
mod selector;
mod serve;
mod tls;
pub mod transcript;
pub mod verdict;
pub mod wire;
mod ws;

pub use broker::{Listen, MockBroker, StartError};
pub use dialect::Dialect;
pub use engine::Control;
pub use proxy::{Upstream, UpstreamError};
pub use script::act::{self, *};
pub use script::on::{self, recv, sending};
pub use script::{
    Action, Assertion, HttpRule, OAuthClient, OnExpiry, Refresh, Rule, Scenario, ScenarioError,
    Seen, Trigger, seen,
};
pub use tls::TlsError;
pub use transcript::{Entry, Events, How, Note, Transcript, WaitError, What};
pub use verdict::Report;
pub use wire::Frame;
