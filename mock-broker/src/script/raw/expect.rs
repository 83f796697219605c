//! Assertions as serde sees them.

use super::words::{Fixed, Pairs, Text, unknown};
use crate::script::expect::{Assertion, Claim};
use crate::script::rule::Conns;
use crate::script::sight::{ConnOf, Seen, Sight, seen};
use crate::script::units::Span;
use crate::transcript::{HOW_WORDS, Note};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::time::Duration;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAssertion {
    /// For readers only.
    #[serde(rename = "about")]
    _about: Option<String>,
    id: Option<String>,
    expect: Option<Seen>,
    never: Option<Seen>,
    count: Option<Seen>,
    gap: Option<Seen>,
    order: Option<Vec<Seen>>,
    conn: Option<ConnOf>,
    after: Option<Moment>,
    before: Option<Moment>,
    within: Option<Fixed>,
    #[serde(rename = "in")]
    span: Option<Fixed>,
    min: Option<Bound>,
    max: Option<Bound>,
    #[serde(default)]
    optional: bool,
    why: Option<String>,
}

impl<'de> Deserialize<'de> for Assertion {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let assertion = RawAssertion::deserialize(d)?
            .build()
            .map_err(D::Error::custom)?;
        assertion.check().map_err(D::Error::custom)?;
        Ok(assertion)
    }
}

impl RawAssertion {
    fn build(self) -> Result<Assertion, String> {
        let (min, max) = (self.min, self.max);
        let mut claims: Vec<Claim> = Vec::new();
        claims.extend(self.expect.map(Claim::Expect));
        claims.extend(self.never.map(Claim::Never));
        if let Some(seen) = self.count {
            claims.push(Claim::Count {
                seen,
                min: min.as_ref().map(Bound::number).transpose()?,
                max: max.as_ref().map(Bound::number).transpose()?,
                span: self.span.as_ref().map(|s| s.0),
            });
        }
        if let Some(seen) = self.gap {
            claims.push(Claim::Gap {
                seen,
                min: min.as_ref().map(Bound::duration).transpose()?,
                max: max.as_ref().map(Bound::duration).transpose()?,
            });
        }
        claims.extend(self.order.map(Claim::Order));
        let mut claim = match (claims.pop(), claims.is_empty()) {
            (Some(claim), true) => claim,
            (Some(_), false) => {
                return Err(
                    "an assertion is one of `expect`, `never`, `count`, `gap` and `order`"
                        .to_owned(),
                );
            }
            (None, _) => {
                return Err(
                    "an assertion needs `expect`, `never`, `count`, `gap` or `order`".to_owned(),
                );
            }
        };
        let word = claim.word();
        if !matches!(claim, Claim::Count { .. }) && self.span.is_some() {
            return Err(format!("`in` belongs to `count`; `{word}` has `within`"));
        }
        if !matches!(claim, Claim::Count { .. } | Claim::Gap { .. }) && min.or(max).is_some() {
            return Err(format!("`min` and `max` have no meaning in `{word}`"));
        }
        match (&mut claim, self.conn) {
            (_, None) => {}
            (Claim::Order(list), Some(conn)) => {
                let unbound = |s: &&mut Seen| s.conn == ConnOf::Of(Conns::Any);
                for seen in list.iter_mut().filter(unbound) {
                    seen.conn = conn.clone();
                }
            }
            (Claim::Expect(_) | Claim::Never(_) | Claim::Count { .. } | Claim::Gap { .. }, _) => {
                return Err(format!("`conn` belongs into the object of `{word}`"));
            }
        }
        Ok(Assertion {
            id: self.id,
            after: self.after.map(|m| m.0),
            before: self.before.map(|m| m.0),
            within: self.within.map(|w| w.0),
            optional: self.optional,
            why: self.why,
            ..Assertion::new(claim)
        })
    }
}

/// `min` and `max` are numbers in `count` and durations in `gap`.
struct Bound(String);

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Text::deserialize(d).map(|t| Self(t.0))
    }
}

impl Bound {
    fn number(&self) -> Result<u64, String> {
        self.0
            .parse()
            .map_err(|_| format!("`{}` is not a number: `count` counts", self.0))
    }

    fn duration(&self) -> Result<Duration, String> {
        Span::parse(&self.0)
            .filter(|s| s.min == s.max)
            .map(|s| s.min)
            .ok_or_else(|| format!("`{}` is not a duration such as \"500ms\"", self.0))
    }
}

