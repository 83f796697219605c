//! Rules and triggers.

use super::words::{Pairs, Text, Yes, unknown};
use crate::script::action::Action;
use crate::script::rule::{Conns, Rule};
use crate::script::trigger::{Origin, Stage, Trigger, on};
use crate::script::units::{Size, Span};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    /// For readers only.
    #[serde(rename = "about")]
    _about: Option<String>,
    id: Option<String>,
    conn: Option<Conns>,
    on: Trigger,
    times: Option<Times>,
    p: Option<f64>,
    #[serde(rename = "do")]
    actions: Vec<Action>,
    state: Option<String>,
    goto: Option<String>,
}

struct Times(Option<u64>);

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(d)?;
        match text.as_str() {
            "inf" => Ok(Self(None)),
            other => match other.parse() {
                Ok(n) => Ok(Self(Some(n))),
                Err(_) => Err(D::Error::custom(format!(
                    "`{text}` is neither a number nor \"inf\""
                ))),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = RawRule::deserialize(d)?;
        let rule = Self {
            id: raw.id,
            conns: raw.conn.unwrap_or(Conns::Any),
            state: raw.state,
            trigger: raw.on,
            times: raw.times.and_then(|t| t.0),
            p: raw.p.unwrap_or(1.0),
            actions: raw.actions,
            goto: raw.goto,
        };
        if !(0.0..=1.0).contains(&rule.p) {
            return Err(D::Error::custom("`p` is a probability from 0 to 1"));
        }
        crate::script::parse::check(&rule).map_err(D::Error::custom)?;
        Ok(rule)
    }
}

/// The triggers that are said in one word.
pub(in crate::script) const BARE: [(&str, Trigger); 9] = [
    ("tcp", Trigger::Stage(Stage::Tcp)),
    ("upgrade", Trigger::Stage(Stage::Upgrade)),
    ("open", Trigger::Stage(Stage::Open)),
    ("connected", Trigger::Stage(Stage::Connected)),
    ("disconnect", Trigger::Stage(Stage::Disconnect)),
    ("closed", Trigger::Stage(Stage::Closed)),
    ("token-expired", Trigger::TokenExpired),
    ("overlap", Trigger::Overlap),
    ("hb-due", Trigger::BeatDue),
];

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(TriggerVisitor)
    }
}

struct TriggerVisitor;

impl<'de> Visitor<'de> for TriggerVisitor {
    type Value = Trigger;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a trigger: a word such as \"connected\" or an object such as {\"recv\":\"SEND\"}",
        )
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Trigger, E> {
        let found = BARE.iter().find(|(w, _)| *w == text);
        found
            .map(|(_, t)| t.clone())
            .ok_or_else(|| E::custom(unknown("trigger", text, BARE.iter().map(|(w, _)| *w))))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Trigger, A::Error> {
        RawTrigger::deserialize(MapAccessDeserializer::new(map))?
            .build()
            .map_err(A::Error::custom)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawTrigger {
    recv: Option<String>,
    send: Option<String>,
    nth: Option<u64>,
    every: Option<Period>,
    #[serde(rename = "match", default)]
    headers: Pairs,
    after: Option<Span>,
    of: Option<Origin>,
    #[serde(rename = "frames_in")]
    frames_in: Option<u64>,
    #[serde(rename = "frames_out")]
    frames_out: Option<u64>,
    #[serde(rename = "bytes_out")]
    bytes_out: Option<Size>,
    signal: Option<String>,
    mark: Option<String>,
    idle: Option<Span>,
    tcp: Option<Yes>,
    upgrade: Option<Yes>,
    open: Option<Yes>,
    connected: Option<Yes>,
    disconnect: Option<Yes>,
    closed: Option<Yes>,
    token_expired: Option<Yes>,
    overlap: Option<Yes>,
    hb_due: Option<Yes>,
}

/// `every` counts frames beside `recv` and `send`, and is a duration alone.
#[derive(Clone, Copy)]
enum Period {
    Count(u64),
    Span(Span),
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(d)?;
        if let Ok(n) = text.parse() {
            return Ok(Self::Count(n));
        }
        Span::parse(&text).map(Self::Span).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is neither a number nor a duration such as \"1s\""
            ))
        })
    }
}

