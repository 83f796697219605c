//! The upstream's answer to the upgrade, without I/O.

use super::end_to_end;
use crate::http::{Headers, MAX_HEAD, Response, accept_key};

const MAX_HEADERS: usize = 128;
/// So much of a refusal's body is passed on.
const MAX_BODY: usize = 1 << 20;

/// What came of an upgrade.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 101: WebSocket frames follow.
    Open {
        subprotocol: Option<String>,
        /// What else the client is to see.
        headers: Vec<(String, String)>,
        /// Octets that came behind the head.
        rest: Vec<u8>,
    },
    /// Anything else, whole.
    Refused(Response),
}

/// Reads the answer to one upgrade.
#[derive(Debug)]
pub(crate) struct Exchange {
    key: String,
    octets: Vec<u8>,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Octets(usize),
    Chunked,
    UntilEnd,
}

impl Exchange {
    pub(crate) fn new(key: String) -> Self {
        let octets = Vec::new();
        Self { key, octets }
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The answer, once it is complete or `ended`; words if it is none.
    pub(crate) fn answer(&mut self, ended: bool) -> Result<Option<Answer>, &'static str> {
        let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut slots);
        let length = match parsed.parse(&self.octets) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.octets.len() > MAX_HEAD => {
                return Err("the answer's head is too large");
            }
            Ok(httparse::Status::Partial) if ended => return Err("it ended before it answered"),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err("the answer's head is too large"),
            Err(_) => return Err("the answer is not HTTP/1.1"),
        };
        let status = parsed.code.unwrap_or_default();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = parsed.headers.iter();
        let headers = Headers(
            headers
                .map(|h| (h.name.to_owned(), text(h.value)))
                .collect(),
        );
        let rest = &self.octets[length..];
        if status == 101 {
            let accept = headers.get("Sec-WebSocket-Accept").unwrap_or_default();
            if accept.trim() != accept_key(&self.key) {
                return Err("its Sec-WebSocket-Accept is wrong");
            }
            let name = "Sec-WebSocket-Protocol";
            let others = end_to_end(&headers).filter(|(n, _)| !n.eq_ignore_ascii_case(name));
            return Ok(Some(Answer::Open {
                subprotocol: headers.get(name).map(str::to_owned),
                headers: others.cloned().collect(),
                rest: rest.to_vec(),
            }));
        }
        Ok(body(&headers, status, rest, ended).map(|body| {
            let headers = end_to_end(&headers).cloned().collect();
            Answer::Refused(Response {
                status,
                headers,
                body,
            })
        }))
    }
}

/// The body, once all of it that is passed on is there.
fn body(headers: &Headers, status: u16, octets: &[u8], ended: bool) -> Option<Vec<u8>> {
    let full = ended || octets.len() >= MAX_BODY;
    match length(headers, status) {
        Length::Octets(n) => {
            let n = n.min(MAX_BODY);
            (full || octets.len() >= n).then(|| octets[..n.min(octets.len())].to_vec())
        }
        Length::UntilEnd => full.then(|| octets[..octets.len().min(MAX_BODY)].to_vec()),
        Length::Chunked => {
            let (body, whole) = unchunk(octets);
            (full || whole).then_some(body)
        }
    }
}

fn length(headers: &Headers, status: u16) -> Length {
    let chunked = headers
        .tokens("Transfer-Encoding")
        .any(|t| t.eq_ignore_ascii_case("chunked"));
    let stated = headers.get("Content-Length").map(|n| n.trim().parse());
    match stated {
        _ if matches!(status, 100..=199 | 204 | 304) => Length::Octets(0),
        _ if chunked => Length::Chunked,
        Some(Ok(n)) => Length::Octets(n),
        Some(Err(_)) | None => Length::UntilEnd,
    }
}

/// What is there of a chunked body, and whether it is all.
fn unchunk(mut octets: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((head, size))) = httparse::parse_chunk_size(octets)
        else {
            return (body, false);
        };
        octets = &octets[head..];
        if size == 0 {
            return (body, true);
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        body.extend_from_slice(&octets[..size.min(octets.len())]);
        match size.checked_add(2).and_then(|end| octets.get(end..)) {
            Some(rest) => octets = rest,
            None => return (body, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn read(wire: &[u8], ended: bool) -> Result<Option<Answer>, &'static str> {
        let mut exchange = Exchange::new(KEY.to_owned());
        exchange.feed(wire);
        exchange.answer(ended)
    }

    fn refused(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter();
        Answer::Refused(Response {
            status,
            headers: headers
                .map(|&(n, v)| (n.to_owned(), v.to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
        })
    }

    #[test]
    fn an_open_answer_is_whole_at_its_last_octet() {
        let wire = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=b\r\n\
            Sec-WebSocket-Protocol: v12.stomp\r\n\r\n";
        for end in 0..wire.len() {
            assert_eq!(read(&wire[..end], false), Ok(None), "prefix of {end}");
        }
        let open = Answer::Open {
            subprotocol: Some("v12.stomp".to_owned()),
            headers: vec![("Set-Cookie".to_owned(), "a=b".to_owned())],
            rest: b"xy".to_vec(),
        };
        assert_eq!(read(&[&wire[..], b"xy"].concat(), false), Ok(Some(open)));
        let stranger = String::from_utf8(wire.to_vec())
            .unwrap()
            .replace("s3p", "s4p");
        assert!(read(stranger.as_bytes(), false).is_err());
    }

    #[test]
    fn bodies_end_in_each_way() {
        let sized = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno";
        let answer = refused(401, &[("WWW-Authenticate", "Basic")], "no");
        for end in 0..sized.len() {
            assert_eq!(read(&sized[..end], false), Ok(None), "prefix of {end}");
        }
        assert_eq!(read(sized, false), Ok(Some(answer)));

        let chunked =
            b"HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n3\r\nway\r\n0\r\n\r\n";
        assert_eq!(read(chunked, false), Ok(Some(refused(503, &[], "noway"))));
        assert_eq!(read(&chunked[..60], false), Ok(None));

        let open = b"HTTP/1.1 502 x\r\n\r\nhtml";
        assert_eq!(read(open, false), Ok(None));
        assert_eq!(read(open, true), Ok(Some(refused(502, &[], "html"))));
        let empty = b"HTTP/1.1 204 x\r\n\r\n";
        assert_eq!(read(empty, false), Ok(Some(refused(204, &[], ""))));
    }

    #[test]
    fn what_is_no_answer_is_named() {
        assert!(read(b"SSH-2.0-x\r\n", false).is_err());
        assert!(read(b"HTTP/1.1 200", true).is_err());
        let huge = format!("HTTP/1.1 200 x\r\nA: {}", "x".repeat(MAX_HEAD));
        assert!(read(huge.as_bytes(), false).is_err());
        let endless = format!("HTTP/1.1 200 x\r\n\r\n{}", "x".repeat(2 * MAX_BODY));
        let Ok(Some(Answer::Refused(response))) = read(endless.as_bytes(), false) else {
            panic!("a bounded body");
        };
        assert_eq!(response.body.len(), MAX_BODY);
    }
}
