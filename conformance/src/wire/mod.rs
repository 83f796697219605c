//! The octets of a connection, taken apart strictly: the judge's own reading of
//! RFC 6455 and STOMP, shared with nobody whom it judges.

pub(crate) mod log;
pub(crate) mod show;
pub(crate) mod stomp;
pub(crate) mod ws;
