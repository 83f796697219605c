//! Rules that all traffic of all cases is held against, whatever a case asks.

use crate::grade::Outcome;
use crate::tally::Tallies;
use crate::wire::show;
use crate::wire::stomp::{Frame, Version};
use crate::wire::ws::{self, WsFrame};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What was seen.
pub(crate) enum What<'a> {
    /// A WebSocket frame, and whether it came after a Close.
    Ws(&'a WsFrame, bool),
    /// A whole message.
    Message(u8, &'a [u8]),
    /// Of a connection whose session speaks a version.
    Frame(u32, Version, &'a Frame),
    /// Octets that are no STOMP.
    Breach(&'a str),
}

#[derive(Debug, Default)]
struct State {
    tallies: Tallies,
    /// Connections that got their CONNECTED, and those that got an ERROR.
    connected: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    message_ids: BTreeSet<(u32, String, String)>,
}

#[derive(Debug, Default)]
pub(crate) struct Passive(Mutex<State>);

impl Passive {
    pub(crate) fn see(&self, what: &What<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            What::Ws(frame, after_close) => state.ws(frame, *after_close),
            What::Message(opcode, octets) => {
                if *opcode == ws::TEXT {
                    state.rule("WS-TXT-001", std::str::from_utf8(octets).is_ok(), || {
                        format!("a text message that is no UTF-8: {}", show::octets(octets))
                    });
                }
            }
            What::Frame(conn, version, frame) => state.frame(*conn, *version, frame),
            What::Breach(why) => state.rule("S12-FRM-001", false, || (*why).to_owned()),
        }
    }

    pub(crate) fn tallies(&self) -> Tallies {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.tallies.clone()
    }
}

impl State {
    fn rule(&mut self, id: &'static str, holds: bool, words: impl FnOnce() -> String) {
        self.tallies.rule(id, holds, || Outcome::Violated(words()));
    }

    fn ws(&mut self, frame: &WsFrame, after_close: bool) {
        self.rule("WS-FRM-003", !frame.masked, || {
            "a masked frame of the broker".to_owned()
        });
        self.rule("WS-FRM-005", frame.rsv == 0, || {
            format!("RSV bits {} without an extension", frame.rsv)
        });
        self.rule("WS-FRM-007", frame.shortest, || {
            "a length that is not in the shortest form".to_owned()
        });
        self.rule("WS-CTL-004", !after_close, || {
            "a frame after the Close".to_owned()
        });
        if frame.is_control() {
            let fits = frame.fin && frame.payload.len() <= 125;
            self.rule("WS-FRM-012", fits, || {
                "a control frame that is too long or in fragments".to_owned()
            });
        }
        if frame.opcode == ws::CLOSE {
            let body = &frame.payload;
            let reason = body.get(2..).unwrap_or_default();
            let formed = body.len() != 1 && std::str::from_utf8(reason).is_ok();
            self.rule("WS-CLS-002", formed, || {
                format!("a Close with the body {}", show::octets(body))
            });
            let code = body.first_chunk().map(|two| u16::from_be_bytes(*two));
            let legal = !matches!(code, Some(1005 | 1006 | 1015));
            self.rule("WS-CLS-001", legal, || {
                format!("a Close with {}", code.unwrap_or_default())
            });
        }
    }

    fn frame(&mut self, conn: u32, version: Version, frame: &Frame) {
        let words = || format!("{frame}");
        self.rule("S12-FRM-001", true, String::new);
        let server = matches!(
            frame.command.as_str(),
            "CONNECTED" | "MESSAGE" | "RECEIPT" | "ERROR"
        );
        if !server {
            self.rule("S12-CON-018", false, words);
        }
        if frame.command == "CONNECTED" {
            self.connected.insert(conn);
        } else {
            let early = !self.connected.contains(&conn) && frame.command != "ERROR";
            self.rule("S12-CON-018", !early, || {
                format!("{frame} before CONNECTED")
            });
        }
        self.rule("S12-ERR-007", !self.ended.contains(&conn), || {
            format!("{frame} after ERROR")
        });
        if frame.command == "ERROR" {
            self.ended.insert(conn);
            let said = frame.header("message").is_some_and(|m| !m.is_empty());
            self.rule("S12-ERR-003", said, || {
                format!("no message header: {frame}")
            });
        }
        if matches!(frame.command.as_str(), "CONNECTED" | "RECEIPT") {
            self.rule("S12-BDY-002", frame.body.is_empty(), || {
                format!("a body: {frame}")
            });
        }
        self.padding(frame);
        self.describes(frame);
        if frame.command == "MESSAGE" {
            self.message(conn, version, frame);
        }
    }

    /// Values of the broker's own making that begin with a space.
    fn padding(&mut self, frame: &Frame) {
        let own = [
            "receipt-id",
            "version",
            "heart-beat",
            "session",
            "server",
            "content-length",
            "content-type",
            "message-id",
            "subscription",
        ];
        for (name, value) in &frame.headers {
            // What a case sent with a space comes back with one.
            if own.contains(&name.as_str()) {
                let padded = value.starts_with(' ');
                self.rule("S12-ENC-015", !padded, || {
                    format!("the value of {name} is padded: {frame}")
                });
            }
        }
    }

    fn describes(&mut self, frame: &Frame) {
        if !frame.body.is_empty() {
            let given = frame.header("content-length");
            let right = given.and_then(|l| l.parse().ok()) == Some(frame.body.len());
            self.rule("S12-HDR-004", right, || {
                format!("no content-length: {frame}")
            });
            if frame.body.contains(&0) {
                self.rule("S12-HDR-005", given.is_some(), || format!("{frame}"));
            }
            if frame.command == "ERROR" {
                let typed = frame.header("content-type").is_some();
                self.rule("S12-HDR-011", typed, || {
                    format!("a body without content-type: {frame}")
                });
            }
        }
        if let Some(kind) = frame.header("content-type") {
            let mime = kind.split(';').next().unwrap_or_default().trim();
            let formed = mime
                .split_once('/')
                .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
            self.rule("S12-HDR-012", formed, || {
                format!("content-type:{kind} is no MIME type")
            });
        }
    }

    fn message(&mut self, conn: u32, version: Version, frame: &Frame) {
        let has = |name: &str| frame.header(name).is_some_and(|v| !v.is_empty());
        self.rule("S12-MSG-001", has("destination"), || {
            format!("no destination: {frame}")
        });
        let named = version == Version::V1_0 || frame.header("subscription").is_some();
        self.rule("S12-MSG-004", named, || format!("no subscription: {frame}"));
        let id = frame.header("message-id").unwrap_or_default().to_owned();
        let subscription = frame.header("subscription").unwrap_or_default().to_owned();
        if !named {
            // Which subscription the id is of cannot be told.
            return;
        }
        let fresh = !id.is_empty() && self.message_ids.insert((conn, subscription, id));
        let again = frame.header("redelivered") == Some("true");
        self.rule("S12-MSG-003", fresh || again, || {
            format!("no message-id, or one that was before: {frame}")
        });
    }
}
