//! Keeps credentials out of what is printed.

/// Whether the value of a header of this name must never be shown.
///
/// Names are compared without regard to case, although STOMP's are
/// case-sensitive: a name that is misspelt still carries its secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    names_a_secret(name.as_bytes())
}

pub(super) fn names_a_secret(name: &[u8]) -> bool {
    WORDS.iter().any(|word| {
        name.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    })
}

/// The first octets of a frame's head, fit to be printed: escaped, and without
/// the values of secret headers.
///
/// What follows the blank line is left out, a body is the application's.
pub(super) fn printable(frame: &[u8], limit: usize) -> String {
    let cut = frame.len() > limit;
    let shown = &frame[..frame.len().min(limit)];
    let mut out = String::new();
    let mut after_secret = false;
    for line in shown.split_inclusive(|&octet| octet == b'\n') {
        let colon = line.iter().position(|&octet| octet == b':');
        let name = &line[..colon.unwrap_or(line.len())];
        // A line without a colon may be the rest of a secret that held an LF.
        let secret = names_a_secret(name) || (after_secret && colon.is_none());
        if !secret {
            out.extend(line.escape_ascii().map(char::from));
        } else if let Some(colon) = colon {
            out.extend(line[..=colon].escape_ascii().map(char::from));
            out.push_str("***");
        } else {
            out.push_str("***");
        }
        if secret && line.ends_with(b"\n") {
            out.push_str("\\n");
        }
        if matches!(line, b"\n" | b"\r\n") {
            return out;
        }
        after_secret = secret;
    }
    if cut {
        out.push('…');
    }
    out
}

const WORDS: [&[u8]; 6] = [
    b"passcode",
    b"password",
    b"authorization",
    b"token",
    b"secret",
    b"cookie",
];
