//! What stands behind the verbs of actions.

use super::words::{Fixed, Pairs, choice, unknown, words};
use crate::http::Response;
use crate::script::action::{Action, BeatAction, Corrupt, ErrorAction, Order, RawAs, Storm};
use crate::script::units::{Cut, Size, Span};
use crate::wire::Frame;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

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
    pub(super) headers: Option<usize>,
    pub(super) body: Option<Size>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDrip {
    pub(super) bytes: usize,
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
}

impl RawStorm {
    pub(super) fn build(self) -> Result<Storm, String> {
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
