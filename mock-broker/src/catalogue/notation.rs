//! How values are written that JSON has no type for.

use crate::script::{Conns, HttpRule, Size, Span};

/// A value that is written as a string, or as a whole number.
#[derive(Debug)]
#[non_exhaustive]
pub struct Notation {
    /// Its name in the schema.
    pub name: &'static str,
    /// What it is, with its article.
    pub what: &'static str,
    /// How it may look, as JSON.
    pub such_as: &'static str,
    /// Whether a string is one.
    pub fits: fn(&str) -> bool,
    /// What the string fits at least, as a regular expression of ECMA 262.
    pub pattern: &'static str,
    /// The least whole number that may stand in place of a string.
    pub number: Option<u64>,
    /// More to know.
    pub more: &'static str,
}

const SPAN_MORE: &str = "The units are us, ms, s, m and h, the longest is 8760h.";

/// A duration, or a range of them.
pub(super) static SPAN: Notation = Notation {
    name: "span",
    what: "a duration or a range of them",
    such_as: "\"250ms\", \"2s\" or \"100..300ms\"",
    fits: |t| Span::parse(t).is_some(),
    pattern: r"^(([0-9]+\.?[0-9]*|\.[0-9]+)(us|ms|s|m|h)?\.\.)?([0-9]+\.?[0-9]*|\.[0-9]+)(us|ms|s|m|h)$",
    number: None,
    more: "From a range the seed picks. The units are us, ms, s, m and h, the longest is 8760h.",
};

/// A duration.
pub(super) static FIXED: Notation = Notation {
    name: "duration",
    what: "a duration",
    such_as: "\"250ms\" or \"2s\"",
    fits: fixed,
    pattern: SPAN.pattern,
    number: None,
    more: SPAN_MORE,
};

/// A number of octets, or a range of them.
pub(super) static SIZE: Notation = Notation {
    name: "size",
    what: "a number of octets or a range of them",
    such_as: "200, \"16MiB\" or \"10..300\"",
    fits: |t| Size::parse(t).is_some(),
    pattern: "^([0-9]+(B|KiB|MiB)?\\.\\.)?[0-9]+(B|KiB|MiB)?$",
    number: Some(0),
    more: "From a range the seed picks.",
};

/// A number of octets that is a bound.
pub(super) static OCTETS: Notation = Notation {
    name: "octets",
    what: "a number of octets",
    such_as: "4096 or \"16MiB\"",
    fits: |t| Size::parse(t).is_some(),
    pattern: SIZE.pattern,
    number: Some(0),
    more: "The units are B, KiB and MiB.",
};

/// Octets per second.
pub(super) static RATE: Notation = Notation {
    name: "rate",
    what: "a rate",
    such_as: "\"2KiB/s\"",
    fits: |t| {
        t.strip_suffix("/s")
            .and_then(Size::parse)
            .is_some_and(|s| s.min == s.max && s.min > 0)
    },
    pattern: "^[0-9]+(B|KiB|MiB)?(\\.\\.[0-9]+(B|KiB|MiB)?)?/s$",
    number: None,
    more: "",
};

/// Connections.
pub(super) static CONNS: Notation = Notation {
    name: "connections",
    what: "a choice of connections",
    such_as: "1, \"2+\", \"1..3\", \"odd\", \"even\" or \"any\"",
    fits: |t| Conns::parse(t).is_some(),
    pattern: r"^(any|odd|even|\+?[0-9]+\+?|\+?[0-9]+\.\.\+?[0-9]+)$",
    number: Some(1),
    more: "They are counted from 1 in the order of accept.",
};

/// Connections, as assertions know them.
pub(super) static CONN_OF: Notation = Notation {
    name: "connections-seen",
    what: "a choice of connections",
    such_as: "1, \"2+\", \"1..3\", \"odd\", \"any\", \"next\" or \"same\"",
    fits: |t| matches!(t, "next" | "same") || Conns::parse(t).is_some(),
    pattern: r"^(any|odd|even|next|same|\+?[0-9]+\+?|\+?[0-9]+\.\.\+?[0-9]+)$",
    number: Some(1),
    more: "`next` is the one that was accepted next after the window was opened, `same` the one on which it was opened.",
};

/// How often.
pub(super) static TIMES: Notation = Notation {
    name: "times",
    what: "a number of times",
    such_as: "3 or \"inf\"",
    fits: |t| t == "inf" || t.parse::<u64>().is_ok(),
    pattern: r"^(inf|\+?[0-9]+)$",
    number: Some(0),
    more: "",
};

