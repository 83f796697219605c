//! Tests against real brokers: RabbitMQ with its Web-STOMP plugin, alone and in a
//! cluster, and ActiveMQ behind a bridge.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and all else fails it"
)]

mod acknowledge;
mod activemq;
mod body;
mod broker;
mod close;
mod cluster;
mod connect;
mod drain;
mod events;
mod frozen;
mod heart_beat;
mod load;
mod loss;
mod proxy;
mod publish;
mod requests;
mod secure;
mod subscribe;
mod tokens;
mod transaction;
