//! The other side: a client is driven through its shim and served, octet by
//! octet, by the judge itself.
//!
//! The serving side is the judge's own and not the mock broker's engine: it must
//! be able to send what no correct broker sends, and a misreading that judge and
//! mock broker shared could not be seen.

pub(crate) mod cases;
pub(crate) mod check;
mod conn;
pub(crate) mod door;
mod driver;
mod echo;
mod lab;
mod order;
pub(crate) mod passive;
pub(crate) mod runner;
mod serve;
pub(crate) mod shim;
mod world;
