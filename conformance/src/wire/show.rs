//! Octets as text for people.

use std::fmt::Write as _;

/// Octets longer than this are cut in a sentence.
const MOST: usize = 120;

/// Octets on one line: text as it is, the rest escaped, long ones cut.
pub(crate) fn octets(octets: &[u8]) -> String {
    let shown = &octets[..octets.len().min(MOST)];
    let mut out = String::new();
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\0' => out.push_str("\\0"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(out, "\\x{octet:02X}");
        }
    }
    if shown.len() < octets.len() {
        let _ = write!(out, "… ({} octets)", octets.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::octets;

    #[test]
    fn nothing_unprintable_stays() {
        assert_eq!(
            octets(b"a:\xE2\x82\xAC\n\\\xFF\0\x1b"),
            "a:\u{20ac}\\n\\\\\\xFF\\0\\u{1b}"
        );
        assert!(octets(&[b'x'; 1000]).ends_with("… (1000 octets)"));
    }
}
