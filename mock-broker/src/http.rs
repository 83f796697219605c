//! The HTTP half of an upgrade: requests in, answers out, no I/O.

use crate::wire::mask;
use data_encoding::BASE64;
use sha1::{Digest, Sha1};
use std::fmt;
use std::ops::Deref;
use thiserror::Error;

/// Longest request head that is read, in octets.
pub(crate) const MAX_HEAD: usize = 32 << 10;
const MAX_HEADERS: usize = 128;

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

/// One HTTP request without body.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, for example `GET`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers.
    pub headers: Headers,
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
        }
    }

    /// The path without its query.
    pub fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
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

/// A path without its query, which may hold a token.
pub(crate) fn shown_path(path: &str) -> String {
    match path.split_once('?') {
        Some((route, _)) => format!("{route}?***"),
        None => path.to_owned(),
    }
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// The octets of the answer; the connection ends after it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        if !has("content-length") {
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

/// A request that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum HttpError {
    #[error("request is not HTTP/1.1")]
    Syntax,
    #[error("request head is too large")]
    TooLarge,
}

/// Reads a request; `None` means that more octets are needed. The number is
/// the length of the head.
pub(crate) fn parse(octets: &[u8]) -> Result<Option<(Request, usize)>, HttpError> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let length = match parsed.parse(octets) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if octets.len() > MAX_HEAD => {
            return Err(HttpError::TooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HttpError::TooLarge),
        Err(_) => return Err(HttpError::Syntax),
    };
    let headers = parsed
        .headers
        .iter()
        .map(|h| {
            (
                h.name.to_owned(),
                String::from_utf8_lossy(h.value).into_owned(),
            )
        })
        .collect();
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        headers: Headers(headers),
    };
    Ok(Some((request, length)))
}

/// Why a request is no WebSocket upgrade, as the answer that says so.
pub(crate) fn refusal(request: &Request) -> Option<Response> {
    let headers = &request.headers;
    let upgrade =
        headers.has_token("Upgrade", "websocket") && headers.has_token("Connection", "Upgrade");
    if request.method != "GET" || !upgrade {
        let mut response = Response::text(426, "This is a STOMP broker: WebSocket only.\n");
        response
            .headers
            .push(("Upgrade".to_owned(), "websocket".to_owned()));
        return Some(response);
    }
    if headers.get("Sec-WebSocket-Version").map(str::trim) != Some("13") {
        let mut response = Response::text(426, "WebSocket version 13 only.\n");
        response
            .headers
            .push(("Sec-WebSocket-Version".to_owned(), "13".to_owned()));
        return Some(response);
    }
    let key = headers.get("Sec-WebSocket-Key").unwrap_or_default().trim();
    if BASE64
        .decode(key.as_bytes())
        .is_ok_and(|nonce| nonce.len() == 16)
    {
        return None;
    }
    Some(Response::text(
        400,
        "Sec-WebSocket-Key is missing or not 16 octets.\n",
    ))
}

/// The value of Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2).
pub(crate) fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.trim().as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

/// The octets of a 101.
pub(crate) fn switching(accept: &str, subprotocol: Option<&str>) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(subprotocol) = subprotocol {
        head.push_str(&format!("Sec-WebSocket-Protocol: {subprotocol}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_the_one_of_the_rfc() {
        assert_eq!(
            accept_key("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn every_prefix_of_a_request_is_incomplete() {
        let wire = b"GET /stomp?x=1 HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n";
        for end in 0..wire.len() {
            assert_eq!(parse(&wire[..end]).unwrap(), None, "prefix of {end}");
        }
        let (request, length) = parse(wire).unwrap().unwrap();
        assert_eq!((request.route(), length), ("/stomp", wire.len()));
        assert_eq!(parse(b"\0\0\0"), Err(HttpError::Syntax));
    }

    #[test]
    fn what_is_no_upgrade_is_refused_in_words() {
        let good = Request::upgrade("/", &[]);
        assert_eq!(refusal(&good), None);
        let without = |name: &str| {
            let mut request = good.clone();
            request.headers.0.retain(|(n, _)| n != name);
            refusal(&request).map(|r| r.status)
        };
        assert_eq!(without("Upgrade"), Some(426));
        assert_eq!(without("Sec-WebSocket-Version"), Some(426));
        assert_eq!(without("Sec-WebSocket-Key"), Some(400));
    }

    #[test]
    fn credentials_do_not_show() {
        let mut request = Request::upgrade("/s?token=hunter2", &[]);
        request
            .headers
            .0
            .push(("Authorization".to_owned(), "Bearer hunter2".to_owned()));
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
