//! The proxy between here and the broker.

use std::net::IpAddr;

use super::{Endpoint, Secret};
use crate::error::Misuse;

/// An HTTP proxy that is asked for a tunnel with CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its host name or address; an IPv6 address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// User and password for Basic authentication.
    pub basic: Option<(String, Secret)>,
}

impl Proxy {
    /// Reads `http://host:3128` or `http://user:password@host:3128`. User and
    /// password may be percent-encoded; the scheme may be left out; the port
    /// defaults to 80.
    ///
    /// # Errors
    /// [`Misuse::Config`] if the scheme is another (TLS to the proxy and SOCKS
    /// are not supported), or host, port or credentials are unusable.
    pub fn parse(url: &str) -> Result<Self, Misuse> {
        let fail = |why: &str| Misuse::Config(format!("proxy {:?}: {why}", printable(url)));
        let rest = match url.trim().split_once("://") {
            None => url.trim(),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => rest,
                "https" => {
                    return Err(fail(
                        "TLS to the proxy itself is not supported; use http://",
                    ));
                }
                scheme if scheme.starts_with("socks") => {
                    return Err(fail("SOCKS is not supported; use an HTTP proxy"));
                }
                _ => return Err(fail("the scheme must be http")),
            },
        };
        // A password may hold anything, even '@' and '/', if it is sloppily encoded.
        let (user_info, rest) = match rest.rsplit_once('@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, rest),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = split_port(authority).ok_or_else(|| fail("the port is unusable"))?;
        let clean = |host: &str| {
            host.bytes()
                .all(|o| o.is_ascii_graphic() && !b"\"<>[]\\^`{|}%".contains(&o))
        };
        if host.is_empty()
            || !clean(host)
            || (host.contains(':') && host.parse::<IpAddr>().is_err())
        {
            return Err(fail("the host is missing or unusable"));
        }
        let basic = match user_info {
            None => None,
            Some(user_info) => {
                let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
                let decode = |text| decode(text).ok_or_else(|| fail("unusable credentials"));
                let (user, password) = (decode(user)?, decode(password)?);
                if user.contains(':') {
                    return Err(fail("a user name with a colon cannot be sent (RFC 7617)"));
                }
                Some((user, Secret::new(password)))
            }
        };
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(80),
            basic,
        })
    }

    /// The proxy that this process's environment asks for.
    pub(super) fn of_endpoint(endpoint: &Endpoint) -> Result<Option<Self>, Misuse> {
        let vars = |name: &str| std::env::var(name).ok();
        Self::from_env(endpoint.is_secure(), &endpoint.authority(), vars)
    }

    /// The proxy that the environment asks for, if any.
    ///
    /// For `wss` that is `https_proxy`, for `ws` it is `http_proxy`, and
    /// `all_proxy` if that is not set; each name is asked for in lower case,
    /// then in upper case. `no_proxy` lists what is reached directly: names
    /// with all that ends in them, addresses, CIDR blocks, each with a port or
    /// without, or `*`. `host` may carry a port, for the sake of such entries.
    ///
    /// # Errors
    /// [`Misuse::Config`] if the proxy that is asked for cannot be used.
    pub fn from_env(
        secure: bool,
        host: &str,
        vars: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Misuse> {
        let set = |name: &str| vars(name).filter(|value| !value.trim().is_empty());
        let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
        let proxy = if secure {
            either("https_proxy")
        } else if vars("REQUEST_METHOD").is_some() {
            // In a CGI program, HTTP_PROXY is the request's Proxy header.
            set("http_proxy")
        } else {
            either("http_proxy")
        };
        let Some(proxy) = proxy.or_else(|| either("all_proxy")) else {
            return Ok(None);
        };
        let (host, port) = split_port(host).unwrap_or((host, None));
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        let direct = either("no_proxy").unwrap_or_default();
        if is_direct(&direct, host, port) {
            return Ok(None);
        }
        Self::parse(&proxy).map(Some)
    }
}

