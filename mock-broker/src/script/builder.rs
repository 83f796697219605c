//! A scenario in Rust, word by word.

use super::{
    Assertion, Bearer, Bounds, CodePlace, HttpRule, OAuthClient, OnExpiry, Rule, Scenario,
};
use crate::dialect::Dialect;
use crate::wire::{Limits, Version};
use std::time::Duration;

/// Puts a [`Scenario`] together.
#[derive(Clone, Debug, Default)]
pub struct Builder(Scenario);

impl Builder {
    /// A name for reports.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.0.name = name.to_owned();
        self
    }

    /// What it is there for, for readers.
    #[must_use]
    pub fn about(mut self, words: &str) -> Self {
        self.0.about = words.to_owned();
        self
    }

    /// The seed of everything random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }

    /// Acts like this broker. It changes the default of `receipt_id_header`,
    /// `require_host`, `on_expiry`, `single_session` and `error_codes`, so it
    /// comes first.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        let scenario = &mut self.0;
        scenario.receipt_id_header = dialect.receipt_id_header;
        scenario.require_host = dialect.host_required;
        scenario.on_expiry = dialect.on_expiry;
        scenario.single_session = dialect.single_session;
        scenario.error_codes = if dialect.error_codes {
            vec![CodePlace::Message, CodePlace::Code]
        } else {
            Vec::new()
        };
        scenario.dialect = dialect;
        self
    }

    /// Where an ERROR says its code.
    #[must_use]
    pub fn error_codes(mut self, places: &[CodePlace]) -> Self {
        self.0.error_codes = places.to_vec();
        self
    }

    /// Nobody may send there; `*` stands for any text.
    #[must_use]
    pub fn forbid_send(mut self, pattern: &str) -> Self {
        self.0.forbidden.send.push(pattern.to_owned());
        self
    }

    /// Nobody may subscribe there; `*` stands for any text.
    #[must_use]
    pub fn forbid_subscribe(mut self, pattern: &str) -> Self {
        self.0.forbidden.subscribe.push(pattern.to_owned());
        self
    }

    /// What the broker can send and wants, in milliseconds; 0 is never.
    #[must_use]
    pub fn heart_beat(mut self, send: u64, want: u64) -> Self {
        self.0.heart_beat = (send, want);
        self
    }

    /// The accepted versions; words that are no version are left out.
    #[must_use]
    pub fn versions(mut self, versions: &[&str]) -> Self {
        self.0.versions = versions.iter().filter_map(|v| Version::parse(v)).collect();
        self
    }

    /// Subprotocols that are preferred to the standard ones.
    #[must_use]
    pub fn subprotocols(mut self, names: &[&str]) -> Self {
        self.0.subprotocols = names.iter().map(|&n| n.to_owned()).collect();
        self
    }

    /// The only path that is upgraded.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.0.path = Some(path.to_owned());
        self
    }

    /// TLS is spoken.
    #[must_use]
    pub fn tls(mut self, on: bool) -> Self {
        self.0.tls = on;
        self
    }

    /// One more user with a passcode.
    #[must_use]
    pub fn auth_basic(mut self, user: &str, passcode: &str) -> Self {
        self.0
            .auth
            .basic
            .insert(user.to_owned(), passcode.to_owned());
        self
    }

    /// Tokens are asked for; one that was not issued lives `ttl` from when it
    /// is first seen.
    #[must_use]
    pub fn auth_bearer(self, ttl: Duration) -> Self {
        self.bearer(Bearer {
            ttl,
            header: None,
            issued_only: false,
            leeway: Duration::ZERO,
        })
    }

    /// Tokens are asked for, in all detail.
    #[must_use]
    pub fn bearer(mut self, bearer: Bearer) -> Self {
        self.0.auth.bearer = Some(bearer);
        self
    }

    /// Where the token endpoint is.
    #[must_use]
    pub fn oauth_path(mut self, path: &str) -> Self {
        self.0.auth.oauth.path = path.to_owned();
        self
    }

    /// One more client of the token endpoint. Unless something else was said
    /// before, only tokens that were issued are then accepted.
    #[must_use]
    pub fn oauth_client(mut self, client: OAuthClient) -> Self {
        let auth = &mut self.0.auth;
        auth.bearer.get_or_insert_with(Bearer::issued);
        auth.oauth.clients.push(client);
        self
    }

    /// One live session per identity.
    #[must_use]
    pub fn single_session(mut self, yes: bool) -> Self {
        self.0.single_session = yes;
        self
    }

    /// What becomes of a live session whose token ends.
    #[must_use]
    pub fn on_expiry(mut self, what: OnExpiry) -> Self {
        self.0.on_expiry = what;
        self
    }

    /// For so long after the suspension, frames are still processed.
    #[must_use]
    pub fn suspend_grace(mut self, grace: Duration) -> Self {
        self.0.suspend_grace = grace;
        self
    }

    /// `receipt-id` is accepted beside `receipt` on client frames.
    #[must_use]
    pub fn receipt_id_header(mut self, yes: bool) -> Self {
        self.0.receipt_id_header = yes;
        self
    }

    /// Whether CONNECT must carry `host`.
    #[must_use]
    pub fn require_host(mut self, yes: bool) -> Self {
        self.0.require_host = yes;
        self
    }

    /// Deliveries of a message before a NACK sends it to `/queue/DLQ`.
    #[must_use]
    pub fn max_deliveries(mut self, n: u32) -> Self {
        self.0.max_deliveries = n;
        self
    }

    /// Bounds on received frames.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// Changes the bounds on what the broker keeps.
    #[must_use]
    pub fn bounds(mut self, change: impl FnOnce(&mut Bounds)) -> Self {
        change(&mut self.0.bounds);
        self
    }

    /// One more rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.0.rules.push(rule);
        self
    }

    /// One more assertion.
    #[must_use]
    pub fn expect(mut self, assertion: Assertion) -> Self {
        self.0.expect.push(assertion);
        self
    }

    /// One more rule for plain HTTP.
    #[must_use]
    pub fn http(mut self, rule: HttpRule) -> Self {
        self.0.http.push(rule);
        self
    }

    /// The scenario.
    pub fn build(self) -> Scenario {
        self.0
    }
}
