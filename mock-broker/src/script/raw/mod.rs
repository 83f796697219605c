//! Scenario files as serde sees them: every key is known, and a wrong one is
//! told with its place.

mod action;
mod expect;
mod http;
mod parts;
mod rule;
mod words;

use super::HttpRule;
use super::expect::Assertion;
use super::rule::Rule;
use super::units::Size;
use super::{Auth, Bearer, Bounds, CodePlace, Forbidden, OnExpiry};
use crate::dialect::Dialect;
use crate::wire::{Limits, Version};
use std::collections::BTreeMap;
use std::time::Duration;
pub(super) use words::ReceiptWord;
use words::{BeatPair, Fixed};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawScenario {
    /// For editors only.
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    /// The catalogue says that it is 1.
    #[serde(rename = "v")]
    _v: Option<u32>,
    pub(super) name: Option<String>,
    pub(super) about: Option<String>,
    pub(super) seed: Option<u64>,
    #[serde(default)]
    pub(super) broker: RawBroker,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    #[serde(default)]
    pub(super) http: Vec<HttpRule>,
    #[serde(default)]
    pub(super) expect: Vec<Assertion>,
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawBroker {
    pub(super) dialect: Option<Dialect>,
    pub(super) websockify: bool,
    pub(super) error_codes: Option<Vec<CodePlace>>,
    pub(super) forbidden: RawForbidden,
    pub(super) versions: Option<Vec<Version>>,
    pub(super) heart_beat: Option<BeatPair>,
    pub(super) subprotocols: Vec<String>,
    pub(super) path: Option<String>,
    pub(super) auth: RawAuth,
    pub(super) single_session: Option<bool>,
    pub(super) on_expiry: Option<OnExpiry>,
    pub(super) suspend_grace: Option<Fixed>,
    pub(super) receipt_headers: Option<Vec<ReceiptWord>>,
    pub(super) require_host: Option<bool>,
    pub(super) max_deliveries: Option<u32>,
    pub(super) limits: RawLimits,
    pub(super) bounds: RawBounds,
    pub(super) tls: bool,
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAuth {
    pub(super) basic: BTreeMap<String, String>,
    pub(super) bearer: Option<RawBearer>,
    pub(super) oauth: Option<http::RawOAuth>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawBearer {
    ttl: Fixed,
    header: Option<String>,
    #[serde(default)]
    issued_only: bool,
    leeway: Option<Fixed>,
}

impl From<RawBearer> for Bearer {
    fn from(raw: RawBearer) -> Self {
        Self {
            ttl: raw.ttl.0,
            header: raw.header,
            issued_only: raw.issued_only,
            leeway: raw.leeway.map_or(Duration::ZERO, |l| l.0),
        }
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    headers: Option<usize>,
    line: Option<Size>,
    head: Option<Size>,
    body: Option<Size>,
}

impl RawLimits {
    pub(super) fn apply(&self, to: &mut Limits) {
        put(&mut to.headers, self.headers);
        put(&mut to.line, self.line.map(|s| s.max));
        put(&mut to.head, self.head.map(|s| s.max));
        put(&mut to.body, self.body.map(|s| s.max));
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawBounds {
    out: Option<Size>,
    queue: Option<usize>,
    queue_octets: Option<Size>,
    queues: Option<usize>,
    subscriptions: Option<usize>,
    unacked_octets: Option<Size>,
    held: Option<usize>,
    unacked: Option<usize>,
    transaction: Option<usize>,
    transcript: Option<usize>,
    transcript_octets: Option<Size>,
    handshake: Option<Fixed>,
}

impl RawBounds {
    pub(super) fn apply(&self, to: &mut Bounds) {
        put(&mut to.out, self.out.map(|s| s.max));
        put(&mut to.queue, self.queue);
        put(&mut to.queue_octets, self.queue_octets.map(|s| s.max));
        put(&mut to.queues, self.queues);
        put(&mut to.subscriptions, self.subscriptions);
        put(&mut to.unacked_octets, self.unacked_octets.map(|s| s.max));
        put(&mut to.held, self.held);
        put(&mut to.unacked, self.unacked);
        put(&mut to.transaction, self.transaction);
        put(&mut to.transcript, self.transcript);
        put(
            &mut to.transcript_octets,
            self.transcript_octets.map(|s| s.max),
        );
        put(&mut to.handshake, self.handshake.as_ref().map(|h| h.0));
    }
}

impl RawAuth {
    /// A token endpoint is there to be used: unless the file says otherwise,
    /// only issued tokens are accepted beside it.
    pub(super) fn build(self) -> Auth {
        let issued = self.oauth.is_some().then(Bearer::issued);
        Auth {
            basic: self.basic,
            bearer: self.bearer.map(Into::into).or(issued),
            oauth: self.oauth.map(Into::into).unwrap_or_default(),
        }
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawForbidden {
    send: Vec<String>,
    subscribe: Vec<String>,
}

impl RawForbidden {
    pub(super) fn build(self) -> Forbidden {
        Forbidden {
            send: self.send,
            subscribe: self.subscribe,
        }
    }
}

fn put<T>(to: &mut T, from: Option<T>) {
    if let Some(value) = from {
        *to = value;
    }
}
