//! The codec of STOMP frames: what it reads, what it refuses, what it writes.

mod cross;
mod errors;
mod expected;
mod limits;
mod memory;
mod mutations;
mod roundtrip;
mod support;
mod vectors;
mod writing;
