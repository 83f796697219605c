//! The road to a real broker: where it is, and how a request is passed on.

mod answer;

pub(crate) use answer::{Answer, Exchange};

use crate::http::{Headers, Request};
use native_tls::{Certificate, Protocol, TlsConnector};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use thiserror::Error;

/// A real broker behind a proxy: its URL, and how its certificate is judged.
#[derive(Clone)]
pub struct Upstream {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    roots: Vec<String>,
    insecure: bool,
}

/// Why an upstream cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It is no `ws://` or `wss://` URL; the words say why. They do not repeat
    /// it, for it may hold a token.
    #[error("the upstream's URL {0}")]
    Url(&'static str),
    /// Its host has no address.
    #[error("cannot resolve the upstream's host {host}: {source}")]
    Resolve {
        /// The host.
        host: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// An authority's certificate cannot be read, or TLS cannot be set up.
    #[error("TLS for the upstream: {0}")]
    Tls(#[from] native_tls::Error),
}

impl Upstream {
    /// Reads a URL such as `wss://broker.example:15673/ws`.
    ///
    /// # Errors
    /// [`UpstreamError::Url`] says what is wrong with it.
    pub fn new(url: &str) -> Result<Self, UpstreamError> {
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => (true, rest),
            Some(_) | None => return Err(UpstreamError::Url("must begin with ws:// or wss://")),
        };
        if !url.bytes().all(|o| o.is_ascii_graphic()) {
            return Err(UpstreamError::Url("holds an octet that must be escaped"));
        }
        if rest.contains('#') {
            return Err(UpstreamError::Url("has a fragment"));
        }
        if rest.contains('?') {
            return Err(UpstreamError::Url(
                "has a query, which is the client's to send",
            ));
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        if place.contains('@') {
            return Err(UpstreamError::Url("has a user name"));
        }
        // A colon inside of brackets belongs to the address.
        let colon = place.rfind(':').filter(|at| !place[*at..].contains(']'));
        let (host, port) = match colon {
            Some(at) => (&place[..at], place[at + 1..].parse().ok()),
            None => (place, Some(if secure { 443 } else { 80 })),
        };
        let port = port.filter(|p| *p > 0);
        let port = port.ok_or(UpstreamError::Url("has no port between 1 and 65535"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(UpstreamError::Url("has no host"));
        }
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            roots: Vec::new(),
            insecure: false,
        })
    }

    /// One more authority that is trusted, as PEM (default: the system's).
    #[must_use]
    pub fn ca_pem(mut self, pem: &str) -> Self {
        self.roots.push(pem.to_owned());
        self
    }

    /// Whether any certificate will do (default no).
    #[must_use]
    pub fn insecure(mut self, yes: bool) -> Self {
        self.insecure = yes;
        self
    }

    /// The path, which clients of the proxy ask for, too.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Looks the host up, and reads the certificates.
    pub(crate) fn resolve(&self) -> Result<Target, UpstreamError> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let resolve = |source| UpstreamError::Resolve {
            host: self.host.clone(),
            source,
        };
        let addresses: Vec<SocketAddr> = found.map_err(resolve)?.collect();
        if addresses.is_empty() {
            return Err(resolve(std::io::ErrorKind::NotFound.into()));
        }
        let connector = if self.secure {
            let mut builder = TlsConnector::builder();
            builder
                .min_protocol_version(Some(Protocol::Tlsv12))
                .danger_accept_invalid_certs(self.insecure)
                .danger_accept_invalid_hostnames(self.insecure);
            for pem in &self.roots {
                builder.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
            }
            Some(builder.build()?)
        } else {
            None
        };
        Ok(Target {
            addresses,
            name: self.host.clone(),
            host: self.host_header(),
            connector,
        })
    }

    fn host_header(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// An upstream that can be dialled.
pub(crate) struct Target {
    pub(crate) addresses: Vec<SocketAddr>,
    /// What the certificate must be for.
    pub(crate) name: String,
    host: String,
    pub(crate) connector: Option<TlsConnector>,
}

/// Headers that belong to one connection and not to the request.
const OF_THE_HOP: [&str; 14] = [
    "host",
    "connection",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-accept",
];

/// What of a head is passed on.
pub(crate) fn end_to_end(headers: &Headers) -> impl Iterator<Item = &(String, String)> {
    headers
        .iter()
        .filter(|(n, _)| !OF_THE_HOP.iter().any(|h| n.eq_ignore_ascii_case(h)))
}

/// The octets of the client's request, as it goes upstream.
pub(crate) fn request(target: &Target, request: &Request, key: &str) -> Vec<u8> {
    let mut head = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n",
        request.path, target.host
    );
    for (name, value) in end_to_end(&request.headers) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parts = |url: &str| {
            let u = Upstream::new(url).unwrap();
            (
                u.secure,
                u.host.clone(),
                u.port,
                u.path.clone(),
                u.host_header(),
            )
        };
        let of = |secure, host: &str, port, path: &str, header: &str| {
            (
                secure,
                host.to_owned(),
                port,
                path.to_owned(),
                header.to_owned(),
            )
        };
        assert_eq!(parts("ws://h"), of(false, "h", 80, "/", "h"));
        assert_eq!(parts("WSS://h/ws"), of(true, "h", 443, "/ws", "h"));
        assert_eq!(parts("ws://h:15674"), of(false, "h", 15674, "/", "h:15674"));
        assert_eq!(
            parts("wss://[::1]:99/"),
            of(true, "::1", 99, "/", "[::1]:99")
        );
        assert_eq!(parts("ws://[::1]/"), of(false, "::1", 80, "/", "[::1]"));
    }

    #[test]
    fn what_is_no_url_is_told_without_repeating_it() {
        for (url, words) in [
            ("http://h", "ws://"),
            ("h:1", "ws://"),
            ("ws://:1", "no host"),
            ("ws://h:0/", "port"),
            ("ws://h:99999/", "port"),
            ("ws://h:/", "port"),
            ("ws://u:hunter2@h/", "user name"),
            ("ws://h/#x", "fragment"),
            ("ws://h/?token=hunter2", "query"),
            ("ws://h/ x", "escaped"),
        ] {
            let error = Upstream::new(url).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_request_is_passed_on_but_for_what_belongs_to_the_hop() {
        let mut asked = Request::upgrade("/ws?token=x", &["v12.stomp"]);
        asked
            .headers
            .0
            .push(("Authorization".to_owned(), "Bearer t".to_owned()));
        asked.headers.0.push((
            "Sec-WebSocket-Extensions".to_owned(),
            "permessage-deflate".to_owned(),
        ));
        let target = Upstream::new("ws://127.0.0.1:15674/ws")
            .unwrap()
            .resolve()
            .unwrap();
        let head = String::from_utf8(request(&target, &asked, "KEY")).unwrap();
        assert_eq!(
            head,
            "GET /ws?token=x HTTP/1.1\r\nHost: 127.0.0.1:15674\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: KEY\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: v12.stomp\r\nAuthorization: Bearer t\r\n\r\n"
        );
    }
}
