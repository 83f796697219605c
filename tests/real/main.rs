//! Tests against a real RabbitMQ, over its Web-STOMP plugin.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and all else fails it"
)]

mod acknowledge;
mod body;
mod broker;
mod close;
mod connect;
mod heart_beat;
mod loss;
mod proxy;
mod publish;
mod secure;
mod subscribe;
mod tokens;
mod transaction;
