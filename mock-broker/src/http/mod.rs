//! HTTP/1.1 as far as a broker needs it: requests in, answers out, no I/O.
//!
//! One request a connection; what follows it is thrown away.

mod form;
mod read;
mod upgrade;

pub(crate) use form::{decode, pairs};
pub(crate) use read::{Parsed, parse};
pub(crate) use upgrade::{accept_key, refusal, switching};

use crate::wire::mask;
use std::fmt;
use std::ops::Deref;

/// Longest request head that is read, in octets.
pub(crate) const MAX_HEAD: usize = 32 << 10;
/// Longest request body that is read, in octets.
pub(crate) const MAX_BODY: usize = 4 << 20;

/// HTTP headers in wire order; `Debug` hides credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(
    /// Names and values.
    pub Vec<(String, String)>,
);

impl Headers {
    /// The first value of that name, in any letter case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// Whether a comma separated header holds a token, in any letter case.
    fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|t| t.eq_ignore_ascii_case(token))
    }

    /// All tokens of a comma separated header, over all its entries.
    pub(crate) fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .flat_map(|(_, v)| v.split(','))
            .map(str::trim)
            .filter(|t| !t.is_empty())
    }
}

impl Deref for Headers {
    type Target = [(String, String)];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(n, v)| (n, mask(n, v))))
            .finish()
    }
}

/// One HTTP request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, for example `GET`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A well-formed WebSocket upgrade for `path` that offers `subprotocols`:
    /// for driving the engine without sockets.
    pub fn upgrade(path: &str, subprotocols: &[&str]) -> Self {
        let header = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let mut headers = vec![
            header("Host", "localhost"),
            header("Connection", "Upgrade"),
            header("Upgrade", "websocket"),
            header("Sec-WebSocket-Version", "13"),
            header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        if !subprotocols.is_empty() {
            headers.push(header("Sec-WebSocket-Protocol", &subprotocols.join(", ")));
        }
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: Headers(headers),
            body: Vec::new(),
        }
    }

    /// A plain request to this broker: for driving the engine without sockets.
    pub fn plain(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Headers(vec![("Host".to_owned(), "localhost".to_owned())]),
            body: Vec::new(),
        }
    }

    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The path without its query.
    pub fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The names and values of the query, decoded.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        pairs(self.path.split_once('?').map_or("", |(_, query)| query))
    }

    /// Whether it asks for a WebSocket.
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.headers.has_token("Upgrade", "websocket")
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {:?}",
            self.method,
            shown_path(&self.path),
            self.headers
        )
    }
}

/// A path without what may hold a token: its query, and whatever stands behind
/// `/control/expire/`.
pub(crate) fn shown_path(path: &str) -> String {
    const EXPIRE: &str = "/control/expire/";
    let (route, query) = match path.split_once('?') {
        Some((route, _)) => (route, "?***"),
        None => (path, ""),
    };
    if route.starts_with(EXPIRE) {
        return format!("{EXPIRE}***");
    }
    format!("{route}{query}")
}

/// An HTTP answer; `Debug` leaves its body out, which may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers besides Content-Length and Connection, which are added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with a line of plain text.
    pub fn text(status: u16, body: &str) -> Self {
        let headers = vec![(
            "Content-Type".to_owned(),
            "text/plain; charset=utf-8".to_owned(),
        )];
        Self {
            status,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }

    /// An answer of JSON, which nobody may keep.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        let header = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        Self {
            status,
            headers: vec![
                header("Content-Type", "application/json"),
                header("Cache-Control", "no-store"),
            ],
            body: format!("{value}\n").into_bytes(),
        }
    }

    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The octets of the answer; the connection ends after it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.encode_with(true)
    }

    /// The head of an answer whose length is not known: it ends with the
    /// connection.
    pub(crate) fn encode_head(&self) -> Vec<u8> {
        self.encode_with(false)
    }

    fn encode_with(&self, length: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        // A 204 has no body, and must not speak of one (RFC 9110, 8.6).
        if length && !has("content-length") && self.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        if !has("connection") {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut out = head.into_bytes();
        out.extend_from_slice(&self.body);
        out
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.headers.iter().map(|(n, v)| (n, mask(n, v)));
        write!(f, "{} ", self.status)?;
        f.debug_map().entries(shown).finish()?;
        write!(f, " [{} octets]", self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show() {
        let request = Request::upgrade("/s?token=hunter2", &[])
            .with("Authorization", "Bearer hunter2")
            .body("client_secret=hunter2");
        assert!(!format!("{request:?}").contains("hunter2"));
        let expire = Request::plain("POST", "/control/expire/hunter2");
        assert!(!format!("{expire:?}").contains("hunter2"));
    }

    #[test]
    fn an_answer_without_content_speaks_of_none() {
        let text = |status| String::from_utf8(Response::text(status, "").encode()).unwrap();
        assert!(text(200).contains("\r\nContent-Length: 0\r\n"));
        assert!(!text(204).contains("Content-Length"));
    }
}
