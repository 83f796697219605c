//! The way to a [`Config`].

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{
    Backoff, Config, Credentials, Endpoint, HeartBeat, Limits, Proxy, RetryPolicy, Rotate, Secret,
    Timeouts, TlsOptions, endpoint::printable,
};
use crate::{
    auth::{Token, TokenReason, TokenSource},
    dialect::Dialect,
    error::{AuthError, Misuse},
    region::{RegionSource, Regions},
};

/// Collects the settings of a client; `connect` makes it.
///
/// Every setting has a default that suits a broker on the far side of the
/// Internet; see the fields of [`Config`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    url: String,
    fallbacks: Vec<String>,
    config: Config,
}

impl Builder {
    /// For a broker at a `ws://` or `wss://` URL. The URL is read by [`build`](Self::build).
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            fallbacks: Vec::new(),
            config: Config {
                endpoint: Endpoint::unset(),
                fallbacks: Vec::new(),
                regions: None,
                remember: None,
                fail_back: false,
                virtual_host: None,
                credentials: Credentials::None,
                heart_beat: HeartBeat::default(),
                dialect: Dialect::STOMP,
                reply_to: None,
                allow_1_0: false,
                timeouts: Timeouts::default(),
                backoff: Backoff::default(),
                retry: RetryPolicy::default(),
                rotate: Rotate::Never,
                reconnect: true,
                persistent: false,
                conflict_limit: 5,
                limits: Limits::default(),
                #[cfg(feature = "spill")]
                spool: None,
                upgrade_headers: Vec::new(),
                connect_headers: Vec::new(),
                proxy: None,
                proxy_from_env: true,
                tls: TlsOptions::default(),
                seed: RandomState::new().hash_one(0_u8),
            },
        }
    }

    /// One more URL to connect to when those before it fail. The last good one
    /// is tried first, then the others in the order given; each has a back-off
    /// of its own.
    pub fn fallback(mut self, url: impl Into<String>) -> Self {
        self.fallbacks.push(url.into());
        self
    }

    /// Who names the region that is active, when a name cannot be resolved or
    /// every endpoint has failed. It is called on a helper thread.
    pub fn regions(mut self, source: impl RegionSource + 'static) -> Self {
        self.config.regions = Some(Regions::new(source));
        self
    }

    /// Keeps the last good endpoint in this file, and begins there the next time.
    /// Only one of the endpoints given here is ever taken from it.
    pub fn remember_in(mut self, file: impl Into<PathBuf>) -> Self {
        self.config.remember = Some(file.into());
        self
    }

    /// Whether a planned reconnect goes back to the first endpoint. Default:
    /// false, the endpoint that is good is kept.
    pub fn fail_back(mut self, fail_back: bool) -> Self {
        self.config.fail_back = fail_back;
        self
    }

    /// The virtual host (`host` header of CONNECT). Default: the host of the
    /// endpoint's URL.
    pub fn virtual_host(mut self, host: impl Into<String>) -> Self {
        self.config.virtual_host = Some(host.into());
        self
    }

    /// Fixed `login` and `passcode`.
    pub fn login(mut self, login: impl Into<String>, passcode: impl Into<String>) -> Self {
        self.config.credentials = Credentials::Login {
            login: login.into(),
            passcode: Secret::new(passcode),
        };
        self
    }

    /// A token in `passcode`, from a source that is asked whenever one is needed.
    pub fn token_source(mut self, source: impl TokenSource + 'static) -> Self {
        self.config.credentials = Credentials::Token {
            login: None,
            source: Arc::new(source),
        };
        self
    }

    /// One fixed token in `passcode`, that is never renewed.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = Token::new(token);
        self.token_source(move |reason| {
            if reason == TokenReason::Refused {
                return Err(AuthError {
                    text: "the broker refused the only token there is".into(),
                    fatal: true,
                });
            }
            Ok(token.clone())
        })
    }

    /// The heart-beats offered: what this side will send, and what it wants to
    /// receive. Zero means none. Default: 10 s and 10 s.
    pub fn heart_beat(mut self, outgoing: Duration, incoming: Duration) -> Self {
        self.config.heart_beat.outgoing = outgoing;
        self.config.heart_beat.incoming = incoming;
        self
    }

    /// How the broker departs from the letter of STOMP. Default: not at all.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = dialect;
        self
    }

    /// Accept a broker that speaks only STOMP 1.0. Default: refuse it, for 1.0
    /// has neither heart-beats nor NACK nor escapes.
    pub fn allow_1_0(mut self, allow: bool) -> Self {
        self.config.allow_1_0 = allow;
        self
    }

    /// Deadlines of stages and calls.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// Delays between connection attempts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.config.backoff = backoff;
        self
    }

    /// When the client gives up, and what it does not forgive.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.config.retry = policy;
        self
    }

    /// Whether connections are made anew before their token ends. Default: never.
    pub fn rotate(mut self, rotate: Rotate) -> Self {
        self.config.rotate = rotate;
        self
    }

    /// Whether a lost connection is made again. Default: true.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.config.reconnect = reconnect;
        self
    }

    /// Whether the *first* connection, too, is tried again until
    /// `Timeouts::overall` has passed. Default: false, the first failure is told.
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.config.persistent = persistent;
        self
    }

    /// How many 409 answers in a row are borne. Default: 5.
    pub fn conflict_limit(mut self, limit: u32) -> Self {
        self.config.conflict_limit = limit;
        self
    }

    /// Bounds on what is held in memory.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Where queues with `Overflow::Spill` go on when they are full.
    #[cfg(feature = "spill")]
    pub fn spool(mut self, spool: super::Spool) -> Self {
        self.config.spool = Some(spool);
        self
    }

    /// One more header for the HTTP upgrade. The value is never printed.
    pub fn upgrade_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config
            .upgrade_headers
            .push((name.into(), Secret::new(value)));
        self
    }

    /// One more header for CONNECT. The value is never printed.
    pub fn connect_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config
            .connect_headers
            .push((name.into(), Secret::new(value)));
        self
    }

    /// The HTTP proxy to go through; `None` for a direct connection. Default:
    /// what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    pub fn proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.config.proxy = proxy;
        self.config.proxy_from_env = false;
        self
    }

    /// How TLS is done.
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.config.tls = tls;
        self
    }

    /// One more root certificate to trust, as PEM.
    pub fn tls_root(mut self, pem: impl Into<String>) -> Self {
        self.config.tls.roots.push(pem.into());
        self
    }

    /// The destination to which [requests](crate::Publish::request) are answered,
    /// as a broker may want it that gives each user one queue. No other client may
    /// read from it. Default: a temporary queue, or a queue with a random name, as
    /// the [dialect](Dialect::replies) has it.
    pub fn reply_to(mut self, destination: impl Into<String>) -> Self {
        self.config.reply_to = Some(destination.into());
        self
    }

    /// The seed of all jitter, for runs that repeat.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Misuse::Url`] or [`Misuse::Config`], saying which setting is unusable and why.
    pub fn build(self) -> Result<Config, Misuse> {
        let mut config = self.config;
        config.endpoint = Endpoint::parse(&self.url)?;
        for url in &self.fallbacks {
            config.fallbacks.push(Endpoint::parse(url)?);
        }
        if config.proxy_from_env {
            config.proxy = Proxy::of_endpoint(&config.endpoint)?;
            for endpoint in &config.fallbacks {
                Proxy::of_endpoint(endpoint)?;
            }
        }
        config.cap();
        check(&config)?;
        Ok(config)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fallbacks: Vec<_> = self.fallbacks.iter().map(|url| printable(url)).collect();
        f.debug_struct("Builder")
            .field("url", &printable(&self.url))
            .field("fallbacks", &fallbacks)
            .field("config", &self.config)
            .finish()
    }
}

