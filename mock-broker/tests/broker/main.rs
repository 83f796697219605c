//! The broker over loopback, as a client sees it.

mod support;

mod acks;
mod api;
mod cli;
mod connect;
mod faults;
mod handshake;
mod tokens;
mod topics;
