//! The client against the mock broker, over the loopback interface.

mod acks;
mod conflict;
mod loss;
mod publish;
mod refusals;
mod round_trip;
mod timeouts;
mod tokens;
mod transactions;
mod wire;
