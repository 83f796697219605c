//! Sentences without what differs from run to run: numbers that the broker
//! makes up, times, names of this run's destinations.

/// Runs of digits and hexadecimal letters that hold four digits or more, and
/// numbers of milliseconds, become `N`.
pub(crate) fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        if end == 0 {
            let step = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..step]);
            rest = &rest[step..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let time = digits == word.len() && after.starts_with(" ms");
        out.push_str(if digits >= 4 || time { "N" } else { word });
        rest = after;
    }
    // A destination of a case: conf-<process>-<number>.
    let mut parts = out.split("conf-");
    let mut joined = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let unique = |c: char| c.is_ascii_hexdigit() || matches!(c, '-' | 'N');
        let after = part.trim_start_matches(unique);
        let is_destination = part[..part.len() - after.len()].contains('-');
        joined.push_str(if is_destination { "conf-N" } else { "conf-" });
        joined.push_str(if is_destination { after } else { part });
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn what_differs_is_gone() {
        assert_eq!(
            words("expected RECEIPT r1, got ERROR message:x in queue 'conf-1a2b-7f' after 812 ms"),
            "expected RECEIPT r1, got ERROR message:x in queue 'conf-N' after N ms"
        );
        let header = "expected conf-k, got conf-foo:1";
        assert_eq!(words(header), header);
        assert_eq!(
            words("message-id:T_0@@session-k9R3q8x12@@1 within 2.0 s, Close 1007"),
            "message-id:T_0@@session-N@@1 within 2.0 s, Close N"
        );
    }
}
