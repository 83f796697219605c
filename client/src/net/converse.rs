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
                    None => Err(ended(stage, stream, http)),
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
                    None => Err(unreadable(stage, e)),
                };
            }
        }
    }
}

fn ended(stage: Stage, stream: &Stream, http: &Exchange) -> LinkError {
    let peer = stream.socket().peer();
    let source = match stream.socket().broken() {
        Some(e) => io::Error::new(e.kind(), format!("{peer}: {e}")),
        None => io::Error::new(
            io::ErrorKind::UnexpectedEof,
            if http.is_answered() {
                format!("{peer} ended the connection in the middle of its answer")
            } else {
                format!("{peer} ended the connection without an answer")
            },
        ),
    };
    LinkError::Io {
        stage,
        source: Arc::new(source),
    }
}

fn unreadable(stage: Stage, e: io::Error) -> LinkError {
    LinkError::Io {
        stage,
        source: Arc::new(e),
    }
}
