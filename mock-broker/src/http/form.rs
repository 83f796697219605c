//! `application/x-www-form-urlencoded`, and the path and query of a URL.

/// The names and values of a form or a query, decoded. What is not UTF-8
/// after decoding is replaced.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (
                decode(&name.replace('+', " ")),
                decode(&value.replace('+', " ")),
            )
        })
        .collect()
}

/// Undoes `%41`; a percent sign that is none stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let octets = text.as_bytes();
    let mut out = Vec::with_capacity(octets.len());
    let mut i = 0;
    while i < octets.len() {
        let hex = octets
            .get(i + 1..i + 3)
            .filter(|h| octets[i] == b'%' && h.iter().all(u8::is_ascii_hexdigit))
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(octet) => {
                out.push(octet);
                i += 3;
            }
            None => {
                out.push(octets[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_paths_are_decoded() {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        assert_eq!(
            pairs("a=1+2&b=%2Ftopic%2f%C3%A4&c&&d=x=y"),
            [
                pair("a", "1 2"),
                pair("b", "/topic/ä"),
                pair("c", ""),
                pair("d", "x=y")
            ]
        );
        assert_eq!(decode("a+b%2"), "a+b%2");
        assert_eq!(decode("%zz%"), "%zz%");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }
}
