//! What the broker is doing now, as JSON.

use super::Engine;
use crate::engine::conn::{Conn, Phase};
use crate::engine::hub::{AckMode, Target};
use crate::script::Trigger;
use crate::transcript::plain_number;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Connections that the page shows.
pub(super) const SHOWN: usize = 200;
/// Subscriptions that are shown of one connection.
const SUBSCRIPTIONS: usize = 50;
/// Characters that are shown of a selector.
const SELECTOR: usize = 200;

fn ack(mode: AckMode) -> &'static str {
    match mode {
        AckMode::Auto => "auto",
        AckMode::Client => "client",
        AckMode::Individual => "client-individual",
    }
}

fn clip(text: &str) -> String {
    text.chars().take(SELECTOR).collect()
}

impl Engine {
    /// The broker, and so many of its connections, the newest first.
    pub(super) fn state(&self, most: usize) -> Value {
        let stomp = || {
            self.conns
                .iter()
                .filter(|(n, _)| plain_number(**n).is_none())
        };
        let shown: Vec<Value> = stomp()
            .rev()
            .take(most)
            .map(|(n, c)| self.of_conn(*n, c))
            .collect();
        let total = stomp().count();
        json!({
            "scenario": {
                "name": self.scenario.name,
                "seed": self.scenario.seed,
                "rules": self.rules.len(),
                "http": self.scenario.http.len(),
            },
            "now": self.now.as_secs_f64(),
            "proxy": self.proxy,
            "sessions": self.sessions.load(Ordering::Acquire),
            "connections": shown,
            "hidden": total - shown.len(),
            "plain": self.conns.len() - total,
            "entries": self.journal.next() - 1,
            "signals": self.signals(),
        })
    }

    fn of_conn(&self, number: u64, c: &Conn) -> Value {
        let phase = match c.phase {
            Phase::Tcp => "tcp",
            Phase::Upgrade => "upgrade",
            Phase::Plain => "http",
            Phase::Open if c.is_suspended() => "suspended",
            Phase::Open if c.session.is_some() => "connected",
            Phase::Open => "open",
            Phase::Over => "over",
        };
        let mut value = json!({
            "conn": number,
            "phase": phase,
            "since": c.since.as_secs_f64(),
            "frames_in": c.frames_in,
            "frames_out": c.frames_out,
            "bytes_out": c.bytes_out,
        });
        if let Some(peer) = c.peer {
            value["peer"] = json!(peer.to_string());
        }
        if let Some(state) = &c.state {
            value["state"] = json!(state);
        }
        if let Some(hole) = c.holes.direction() {
            value["blackhole"] = json!(format!("{hole:?}").to_lowercase());
        }
        let Some(session) = &c.session else {
            return value;
        };
        value["identity"] = json!(session.identity);
        value["version"] = json!(c.version.as_str());
        value["waiting"] = json!(session.waiting.len());
        let ms = |t: Option<Duration>| t.map_or(0, |t| t.as_millis());
        value["heart_beat"] = json!({
            "every_ms": u64::try_from(ms(c.beats.out)).unwrap_or(u64::MAX),
            "tolerance_ms": u64::try_from(ms(c.beats.tolerance)).unwrap_or(u64::MAX),
        });
        let subs: Vec<Value> = session
            .subs
            .iter()
            .take(SUBSCRIPTIONS)
            .filter_map(|(id, no)| {
                let sub = self.hub.subs.get(no)?;
                let (kind, destination) = match &sub.wish.target {
                    Target::Queue(name) => ("queue", name),
                    Target::Topic(name) => ("topic", name),
                };
                Some(json!({
                    "id": id,
                    "kind": kind,
                    "destination": destination,
                    "ack": ack(sub.wish.ack),
                    "selector": sub.wish.selector.as_ref().map(|s| clip(&s.to_string())),
                    "unacked": sub.unacked.len(),
                    "queued": sub.queued(),
                }))
            })
            .collect();
        value["subscriptions"] = json!(subs);
        value["hidden"] = json!(session.subs.len() - subs.len());
        value
    }

    /// The signals that rules wait for.
    fn signals(&self) -> BTreeSet<&str> {
        let parts = self.rules.iter().flat_map(|r| r.trigger.parts());
        parts
            .filter_map(|part| match part {
                Trigger::Signal(name) => Some(name.as_str()),
                Trigger::Stage(_)
                | Trigger::Recv(_)
                | Trigger::Send(_)
                | Trigger::After { .. }
                | Trigger::Every { .. }
                | Trigger::FramesIn(_)
                | Trigger::FramesOut(_)
                | Trigger::BytesOut(_)
                | Trigger::TokenExpired
                | Trigger::Overlap
                | Trigger::Idle(_)
                | Trigger::BeatDue
                | Trigger::Mark(_)
                | Trigger::All(_) => None,
            })
            .collect()
    }
}
