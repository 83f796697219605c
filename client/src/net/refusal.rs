//! HTTP answers that are not the one asked for, in words.

use super::http1::{Answer, Fault};
use crate::error::{LinkError, Refusal, Stage};

/// A complete answer that refuses.
pub(super) fn refused(stage: Stage, answer: Answer) -> LinkError {
    let hint = hint(stage, &answer);
    LinkError::Refused(Box::new(Refusal {
        stage,
        status: answer.status,
        headers: answer.headers,
        body: answer.body,
        hint,
    }))
}

/// Octets that are no answer.
pub(super) fn not_http(stage: Stage, fault: &Fault) -> LinkError {
    let who = if stage == Stage::Tunnel {
        "the proxy"
    } else {
        "the peer"
    };
    LinkError::Handshake(match fault {
        // A TLS alert or handshake record (RFC 8446 §5.1).
        Fault::NotHttp(octets) if matches!(octets.first(), Some(0x15 | 0x16)) => {
            if stage == Stage::Tunnel {
                "the proxy speaks TLS; only proxies that speak plain HTTP are supported".into()
            } else {
                "the peer speaks TLS; use wss".into()
            }
        }
        Fault::NotHttp(octets) => format!(
            "{who} does not speak HTTP; its answer begins with \"{}\"",
            octets.escape_ascii()
        ),
        Fault::Unreadable(text) => format!("{who}'s HTTP answer cannot be read: {text}"),
    })
}

fn hint(stage: Stage, answer: &Answer) -> Option<&'static str> {
    if stage == Stage::Tunnel {
        return tunnel_hint(answer.status);
    }
    let body = String::from_utf8_lossy(&answer.body).to_lowercase();
    let body = body.trim_start();
    if body.starts_with("welcome to sockjs") || is_sockjs_info(body) {
        return Some(
            "this is a SockJS endpoint; its raw WebSocket is usually at the same path \
             with /websocket added",
        );
    }
    match answer.status {
        200..=299 => Some(if is_login(body) {
            "a login page answered"
        } else if is_html(answer, body) {
            "a web page answered; this path is not a WebSocket endpoint, or something between \
             intercepts it"
        } else {
            "this path is not a WebSocket endpoint"
        }),
        301 | 302 | 303 | 307 | 308 => {
            Some("redirected (not followed); the Location header says where to")
        }
        400 if body.contains("upgrade") => {
            Some("the server saw no proper Upgrade header; a proxy between may strip it")
        }
        401 => Some("the server wants credentials for the upgrade itself"),
        403 if is_html(answer, body) => {
            Some("forbidden by a web page; a firewall or gateway between may have answered")
        }
        403 => Some("forbidden; credentials, address or Origin do not suit the server"),
        404 => Some("the server knows no such path"),
        405 => Some("this path is not a WebSocket endpoint"),
        407 => Some("the proxy wants credentials"),
        426 => {
            Some("the server wants another protocol; a proxy between may strip the Upgrade header")
        }
        429 => Some("too many connections or requests; slow down"),
        502 if is_proxy(answer, body) => {
            Some("a proxy answered 502 (bad gateway): it gets no proper answer from the broker")
        }
        503 if is_proxy(answer, body) => {
            Some("a proxy answered 503 (service unavailable): it has no broker to pass this on to")
        }
        504 if is_proxy(answer, body) => {
            Some("a proxy answered 504 (gateway timeout): the broker did not answer it in time")
        }
        503 => Some("the server is overloaded or in maintenance"),
        _ => None,
    }
}

fn tunnel_hint(status: u16) -> Option<&'static str> {
    match status {
        401 | 403 => Some("the proxy forbids a tunnel to this host and port"),
        407 => Some("the proxy wants credentials"),
        400 | 404 | 405 | 501 => Some("it may not be a proxy, or one that does not know CONNECT"),
        429 => Some("too many connections or requests; slow down"),
        502 => Some("the proxy answered 502 (bad gateway): it cannot reach the broker"),
        503 => Some("the proxy answered 503 (service unavailable): it cannot reach the broker"),
        504 => Some("the proxy answered 504 (gateway timeout): it cannot reach the broker"),
        301 | 302 | 303 | 307 | 308 => {
            Some("redirected (not followed); the proxy may want a login first")
        }
        _ => None,
    }
}

/// SockJS tells its abilities as JSON, at `…/info`.
fn is_sockjs_info(body: &str) -> bool {
    body.starts_with('{') && body.contains("\"websocket\"") && body.contains("\"cookie_needed\"")
}

fn is_html(answer: &Answer, body: &str) -> bool {
    body.starts_with("<!doctype html")
        || body.starts_with("<html")
        || answer
            .values("content-type")
            .any(|v| v.to_ascii_lowercase().contains("html"))
}

fn is_login(body: &str) -> bool {
    const WORDS: &[&str] = &[
        "login", "log in", "password", "sign in", "signin", "sign-in",
    ];
    WORDS.iter().any(|word| body.contains(word))
}

/// Whether something in front of the broker answered in its place.
fn is_proxy(answer: &Answer, body: &str) -> bool {
    const SERVERS: &[&str] = &[
        "akamai",
        "apache",
        "awselb",
        "caddy",
        "cloudflare",
        "cloudfront",
        "envoy",
        "haproxy",
        "nginx",
        "squid",
        "traefik",
        "varnish",
        "zscaler",
    ];
    is_html(answer, body)
        || answer.values("via").next().is_some()
        || answer.values("server").any(|v| {
            let v = v.to_ascii_lowercase();
            SERVERS.iter().any(|name| v.contains(name))
        })
}
