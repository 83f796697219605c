//! A link against servers on the loopback interface.
#![allow(
    clippy::disallowed_methods,
    reason = "the driver of these tests is the reactor, and owns the clock"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test panics at whatever it does not expect"
)]

mod http;
mod live;
mod send;
mod stages;
mod support;
mod tls;
mod tunnel;
mod upgrade;
