//! How strictly octets are read. Real brokers differ, and a broker that acts
//! like one of them reads as loosely.

use super::{Version, WireErrorKind};

/// What a [`Decoder`](super::Decoder) lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How escapes are read.
    pub escapes: EscapeRule,
    /// Escapes are read in CONNECT and CONNECTED too.
    pub connect_escapes: bool,
    /// A header line without colon is passed over.
    pub colonless: bool,
    /// A header line with a second colon is an error.
    pub one_colon: bool,
    /// Blanks around the command and before values are cut off.
    pub trim: bool,
    /// Blanks before values are cut off in 1.0.
    pub trim_1_0: bool,
    /// A content-length that is no number is ignored.
    pub bad_length: bool,
    /// content-length counts for SEND alone.
    pub send_bodies_only: bool,
    /// The octet after content-length octets may be any.
    pub unchecked_end: bool,
    /// Lines may end in CR LF (1.2).
    pub crlf: bool,
}

/// How escapes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscapeRule {
    /// As the version says; undefined ones are fatal.
    Strict,
    /// `\r` is known to 1.1 too.
    CarriageReturn,
    /// Undefined ones stay as they are.
    Lenient,
    /// None are read.
    Raw,
}

impl Rules {
    /// What the specification says.
    pub const STRICT: Self = Self {
        escapes: EscapeRule::Strict,
        connect_escapes: false,
        colonless: false,
        one_colon: false,
        trim: false,
        trim_1_0: false,
        bad_length: false,
        send_bodies_only: false,
        unchecked_end: false,
        crlf: true,
    };
}

impl Default for Rules {
    fn default() -> Self {
        Self::STRICT
    }
}

pub(super) fn unescape(
    text: &str,
    version: Version,
    rule: EscapeRule,
) -> Result<String, WireErrorKind> {
    if version == Version::V1_0 || rule == EscapeRule::Raw || !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let carriage = version == Version::V1_2 || rule == EscapeRule::CarriageReturn;
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        // Undefined escapes are fatal (STOMP 1.2, Value Encoding); 1.1 has no \r.
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('c') => out.push(':'),
            Some('\\') => out.push('\\'),
            Some('r') if carriage => out.push('\r'),
            other if rule == EscapeRule::Lenient => {
                out.push('\\');
                out.extend(other);
            }
            Some(_) | None => return Err(WireErrorKind::BadEscape),
        }
    }
    Ok(out)
}