/// Whether a `no_proxy` list names this host.
fn is_direct(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse().ok();
    list.split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| match address {
            _ if entry == "*" => true,
            Some(address) => covers_address(entry, address, port),
            None => covers_name(entry, &host, port),
        })
}

fn covers_name(entry: &str, host: &str, port: u16) -> bool {
    let Some((name, only)) = split_port(entry) else {
        return false;
    };
    let name = name
        .trim_start_matches('*')
        .trim_matches('.')
        .to_ascii_lowercase();
    let fits = match host.strip_suffix(&name) {
        Some(before) => !name.is_empty() && (before.is_empty() || before.ends_with('.')),
        None => false,
    };
    fits && only.is_none_or(|only| only == port)
}

fn covers_address(entry: &str, address: IpAddr, port: u16) -> bool {
    if let Some((network, bits)) = entry.split_once('/') {
        let network = network.trim_matches(['[', ']']).parse();
        return match (network, bits.parse()) {
            (Ok(network), Ok(bits)) => is_within(address, network, bits),
            _ => false,
        };
    }
    match split_port(entry) {
        Some((text, only)) => {
            text.parse().is_ok_and(|a: IpAddr| a == address) && only.is_none_or(|only| only == port)
        }
        None => false,
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (difference, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits() ^ n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits() ^ n.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    bits <= width && difference.checked_shr(width - bits).unwrap_or(0) == 0
}

/// Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare `v6`.
/// `None` if the port is unusable.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            match rest.strip_prefix(':') {
                Some(port) => (host, port),
                None if rest.is_empty() => (host, ""),
                None => return None,
            }
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    match port {
        "" => Some((host, None)),
        port => port
            .parse()
            .ok()
            .filter(|p| *p != 0)
            .map(|p| (host, Some(p))),
    }
}

/// Percent-decoded; `None` if that gives no text or one with control characters.
fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match hex {
            Some((high, low)) => {
                octets.push(high << 4 | low);
                rest = &after[2..];
            }
            // A sign that encodes nothing stands for itself.
            None => {
                octets.push(first);
                rest = after;
            }
        }
    }
    let text = String::from_utf8(octets).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// Without credentials.