impl<'de> Deserialize<'de> for ConnOf {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(d)?;
        match text.as_str() {
            "next" => Ok(Self::Next),
            "same" => Ok(Self::Same),
            _ => Conns::parse(&text).map(Self::Of).ok_or_else(|| {
                D::Error::custom(format!(
                    "`{text}` is not a choice of connections such as 1, \"2+\", \"1..3\", \"odd\", \"any\", \"next\" or \"same\""
                ))
            }),
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeen {
    conn: Option<ConnOf>,
    upgrade: Option<String>,
    open: Option<String>,
    http: Option<Text>,
    recv: Option<String>,
    send: Option<String>,
    beat: Option<String>,
    ping: Option<String>,
    pong: Option<String>,
    closed: Option<Text>,
    note: Option<String>,
    mark: Option<String>,
    signal: Option<String>,
    fault: Option<String>,
    log: Option<String>,
    #[serde(rename = "match", default)]
    headers: Pairs,
    body: Option<String>,
    nth: Option<u64>,
}

impl RawSeen {
    fn build(self) -> Result<Seen, String> {
        let named = [
            self.upgrade.map(|p| seen::upgrade(&p)),
            self.open.map(|p| seen::open(&p)),
            self.http.map(|p| seen::http(&p.0)),
            self.recv.map(|p| seen::recv(&p)),
            self.send.map(|p| seen::sent(&p)),
            self.beat.map(|way| Seen {
                pattern: way,
                ..seen::beat_in()
            }),
            self.ping.map(|p| seen::ping(&p)),
            self.pong.map(|p| seen::pong(&p)),
            self.closed.map(|p| seen::closed(&p.0)),
            self.note.map(|p| seen::note(&p)),
            self.mark.map(|p| seen::mark(&p)),
            self.signal.map(|p| seen::signal(&p)),
            self.fault.map(|p| seen::fault(&p)),
            self.log.map(|p| seen::log(&p)),
        ];
        let mut named: Vec<Seen> = named.into_iter().flatten().collect();
        let mut found = match (named.pop(), named.is_empty(), &self.conn) {
            (Some(found), true, _) => found,
            (Some(_), false, _) => return Err("one thing is seen at a time".to_owned()),
            (None, _, Some(_)) => seen::tcp(),
            (None, _, None) => {
                return Err("there is nothing to be seen: `recv`, `send`, `note`, `closed`, .. or at least `conn`".to_owned());
            }
        };
        let framed = matches!(found.sight, Sight::Recv | Sight::Send);
        if !framed && self.body.is_some() {
            return Err("`body` needs `recv` or `send`".to_owned());
        }
        if !framed && found.sight != Sight::Upgrade && !self.headers.0.is_empty() {
            return Err("`match` needs `recv`, `send` or `upgrade`".to_owned());
        }
        known(found.sight, &found.pattern)?;
        found.conn = self.conn.unwrap_or(found.conn);
        found.headers = self.headers.0;
        found.body = self.body;
        found.nth = self.nth;
        Ok(found)
    }
}

/// A misspelt word would never be seen, and `never` always hold.
fn known(sight: Sight, pattern: &str) -> Result<(), String> {
    let (what, words): (&str, &[&str]) = match sight {
        Sight::Note => ("note", Note::WORDS),
        Sight::Closed if pattern.parse::<u16>().is_err() => ("way to end", HOW_WORDS),
        Sight::Beat => ("way of a beat", &["in", "out"]),
        Sight::Closed
        | Sight::Tcp
        | Sight::Upgrade
        | Sight::Open
        | Sight::Http
        | Sight::Recv
        | Sight::Send
        | Sight::Ping
        | Sight::Pong
        | Sight::Mark
        | Sight::Signal
        | Sight::Fault
        | Sight::Log => return Ok(()),
    };
    if pattern.contains(['*', '?']) || words.contains(&pattern) {
        return Ok(());
    }
    Err(unknown(what, pattern, words.iter().copied()))
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(SeenVisitor(seen::recv))
    }
}

/// Where a bare word is a mark.
struct Moment(Seen);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(SeenVisitor(seen::mark)).map(Self)
    }
}

/// An object, or a bare word and what it stands for.
struct SeenVisitor(fn(&str) -> Seen);

impl<'de> Visitor<'de> for SeenVisitor {
    type Value = Seen;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word or an object such as {\"conn\":1,\"recv\":\"SEND\"}")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Seen, E> {
        Ok((self.0)(text))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Seen, A::Error> {
        RawSeen::deserialize(MapAccessDeserializer::new(map))?
            .build()
            .map_err(A::Error::custom)
    }
}