impl RawTrigger {
    fn build(mut self) -> Result<Trigger, String> {
        let mut found: Vec<Trigger> = Vec::new();
        let period = self.every.take();
        let framed = self.recv.is_some() || self.send.is_some();
        if !framed && (self.nth.is_some() || !self.headers.0.is_empty()) {
            return Err("`nth` and `match` need `recv` or `send`".to_owned());
        }
        let mut frame = match (&self.recv, &self.send) {
            (Some(_), Some(_)) => return Err("`recv` and `send` exclude each other".to_owned()),
            (Some(command), None) => Some(on::recv(command)),
            (None, Some(command)) => Some(on::sending(command)),
            (None, None) => None,
        };
        if let Some(n) = self.nth {
            frame = frame.map(|f| f.nth(n));
        }
        match period {
            Some(Period::Count(0)) => return Err("`every` is at least 1".to_owned()),
            Some(Period::Count(n)) if framed => frame = frame.map(|f| f.every(n)),
            Some(Period::Count(_)) => {
                return Err("`every` alone is a duration such as \"1s\"".to_owned());
            }
            Some(Period::Span(_)) if framed => {
                return Err("beside a frame `every` is a number".to_owned());
            }
            Some(Period::Span(span)) if span.min.is_zero() => {
                return Err("`every` must be longer than nothing".to_owned());
            }
            Some(Period::Span(_)) | None => {}
        }
        if self.nth == Some(0) {
            return Err("`nth` counts from 1".to_owned());
        }
        if let Some(mut frame) = frame {
            for (name, pattern) in &self.headers.0 {
                frame = frame.matching(name, pattern);
            }
            found.push(frame.into());
        }
        self.spans(period, framed, &mut found)?;
        self.simple(&mut found);
        if found.iter().filter(|t| t.is_event()).count() > 1 {
            return Err(
                "two events never happen together; write a rule for each, or join them by a mark"
                    .to_owned(),
            );
        }
        match (found.pop(), found.is_empty()) {
            (Some(trigger), true) => Ok(trigger),
            (Some(last), false) => {
                found.push(last);
                Ok(Trigger::All(found))
            }
            (None, _) => Err("the trigger is empty".to_owned()),
        }
    }

    /// `after`, `every` and what they count from.
    fn spans(
        &mut self,
        period: Option<Period>,
        framed: bool,
        found: &mut Vec<Trigger>,
    ) -> Result<(), String> {
        let every = match period {
            Some(Period::Span(span)) if !framed => Some(span),
            Some(Period::Span(_) | Period::Count(_)) | None => None,
        };
        let of = self.of.take();
        if of.is_some() && (every.is_some() == self.after.is_some()) {
            return Err("`of` needs either `after` or a duration of `every`".to_owned());
        }
        let of = of.unwrap_or(Origin::Connected);
        let (one, two) = (of.clone(), of);
        found.extend(every.map(|span| Trigger::Every { span, of: one }));
        found.extend(self.after.map(|span| Trigger::After { span, of: two }));
        Ok(())
    }

    /// The triggers without modifiers.
    fn simple(self, found: &mut Vec<Trigger>) {
        let words = [
            ("tcp", self.tcp),
            ("upgrade", self.upgrade),
            ("open", self.open),
            ("connected", self.connected),
            ("disconnect", self.disconnect),
            ("closed", self.closed),
            ("token-expired", self.token_expired),
            ("overlap", self.overlap),
            ("hb-due", self.hb_due),
        ];
        for (word, _) in words.iter().filter(|(_, there)| there.is_some()) {
            let bare = BARE.iter().find(|(w, _)| w == word);
            found.extend(bare.map(|(_, t)| t.clone()));
        }
        found.extend(self.frames_in.map(Trigger::FramesIn));
        found.extend(self.frames_out.map(Trigger::FramesOut));
        found.extend(self.bytes_out.map(|s| Trigger::BytesOut(s.max as u64)));
        found.extend(self.idle.map(Trigger::Idle));
        found.extend(self.signal.map(Trigger::Signal));
        found.extend(self.mark.map(Trigger::Mark));
    }
}