fn check(config: &Config) -> Result<(), Misuse> {
    let fail = |text: &str| Err(Misuse::Config(text.to_owned()));
    if config.heart_beat.tolerance_percent < 100 {
        return fail("heart_beat.tolerance_percent below 100 declares healthy brokers dead");
    }
    if config.backoff.initial > config.backoff.max {
        return fail("backoff.initial exceeds backoff.max");
    }
    if config.backoff.jitter_percent > 100 {
        return fail("backoff.jitter_percent exceeds 100");
    }
    if config.retry.short_sessions == 0 {
        return fail("retry.short_sessions must not be 0");
    }
    if config.limits.operations == 0 || config.limits.outbox == 0 {
        return fail("limits.operations and limits.outbox must not be 0");
    }
    if config.reply_to.as_deref() == Some("") {
        return fail("reply_to must not be empty");
    }
    if config.limits.queue.messages == 0 {
        return fail("limits.queue.messages must not be 0");
    }
    #[cfg(feature = "spill")]
    if let Some(text) = spool_fault(config) {
        return fail(text);
    }
    for (name, _) in &config.connect_headers {
        if RESERVED.contains(&name.as_str()) {
            return fail("connect_headers may not hold a header that CONNECT has anyway");
        }
    }
    Ok(())
}

#[cfg(feature = "spill")]
fn spool_fault(config: &Config) -> Option<&'static str> {
    use super::Overflow;
    match &config.spool {
        None if config.limits.queue.overflow == Overflow::Spill => {
            Some("limits.queue.overflow is Spill, and there is no spool")
        }
        Some(spool) if matches!(spool.full, Overflow::Spill | Overflow::LatestBy(_)) => {
            Some("spool.full may be Pause, DropOldest, DropNewest or Fail")
        }
        Some(spool) if spool.messages == 0 => Some("spool.messages must not be 0"),
        Some(_) | None => None,
    }
}

/// The headers of CONNECT that have settings of their own.
const RESERVED: &[&str] = &[
    "accept-version",
    "host",
    "heart-beat",
    "login",
    "passcode",
    "content-length",
    "receipt",
];
