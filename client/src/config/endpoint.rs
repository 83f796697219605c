//! Where to connect.

use std::fmt;

use tungstenite::http::Uri;

use crate::error::Misuse;

/// A broker's WebSocket URL, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    host: String,
    port: u16,
    target: String,
}

impl Endpoint {
    /// Reads a `ws://` or `wss://` URL. The port defaults to 80 or 443, the path to `/`.
    ///
    /// # Errors
    /// [`Misuse::Url`] if the scheme is another, the host is missing, or the URL
    /// holds user information (credentials belong into the configuration).
    pub fn parse(url: &str) -> Result<Self, Misuse> {
        let fail = |why| Misuse::Url {
            url: printable(url),
            why,
        };
        let uri: Uri = url.parse().map_err(|_| fail("not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            Some(_) | None => return Err(fail("the scheme must be ws or wss")),
        };
        let authority = uri.authority().ok_or_else(|| fail("no host"))?;
        if authority.as_str().contains('@') {
            return Err(fail("credentials do not belong into the URL"));
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(fail("no host"));
        }
        let given = authority.as_str()[authority.host().len()..].strip_prefix(':');
        let port = match given {
            None | Some("") => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => port,
                Ok(_) | Err(_) => return Err(fail("the port must be from 1 to 65535")),
            },
        };
        let target = uri.path_and_query().map_or("/", |p| p.as_str());
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            target: if target.is_empty() { "/" } else { target }.to_owned(),
        })
    }

    /// A place holder until the URL is read.
    pub(super) fn unset() -> Self {
        Self {
            secure: true,
            host: String::new(),
            port: 443,
            target: "/".into(),
        }
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host name or address; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as the upgrade request names them. May hold a secret.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// `host:port` as it stands in a `Host` header; the default port is left out.
    #[must_use]
    pub fn authority(&self) -> String {
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

/// Without the query, which may hold a secret.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// The URL without what may be secret: user information and query.
pub(super) fn printable(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}***{}", &url[..scheme + 3], &url[at..])
        }
        (None, Some(at)) => format!("***{}", &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let e = Endpoint::parse("wss://Gw.example/stomp?x=1").unwrap();
        assert!(e.is_secure());
        assert_eq!(
            (e.host(), e.port(), e.target()),
            ("Gw.example", 443, "/stomp?x=1")
        );
        assert_eq!(e.authority(), "Gw.example");
        assert_eq!(e.to_string(), "wss://Gw.example/stomp");
        let e = Endpoint::parse("ws://[::1]:8080").unwrap();
        assert_eq!((e.host(), e.port(), e.target()), ("::1", 8080, "/"));
        assert_eq!(e.authority(), "[::1]:8080");
    }

    #[test]
    fn an_unusable_url_says_why_and_keeps_its_secrets() {
        for (url, why) in [
            ("http://x/", "scheme"),
            ("nonsense", "scheme"),
            ("", "not a URL"),
            ("ws://", "not a URL"),
            ("ws://x:0/", "port"),
            ("ws://x:99999/", "URL"),
            ("ws://joe:hush@x/?token=hush", "credentials"),
        ] {
            let text = Endpoint::parse(url).unwrap_err().to_string();
            assert!(text.contains(why) || text.contains("port"), "{url}: {text}");
            assert!(!text.contains("hush"), "{text}");
        }
    }
}
