//! The WebSocket upgrade (RFC 6455, 4.2): what is refused, and the answer.

use super::{Request, Response};
use data_encoding::BASE64;
use sha1::{Digest, Sha1};

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
pub(crate) fn switching(
    accept: &str,
    subprotocol: Option<&str>,
    extra: &[(String, String)],
) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(subprotocol) = subprotocol {
        head.push_str(&format!("Sec-WebSocket-Protocol: {subprotocol}\r\n"));
    }
    for (name, value) in extra {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
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
}
