//! Scenario files as serde sees them: every key is known, and a wrong one is
//! told with its place.

use super::action::{
    Action, BeatAction, Between, Corrupt, Direction, ErrorAction, Kind, Order, RawAs, Shape,
    ShapeAction, Storm,
};
use super::rule::{Conns, FrameTrigger, Origin, Rule, Stage, Trigger, on};
use super::units::{Cut, Size, Span, nearest};
use super::{Bearer, Bounds, OnExpiry};
use crate::http::Response;
use crate::wire::{Frame, Limits, Version};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawScenario {
    pub(super) v: Option<u32>,
    pub(super) name: Option<String>,
    pub(super) seed: Option<u64>,
    #[serde(default)]
    pub(super) broker: RawBroker,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    pub(super) http: Option<Unsupported>,
    pub(super) expect: Option<Unsupported>,
}

/// A key that is part of the vocabulary but does nothing yet: an error that
/// says so is better than a silence.
#[derive(Clone, Copy)]
pub(super) struct Unsupported;

impl<'de> Deserialize<'de> for Unsupported {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("this key is not supported yet"))
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawBroker {
    pub(super) versions: Option<Vec<Version>>,
    pub(super) heart_beat: Option<BeatPair>,
    pub(super) subprotocols: Vec<String>,
    pub(super) path: Option<String>,
    pub(super) auth: RawAuth,
    pub(super) single_session: bool,
    pub(super) on_expiry: Option<OnExpiry>,
    pub(super) suspend_grace: Option<Fixed>,
    pub(super) receipt_headers: Option<Vec<ReceiptWord>>,
    pub(super) require_host: Option<bool>,
    pub(super) max_deliveries: Option<u32>,
    pub(super) limits: RawLimits,
    pub(super) bounds: RawBounds,
    pub(super) tls: Option<Unsupported>,
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAuth {
    pub(super) basic: BTreeMap<String, String>,
    pub(super) bearer: Option<RawBearer>,
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
    held: Option<usize>,
    unacked: Option<usize>,
    transaction: Option<usize>,
    transcript: Option<usize>,
    transcript_octets: Option<Size>,
}

impl RawBounds {
    pub(super) fn apply(&self, to: &mut Bounds) {
        put(&mut to.out, self.out.map(|s| s.max));
        put(&mut to.queue, self.queue);
        put(&mut to.held, self.held);
        put(&mut to.unacked, self.unacked);
        put(&mut to.transaction, self.transaction);
        put(&mut to.transcript, self.transcript);
        put(
            &mut to.transcript_octets,
            self.transcript_octets.map(|s| s.max),
        );
    }
}

fn put<T>(to: &mut T, from: Option<T>) {
    if let Some(value) = from {
        *to = value;
    }
}

/// Reads a string and turns it into something, or says what was expected.
fn word<'de, D: Deserializer<'de>, T>(
    d: D,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(d)?;
    read(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not {expected}")))
}

/// Reads one of a few words.
fn choice<'de, D: Deserializer<'de>, T: Clone>(
    d: D,
    what: &str,
    words: &[(&str, T)],
) -> Result<T, D::Error> {
    let text = String::deserialize(d)?;
    match words.iter().find(|(w, _)| *w == text) {
        Some((_, value)) => Ok(value.clone()),
        None => Err(D::Error::custom(unknown(
            what,
            &text,
            words.iter().map(|(w, _)| *w),
        ))),
    }
}

fn unknown<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all = known
        .clone()
        .map(|k| format!("`{k}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match nearest(word, known) {
        Some(near) => format!("unknown {what} `{word}`, did you mean `{near}`?"),
        None => format!("unknown {what} `{word}`, expected one of {all}"),
    }
}

macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $value:expr),+ $(,)?) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                choice(d, $what, &[$(($word, $value)),+])
            }
        }
    };
}

words!(Version, "version", "1.0" => Version::V1_0, "1.1" => Version::V1_1, "1.2" => Version::V1_2);
words!(
    OnExpiry, "way to end a token",
    "suspend" => OnExpiry::Suspend,
    "error-close" => OnExpiry::ErrorClose,
    "none" => OnExpiry::Nothing,
);
words!(
    Origin, "origin",
    "connected" => Origin::Connected,
    "open" => Origin::Open,
    "tcp" => Origin::Tcp,
    "start" => Origin::Start,
);
words!(
    Direction, "direction",
    "both" => Direction::Both,
    "in" => Direction::In,
    "out" => Direction::Out,
);
words!(
    Between, "thing between fragments",
    "between" => Between::Ping,
);
words!(
    Kind, "message type",
    "text" => Kind::Text,
    "binary" => Kind::Binary,
    "mixed" => Kind::Mixed,
);
words!(
    RawAs, "place for raw octets",
    "text" => RawAs::Text,
    "binary" => RawAs::Binary,
    "stream" => RawAs::Stream,
);

