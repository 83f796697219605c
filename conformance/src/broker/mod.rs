//! Testing a broker: the judge is the client.

pub(crate) mod cases;
pub(crate) mod handshake;
pub(crate) mod lab;
pub(crate) mod passive;
pub(crate) mod peer;
pub(crate) mod probe;
pub(crate) mod runner;
pub(crate) mod target;
