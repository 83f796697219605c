//! The judge of STOMP-over-WebSocket brokers: it asks what the requirement
//! list asks, and says in words what is wrong.

mod broker;
mod finding;
mod grade;
mod known;
mod profile;
mod report;
mod requirement;
mod secrets;
mod wire;
mod words;

pub mod cli;