fn printable(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, after)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://***@{after}"),
            None => format!("***@{after}"),
        },
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_url_is_taken_apart() {
        let secret = |text: &str| Secret::new(text);
        for (url, host, port, basic) in [
            ("http://proxy:3128", "proxy", 3128, None),
            ("HTTP://proxy/", "proxy", 80, None),
            ("proxy:3128", "proxy", 3128, None),
            ("http://[::1]:3128/", "::1", 3128, None),
            ("http://10.0.0.1", "10.0.0.1", 80, None),
            ("http://joe:hush@proxy:1", "proxy", 1, Some(("joe", "hush"))),
            ("http://joe@proxy", "proxy", 80, Some(("joe", ""))),
            (
                "http://a%40b:p%3Aq%25@proxy",
                "proxy",
                80,
                Some(("a@b", "p:q%")),
            ),
            (
                "http://joe:a@b/c:d@proxy",
                "proxy",
                80,
                Some(("joe", "a@b/c:d")),
            ),
            ("http://joe:100%@proxy", "proxy", 80, Some(("joe", "100%"))),
        ] {
            let proxy = Proxy::parse(url).unwrap();
            assert_eq!((proxy.host.as_str(), proxy.port), (host, port), "{url}");
            let basic = basic.map(|(user, password)| (user.to_owned(), secret(password)));
            assert_eq!(proxy.basic, basic, "{url}");
        }
    }

    #[test]
    fn an_unusable_proxy_says_why_and_keeps_its_secrets() {
        for (url, why) in [
            ("https://joe:hush@proxy", "TLS to the proxy"),
            ("socks5://joe:hush@proxy", "SOCKS"),
            ("socks://proxy", "SOCKS"),
            ("ftp://joe:hush@proxy", "scheme"),
            ("http://joe:hush@", "host"),
            ("http://joe:hush@a b", "host"),
            ("", "host"),
            ("http://joe:hush@proxy:0", "port"),
            ("http://joe:hush@proxy:99999", "port"),
            ("http://[::1", "port"),
            ("http://joe%0d%0aX:hush@proxy", "credentials"),
            ("http://joe%3a:hush@proxy", "colon"),
        ] {
            let text = Proxy::parse(url).unwrap_err().to_string();
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("hush"), "{text}");
        }
        let proxy = Proxy::parse("http://joe:hush@proxy").unwrap();
        assert!(!format!("{proxy:?}").contains("hush"));
    }

    fn chosen(secure: bool, host: &str, vars: &[(&str, &str)]) -> Option<String> {
        let vars = |name: &str| {
            let found = vars.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxy::from_env(secure, host, vars).unwrap().map(|p| p.host)
    }

    #[test]
    fn the_environment_chooses_by_scheme() {
        let all = &[
            ("http_proxy", "plain"),
            ("HTTPS_PROXY", "tls"),
            ("ALL_PROXY", "all"),
        ];
        assert_eq!(chosen(false, "broker", all).as_deref(), Some("plain"));
        assert_eq!(chosen(true, "broker", all).as_deref(), Some("tls"));
        assert_eq!(chosen(true, "broker", &all[..1]), None);
        assert_eq!(chosen(true, "broker", &all[2..]).as_deref(), Some("all"));
        let both = &[("https_proxy", "lower"), ("HTTPS_PROXY", "upper")];
        assert_eq!(chosen(true, "broker", both).as_deref(), Some("lower"));
        let empty = &[("https_proxy", ""), ("HTTPS_PROXY", "upper")];
        assert_eq!(chosen(true, "broker", empty).as_deref(), Some("upper"));
        assert_eq!(chosen(true, "broker", &[]), None);
        let cgi = &[("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")];
        assert_eq!(chosen(false, "broker", cgi), None);
    }

    #[test]
    fn an_unusable_proxy_is_an_error_only_if_it_would_be_used() {
        let vars = |name: &str| match name {
            "https_proxy" => Some("socks5://joe:hush@proxy".to_owned()),
            "no_proxy" => Some("direct.example".to_owned()),
            _ => None,
        };
        assert_eq!(Proxy::from_env(false, "broker", vars).unwrap(), None);
        assert_eq!(Proxy::from_env(true, "direct.example", vars).unwrap(), None);
        assert!(Proxy::from_env(true, "broker", vars).is_err());
    }

    #[test]
    fn no_proxy_names_what_is_reached_directly() {
        for (list, host, direct) in [
            ("*", "any.example", true),
            ("*", "10.0.0.1", true),
            ("", "any.example", false),
            ("example.com", "example.com", true),
            ("example.com", "a.example.com", true),
            ("example.com", "badexample.com", false),
            ("example.com", "example.com.evil", false),
            (".example.com", "a.example.com", true),
            (".example.com", "example.com", true),
            ("*.example.com", "a.example.com", true),
            ("Example.COM", "eXample.com", true),
            ("example.com", "example.com.", true),
            ("a, b ,example.com", "example.com", true),
            ("a b example.com", "example.com", true),
            ("example.com:443", "example.com", true),
            ("example.com:8443", "example.com", false),
            ("example.com:8443", "example.com:8443", true),
            ("example.com", "example.com:8443", true),
            ("example.com:x", "example.com", false),
            ("localhost", "localhost", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.1:61613", true),
            ("127.0.0.1:61613", "127.0.0.1:61613", true),
            ("127.0.0.1:61613", "127.0.0.1:1", false),
            ("0.0.1", "127.0.0.1", false),
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "11.0.0.1", true),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("10.0.0.0/8", "10.example.com", false),
            ("::1", "::1", true),
            ("[::1]", "::1", true),
            ("::1", "[::1]:8080", true),
            ("[::1]:8080", "[::1]:8080", true),
            ("0:0:0:0:0:0:0:1", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
            ("10.0.0.0/8", "fe80::1", false),
            (",,", "", false),
        ] {
            let vars = &[("https_proxy", "proxy"), ("no_proxy", list)];
            assert_eq!(chosen(true, host, vars).is_none(), direct, "{list} {host}");
        }
    }
}
