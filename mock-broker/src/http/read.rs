//! Reading a request: its head, then so many octets of body as it says.
//!
//! What two readers could understand in two ways is refused (RFC 9112, 6.3 and
//! 11.2), so that nothing can be smuggled past a proxy in front of the broker.

use super::{Headers, MAX_BODY, MAX_HEAD, Request};
use thiserror::Error;

const MAX_HEADERS: usize = 128;

/// A request that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum HttpError {
    #[error("request is not HTTP/1.1")]
    Syntax,
    #[error("request head is too large: at most {MAX_HEAD} octets and {MAX_HEADERS} headers")]
    HeadTooLarge,
    #[error("request body is too large: at most {MAX_BODY} octets")]
    BodyTooLarge,
    #[error("Content-Length is not one number")]
    Length,
    #[error("both Content-Length and Transfer-Encoding")]
    TwoLengths,
    #[error("Transfer-Encoding is not taken: send Content-Length")]
    Chunked,
    #[error("more than one Host")]
    TwoHosts,
}

impl HttpError {
    /// The status that answers it.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Syntax | Self::Length | Self::TwoLengths | Self::TwoHosts => 400,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
            Self::Chunked => 411,
        }
    }
}

/// What the octets so far come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The head is not whole yet.
    Partial,
    /// The head is whole; the request ends at this length.
    Body {
        length: usize,
        /// The client waits for a word before it sends its body.
        expects: bool,
    },
    /// The request, and its length.
    Whole(Request, usize),
}

/// Reads a request.
pub(crate) fn parse(octets: &[u8]) -> Result<Parsed, HttpError> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut slots);
    let head = match parsed.parse(octets) {
        Ok(httparse::Status::Complete(head)) if head <= MAX_HEAD => head,
        Ok(httparse::Status::Partial) if octets.len() <= MAX_HEAD => return Ok(Parsed::Partial),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(HttpError::HeadTooLarge),
        Err(_) => return Err(HttpError::Syntax),
    };
    let headers = Headers(
        parsed
            .headers
            .iter()
            .map(|h| {
                (
                    h.name.to_owned(),
                    String::from_utf8_lossy(h.value).into_owned(),
                )
            })
            .collect(),
    );
    let length = head + body_length(&headers)?;
    let Some(body) = octets.get(head..length) else {
        let expects = headers.has_token("Expect", "100-continue");
        return Ok(Parsed::Body { length, expects });
    };
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        headers,
        body: body.to_vec(),
    };
    Ok(Parsed::Whole(request, length))
}

fn body_length(headers: &Headers) -> Result<usize, HttpError> {
    let all = |name: &'static str| {
        headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
    };
    if all("Host").count() > 1 {
        return Err(HttpError::TwoHosts);
    }
    let mut lengths = all("Content-Length").map(|(_, v)| v.as_str());
    let length = lengths.next();
    if all("Transfer-Encoding").next().is_some() {
        return Err(match length {
            Some(_) => HttpError::TwoLengths,
            None => HttpError::Chunked,
        });
    }
    let Some(length) = length else {
        return Ok(0);
    };
    // No sign, no list, no second opinion: `usize::parse` would take a plus.
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    if !digits || lengths.next().is_some() {
        return Err(HttpError::Length);
    }
    match length.parse() {
        Ok(n) if n <= MAX_BODY => Ok(n),
        Ok(_) | Err(_) => Err(HttpError::BodyTooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_request_is_incomplete() {
        let wire = b"POST /stomp?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        for end in 0..wire.len() {
            match parse(&wire[..end]).unwrap() {
                Parsed::Partial => assert!(end < wire.len() - 3, "prefix of {end}"),
                Parsed::Body { length, expects } => {
                    assert!(end >= wire.len() - 3, "prefix of {end}");
                    assert_eq!((length, expects), (wire.len(), false));
                }
                Parsed::Whole(..) => panic!("prefix of {end}"),
            }
        }
        let mut more = wire.to_vec();
        more.extend_from_slice(b"GET /next");
        let Parsed::Whole(request, length) = parse(&more).unwrap() else {
            panic!("not whole");
        };
        assert_eq!((request.route(), length), ("/stomp", wire.len()));
        assert_eq!(request.body, b"abc");
        assert_eq!(parse(b"\0\0\0"), Err(HttpError::Syntax));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let with = |lines: &str| parse(format!("POST / HTTP/1.1\r\n{lines}\r\n").as_bytes());
        for (lines, error) in [
            (
                "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                HttpError::TwoLengths,
            ),
            ("Transfer-Encoding: chunked\r\n", HttpError::Chunked),
            ("Transfer-Encoding: xchunked\r\n", HttpError::Chunked),
            (
                "Content-Length: 3\r\ncontent-length: 4\r\n",
                HttpError::Length,
            ),
            (
                "Content-Length: 3\r\nContent-Length: 3\r\n",
                HttpError::Length,
            ),
            ("Content-Length: 3, 3\r\n", HttpError::Length),
            ("Content-Length: +3\r\n", HttpError::Length),
            ("Content-Length: -1\r\n", HttpError::Length),
            ("Content-Length: 0x3\r\n", HttpError::Length),
            ("Content-Length:\r\n", HttpError::Length),
            (
                "Content-Length: 99999999999999999999999\r\n",
                HttpError::BodyTooLarge,
            ),
            ("Host: a\r\nHost: b\r\n", HttpError::TwoHosts),
            ("Content-Length : 3\r\n", HttpError::Syntax),
            (" folded: x\r\n", HttpError::Syntax),
        ] {
            assert_eq!(with(lines), Err(error), "{lines}");
        }
    }

    #[test]
    fn heads_and_bodies_are_bounded() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_HEAD));
        assert_eq!(parse(long.as_bytes()), Err(HttpError::HeadTooLarge));
        let half = &long.as_bytes()[..MAX_HEAD + 1];
        assert_eq!(parse(half), Err(HttpError::HeadTooLarge));
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(MAX_HEADERS + 1)
        );
        assert_eq!(parse(many.as_bytes()), Err(HttpError::HeadTooLarge));
        let body = format!(
            "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
            MAX_BODY + 1
        );
        assert_eq!(parse(body.as_bytes()), Err(HttpError::BodyTooLarge));
    }
}
