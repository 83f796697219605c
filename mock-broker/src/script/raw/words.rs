//! The words, numbers and pairs that scenario files are made of.

use crate::dialect::Dialect;
use crate::script::action::{Direction, Kind, RawAs, TlsFault};
use crate::script::rule::Conns;
use crate::script::trigger::Origin;
use crate::script::units::{Size, Span, nearest};
use crate::script::{CodePlace, EventKind, OnExpiry};
use crate::wire::Version;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::time::Duration;

/// Reads a string and turns it into something, or says what was expected.
pub(super) fn word<'de, D: Deserializer<'de>, T>(
    d: D,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(d)?;
    read(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not {expected}")))
}

/// Reads one of a few words.
pub(super) fn choice<'de, D: Deserializer<'de>, T: Clone>(
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

pub(super) fn unknown<'a>(
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
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

/// Reads a type from one of a few words.
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

impl<'de> Deserialize<'de> for Origin {
    /// What is no stage is a mark.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Ok(match text.as_str() {
            "connected" => Self::Connected,
            "open" => Self::Open,
            "tcp" => Self::Tcp,
            "start" => Self::Start,
            _ => Self::Mark(text),
        })
    }
}

words!(
    Direction, "direction",
    "both" => Direction::Both,
    "in" => Direction::In,
    "out" => Direction::Out,
);
/// Where pings and pongs go.
#[derive(Clone, Copy)]
pub(super) struct InBetween;
words!(InBetween, "place", "between" => InBetween);
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

words!(
    EventKind, "kind of event",
    "queue" => EventKind::Queue,
    "user" => EventKind::User,
    "conversation" => EventKind::Conversation,
);
words!(
    CodePlace, "place for a code",
    "message" => CodePlace::Message,
    "code" => CodePlace::Code,
    "status" => CodePlace::Status,
    "body" => CodePlace::Body,
);

impl<'de> Deserialize<'de> for Dialect {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        choice(
            d,
            "dialect",
            &Self::ALL.map(|dialect| (dialect.name, dialect)),
        )
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(in crate::script) enum ReceiptWord {
    Receipt,
    ReceiptId,
}
words!(
    ReceiptWord, "receipt header",
    "receipt" => ReceiptWord::Receipt,
    "receipt-id" => ReceiptWord::ReceiptId,
);

words!(
    TlsFault, "TLS fault",
    "stall" => TlsFault::Stall,
    "alert" => TlsFault::Alert,
    "expired" => TlsFault::Expired,
    "wrong-host" => TlsFault::WrongHost,
    "self-signed" => TlsFault::SelfSigned,
);

/// `true` and nothing else.
pub(super) struct Yes;

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
pub(in crate::script) struct Fixed(pub(in crate::script) Duration);

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
pub(in crate::script) struct BeatPair(pub(in crate::script) u64, pub(in crate::script) u64);

impl<'de> Deserialize<'de> for BeatPair {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        word(d, "a pair of milliseconds such as \"5000,5000\"", |text| {
            let (send, want) = text.split_once(',')?;
            Some(Self(send.trim().parse().ok()?, want.trim().parse().ok()?))
        })
    }
}

/// Header values: numbers are written in decimal.
pub(super) struct Text(pub(super) String);

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
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

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

pub(super) use words;
