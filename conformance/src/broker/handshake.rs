//! The opening handshake (RFC 6455 §4) as the judge does it: by hand, so that
//! it can be done wrong.

use super::target::{Stream, Target};
use crate::wire::log::{Dir, Layer, Log};
use crate::wire::ws;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Octets of an answer's head, at most.
const MOST: usize = 64 << 10;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Upgrade {
    /// Offered subprotocols; `None` offers none.
    pub(crate) subprotocols: Option<String>,
    pub(crate) version: u8,
    /// More lines.
    pub(crate) headers: Vec<(String, String)>,
}

/// What the broker answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Octets after the head.
    pub(crate) rest: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

const KEY: &str = "aG9ibmFpbCBqdWRnZXMhIQ==";

/// Asks for the upgrade and reads the answer's head.
pub(crate) fn ask(
    stream: &mut Stream,
    target: &Target,
    upgrade: &Upgrade,
    within: Duration,
    conn: u32,
    log: &Log,
) -> io::Result<Answer> {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: {}\r\n",
        target.path, target.host, target.port, upgrade.version
    );
    if let Some(subprotocols) = &upgrade.subprotocols {
        request.push_str(&format!("Sec-WebSocket-Protocol: {subprotocols}\r\n"));
    }
    for (name, value) in target.ws_headers.iter().chain(&upgrade.headers) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    log.note(conn, Dir::Out, Layer::Http, "GET", request.as_bytes());
    stream.write_all(request.as_bytes())?;

    let deadline = Instant::now() + within;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "no answer to the upgrade",
            ));
        }
        stream.tcp().set_read_timeout(Some(left))?;
        let n = match stream.read(&mut buffer) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "closed before an answer to the upgrade",
                ));
            }
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        head.extend_from_slice(&buffer[..n]);
        if let Some(answer) = parse(&head)? {
            let used = head.len() - answer.rest.len();
            log.note(
                conn,
                Dir::In,
                Layer::Http,
                answer.status.to_string(),
                &head[..used],
            );
            if answer.status == 101
                && answer.header("Sec-WebSocket-Accept") != Some(&ws::accept(KEY))
            {
                return Err(io::Error::other(
                    "the answer has a wrong Sec-WebSocket-Accept",
                ));
            }
            return Ok(answer);
        }
        if head.len() > MOST {
            return Err(io::Error::other("the head of the answer has no end"));
        }
    }
}

fn parse(octets: &[u8]) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(octets) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(used)) => Ok(Some(Answer {
            status: response.code.unwrap_or_default(),
            headers: response
                .headers
                .iter()
                .map(|h| {
                    (
                        h.name.to_owned(),
                        String::from_utf8_lossy(h.value).into_owned(),
                    )
                })
                .collect(),
            rest: octets[used..].to_vec(),
        })),
        Err(error) => Err(io::Error::other(format!("the answer is no HTTP: {error}"))),
    }
}
