//! What happened, in words for people: they stand in traces, on the page and in
//! the errors of tests.

use super::{How, Note, What};
use crate::http::{Headers, shown_path};
use crate::wire::mask;
use std::fmt;

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Request {
                method,
                path,
                headers,
                body,
                was: _,
            } => {
                write!(f, "request {method} {}{}", shown_path(path), Lines(headers))?;
                match body.len() {
                    0 => Ok(()),
                    n => write!(f, " [{n} octets]"),
                }
            }
            Self::Upgrade { path, headers } => {
                write!(f, "upgrade {}{}", shown_path(path), Lines(headers))
            }
            Self::Open { subprotocol } => match subprotocol {
                Some(name) => write!(f, "open {}", name.escape_debug()),
                None => f.write_str("open without a subprotocol"),
            },
            Self::Http { status } => write!(f, "http {status}"),
            Self::Recv(frame) => write!(f, "recv {frame}"),
            Self::Sent(frame) => write!(f, "sent {frame}"),
            Self::BeatIn => f.write_str("beat-in"),
            Self::BeatOut => f.write_str("beat-out"),
            Self::Ping(octets) => write!(f, "ping [{} octets]", octets.len()),
            Self::Pong(octets) => write!(f, "pong [{} octets]", octets.len()),
            Self::CloseIn { code, reason } => write!(f, "close-in{}", Close(*code, reason)),
            Self::CloseOut { code, reason } => write!(f, "close-out{}", Close(Some(*code), reason)),
            Self::Fault(words) => write!(f, "fault {words}"),
            Self::Mark(name) => write!(f, "mark {name}"),
            Self::Log(words) => write!(f, "log {words}"),
            Self::Fail(words) => write!(f, "fail {words}"),
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::Note(note) => write!(f, "note {note}"),
            Self::Listening(true) => f.write_str("listening again"),
            Self::Listening(false) => f.write_str("listening no more"),
            Self::Closed(how) => write!(f, "closed {how}"),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::SentWhileSuspended { command: words }
            | Self::Refused { message: words }
            | Self::Handshake(words)
            | Self::Upstream(words)
            | Self::Dropped {
                subscription: words,
            } => write!(f, ": {}", words.escape_debug()),
            Self::ConnectWhileLive { other } => write!(f, ": its session is on connection {other}"),
            Self::WebSocket { code, why } => write!(f, ": {} ({code})", why.escape_debug()),
            Self::HeartBeatLost { silent } => write!(f, ": nothing came for {silent:.1?}"),
            Self::SlowConsumer { waiting } => write!(f, ": {waiting} octets wait for it"),
            Self::ScriptLoop => Ok(()),
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer { code: Some(code) } => write!(f, "by the client with {code}"),
            Self::Peer { code: None } => f.write_str("by the client without a code"),
            Self::Broker { code, answered } => {
                let answer = if *answered { "" } else { ", unanswered" };
                write!(f, "by the broker with {code}{answer}")
            }
            Self::PeerGone => f.write_str("by the client without a Close (1006)"),
            Self::Fin => f.write_str("by the broker without a Close (1006)"),
            Self::Rst => f.write_str("by the broker with a reset (1006)"),
            Self::Http => f.write_str("after the answer"),
            Self::Failed(words) => write!(f, "because it failed: {}", words.escape_debug()),
            Self::Stopped => f.write_str("because the broker stopped"),
        }
    }
}

/// Headers as they stand on the wire, with a space before each.
struct Lines<'a>(&'a Headers);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| {
            let value = mask(name, value).escape_debug();
            write!(f, " {}:{value}", name.escape_debug())
        })
    }
}

/// Code and reason of a Close frame.
struct Close<'a>(Option<u16>, &'a str);

impl fmt::Display for Close<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(code, reason) = self;
        match code {
            Some(code) => write!(f, " {code}")?,
            None => f.write_str(" without a code")?,
        }
        if reason.is_empty() {
            return Ok(());
        }
        write!(f, " {reason:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_notes_are_words_and_no_program_text() {
        let close = |code| What::CloseIn {
            code,
            reason: String::new(),
        };
        let table = [
            (
                What::Open { subprotocol: None },
                "open without a subprotocol",
            ),
            (close(Some(1000)), "close-in 1000"),
            (close(None), "close-in without a code"),
            (
                What::CloseOut {
                    code: 1012,
                    reason: "re\u{1b}start".to_owned(),
                },
                r#"close-out 1012 "re\u{1b}start""#,
            ),
            (
                What::Closed(How::Broker {
                    code: 1000,
                    answered: false,
                }),
                "closed by the broker with 1000, unanswered",
            ),
            (
                What::Note(Note::Refused {
                    message: "no such\nthing".to_owned(),
                }),
                r"note refused: no such\nthing",
            ),
        ];
        for (what, words) in table {
            assert_eq!(what.to_string(), words);
        }
    }

    #[test]
    fn headers_are_told_without_their_secrets() {
        let headers = [("Host", "h"), ("Authorization", "Bearer hunter2")];
        let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let path = "/stomp".to_owned();
        let headers = Headers(headers.to_vec());
        let what = What::Upgrade { path, headers };
        assert_eq!(what.to_string(), "upgrade /stomp Host:h Authorization:***");
    }
}
