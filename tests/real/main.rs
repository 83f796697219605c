//! Tests against a real RabbitMQ, over its Web-STOMP plugin.

mod acknowledge;
mod body;
mod broker;
mod close;
mod connect;
mod heart_beat;
mod loss;
mod publish;
mod secure;
mod subscribe;
mod transaction;
