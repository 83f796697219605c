//! What stands behind the verbs of actions.

use super::words::{Fixed, Pairs, Yes, choice, unknown, word, words};
use crate::http::Response;
use crate::script::EventKind;
use crate::script::action::{
    Action, BeatAction, Corrupt, ErrorAction, Garbage, HeadFault, Order, RawAs, Storm,
};
use crate::script::units::{Cut, Size, Span};
use crate::wire::Frame;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::num::NonZeroUsize;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrame {
    command: String,
    #[serde(default)]
    headers: Pairs,
    body: Option<String>,
    body_b64: Option<String>,
}

impl RawFrame {
    pub(super) fn build(self) -> Result<Frame, String> {
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
pub(super) struct RawError {
    code: Option<u16>,
    message: Option<String>,
    #[serde(default)]
    headers: Pairs,
    body: Option<String>,
    close: Option<bool>,
}

impl RawError {
    pub(super) fn build(self) -> ErrorAction {
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
pub(super) struct RawRaw {
    hex: Option<String>,
    text: Option<String>,
    ws: Option<RawAs>,
}

impl RawRaw {
    pub(super) fn build(self) -> Result<Action, String> {
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
pub(super) struct RawCorrupt {
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
    pub(super) fn build(self) -> Result<Corrupt, String> {
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
pub(super) struct RawPad {
    headers: Option<usize>,
    body: Option<Size>,
}

impl RawPad {
    pub(super) fn build(self) -> Result<Action, String> {
        let headers = self.headers.unwrap_or(0);
        let body = self.body.map_or(0, |s| s.max);
        if headers > 1_000_000 || body > 256 << 20 {
            return Err("`pad` is at most 1000000 headers and a body of 256MiB".to_owned());
        }
        Ok(Action::Pad { headers, body })
    }
}

/// `"2KiB/s"`.
pub(super) struct Rate(pub(super) u64);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(d, "a rate such as \"2KiB/s\"", |text| {
            let size = Size::parse(text.strip_suffix("/s")?)?;
            (size.min == size.max && size.min > 0).then_some(Self(size.min as u64))
        })
    }
}

/// `"html-502"`, `"random:512"` or `"http-in-stream"`.
impl<'de> Deserialize<'de> for Garbage {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match text.as_str() {
            "html-502" => return Ok(Self::Html502),
            "http-in-stream" => return Ok(Self::HttpInStream),
            _ => {}
        }
        let Some(size) = text.strip_prefix("random:") else {
            let words = ["html-502", "random:512", "http-in-stream"].into_iter();
            return Err(D::Error::custom(unknown("garbage", &text, words)));
        };
        match Size::parse(size) {
            Some(size) if size.min == size.max && size.max <= 16 << 20 => {
                Ok(Self::Random(size.max))
            }
            Some(_) | None => Err(D::Error::custom(format!(
                "`{size}` is not a number of octets up to 16MiB"
            ))),
        }
    }
}

/// `{"rsv":1}`, `{"opcode":3}` or `{"mask":true}`, or several of them.
impl<'de> Deserialize<'de> for HeadFault {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            rsv: Option<u8>,
            opcode: Option<u8>,
            mask: Option<Yes>,
        }
        let raw = Raw::deserialize(d)?;
        let fault = Self {
            rsv: raw.rsv,
            opcode: raw.opcode,
            mask: raw.mask.is_some(),
        };
        let wrong = if fault == Self::default() {
            "`ws` needs `rsv`, `opcode` or `mask`"
        } else if fault.rsv.is_some_and(|bit| !(1..=3).contains(&bit)) {
            "`rsv` is 1, 2 or 3"
        } else if fault.opcode.is_some_and(|opcode| opcode > 15) {
            "`opcode` is at most 15"
        } else {
            return Ok(fault);
        };
        Err(D::Error::custom(wrong))
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDrip {
    pub(super) bytes: NonZeroUsize,
    pub(super) gap: Fixed,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClose {
    pub(super) code: u16,
    pub(super) reason: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawFin {
    pub(super) after_bytes: usize,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    status: u16,
    #[serde(default)]
    headers: Pairs,
    body: Option<String>,
    json: Option<serde_json::Value>,
}

impl RawHttp {
    pub(super) fn build(self) -> Response {
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
pub(super) struct RawStorm {
    dest: String,
    rate: f64,
    #[serde(rename = "for")]
    span: Span,
    size: Option<Size>,
    burst: Option<u32>,
    kind: Option<EventKind>,
}

impl RawStorm {
    pub(super) fn build(self) -> Result<Storm, String> {
        let storm = Storm {
            dest: self.dest,
            rate: self.rate,
            span: self.span,
            size: self.size.unwrap_or(Size { min: 100, max: 100 }),
            burst: self.burst.unwrap_or(1),
            kind: self.kind,
        };
        storm.check()?;
        Ok(storm)
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
    manner: Option<BeatManner>,
}

/// The octets of one heart-beat, or how many come at a time.
struct BeatManner(BeatAction);

impl<'de> Deserialize<'de> for BeatManner {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let octets = match text.as_str() {
            "lf" => b"\n".to_vec(),
            "crlf" => b"\r\n".to_vec(),
            "nul" => b"\0".to_vec(),
            other => {
                let burst = other.strip_prefix("burst:").and_then(|n| n.parse().ok());
                let words = ["lf", "crlf", "nul", "burst:5"].into_iter();
                return match burst.filter(|n| (1..=1000).contains(n)) {
                    Some(n) => Ok(Self(BeatAction::Burst(n))),
                    None if other.starts_with("burst:") => {
                        Err(D::Error::custom("a burst is of 1 to 1000 heart-beats"))
                    }
                    None => Err(D::Error::custom(unknown("heart-beat", other, words))),
                };
            }
        };
        Ok(Self(BeatAction::As(octets)))
    }
}
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
        match (raw.late, raw.jitter, raw.manner) {
            (Some(factor), None, None) if factor > 0.0 && factor < 1e6 => {
                Ok(BeatAction::Late(factor))
            }
            (None, Some(span), None) => Ok(BeatAction::Jitter(span)),
            (None, None, Some(manner)) => Ok(manner.0),
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