/// What `every` takes.
pub(super) static PERIOD: Notation = Notation {
    name: "period",
    what: "a number beside `recv` and `send`, and else a duration",
    such_as: "3 or \"1s\"",
    fits: |t| t.parse::<u64>().is_ok() || Span::parse(t).is_some(),
    pattern: r"^(\+?[0-9]+|(([0-9]+\.?[0-9]*|\.[0-9]+)(us|ms|s|m|h)?\.\.)?([0-9]+\.?[0-9]*|\.[0-9]+)(us|ms|s|m|h))$",
    number: Some(1),
    more: SPAN_MORE,
};

/// What `min` and `max` take.
pub(super) static BOUND: Notation = Notation {
    name: "bound",
    what: "a number in `count`, and a duration in `gap`",
    such_as: "3 or \"500ms\"",
    fits: |t| t.parse::<u64>().is_ok() || fixed(t),
    pattern: PERIOD.pattern,
    number: Some(0),
    more: SPAN_MORE,
};

/// The pair of a `heart-beat` header.
pub(super) static BEATS: Notation = Notation {
    name: "heart-beats",
    what: "a pair of milliseconds",
    such_as: "\"5000,5000\"",
    fits: |t| {
        t.split_once(',')
            .is_some_and(|(a, b)| [a, b].iter().all(|n| n.trim().parse::<u64>().is_ok()))
    },
    pattern: r"^\s*\+?[0-9]+\s*,\s*\+?[0-9]+\s*$",
    number: None,
    more: "How often the broker can send, and how often it wants heart-beats; 0 is never.",
};

/// A method and a path.
pub(super) static REQUEST: Notation = Notation {
    name: "request",
    what: "a method and a path without query",
    such_as: "\"GET /health/eu\" or \"* /health/*\"",
    fits: |t| HttpRule::parse_on(t).is_some(),
    pattern: r"^(\*|[A-Z]+) [/*][!->@-~]*$",
    number: None,
    more: "`*` stands for any method, and for any text of a path.",
};

/// Octets in hex.
pub(super) static HEX: Notation = Notation {
    name: "hex",
    what: "octets in hex",
    such_as: "\"0a 00\"",
    fits: |t| hex(t),
    pattern: r"^(\s*[0-9A-Fa-f]\s*[0-9A-Fa-f])*\s*$",
    number: None,
    more: "",
};

/// Garbage.
pub(super) static GARBAGE: Notation = Notation {
    name: "garbage",
    what: "what a broken proxy sends",
    such_as: "\"html-502\" (the page of a 502, as the answer to the upgrade or as a text message), \"random:512\" (so many octets in the TCP stream, 16MiB at most) or \"http-in-stream\" (a whole HTTP answer in the TCP stream)",
    fits: garbage,
    pattern: r"^(html-502|http-in-stream|random:([0-9]+(B|KiB|MiB)?\.\.)?[0-9]+(B|KiB|MiB)?)$",
    number: None,
    more: "",
};

/// Octets of a heart-beat.
pub(super) static BEAT: Notation = Notation {
    name: "beat",
    what: "the octets of a heart-beat, or how many come at a time",
    such_as: "\"lf\", \"crlf\", \"nul\" or \"burst:5\"",
    fits: beat,
    pattern: r"^(lf|crlf|nul|burst:\+?[0-9]+)$",
    number: None,
    more: "",
};

/// Base64.
pub(super) static BASE64: Notation = Notation {
    name: "base64",
    what: "octets in base64",
    such_as: "\"AAEC\"",
    fits: |t| data_encoding::BASE64.decode(t.as_bytes()).is_ok(),
    pattern: "^[A-Za-z0-9+/=]*$",
    number: None,
    more: "",
};

fn fixed(text: &str) -> bool {
    Span::parse(text).is_some_and(|span| span.min == span.max)
}

fn hex(text: &str) -> bool {
    let mut digits = 0;
    let mut all = text.chars().filter(|c| !c.is_whitespace());
    let sound = all.all(|c| {
        digits += 1;
        c.is_ascii_hexdigit()
    });
    sound && digits % 2 == 0
}

fn garbage(text: &str) -> bool {
    let most = 16 << 20;
    matches!(text, "html-502" | "http-in-stream")
        || text
            .strip_prefix("random:")
            .and_then(Size::parse)
            .is_some_and(|size| size.min == size.max && size.max <= most)
}

fn beat(text: &str) -> bool {
    let burst = text.strip_prefix("burst:").and_then(|n| n.parse().ok());
    matches!(text, "lf" | "crlf" | "nul") || burst.is_some_and(|n: u32| (1..=1000).contains(&n))
}
