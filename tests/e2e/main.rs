//! The client against the mock broker, over the loopback interface.

mod acks;
mod attempt;
mod choices;
mod conflict;
mod dialects;
mod driven;
mod endpoints;
mod foreign_loop;
mod lifetime;
mod loss;
mod oauth2;
mod overflow;
mod overload;
mod pause;
mod publish;
mod recovery;
mod refusals;
mod rotation;
mod round_trip;
mod storms;
mod threads;
mod timeouts;
mod tls;
mod tokens;
mod transactions;
mod wire;
