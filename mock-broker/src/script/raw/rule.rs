//! Rules and triggers.

use super::Unsupported;
use super::words::{Pairs, Text, unknown};
use crate::script::action::Action;
use crate::script::rule::{Conns, Rule};
use crate::script::trigger::{FrameTrigger, Origin, Stage, Trigger, on};
use crate::script::units::{Size, Span};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Option<String>,
    conn: Option<Conns>,
    on: Trigger,
    times: Option<Times>,
    p: Option<f64>,
    #[serde(rename = "do")]
    actions: Vec<Action>,
    state: Option<Unsupported>,
    goto: Option<Unsupported>,
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
        let _unsupported = (raw.state, raw.goto);
        let rule = Self {
            id: raw.id,
            conns: raw.conn.unwrap_or(Conns::Any),
            trigger: raw.on,
            times: raw.times.and_then(|t| t.0),
            p: raw.p.unwrap_or(1.0),
            actions: raw.actions,
        };
        if !(0.0..=1.0).contains(&rule.p) {
            return Err(D::Error::custom("`p` is a probability from 0 to 1"));
        }
        crate::script::parse::check(&rule).map_err(D::Error::custom)?;
        Ok(rule)
    }
}

const STAGES: [(&str, Trigger); 8] = [
    ("tcp", Trigger::Stage(Stage::Tcp)),
    ("upgrade", Trigger::Stage(Stage::Upgrade)),
    ("open", Trigger::Stage(Stage::Open)),
    ("connected", Trigger::Stage(Stage::Connected)),
    ("disconnect", Trigger::Stage(Stage::Disconnect)),
    ("closed", Trigger::Stage(Stage::Closed)),
    ("token-expired", Trigger::TokenExpired),
    ("overlap", Trigger::Overlap),
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
        let found = STAGES.iter().find(|(w, _)| *w == text);
        found
            .map(|(_, t)| t.clone())
            .ok_or_else(|| E::custom(unknown("trigger", text, STAGES.iter().map(|(w, _)| *w))))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Trigger, A::Error> {
        RawTrigger::deserialize(MapAccessDeserializer::new(map))?
            .build()
            .map_err(A::Error::custom)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTrigger {
    recv: Option<String>,
    send: Option<String>,
    nth: Option<u64>,
    every: Option<Period>,
    #[serde(rename = "match", default)]
    headers: Pairs,
    after: Option<Span>,
    of: Option<Origin>,
    frames_in: Option<u64>,
    frames_out: Option<u64>,
    bytes_out: Option<Size>,
    signal: Option<String>,
    mark: Option<String>,
    idle: Option<Unsupported>,
}

/// `every` counts frames beside `recv` and `send`, and is a duration alone.
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
    fn build(self) -> Result<Trigger, String> {
        let _unsupported = self.idle;
        let frame = match (self.recv, self.send) {
            (Some(_), Some(_)) => return Err("`recv` and `send` exclude each other".to_owned()),
            (Some(command), None) => Some(on::recv(&command)),
            (None, Some(command)) => Some(on::sending(&command)),
            (None, None) => None,
        };
        let mut found: Vec<Trigger> = Vec::new();
        if let Some(mut frame) = frame {
            if self.of.is_some() {
                return Err("`of` has no meaning beside a frame".to_owned());
            }
            if let Some(n) = self.nth {
                frame = frame.nth(n);
            }
            match self.every {
                Some(Period::Count(n)) => frame = frame.every(n),
                Some(Period::Span(_)) => {
                    return Err("beside a frame `every` is a number".to_owned());
                }
                None => {}
            }
            for (name, pattern) in &self.headers.0 {
                frame = frame.matching(name, pattern);
            }
            if let Some(span) = self.after {
                frame = frame.after(span.min);
            }
            found.push(FrameTrigger::into(frame));
        } else {
            if self.nth.is_some() || !self.headers.0.is_empty() {
                return Err("`nth` and `match` need `recv` or `send`".to_owned());
            }
            match self.every {
                Some(Period::Span(span)) if span.min.is_zero() => {
                    return Err("`every` must be longer than nothing".to_owned());
                }
                Some(Period::Span(span)) => found.push(Trigger::Every(span)),
                Some(Period::Count(_)) => {
                    return Err("`every` alone is a duration such as \"1s\"".to_owned());
                }
                None => {}
            }
            match (self.after, self.of) {
                (Some(span), of) => {
                    found.push(Trigger::After {
                        span,
                        of: of.unwrap_or(Origin::Connected),
                    });
                }
                (None, Some(_)) => return Err("`of` needs `after`".to_owned()),
                (None, None) => {}
            }
        }
        found.extend(self.frames_in.map(Trigger::FramesIn));
        found.extend(self.frames_out.map(Trigger::FramesOut));
        found.extend(self.bytes_out.map(|s| Trigger::BytesOut(s.max as u64)));
        found.extend(self.signal.map(Trigger::Signal));
        found.extend(self.mark.map(Trigger::Mark));
        match (found.pop(), found.is_empty()) {
            (Some(trigger), true) => Ok(trigger),
            (Some(_), false) => Err("these triggers cannot be combined yet".to_owned()),
            (None, _) => Err("the trigger is empty".to_owned()),
        }
    }
}
