//! One HTTP/1.1 request and its answer, without any I/O: for the upgrade and
//! for a proxy's CONNECT.

use std::time::{Duration, Instant};

/// The longest header block that is read.
const HEAD_LIMIT: usize = 64 << 10;
/// The most header lines that are read.
const HEADER_LIMIT: usize = 100;
/// How much of a refusal's body is kept.
const BODY_LIMIT: usize = 512;
/// How long a refusal's body is waited for once its headers are there.
const BODY_PATIENCE: Duration = Duration::from_secs(1);

/// Which answer ends HTTP on this connection and hands it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// 101.
    Upgrade,
    /// Any 2xx (RFC 9110 §9.3.6).
    Tunnel,
}

impl Goal {
    fn reached_by(self, status: u16) -> bool {
        match self {
            Self::Upgrade => status == 101,
            Self::Tunnel => (200..300).contains(&status),
        }
    }
}

/// A whole answer: either the goal, with no body, or anything else, with the
/// first octets of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// What followed the header block of an answer that reached the goal.
    pub(super) leftover: Vec<u8>,
}

impl Answer {
    /// The values of all headers of this name.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        values(&self.headers, name)
    }

    /// The elements of a comma-separated list, over all headers of this name.
    pub(super) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|element| !element.is_empty())
    }
}

/// Why octets are not an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The first octets are not HTTP at all.
    NotHttp(Vec<u8>),
    /// They begin as HTTP, and cannot be read.
    Unreadable(String),
}

/// A request on its way out and its answer on its way in.
///
/// No `Debug`: the request holds credentials.
pub(super) struct Exchange {
    goal: Goal,
    request: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    scanned: usize,
    head: Option<Head>,
}

struct Head {
    status: u16,
    headers: Vec<(String, String)>,
    /// The body is not waited for any longer than this.
    until: Instant,
}

impl Exchange {
    pub(super) fn new(goal: Goal, request: Vec<u8>) -> Self {
        Self {
            goal,
            request,
            sent: 0,
            received: Vec::new(),
            scanned: 0,
            head: None,
        }
    }

    /// What is left of the request.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.request[self.sent..]
    }

    pub(super) fn sent(&mut self, octets: usize) {
        self.sent += octets;
    }

    /// When the body of a refusal is told as far as it came. Changes with `receive`.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.head.as_ref().map(|head| head.until)
    }

    /// Whether any octet of an answer came.
    pub(super) fn is_answered(&self) -> bool {
        self.head.is_some() || !self.received.is_empty()
    }

    /// Takes octets from the peer. `Some` if they complete the answer.
    pub(super) fn receive(&mut self, now: Instant, octets: &[u8]) -> Result<Option<Answer>, Fault> {
        self.received.extend_from_slice(octets);
        if self.head.is_none() {
            self.read_head(now)?;
        }
        Ok(match &self.head {
            Some(head) if self.goal.reached_by(head.status) => self.take(true),
            Some(head) if body(head, &self.received).1 => self.take(false),
            Some(_) | None => None,
        })
    }

    /// What there is of a refusal when its body's time is up. `None` before
    /// that, or without a whole header block.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Answer> {
        match &self.head {
            Some(head) if now >= head.until => self.take(false),
            Some(_) | None => None,
        }
    }

    /// What there is of a refusal when no more will come.
    pub(super) fn end(&mut self) -> Option<Answer> {
        self.take(false)
    }

    fn take(&mut self, reached: bool) -> Option<Answer> {
        let head = self.head.take()?;
        let received = std::mem::take(&mut self.received);
        let (body, leftover) = if reached {
            (Vec::new(), received)
        } else {
            (body(&head, &received).0, Vec::new())
        };
        Some(Answer {
            status: head.status,
            headers: head.headers,
            body,
            leftover,
        })
    }

    fn read_head(&mut self, now: Instant) -> Result<(), Fault> {
        loop {
            // A peer may be so old that an empty line precedes its answer.
            let skip = self
                .received
                .iter()
                .take_while(|o| matches!(o, b'\r' | b'\n'))
                .count();
            let start = &self.received[skip..];
            if !b"HTTP/1.".iter().zip(start).all(|(a, b)| a == b) {
                let shown = start.len().min(32);
                return Err(Fault::NotHttp(start[..shown].to_vec()));
            }
            self.scanned = self.scanned.max(skip);
            let Some(end) = end_of_head(&self.received, self.scanned) else {
                // The terminator may be cut anywhere.
                self.scanned = self.received.len().saturating_sub(3).max(skip);
                if self.received.len() > HEAD_LIMIT {
                    return Err(too_long());
                }
                return Ok(());
            };
            if end > HEAD_LIMIT {
                return Err(too_long());
            }
            let head = parse(&self.received[..end], now)?;
            self.received.drain(..end);
            self.scanned = 0;
            // Interim answers (RFC 9110 §15.2) precede the real one.
            if (100..200).contains(&head.status) && head.status != 101 {
                continue;
            }
            self.head = Some(head);
            return Ok(());
        }
    }
}

fn too_long() -> Fault {
    Fault::Unreadable(format!(
        "its header block is longer than {HEAD_LIMIT} octets"
    ))
}

/// The position behind the empty line that ends a header block.
fn end_of_head(octets: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &octets[from..]).find_map(|at| {
        let next = from + at + 1;
        match octets[next..] {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

fn parse(octets: &[u8], now: Instant) -> Result<Head, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(octets) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => {
            return Err(Fault::Unreadable("its header block ends too early".into()));
        }
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Fault::Unreadable(format!(
                "it has more than {HEADER_LIMIT} headers"
            )));
        }
        Err(e) => return Err(Fault::Unreadable(e.to_string())),
    }
    Ok(Head {
        status: response.code.unwrap_or_default(),
        headers: response
            .headers
            .iter()
            .map(|h| {
                let value = String::from_utf8_lossy(h.value).into_owned();
                (h.name.to_owned(), value)
            })
            .collect(),
        until: now.checked_add(BODY_PATIENCE).unwrap_or(now),
    })
}

/// As much of a refusal's body as is kept, and whether that is all there will be.
fn body(head: &Head, received: &[u8]) -> (Vec<u8>, bool) {
    if matches!(head.status, 100..=199 | 204 | 304) {
        return (Vec::new(), true);
    }
    let chunked = values(&head.headers, "transfer-encoding")
        .any(|v| v.to_ascii_lowercase().contains("chunked"));
    if chunked {
        return unchunk(received);
    }
    let length = values(&head.headers, "content-length")
        .find_map(|v| v.trim().parse().ok())
        .unwrap_or(BODY_LIMIT);
    let wanted = length.min(BODY_LIMIT);
    let kept = received.len().min(wanted);
    (received[..kept].to_vec(), kept == wanted)
}

/// The first octets of a chunked body (RFC 9112 §7.1), and whether they are
/// all that is wanted. A body that is chunked wrongly ends where it goes wrong.
fn unchunk(mut received: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = memchr::memchr(b'\n', received) else {
            return (body, false);
        };
        let size = String::from_utf8_lossy(&received[..line]);
        let size = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else {
            return (body, true);
        };
        if size == 0 {
            return (body, true);
        }
        received = &received[line + 1..];
        let wanted = size.min(BODY_LIMIT - body.len());
        let kept = received.len().min(wanted);
        body.extend_from_slice(&received[..kept]);
        if body.len() == BODY_LIMIT {
            return (body, true);
        }
        // The chunk's own line end follows it.
        match received.get(size..) {
            Some([b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..]) => received = rest,
            Some(_) | None => return (body, false),
        }
    }
}

fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}
