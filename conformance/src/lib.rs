//! The judge of STOMP-over-WebSocket brokers and clients: it asks what the
//! requirement list asks, and says in words what is wrong.

mod broker;
mod case;
mod client;
mod finding;
mod grade;
mod known;
mod order;
mod profile;
mod report;
mod requirement;
mod secrets;
mod tally;
mod watch;
mod wire;
mod words;

pub mod cli;