#[derive(Clone, Copy, PartialEq)]
pub(super) enum ReceiptWord {
    Receipt,
    ReceiptId,
}
words!(
    ReceiptWord, "receipt header",
    "receipt" => ReceiptWord::Receipt,
    "receipt-id" => ReceiptWord::ReceiptId,
);

#[derive(Clone, Copy)]
struct Stall;
words!(Stall, "TLS fault (others are not supported yet)", "stall" => Stall);

/// `true` and nothing else.
struct Yes;

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if bool::deserialize(d)? {
            Ok(Self)
        } else {
            Err(D::Error::custom("only `true` has a meaning here"))
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(
            d,
            "a duration such as \"250ms\", \"2s\" or \"100..300ms\"",
            Self::parse,
        )
    }
}

/// A duration that is no range.
pub(super) struct Fixed(pub(super) Duration);

impl<'de> Deserialize<'de> for Fixed {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(d, "a duration such as \"250ms\" or \"2s\"", |text| {
            Span::parse(text)
                .filter(|s| s.min == s.max)
                .map(|s| Self(s.min))
        })
    }
}

/// `"5000,5000"`.
pub(super) struct BeatPair(pub(super) u64, pub(super) u64);

impl<'de> Deserialize<'de> for BeatPair {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(d, "a pair of milliseconds such as \"5000,5000\"", |text| {
            let (send, want) = text.split_once(',')?;
            Some(Self(send.trim().parse().ok()?, want.trim().parse().ok()?))
        })
    }
}

/// Header values: numbers are written in decimal.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a whole number")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<Text, E> {
        Ok(Text(n.to_string()))
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<Text, E> {
        Ok(Text(n.to_string()))
    }
}

/// An object of strings, in the order of the file.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of header names and values")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Text>()? {
            pairs.push((name, value.0));
        }
        Ok(Pairs(pairs))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not a size such as 200, \"16MiB\" or \"10..300\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Conns {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not a choice of connections such as 1, \"2+\", \"1..3\", \"odd\", \"even\" or \"any\""
            ))
        })
    }
}

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
        super::parse::check(&rule).map_err(D::Error::custom)?;
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

