//! The HTTP requests of a connection attempt, and the check of the answer to
//! the upgrade (RFC 6455 §4.1).

use std::{
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
};

use data_encoding::BASE64;
use tungstenite::handshake::derive_accept_key;

use super::http1::Answer;
use crate::{
    config::{Endpoint, Proxy, Secret},
    error::{LinkError, Misuse},
};

/// Headers that belong to the upgrade itself. `Sec-WebSocket-*` does, too.
const OWN: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// An upgrade that is being asked for.
#[derive(Debug)]
pub(super) struct Upgrade {
    key: String,
    offered: &'static [&'static str],
}

impl Upgrade {
    /// With a fresh key. The key guards against caches that replay an answer;
    /// it is no secret, so the hash seed's randomness is enough.
    pub(super) fn new(offered: &'static [&'static str]) -> Self {
        let mut nonce = [0; 16];
        for (i, half) in nonce.chunks_mut(8).enumerate() {
            half.copy_from_slice(&RandomState::new().hash_one(i).to_ne_bytes());
        }
        Self {
            key: BASE64.encode(&nonce),
            offered,
        }
    }

    /// The request, header block and all.
    pub(super) fn request(
        &self,
        endpoint: &Endpoint,
        headers: &[(String, Secret)],
    ) -> Result<Vec<u8>, LinkError> {
        check_headers(headers)
            .map_err(|e| LinkError::Handshake(format!("the request was not sent: {e}")))?;
        let mut text = format!(
            "GET {} HTTP/1.1\r\n\
             Host: {}\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {}\r\n",
            endpoint.target(),
            endpoint.authority(),
            self.key,
        );
        if !self.offered.is_empty() {
            header(
                &mut text,
                "Sec-WebSocket-Protocol",
                &self.offered.join(", "),
            );
        }
        let named = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !named("User-Agent") {
            header(&mut text, "User-Agent", USER_AGENT);
        }
        for (name, value) in headers {
            header(&mut text, name, value.reveal());
        }
        text.push_str("\r\n");
        Ok(text.into_bytes())
    }

    /// Checks a 101 and finds the subprotocol that the server chose.
    pub(super) fn check(&self, answer: &Answer) -> Result<Option<String>, LinkError> {
        let fail = |text: String| Err(LinkError::Handshake(text));
        if !answer
            .list("upgrade")
            .any(|v| v.eq_ignore_ascii_case("websocket"))
        {
            return fail("101 without \"Upgrade: websocket\"".into());
        }
        if !answer
            .list("connection")
            .any(|v| v.eq_ignore_ascii_case("upgrade"))
        {
            return fail("101 without \"Connection: Upgrade\"".into());
        }
        let expected = derive_accept_key(self.key.as_bytes());
        let mut accepts = answer.values("sec-websocket-accept").map(str::trim);
        match (accepts.next(), accepts.next()) {
            (Some(accept), None) if accept == expected => {}
            (None, _) => return fail("101 without Sec-WebSocket-Accept".into()),
            (Some(_), _) => {
                return fail("its Sec-WebSocket-Accept does not belong to our key".into());
            }
        }
        if let Some(extension) = answer.list("sec-websocket-extensions").next() {
            return fail(format!(
                "it uses the extension {extension:?}, which was not offered"
            ));
        }
        let mut chosen = answer.list("sec-websocket-protocol");
        match (chosen.next(), chosen.next()) {
            (None, _) => Ok(None),
            (Some(one), None) if self.offered.contains(&one) => Ok(Some(one.to_owned())),
            (Some(one), None) => fail(format!(
                "it chose the subprotocol {one:?}, which was not offered ({})",
                self.offered.join(", "),
            )),
            (Some(_), Some(_)) => fail("it chose several subprotocols".into()),
        }
    }
}

/// The request for a tunnel to the broker (RFC 9110 §9.3.6).
pub(super) fn tunnel_request(endpoint: &Endpoint, proxy: &Proxy) -> Vec<u8> {
    let host = endpoint.host();
    let target = if host.contains(':') {
        format!("[{host}]:{}", endpoint.port())
    } else {
        format!("{host}:{}", endpoint.port())
    };
    let mut text = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    header(&mut text, "User-Agent", USER_AGENT);
    if let Some((user, password)) = &proxy.basic {
        let pair = format!("{user}:{}", password.reveal());
        let basic = format!("Basic {}", BASE64.encode(pair.as_bytes()));
        header(&mut text, "Proxy-Authorization", &basic);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Refuses headers that would break the request or change what it asks for.
pub(crate) fn check_headers(headers: &[(String, Secret)]) -> Result<(), Misuse> {
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Misuse::Config(format!("{name:?} is not a header name")));
        }
        let lower = name.to_ascii_lowercase();
        if OWN.contains(&lower.as_str()) || lower.starts_with("sec-websocket-") {
            return Err(Misuse::Config(format!(
                "the header {name} belongs to the upgrade itself"
            )));
        }
        let value = value.reveal();
        if value.bytes().any(|o| matches!(o, b'\r' | b'\n' | b'\0')) {
            return Err(Misuse::Config(format!(
                "the value of the header {name} holds a line end or NUL"
            )));
        }
    }
    Ok(())
}

const USER_AGENT: &str = concat!("hobnail/", env!("CARGO_PKG_VERSION"));

fn header(text: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{name}: {value}\r\n");
}

/// RFC 9110 §5.6.2.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}
