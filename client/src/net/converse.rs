//! Moves an HTTP exchange over a stream.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Instant,
};

use super::{
    http1::{Answer, Exchange},
    refusal,
    stream::Stream,
};
use crate::error::{LinkError, Stage};

/// Moves a request out and its answer in, as far as the stream allows.
pub(super) fn converse(
    now: Instant,
    stage: Stage,
    stream: &mut Stream,
    http: &mut Exchange,
) -> Result<Option<Answer>, LinkError> {
    while !http.outgoing().is_empty() {
        match stream.write(http.outgoing()) {
            Ok(n) => http.sent(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            // What the peer said may explain it.
            Err(e) => {
                log::debug!("writing failed: {e}");
                break;
            }
        }
    }
    let mut octets = [0; 4096];
    loop {
        match stream.read(&mut octets) {
            Ok(0) => {
                return match http.end() {
                    Some(answer) => Ok(Some(answer)),
                    None => Err(ended(stage, stream, http, None)),
                };
            }
            Ok(n) => {
                let answer = http
                    .receive(now, &octets[..n])
                    .map_err(|fault| refusal::not_http(stage, &fault))?;
                if answer.is_some() {
                    return Ok(answer);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(http.expire(now)),
            Err(e) => {
                return match http.end() {
                    Some(answer) => Ok(Some(answer)),
                    None => Err(ended(stage, stream, http, Some(e))),
                };
            }
        }
    }
}

/// The connection ended, by EOF or by an error, before the answer was whole.
fn ended(stage: Stage, stream: &Stream, http: &Exchange, e: Option<io::Error>) -> LinkError {
    let peer = stream.socket().peer();
    let (kind, why) = match (e, stream.socket().broken()) {
        // With TLS 1.3, a refused client certificate shows only now.
        (Some(e), _) if !stream.is_plain() && e.raw_os_error().is_none() => {
            return LinkError::Tls {
                host: peer.to_string(),
                text: e.to_string(),
            };
        }
        (Some(e), _) => (e.kind(), e.to_string()),
        (None, Some(e)) => (e.kind(), e.to_string()),
        (None, None) => (
            io::ErrorKind::UnexpectedEof,
            "the peer ended the connection".to_owned(),
        ),
    };
    let when = if http.is_answered() {
        "in the middle of its answer"
    } else if stage == Stage::Upgrade && stream.is_plain() {
        "without an answer; does it want TLS (wss)?"
    } else {
        "without an answer"
    };
    LinkError::Io {
        stage,
        source: Arc::new(io::Error::new(kind, format!("{peer}: {why}, {when}"))),
    }
}