const BARE: [(&str, Action); 10] = [
    ("pass", Action::Pass),
    ("drop", Action::Drop),
    ("fin", Action::Fin { after: None }),
    ("rst", Action::Rst),
    ("hang", Action::Hang),
    ("bad-accept", Action::BadAccept),
    ("mute-pong", Action::MutePong),
    ("kick", Action::Kick),
    ("plain", Action::Plain),
    ("rebind", Action::Rebind),
];

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ActionVisitor)
    }
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = Action;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an action: a word such as \"fin\" or an object such as {\"delay\":\"2s\"}")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Action, E> {
        let found = BARE.iter().find(|(w, _)| *w == text);
        found
            .map(|(_, a)| a.clone())
            .ok_or_else(|| E::custom(unknown("action", text, BARE.iter().map(|(w, _)| *w))))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Action, A::Error> {
        RawAction::deserialize(MapAccessDeserializer::new(map))?
            .build()
            .map_err(A::Error::custom)
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawAction {
    send: Option<RawFrame>,
    error: Option<RawError>,
    delay: Option<Span>,
    dup: Option<u32>,
    set: Option<Pairs>,
    unset: Option<Vec<String>>,
    hold: Option<String>,
    release: Option<String>,
    order: Option<Order>,
    corrupt: Option<RawCorrupt>,
    pad: Option<RawPad>,
    raw: Option<RawRaw>,
    split: Option<Cut>,
    frag: Option<Cut>,
    empty: Option<Yes>,
    pong: Option<Between>,
    join: Option<usize>,
    within: Option<Fixed>,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    drip: Option<RawDrip>,
    plain: Option<Yes>,
    next: Option<u64>,
    close: Option<RawClose>,
    fin: Option<RawFin>,
    blackhole: Option<Direction>,
    #[serde(rename = "for")]
    span: Option<Span>,
    stall_read: Option<Span>,
    ping: Option<String>,
    refuse: Option<Span>,
    http: Option<RawHttp>,
    redirect: Option<String>,
    tls: Option<Stall>,
    #[serde(deserialize_with = "present")]
    subprotocol: Option<Option<String>>,
    hb: Option<BeatAction>,
    rebind: Option<Yes>,
    expire: Option<String>,
    storm: Option<RawStorm>,
    mark: Option<String>,
    log: Option<String>,
    seq: Option<Vec<Vec<Action>>>,
    pick: Option<Vec<Vec<Action>>>,
    stall_write: Option<Unsupported>,
    garbage: Option<Unsupported>,
    rate: Option<Unsupported>,
    ws: Option<Unsupported>,
    silence: Option<Unsupported>,
    goto: Option<Unsupported>,
    fail: Option<Unsupported>,
}

/// A key that is there, be its value null or not.
fn present<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(d).map(Some)
}

impl RawAction {
    fn build(mut self) -> Result<Action, String> {
        let _unsupported = (
            self.stall_write,
            self.garbage,
            self.rate,
            self.ws,
            self.silence,
            self.goto,
            self.fail,
        );
        let next = self.next.take();
        let shaped = |shape| Action::Shape(ShapeAction { shape, next });
        let mut found: Vec<Action> = Vec::new();
        if let Some(cut) = self.frag.take() {
            let ping = match self.ping.take().as_deref() {
                Some("between") => Some(Between::Ping),
                Some(other) => {
                    return Err(unknown("place for `ping`", other, ["between"].into_iter()));
                }
                None => None,
            };
            let pong = self.pong.take().map(|_| Between::Pong);
            let empty = self.empty.take().map(|Yes| Between::Empty);
            let between = ping.or(pong).or(empty);
            found.push(shaped(Shape::Frag { cut, between }));
        }
        if let Some(frames) = self.join.take() {
            let within = self
                .within
                .take()
                .map_or(Duration::from_millis(50), |w| w.0);
            found.push(shaped(Shape::Join { frames, within }));
        }
        if let Some(direction) = self.blackhole.take() {
            found.push(Action::Blackhole {
                direction,
                span: self.span.take(),
            });
        }
        if let Some(name) = self.release.take() {
            let order = self.order.take().unwrap_or_default();
            found.push(Action::Release { name, order });
        }
        found.extend(self.split.take().map(|cut| shaped(Shape::Split(cut))));
        found.extend(self.kind.take().map(|kind| shaped(Shape::Type(kind))));
        found.extend(self.drip.take().map(|d| {
            shaped(Shape::Drip {
                bytes: d.bytes,
                gap: d.gap.0,
            })
        }));
        if next.is_some() && !found.iter().any(|a| matches!(a, Action::Shape(_))) {
            return Err("`next` needs `split`, `frag`, `join`, `type` or `drip`".to_owned());
        }
        for (there, what) in [
            (self.within.is_some(), "`within` needs `join`"),
            (self.span.is_some(), "`for` needs `blackhole`"),
            (self.order.is_some(), "`order` needs `release`"),
            (
                self.pong.is_some() || self.empty.is_some(),
                "`pong` and `empty` need `frag`",
            ),
        ] {
            if there {
                return Err(what.to_owned());
            }
        }
        self.simple(&mut found)?;
        match (found.pop(), found.is_empty()) {
            (Some(action), true) => Ok(action),
            (Some(_), false) => Err("an action has one verb; write two actions".to_owned()),
            (None, _) => Err("the action is empty".to_owned()),
        }
    }

    /// The verbs without modifiers.
    fn simple(self, found: &mut Vec<Action>) -> Result<(), String> {
        if let Some(frame) = self.send {
            found.push(Action::Send(frame.build()?));
        }
        if let Some(e) = self.error {
            found.push(Action::Error(e.build()));
        }
        if let Some(raw) = self.raw {
            found.push(raw.build()?);
        }
        if let Some(corrupt) = self.corrupt {
            found.push(Action::Corrupt(corrupt.build()?));
        }
        if let Some(http) = self.http {
            found.push(Action::Http(http.build()));
        }
        found.extend(self.delay.map(Action::Delay));
        found.extend(self.dup.map(Action::Dup));
        found.extend(self.set.map(|p| Action::Set(p.0)));
        found.extend(self.unset.map(Action::Unset));
        found.extend(self.hold.map(Action::Hold));
        found.extend(self.pad.map(|p| Action::Pad {
            headers: p.headers.unwrap_or(0),
            body: p.body.map_or(0, |s| s.max),
        }));
        found.extend(self.plain.map(|Yes| Action::Plain));
        found.extend(self.close.map(|c| Action::Close {
            code: c.code,
            reason: c.reason.unwrap_or_default(),
        }));
        found.extend(self.fin.map(|f| Action::Fin {
            after: Some(f.after_bytes),
        }));
        found.extend(self.stall_read.map(|span| Action::Blackhole {
            direction: Direction::In,
            span: Some(span),
        }));
        found.extend(self.ping.map(|p| Action::Ping(p.into_bytes())));
        found.extend(self.refuse.map(Action::Refuse));
        found.extend(self.redirect.map(Action::Redirect));
        found.extend(self.tls.map(|Stall| Action::TlsStall));
        found.extend(self.subprotocol.map(Action::Subprotocol));
        found.extend(self.hb.map(Action::Beat));
        found.extend(self.rebind.map(|Yes| Action::Rebind));
        found.extend(self.expire.map(Action::Expire));
        if let Some(storm) = self.storm {
            found.push(Action::Storm(storm.build()?));
        }
        found.extend(self.mark.map(Action::Mark));
        found.extend(self.log.map(Action::Log));
        found.extend(self.seq.map(Action::Seq));
        found.extend(self.pick.map(Action::Pick));
        Ok(())
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFrame {
    command: String,
    #[serde(default)]
    headers: Pairs,
    body: Option<String>,
    body_b64: Option<String>,
}

impl RawFrame {
    fn build(self) -> Result<Frame, String> {
        let body = match (self.body, self.body_b64) {
            (Some(_), Some(_)) => return Err("`body` and `body_b64` exclude each other".to_owned()),
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => BASE64
                .decode(text.as_bytes())
                .map_err(|_| "`body_b64` is not base64".to_owned())?,
            (None, None) => Vec::new(),
        };
        Ok(Frame {
            command: self.command,
            headers: self.headers.0,
            body,
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawError {
    code: Option<u16>,
    message: Option<String>,
    #[serde(default)]
    headers: Pairs,
    body: Option<String>,
    close: Option<bool>,
}

impl RawError {
    fn build(self) -> ErrorAction {
        ErrorAction {
            code: self.code,
            message: self.message,
            headers: self.headers.0,
            body: self.body.unwrap_or_default().into_bytes(),
            close: self.close,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRaw {
    hex: Option<String>,
    text: Option<String>,
    ws: Option<RawAs>,
}

impl RawRaw {
    fn build(self) -> Result<Action, String> {
        let octets = match (self.hex, self.text) {
            (Some(digits), None) => hex(&digits)?,
            (None, Some(text)) => text.into_bytes(),
            (Some(_), Some(_)) | (None, None) => {
                return Err("`raw` needs either `hex` or `text`".to_owned());
            }
        };
        Ok(Action::Raw {
            octets,
            ws: self.ws.unwrap_or(RawAs::Text),
        })
    }
}

fn hex(digits: &str) -> Result<Vec<u8>, String> {
    let dense: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
    HEXLOWER_PERMISSIVE
        .decode(dense.as_bytes())
        .map_err(|_| format!("`{digits}` is not hex"))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCorrupt {
    at: Option<i64>,
    xor: Option<String>,
    strip: Option<Strip>,
    insert: Option<RawInsert>,
    truncate: Option<i64>,
}

#[derive(Clone, Copy)]
struct Strip;
words!(Strip, "thing to strip", "nul" => Strip);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInsert {
    at: i64,
    hex: String,
}

impl RawCorrupt {
    fn build(self) -> Result<Corrupt, String> {
        match (self.xor, self.strip, self.insert, self.truncate) {
            (Some(with), None, None, None) => Ok(Corrupt::Xor {
                at: self.at.unwrap_or(0),
                with: hex(&with)?,
            }),
            (None, Some(Strip), None, None) => Ok(Corrupt::StripNul),
            (None, None, Some(insert), None) => Ok(Corrupt::Insert {
                at: insert.at,
                octets: hex(&insert.hex)?,
            }),
            (None, None, None, Some(n)) => Ok(Corrupt::Truncate(n)),
            _ => Err("`corrupt` needs one of `xor`, `strip`, `insert`, `truncate`".to_owned()),
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPad {
    headers: Option<usize>,
    body: Option<Size>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDrip {
    bytes: usize,
    gap: Fixed,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClose {
    code: u16,
    reason: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFin {
    after_bytes: usize,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    status: u16,
    #[serde(default)]
    headers: Pairs,
    body: Option<String>,
    json: Option<serde_json::Value>,
}

impl RawHttp {
    fn build(self) -> Response {
        let mut headers = self.headers.0;
        let body = match (self.json, self.body) {
            (Some(json), _) => {
                headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
                json.to_string()
            }
            (None, body) => body.unwrap_or_default(),
        };
        Response {
            status: self.status,
            headers,
            body: body.into_bytes(),
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStorm {
    dest: String,
    rate: f64,
    #[serde(rename = "for")]
    span: Span,
    size: Option<Size>,
    burst: Option<u32>,
}

impl RawStorm {
    fn build(self) -> Result<Storm, String> {
        if !(self.rate > 0.0 && self.rate <= 1e6) {
            return Err("`rate` is a number of messages per second, at most a million".to_owned());
        }
        Ok(Storm {
            dest: self.dest,
            rate: self.rate,
            span: self.span,
            size: self.size.unwrap_or(Size { min: 100, max: 100 }),
            burst: self.burst.unwrap_or(1),
        })
    }
}

impl<'de> Deserialize<'de> for BeatAction {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(BeatVisitor)
    }
}

struct BeatVisitor;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBeat {
    late: Option<f64>,
    jitter: Option<Span>,
    #[serde(rename = "as")]
    octets: Option<BeatOctets>,
}

#[derive(Clone)]
struct BeatOctets(&'static [u8]);
words!(
    BeatOctets, "heart-beat octet",
    "lf" => BeatOctets(b"\n"),
    "crlf" => BeatOctets(b"\r\n"),
    "nul" => BeatOctets(b"\0"),
);

impl<'de> Visitor<'de> for BeatVisitor {
    type Value = BeatAction;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\"stop\", \"start\", {\"late\":1.5}, {\"jitter\":\"300ms\"} or {\"as\":\"nul\"}",
        )
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<BeatAction, E> {
        match text {
            "stop" => Ok(BeatAction::Stop),
            "start" => Ok(BeatAction::Start),
            other => Err(E::custom(unknown(
                "heart-beat",
                other,
                ["stop", "start"].into_iter(),
            ))),
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BeatAction, A::Error> {
        let raw = RawBeat::deserialize(MapAccessDeserializer::new(map))?;
        match (raw.late, raw.jitter, raw.octets) {
            (Some(factor), None, None) if factor > 0.0 && factor < 1e6 => {
                Ok(BeatAction::Late(factor))
            }
            (None, Some(span), None) => Ok(BeatAction::Jitter(span)),
            (None, None, Some(octets)) => Ok(BeatAction::As(octets.0.to_vec())),
            _ => Err(A::Error::custom("`hb` needs one of `late`, `jitter`, `as`")),
        }
    }
}

/// `[1, 17, -1]` or `{"every": 1}`.
impl<'de> Deserialize<'de> for Cut {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(CutVisitor)
    }
}

struct CutVisitor;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvery {
    every: usize,
}

impl<'de> Visitor<'de> for CutVisitor {
    type Value = Cut;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("offsets such as [1,17,-1] or {\"every\":1}")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cut, A::Error> {
        let mut offsets = Vec::new();
        while let Some(offset) = seq.next_element()? {
            offsets.push(offset);
        }
        Ok(Cut::At(offsets))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Cut, A::Error> {
        match RawEvery::deserialize(MapAccessDeserializer::new(map))?.every {
            0 => Err(A::Error::custom("`every` is at least 1")),
            n => Ok(Cut::Every(n)),
        }
    }
}

/// `[2, 0, 1]`, `"reverse"` or `"shuffle"`.
impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(OrderVisitor)
    }
}

struct OrderVisitor;

impl<'de> Visitor<'de> for OrderVisitor {
    type Value = Order;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("positions such as [2,0,1], \"reverse\" or \"shuffle\"")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Order, E> {
        match text {
            "reverse" => Ok(Order::Reverse),
            "shuffle" => Ok(Order::Shuffle),
            other => Err(E::custom(unknown(
                "order",
                other,
                ["reverse", "shuffle"].into_iter(),
            ))),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Order, A::Error> {
        let mut positions = Vec::new();
        while let Some(position) = seq.next_element()? {
            positions.push(position);
        }
        Ok(Order::Positions(positions))
    }
}
