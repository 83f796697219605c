//! One connection attempt and its life: sockets, proxies, TLS, the upgrade and
//! WebSocket. It knows nothing of STOMP beyond where a frame begins and ends.

mod blocks;
mod converse;
mod deadline;
mod dial;
mod frames;
mod http1;
mod incoming;
mod link;
mod outbuf;
mod refusal;
mod resolve;
mod socket;
mod stream;
mod tls;
mod upgrade;
mod ws;

#[cfg(test)]
mod tests;

pub(crate) use link::{Link, LinkEvent, Upgraded};
pub(crate) use resolve::resolve_blocking;
pub(crate) use socket::Readiness;
pub(crate) use tls::Tls;
pub(crate) use upgrade::check_headers;
