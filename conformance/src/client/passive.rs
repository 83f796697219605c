//! Rules that all of a client's traffic is held against, whatever a case asks.

use super::serve::Request;
use crate::grade::Outcome;
use crate::tally::Tallies;
use crate::wire::show;
use crate::wire::stomp::{Frame, Version};
use crate::wire::ws::{self, WsFrame};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The rules, in the order of the list.
pub(crate) const RULES: &[&str] = &[
    "S12-FRM-001",
    "S12-ENC-015",
    "S12-BDY-001",
    "S12-HDR-004",
    "S12-HDR-005",
    "S12-HDR-011",
    "S12-HDR-012",
    "S12-HDR-018",
    "S12-HDR-019",
    "S12-CON-001",
    "S12-CON-005",
    "S12-CON-010",
    "S12-CON-015",
    "S12-CON-016",
    "S12-VER-001",
    "S12-HBT-001",
    "S12-HBT-008",
    "S12-HBT-015",
    "S12-SND-001",
    "S12-SUB-001",
    "S12-SUB-002",
    "S12-SUB-003",
    "S12-SUB-007",
    "S12-UNS-001",
    "S12-UNS-002",
    "S12-NAK-001",
    "S12-TXN-001",
    "S12-TXN-002",
    "S12-DIS-002",
    "WS-HSK-001",
    "WS-FRM-001",
    "WS-FRM-005",
    "WS-FRM-007",
    "WS-FRM-012",
    "WS-CTL-004",
    "WS-CLS-001",
    "WS-CLS-002",
    "WS-TXT-001",
    "SWS-SUB-001",
    "SWS-MAP-003",
];

