//! The client against the mock broker, over the loopback interface.

mod acks;
mod conflict;
mod driven;
mod foreign_loop;
mod loss;
mod oauth2;
mod overflow;
mod publish;
mod refusals;
mod round_trip;
mod threads;
mod timeouts;
mod tokens;
mod transactions;
mod wire;
