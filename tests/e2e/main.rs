//! The client against the mock broker, over the loopback interface.

mod acks;
mod publish;
mod round_trip;
mod transactions;
mod wire;
