//! The broker over loopback, as a client sees it.

mod support;
mod world;

mod acks;
mod api;
mod builder;
mod cli;
mod connect;
mod control;
mod destinations;
mod dialects;
mod events;
mod faults;
mod handshake;
mod hostile;
mod lint;
mod manual;
mod oauth;
mod plain;
mod proxy;
mod repeat;
mod requirements;
mod scenarios;
mod schema;
mod tls;
mod tokens;
mod topics;
mod verdict;
mod virtual_time;
mod words;
