//! The requirements that bind a broker, played as data: octets go in, and what
//! comes out is compared. The ids are those of the project's list.

mod frames;
mod sessions;

use crate::world::World;
use hobnail_mock_broker::engine::{Input, Output};
use hobnail_mock_broker::wire::Frame;
use hobnail_mock_broker::{How, Scenario};
use std::time::Duration;

/// One step of a case. Every case begins with an upgraded connection 1.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Opens a connection, or goes on with it.
    On(u64),
    /// CONNECT with this version, and CONNECTED.
    Connect(&'static str),
    /// Octets, in one message; `{ack}` is the ack id of the last MESSAGE here,
    /// `{ack0}` that of the first one, and so on.
    Say(&'static [u8]),
    /// The same octets, one to a message.
    Drip(&'static [u8]),
    /// So many milliseconds pass.
    Pass(u64),
    /// The connection is lost without a word.
    Lose,
    /// The next frame is a RECEIPT for this.
    Receipt(&'static str),
    /// The next frame is a CONNECTED with this version.
    Connected(&'static str),
    /// The next frame is a MESSAGE with this body.
    Message(&'static [u8]),
    /// The last frame has this header.
    Has(&'static str, &'static str),
    /// The last frame has no such header.
    Lacks(&'static str),
    /// The octets of the last frame hold these.
    Wire(&'static [u8]),
    /// The next frame is a MESSAGE that was delivered before.
    Again(&'static [u8]),
    /// The next frame is an ERROR with a message, Close follows, and then
    /// nothing.
    Error,
    /// No frame has come that was not looked at.
    Quiet,
    /// The connection is open, and no ERROR came.
    Alive,
    /// Close came, and no ERROR before it.
    Closed,
    /// Between two beats there were never more than so many milliseconds, and
    /// there were some.
    Beats(u64),
    /// There were no beats.
    NoBeats,
}

pub(super) struct Case {
    pub(super) id: &'static str,
    pub(super) steps: &'static [Step],
}

struct Play {
    world: World,
    id: &'static str,
    conn: u64,
    opened: Vec<u64>,
    /// Frames that were looked at, for each connection.
    seen: Vec<usize>,
}

impl Play {
    fn new(id: &'static str) -> Self {
        let scenario = Scenario::builder()
            .heart_beat(1000, 1000)
            .auth_basic("u", "p:a\\cb");
        let scenario = scenario.auth_basic("v", "p");
        let mut play = Self {
            world: World::new(scenario.build()),
            id,
            conn: 1,
            opened: Vec::new(),
            seen: vec![0; 64],
        };
        play.on(1);
        play
    }

    fn on(&mut self, conn: u64) {
        self.conn = conn;
        if !self.opened.contains(&conn) {
            self.opened.push(conn);
            self.world.open_as(conn, &[]);
        }
    }

    fn frames(&self) -> Vec<Frame> {
        let frames = self.world.frames(self.conn);
        frames.into_iter().map(|(_, f)| f).collect()
    }

    fn last(&self) -> Frame {
        let frames = self.frames();
        let n = self.seen[self.conn as usize];
        frames[n
            .checked_sub(1)
            .unwrap_or_else(|| panic!("{}: no frame", self.id))]
        .clone()
    }

    fn next(&mut self, command: &str) -> Frame {
        let n = self.seen[self.conn as usize];
        let frames = self.frames();
        let Some(frame) = frames.get(n) else {
            panic!("{}: {command} did not come; {frames:?}", self.id);
        };
        assert_eq!(frame.command, command, "{}: {frame}", self.id);
        self.seen[self.conn as usize] += 1;
        frame.clone()
    }

    fn ended(&self) -> bool {
        let ends = |o: &Output| matches!(o, Output::Close { conn, .. } | Output::Fin { conn } if *conn == self.conn);
        self.world.outputs.iter().any(|(_, o)| ends(o))
    }

    fn filled(&self, octets: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(octets) else {
            return octets.to_vec();
        };
        if !text.contains("{ack") {
            return octets.to_vec();
        }
        let acks: Vec<String> = self
            .frames()
            .iter()
            .filter_map(|f| f.header("ack").map(str::to_owned))
            .collect();
        let mut text = text.to_owned();
        for (i, ack) in acks.iter().enumerate() {
            text = text.replace(&format!("{{ack{i}}}"), ack);
        }
        let last = acks.last().expect("an ack id");
        text.replace("{ack}", last).into_bytes()
    }

    fn say(&mut self, octets: &[u8]) {
        let conn = self.conn;
        let binary = std::str::from_utf8(octets).is_err();
        self.world.tell(Input::Message {
            conn,
            octets,
            binary,
        });
    }

    fn step(&mut self, step: Step) {
        let id = self.id;
        match step {
            Step::On(conn) => self.on(conn),
            Step::Connect(version) => {
                let connect =
                    format!("CONNECT\naccept-version:{version}\nhost:h\nlogin:v\npasscode:p\n\n\0");
                self.say(connect.as_bytes());
                let connected = self.next("CONNECTED");
                assert_eq!(connected.header("version"), Some(version), "{id}");
            }
            Step::Say(octets) => self.say(&self.filled(octets)),
            Step::Drip(octets) => {
                for octet in octets {
                    self.say(&[*octet]);
                }
            }
            Step::Pass(ms) => self.world.pass(Duration::from_millis(ms)),
            Step::Lose => self.world.tell(Input::Closed {
                conn: self.conn,
                how: &How::PeerGone,
            }),
            Step::Receipt(receipt) => {
                let frame = self.next("RECEIPT");
                assert_eq!(frame.header("receipt-id"), Some(receipt), "{id}");
                assert!(frame.body.is_empty(), "{id}");
            }
            Step::Connected(version) => {
                let frame = self.next("CONNECTED");
                assert_eq!(frame.header("version"), Some(version), "{id}");
                assert!(frame.body.is_empty(), "{id}");
            }
            Step::Message(body) => {
                let frame = self.next("MESSAGE");
                assert_eq!(frame.body, body, "{id}: {frame}");
                assert_eq!(frame.header("redelivered"), None, "{id}: {frame}");
                let length = frame.header("content-length").and_then(|n| n.parse().ok());
                assert_eq!(length, Some(body.len()), "{id}: content-length");
                assert!(
                    frame.header("message-id").is_some_and(|m| !m.is_empty()),
                    "{id}"
                );
            }
            Step::Again(body) => {
                let frame = self.next("MESSAGE");
                assert_eq!(frame.body, body, "{id}: {frame}");
                assert_eq!(frame.header("redelivered"), Some("true"), "{id}: {frame}");
            }
            Step::Has(name, value) => {
                assert_eq!(
                    self.last().header(name),
                    Some(value),
                    "{id}: {}",
                    self.last()
                );
            }
            Step::Lacks(name) => assert_eq!(self.last().header(name), None, "{id}"),
            Step::Wire(part) => {
                let conn = self.conn;
                let sent = self.world.outputs.iter().rev().find_map(|(_, o)| {
                    if let Output::Message {
                        conn: c, octets, ..
                    } = o
                    {
                        (*c == conn).then(|| octets.clone())
                    } else {
                        None
                    }
                });
                let sent = sent.expect("octets");
                let held = sent.windows(part.len()).any(|w| w == part);
                assert!(held, "{id}: {}", String::from_utf8_lossy(&sent));
            }
            Step::Error => {
                let frame = self.next("ERROR");
                assert!(
                    frame.header("message").is_some_and(|m| !m.is_empty()),
                    "{id}"
                );
                let body = frame.body.len().to_string();
                assert_eq!(frame.header("content-length"), Some(body.as_str()), "{id}");
                assert!(self.ended(), "{id}: no Close after ERROR");
                self.say(b"SEND\ndestination:/topic/t\nreceipt:late\n\nx\0");
                self.step(Step::Quiet);
            }
            Step::Quiet => {
                let n = self.seen[self.conn as usize];
                assert_eq!(self.frames().get(n), None, "{id}: nothing should have come");
            }
            Step::Alive => {
                assert!(!self.ended(), "{id}: it ended");
                assert!(
                    !self.world.commands(self.conn).contains(&"ERROR".to_owned()),
                    "{id}"
                );
            }
            Step::Closed => {
                assert!(self.ended(), "{id}: no Close");
                assert!(
                    !self.world.commands(self.conn).contains(&"ERROR".to_owned()),
                    "{id}"
                );
            }
            Step::Beats(most) => {
                let beats = self.world.beats(self.conn);
                assert!(beats.len() > 2, "{id}: {beats:?}");
                for pair in beats.windows(2) {
                    assert!(
                        pair[1] - pair[0] <= Duration::from_millis(most),
                        "{id}: {beats:?}"
                    );
                }
            }
            Step::NoBeats => assert!(self.world.beats(self.conn).is_empty(), "{id}"),
        }
    }
}

fn play(cases: &[Case]) {
    let mut ids: Vec<&str> = cases.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), cases.len(), "an id twice");
    for case in cases {
        let mut play = Play::new(case.id);
        for step in case.steps {
            play.step(*step);
        }
    }
}

#[test]
fn frames_and_headers() {
    play(frames::CASES);
}

#[test]
fn sessions_subscriptions_and_transactions() {
    play(sessions::CASES);
}
