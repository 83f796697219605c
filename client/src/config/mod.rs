//! What a client is told once, before it connects.

mod builder;
mod endpoint;
mod proxy;
mod retry;
mod settings;
mod tls;

pub use builder::Builder;
pub use endpoint::Endpoint;
pub use proxy::Proxy;
pub use retry::{FatalErrors, RetryPolicy, Rotate};
#[cfg(feature = "spill")]
pub use settings::Spool;
pub use settings::{
    Backoff, Credentials, HeartBeat, Limits, Overflow, Priority, QueueLimits, Timeouts,
};
pub use tls::TlsOptions;

use std::path::PathBuf;

pub use crate::secret::Secret;
use crate::{dialect::Dialect, region::Regions};

/// Everything a client needs to know. Made by [`Builder`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to connect.
    pub endpoint: Endpoint,
    /// Where else to connect when that fails, in this order. Default: nowhere.
    pub fallbacks: Vec<Endpoint>,
    /// Names the region that is active when no endpoint answers. Default: nobody.
    pub regions: Option<Regions>,
    /// A file that holds the last good endpoint from one run to the next.
    /// Default: none.
    pub remember: Option<PathBuf>,
    /// Whether a planned reconnect goes back to the first endpoint. Default: false.
    pub fail_back: bool,
    /// The `host` header of CONNECT: the virtual host. Default: the host of the
    /// endpoint's URL.
    pub virtual_host: Option<String>,
    /// Who connects.
    pub credentials: Credentials,
    /// Heart-beats offered and their tolerance.
    pub heart_beat: HeartBeat,
    /// How the broker departs from the letter of STOMP.
    pub dialect: Dialect,
    /// Where the replies to requests come. Default: as the dialect has it.
    pub reply_to: Option<String>,
    /// Whether a broker that speaks only STOMP 1.0 is accepted. Default: false.
    pub allow_1_0: bool,
    /// Deadlines of stages and calls.
    pub timeouts: Timeouts,
    /// Delays between connection attempts.
    pub backoff: Backoff,
    /// When the client gives up, and what it does not forgive.
    pub retry: RetryPolicy,
    /// Whether connections are made anew before their token ends. Default: never.
    pub rotate: Rotate,
    /// Whether a lost connection is made again. Default: true.
    pub reconnect: bool,
    /// Whether the first connection, too, is tried again. Default: false.
    pub persistent: bool,
    /// How many 409 answers in a row are borne before the client gives up.
    /// Default: 5.
    pub conflict_limit: u32,
    /// Bounds on what is held in memory.
    pub limits: Limits,
    /// Where full queues go on. Default: nowhere.
    #[cfg(feature = "spill")]
    pub spool: Option<Spool>,
    /// More headers for the HTTP upgrade. Values are secret: they are never printed.
    pub upgrade_headers: Vec<(String, Secret)>,
    /// More headers for CONNECT. Values are secret: they are never printed.
    pub connect_headers: Vec<(String, Secret)>,
    /// The proxy between here and the broker.
    pub proxy: Option<Proxy>,
    /// Whether the proxy is what the environment says for each endpoint.
    pub(crate) proxy_from_env: bool,
    /// How TLS is done.
    pub tls: TlsOptions,
    /// Seed of the jitter; by default taken from the operating system's hash seed.
    pub seed: u64,
}

impl Config {
    /// The proxy between here and an endpoint.
    pub(crate) fn proxy_for(&self, endpoint: &Endpoint) -> Option<Proxy> {
        if *endpoint == self.endpoint || !self.proxy_from_env {
            return self.proxy.clone();
        }
        // Those of the configured endpoints were read before, without an error.
        Proxy::of_endpoint(endpoint).unwrap_or_else(|e| {
            log::warn!("{endpoint} is reached without a proxy: {e}");
            None
        })
    }

    /// Cuts every duration to what the clock can represent.
    fn cap(&mut self) {
        let (t, b, h) = (&mut self.timeouts, &mut self.backoff, &mut self.heart_beat);
        for duration in [
            &mut t.resolve,
            &mut t.connect,
            &mut t.tunnel,
            &mut t.tls,
            &mut t.upgrade,
            &mut t.open,
            &mut t.overall,
            &mut t.token,
            &mut t.call,
            &mut t.close,
            &mut b.initial,
            &mut b.max,
            &mut b.stable_after,
            &mut h.outgoing,
            &mut h.incoming,
        ] {
            *duration = (*duration).min(crate::clock::FOREVER);
        }
        let limit = &mut self.retry.max_elapsed;
        *limit = limit.map(|limit| limit.min(crate::clock::FOREVER));
    }
}
