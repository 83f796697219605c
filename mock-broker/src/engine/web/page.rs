//! The page for people: three files that are part of the program.

use super::guard;
use crate::http::{Request, Response};
use serde_json::json;

/// Nothing but what this broker itself serves: no script within the page, so
/// that whatever a client sends stays text.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer to a request for the page.
pub(super) fn page(request: &Request) -> Response {
    if let Some(refusal) = guard::refusal(&request.headers) {
        return refusal;
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        let words = json!({"error": "the page takes GET"});
        return Response::json(405, &words).with("Allow", "GET");
    }
    file("text/html; charset=utf-8", include_str!("page.html"))
}

pub(super) fn styles() -> Response {
    file("text/css; charset=utf-8", include_str!("page.css"))
}

pub(super) fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("page.js"))
}

fn file(kind: &str, text: &str) -> Response {
    let response = Response {
        status: 200,
        headers: Vec::new(),
        body: text.as_bytes().to_vec(),
    };
    response
        .with("Content-Type", kind)
        .with("Content-Security-Policy", POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
        .with("Cache-Control", "no-store")
}
