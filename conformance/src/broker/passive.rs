//! Rules that all traffic of all cases is held against, whatever a case asks.

use crate::tally::Tallies;
use crate::wire::stomp::{Frame, Version};
use crate::wire::ws::WsFrame;
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
            What::Message(opcode, octets) => state.tallies.text("WS-TXT-001", *opcode, octets),
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
        self.tallies.holds(id, holds, words);
    }

    fn ws(&mut self, frame: &WsFrame, after_close: bool) {
        self.rule("WS-FRM-003", !frame.masked, || {
            "a masked frame of the broker".to_owned()
        });
        self.tallies.ws(frame, after_close);
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
        self.tallies.describes(frame, frame.command == "ERROR");
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
