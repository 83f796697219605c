//! The judge of STOMP-over-WebSocket brokers: it asks what the requirement
//! list asks, and says in words what is wrong.

mod broker;
mod finding;
mod grade;
mod report;
mod requirement;
mod wire;

pub mod cli;
