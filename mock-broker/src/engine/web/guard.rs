//! Who may use the control API and the page: whoever reaches the loopback
//! address by itself, but no web page of somebody else.
//!
//! A browser on the same machine can be made to send requests to the broker by
//! any page it shows. Such a request names a foreign `Host` (a name that was
//! rebound to 127.0.0.1), or a foreign `Origin`, or says `cross-site` in
//! `Sec-Fetch-Site`. All three are refused; programs such as curl send none.

use crate::http::{Headers, Response};
use serde_json::json;

/// Why a request is refused, as the answer that says so.
pub(super) fn refusal(headers: &Headers) -> Option<Response> {
    let host = headers.get("Host").unwrap_or_default();
    let words = if !is_loopback(host) {
        "the control API answers to 127.0.0.1, [::1] and localhost only: the Host header names \
         something else"
    } else if !headers.get("Origin").is_none_or(|o| is_same(o, host)) {
        "another site's page may not use the control API: Origin is not this broker"
    } else if !matches!(
        headers.get("Sec-Fetch-Site"),
        None | Some("same-origin" | "none")
    ) {
        "another site's page may not use the control API (Sec-Fetch-Site)"
    } else {
        return None;
    };
    Some(Response::json(403, &json!({"error": words})))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

fn is_same(origin: &str, host: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|a| a.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(headers: &[(&str, &str)]) -> bool {
        let own = |&(n, v): &(&str, &str)| (n.to_owned(), v.to_owned());
        refusal(&Headers(headers.iter().map(own).collect())).is_some()
    }

    #[test]
    fn programs_and_the_own_page_are_let_in() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:4711",
            "localhost:80",
            "LOCALHOST",
            "[::1]:1",
            "[::1]",
        ] {
            assert!(!is_refused(&[("Host", host)]), "{host}");
        }
        let own = [
            ("Host", "127.0.0.1:4711"),
            ("Origin", "http://127.0.0.1:4711"),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        assert!(!is_refused(&own));
    }

    #[test]
    fn rebound_names_and_other_sites_are_not() {
        for host in [
            "",
            "evil.example",
            "evil.example:4711",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "::1",
        ] {
            assert!(is_refused(&[("Host", host)]), "{host}");
        }
        assert!(is_refused(&[]));
        for origin in [
            "null",
            "http://evil.example",
            "http://127.0.0.1:1",
            "http://127.0.0.1",
            "",
        ] {
            assert!(
                is_refused(&[("Host", "127.0.0.1:4711"), ("Origin", origin)]),
                "{origin}"
            );
        }
        for site in ["cross-site", "same-site"] {
            assert!(
                is_refused(&[("Host", "localhost"), ("Sec-Fetch-Site", site)]),
                "{site}"
            );
        }
    }
}