/// What was seen, of which connection.
pub(crate) enum What<'a> {
    Upgrade(&'a Request),
    /// A WebSocket frame, and whether it came after a Close.
    Ws(&'a WsFrame, bool),
    /// A whole message.
    Message(u8, &'a [u8]),
    /// A frame, and the version of the session if it stands.
    Frame(u32, Option<Version>, &'a Frame),
    /// A message that begins with an EOL.
    Beat(u32, Option<Version>, &'a [u8]),
    /// Octets that are no STOMP.
    Breach(&'a str),
}

#[derive(Debug, Default)]
struct State {
    tallies: Tallies,
    sessions: BTreeMap<u32, Session>,
}

/// What a connection has said so far.
#[derive(Debug, Default)]
struct Session {
    begun: bool,
    connected: bool,
    disconnected: bool,
    subscriptions: BTreeSet<String>,
    transactions: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Passive(Mutex<State>);

impl Passive {
    pub(crate) fn see(&self, what: &What<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            What::Upgrade(request) => state.upgrade(request),
            What::Ws(frame, after_close) => state.ws(frame, *after_close),
            What::Message(opcode, octets) => state.message(*opcode, octets),
            What::Frame(conn, version, frame) => state.frame(*conn, *version, frame),
            What::Beat(conn, version, octets) => state.beat(*conn, *version, octets),
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

    fn upgrade(&mut self, request: &Request) {
        let has = |name: &str, word: &str| {
            let list = request.header(name).unwrap_or_default();
            list.split(',').any(|w| w.trim().eq_ignore_ascii_case(word))
        };
        let key = request.header("Sec-WebSocket-Key").unwrap_or_default();
        let key = data_encoding::BASE64.decode(key.trim().as_bytes());
        let whole = request.method == "GET"
            && request.minor >= 1
            && request.header("Host").is_some_and(|h| !h.is_empty())
            && has("Upgrade", "websocket")
            && has("Connection", "upgrade")
            && has("Sec-WebSocket-Version", "13")
            && key.is_ok_and(|key| key.len() == 16);
        self.rule("WS-HSK-001", whole, || {
            format!("the request for the upgrade: {request:?}")
        });
        let known = ["v10.stomp", "v11.stomp", "v12.stomp"];
        let offered = request.subprotocols();
        let registered = offered.iter().all(|name| known.contains(name));
        if !offered.is_empty() {
            self.rule("SWS-SUB-001", registered, || {
                format!("offered: {offered:?}")
            });
        }
    }

    fn ws(&mut self, frame: &WsFrame, after_close: bool) {
        self.rule("WS-FRM-001", frame.masked, || {
            format!("a frame that is not masked: {}", ws::words(frame))
        });
        self.tallies.ws(frame, after_close);
    }

    fn message(&mut self, opcode: u8, octets: &[u8]) {
        for id in ["WS-TXT-001", "SWS-MAP-003"] {
            self.tallies.text(id, opcode, octets);
        }
    }

    fn beat(&mut self, conn: u32, version: Option<Version>, octets: &[u8]) {
        let only = octets.iter().all(|o| matches!(o, b'\n' | b'\r'));
        // An EOL may follow a frame in the same message, too.
        let after_frame = octets.contains(&0);
        self.rule("S12-HBT-008", only || after_frame, || {
            format!("a heart-beat that is no EOL: {}", show::octets(octets))
        });
        let begun = self.sessions.get(&conn).is_some_and(|s| s.begun);
        self.rule("S12-HBT-015", version.is_some() || after_frame, || {
            let when = if begun {
                "before CONNECTED"
            } else {
                "before CONNECT"
            };
            format!("an EOL {when}")
        });
    }

    fn frame(&mut self, conn: u32, version: Option<Version>, frame: &Frame) {
        let words = || format!("{frame}");
        self.rule("S12-FRM-001", true, String::new);
        let session = self.sessions.entry(conn).or_default();
        let first = !std::mem::replace(&mut session.begun, true);
        let live = std::mem::replace(&mut session.connected, version.is_some());
        let parted = session.disconnected;
        session.disconnected |= frame.command == "DISCONNECT";
        let connects = matches!(frame.command.as_str(), "CONNECT" | "STOMP");
        if first {
            self.rule("S12-CON-001", connects, words);
            self.rule("S12-CON-005", frame.command == "CONNECT", words);
        } else if !connects {
            self.rule("S12-CON-015", version.is_some(), || {
                format!("before CONNECTED: {frame}")
            });
        }
        if connects {
            let again = !first || live;
            self.tallies.rule("S12-CON-016", !again, || {
                Outcome::Failed("CONNECT on a session that was there already".to_owned())
            });
        }
        self.rule("S12-DIS-002", !parted, || {
            format!("after DISCONNECT: {frame}")
        });
        self.padding(frame);
        let bare = frame.command == "SEND" || frame.body.is_empty();
        self.rule("S12-BDY-001", bare, || format!("a body: {frame}"));
        let receipt_id = frame.header("receipt-id").is_none();
        self.rule("S12-HDR-018", receipt_id, || {
            format!("receipt-id is a header of RECEIPT: {frame}")
        });
        self.by_command(conn, version.unwrap_or(Version::V1_2), frame);
    }

    fn by_command(&mut self, conn: u32, version: Version, frame: &Frame) {
        let words = || format!("{frame}");
        let has = |name: &str| frame.header(name).is_some_and(|v| !v.is_empty());
        match frame.command.as_str() {
            "CONNECT" | "STOMP" => self.connect(frame),
            "SEND" => {
                self.rule("S12-SND-001", has("destination"), words);
                self.tallies.describes(frame, true);
            }
            "SUBSCRIBE" => {
                self.rule("S12-SUB-001", has("destination"), words);
                if version > Version::V1_0 {
                    self.rule("S12-SUB-002", has("id"), words);
                }
                if let Some(ack) = frame.header("ack") {
                    let known = matches!(ack, "auto" | "client" | "client-individual");
                    self.rule("S12-SUB-007", known, words);
                }
                let id = frame.header("id").unwrap_or_default().to_owned();
                let session = self.sessions.entry(conn).or_default();
                let fresh = session.subscriptions.insert(id);
                self.rule("S12-SUB-003", fresh, || format!("an id twice: {frame}"));
            }
            "UNSUBSCRIBE" => {
                if version > Version::V1_0 {
                    self.rule("S12-UNS-001", has("id"), words);
                }
                let id = frame.header("id").unwrap_or_default();
                let session = self.sessions.entry(conn).or_default();
                let known = session.subscriptions.remove(id);
                self.rule("S12-UNS-002", known, || {
                    format!("no such subscription: {frame}")
                });
            }
            "NACK" => {
                let name = if version == Version::V1_2 {
                    "id"
                } else {
                    "message-id"
                };
                self.rule("S12-NAK-001", has(name), words);
            }
            "BEGIN" | "COMMIT" | "ABORT" => {
                self.rule("S12-TXN-001", has("transaction"), words);
                let id = frame.header("transaction").unwrap_or_default().to_owned();
                let session = self.sessions.entry(conn).or_default();
                if frame.command == "BEGIN" {
                    let fresh = session.transactions.insert(id);
                    self.rule("S12-TXN-002", fresh, || format!("an id twice: {frame}"));
                } else {
                    session.transactions.remove(&id);
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, frame: &Frame) {
        self.rule("S12-HDR-019", frame.header("receipt").is_none(), || {
            format!("a receipt header: {frame}")
        });
        let empty = ["login", "passcode"]
            .iter()
            .any(|name| frame.header(name) == Some(""));
        self.tallies.rule("S12-CON-010", !empty, || {
            Outcome::NonStrict("an empty login or passcode instead of none".to_owned())
        });
        if let Some(list) = frame.header("accept-version") {
            let number = |part: &str| part.split_once('.').map(|(a, b)| (a.parse(), b.parse()));
            let versions: Option<Vec<(u32, u32)>> = list
                .split(',')
                .map(|part| match number(part) {
                    Some((Ok(a), Ok(b))) => Some((a, b)),
                    Some(_) | None => None,
                })
                .collect();
            let rising = versions.is_some_and(|v| v.windows(2).all(|two| two[0] < two[1]));
            self.rule("S12-VER-001", rising, || format!("accept-version:{list}"));
        }
        if let Some(pair) = frame.header("heart-beat") {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|o| o.is_ascii_digit());
            let formed = pair
                .split_once(',')
                .is_some_and(|(a, b)| digits(a) && digits(b));
            self.rule("S12-HBT-001", formed, || format!("heart-beat:{pair}"));
        }
    }

    /// Values of the library's own making that begin or end with a space.
    fn padding(&mut self, frame: &Frame) {
        let own = [
            "accept-version",
            "heart-beat",
            "id",
            "receipt",
            "ack",
            "transaction",
            "content-length",
            "message-id",
            "subscription",
        ];
        for (name, value) in frame
            .headers
            .iter()
            .filter(|(n, _)| own.contains(&n.trim()))
        {
            let padded = value.trim() != value || name.trim() != name;
            self.rule("S12-ENC-015", !padded, || {
                format!("the value of {name} is padded: {frame}")
            });
        }
    }
}
