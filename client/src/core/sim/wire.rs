//! The network: one link at a time, latency, and the ways in which it ends.

use std::time::Duration;

use bytes::Bytes;
use hobnail_mock_broker::{
    engine,
    http::Request,
    script::Direction,
    transcript::How,
    wire::{Decoder, Frame, Version},
};

use super::{pair::Pair, source::Answer};
use crate::{
    core::{Input, Output, Ticket},
    error::{LinkError, Refusal, Stage},
    event::Event,
};

/// The client's end.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) conn: u64,
    pub(super) ticket: Ticket,
    pub(super) state: State,
    pub(super) reader: Decoder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Opening,
    Up,
    /// Our Close has left.
    Closing,
}

/// The broker's end.
#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) alive: bool,
    /// Our Close was its first; then its FIN is an answer.
    pub(super) closing: bool,
    deaf: Option<Vec<Flight>>,
    mute: Option<Vec<Flight>>,
    /// Nothing passes in either direction, and nobody is told.
    pub(super) cut: bool,
}

/// What left the client.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) at: Duration,
    pub(super) conn: u64,
    pub(super) what: Sent,
}

#[derive(Debug)]
pub(super) enum Sent {
    Frame(Frame),
    Beat,
}

impl Left {
    pub(super) fn frame(&self) -> &Frame {
        match &self.what {
            Sent::Frame(frame) => frame,
            Sent::Beat => panic!("a heart-beat is no frame"),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.frame().header(name)
    }
}

/// Something under way.
#[derive(Debug)]
pub(super) enum Flight {
    Arrive(u64),
    ToBroker(u64, Bytes),
    CloseToBroker(u64, u16),
    GoneToBroker(u64),
    Up(u64),
    Refused(u64, u16),
    ToClient(u64, Bytes),
    CloseToClient(u64, u16, String),
    EofToClient(u64),
    OverallLimit(u64),
    Unreachable(u64, LinkError),
    Token(Ticket, Answer),
}

impl Pair {
    pub(super) fn drain_core(&mut self) -> usize {
        let mut count = 0;
        while let Some(output) = self.core.poll() {
            count += 1;
            assert!(count < 10_000, "the core has too much to say");
            self.obey(output);
        }
        count
    }

    fn obey(&mut self, output: Output) {
        let note = format!("client: {output:?}");
        self.note(note.chars().take(160).collect::<String>());
        if self.is_closed {
            assert!(
                matches!(output, Output::Reply(..)),
                "{output:?} after Closed"
            );
        }
        match output {
            Output::Open { endpoint, ticket } => self.open(ticket, endpoint.host()),
            Output::NeedRegion(ticket) => self.regions_asked.push((self.now, ticket)),
            Output::Remember(endpoint) => self.remembered.push(endpoint.to_string()),
            Output::Close { code } => {
                self.closes.push(code);
                let wire = self.wire.as_mut().expect("a link to close");
                assert_eq!(wire.state, State::Up);
                wire.state = State::Closing;
                let conn = wire.conn;
                self.fly_to_broker(Flight::CloseToBroker(conn, code));
            }
            Output::Abort => {
                let wire = self.wire.take().expect("a link to abort");
                self.fly_to_broker(Flight::GoneToBroker(wire.conn));
            }
            Output::NeedToken(ticket, reason) => self.need_token(ticket, reason),
            Output::Reply(waiter, result) => self.answered(waiter, result),
            Output::Deliver { key, epoch, frame } => {
                self.messages.push((self.now, key, epoch, frame));
            }
            Output::Ended(key, _) => {
                assert!(!self.ended.contains(&key), "{key:?} ended twice");
                self.ended.push(key);
            }
            Output::NeedHeaders(ticket, key) => self.asked.push((ticket, key)),
            Output::Gap {
                subscription,
                since,
                until,
            } => {
                let gap = (subscription, self.at(since), self.at(until));
                self.gaps.push(gap);
            }
            Output::Event(event) => {
                self.is_closed |= matches!(event, Event::Closed { .. });
                self.events.push((self.now, event));
            }
        }
    }

    fn open(&mut self, ticket: Ticket, host: &str) {
        assert!(self.wire.is_none(), "a second link");
        self.conns += 1;
        let conn = self.conns;
        self.opened.push((self.now, host.to_owned()));
        self.wire = Some(Wire {
            conn,
            ticket,
            state: State::Opening,
            reader: Decoder::new(Version::V1_2),
        });
        self.fly_to_broker(Flight::Arrive(conn));
        let limit = self.now + self.config.timeouts.overall;
        self.fly(limit, Flight::OverallLimit(conn));
    }

    /// Pulls what may leave. At most a handful at a time passes the law of the
    /// suspended session unseen, so each is looked at on its own.
    pub(super) fn drain_transmit(&mut self) -> usize {
        let mut count = 0;
        while self.writable {
            let now = self.instant();
            let Some(octets) = self.core.poll_transmit(now) else {
                break;
            };
            count += 1;
            assert!(count < 100_000, "the core never stops sending");
            self.transmit(octets);
        }
        count
    }

    /// What the core lets leave, on its way.
    pub(super) fn transmit(&mut self, octets: Bytes) {
        if let Some(expected) = self.app.must_leave.take() {
            assert_eq!(octets, expected, "another frame left first");
        }
        let wire = self.wire.as_mut().expect("a link to send over");
        assert_eq!(wire.state, State::Up, "sent over a link that is not up");
        wire.reader.feed(&octets);
        let frame = wire.reader.next_frame().expect("a frame that can be read");
        let conn = wire.conn;
        let what = frame.map_or(Sent::Beat, Sent::Frame);
        self.note(format!("client -> {what:?}"));
        let left = Left {
            at: self.now,
            conn,
            what,
        };
        self.check_leaving(&left);
        self.left.push(left);
        self.fly_to_broker(Flight::ToBroker(conn, octets));
    }

    pub(super) fn drain_engine(&mut self) -> usize {
        let mut count = 0;
        while let Some(output) = self.engine.poll() {
            count += 1;
            self.serve(output);
        }
        count
    }

    fn serve(&mut self, output: engine::Output) {
        use engine::Output as Do;
        let note = match &output {
            Do::Message { octets, .. } => {
                format!("broker -> {:?}", String::from_utf8_lossy(octets))
            }
            other => format!("broker: {other:?}"),
        };
        self.note(note.chars().take(160).collect::<String>());
        match output {
            Do::Accept { conn, .. } => self.fly_to_client(Flight::Up(conn)),
            Do::Http { conn, response, .. } => {
                self.fly_to_client(Flight::Refused(conn, response.status));
                self.end_of(conn, How::Http);
            }
            Do::Message { conn, octets, .. } | Do::Stream { conn, octets } => {
                self.fly_to_client(Flight::ToClient(conn, octets.into()));
            }
            Do::Close { conn, code, reason } => {
                self.ends.entry(conn).or_default().closing = true;
                self.fly_to_client(Flight::CloseToClient(conn, code, reason));
            }
            Do::Fin { conn } => {
                self.fly_to_client(Flight::EofToClient(conn));
                self.end_of(conn, How::Fin);
            }
            Do::Rst { conn } => {
                self.fly_to_client(Flight::EofToClient(conn));
                self.end_of(conn, How::Rst);
            }
            Do::Blackhole { conn, direction } => {
                let end = self.ends.entry(conn).or_default();
                if direction != Direction::Out {
                    end.deaf.get_or_insert_default();
                }
                if direction != Direction::In {
                    end.mute.get_or_insert_default();
                }
            }
            Do::Heal { conn } => {
                let end = self.ends.entry(conn).or_default();
                for flight in end.deaf.take().unwrap_or_default() {
                    self.fly_to_broker(flight);
                }
                let end = self.ends.entry(conn).or_default();
                for flight in end.mute.take().unwrap_or_default() {
                    self.fly_to_client(flight);
                }
            }
            Do::Refuse => self.listening = false,
            Do::Listen => self.listening = true,
            // What never answers runs into the limit of the link.
            Do::Stall { .. } => {}
            Do::Ping { .. } | Do::Pong { .. } => {}
            other => panic!("the broker wants {other:?}"),
        }
    }

    fn end_of(&mut self, conn: u64, how: How) {
        let end = self.ends.entry(conn).or_default();
        if std::mem::replace(&mut end.alive, false) {
            self.engine
                .handle(self.now, engine::Input::Closed { conn, how: &how });
        }
    }

    pub(super) fn fly(&mut self, at: Duration, flight: Flight) {
        self.flown += 1;
        self.flights.insert((at, self.flown), flight);
    }

    pub(super) fn fly_to_broker(&mut self, flight: Flight) {
        self.to_broker = self.to_broker.max(self.now + self.latency);
        self.fly(self.to_broker, flight);
    }

    pub(super) fn fly_to_client(&mut self, flight: Flight) {
        self.to_client = self.to_client.max(self.now + self.latency);
        self.fly(self.to_client, flight);
    }

    /// Something has arrived.
    pub(super) fn land(&mut self, flight: Flight) {
        match flight {
            Flight::Arrive(conn) => self.accept(conn),
            Flight::ToBroker(conn, _)
            | Flight::CloseToBroker(conn, _)
            | Flight::GoneToBroker(conn) => self.land_at_broker(conn, flight),
            Flight::Token(ticket, answer) => self.token_answer(ticket, answer),
            Flight::Up(conn)
            | Flight::Refused(conn, _)
            | Flight::ToClient(conn, _)
            | Flight::CloseToClient(conn, ..)
            | Flight::EofToClient(conn)
            | Flight::Unreachable(conn, _)
            | Flight::OverallLimit(conn) => self.land_at_client(conn, flight),
        }
    }

    fn accept(&mut self, conn: u64) {
        let host = self.opened[conn as usize - 1].1.as_str();
        if let Some(error) = self.dead.get(host) {
            let error = error.clone();
            return self.fly(self.now, Flight::Unreachable(conn, error));
        }
        if !self.listening {
            return self.fly_to_client(Flight::EofToClient(conn));
        }
        self.ends.entry(conn).or_default().alive = true;
        self.engine.handle(self.now, engine::Input::Tcp { conn });
        let request = Request::upgrade("/stomp", self.config.dialect.subprotocols);
        self.broker(engine::Input::Request {
            conn,
            request: &request,
        });
    }

    fn land_at_broker(&mut self, conn: u64, flight: Flight) {
        let end = self.ends.entry(conn).or_default();
        if let Some(held) = &mut end.deaf {
            return held.push(flight);
        }
        if !end.alive || end.cut {
            return;
        }
        let answers = end.closing;
        match flight {
            Flight::ToBroker(_, octets) if self.is_refused(&octets) => {
                let error = "ERROR\nmessage:Processing error\n\n\0";
                self.fly_to_client(Flight::ToClient(conn, error.into()));
                self.fly_to_client(Flight::EofToClient(conn));
                self.end_of(conn, How::Fin);
                self.settle();
            }
            Flight::ToBroker(_, octets) if self.closes_upon(&octets) => {
                let reason = "STOMP died".to_owned();
                self.fly_to_client(Flight::CloseToClient(conn, 1000, reason));
                self.end_of(conn, How::Fin);
                self.settle();
            }
            Flight::ToBroker(_, octets) => {
                self.broker(engine::Input::Message {
                    conn,
                    octets: &octets,
                    binary: false,
                });
            }
            Flight::CloseToBroker(_, code) => {
                let input = engine::Input::Close {
                    conn,
                    code: Some(code),
                    reason: "",
                };
                self.engine.handle(self.now, input);
                let how = if answers {
                    How::Broker {
                        code,
                        answered: true,
                    }
                } else {
                    self.fly_to_client(Flight::CloseToClient(conn, code, String::new()));
                    How::Peer { code: Some(code) }
                };
                self.end_of(conn, how);
                self.settle();
            }
            Flight::GoneToBroker(_) => {
                self.end_of(conn, How::PeerGone);
                self.settle();
            }
            other => panic!("{other:?} is not for the broker"),
        }
    }

    fn is_refused(&self, octets: &[u8]) -> bool {
        self.refuse_destination.is_some_and(|destination| {
            let text = String::from_utf8_lossy(octets);
            text.starts_with("SUBSCRIBE") && text.contains(&format!(":{destination}\n"))
        })
    }

    fn closes_upon(&self, octets: &[u8]) -> bool {
        let text = String::from_utf8_lossy(octets);
        let mut lines = text.lines();
        lines.next() == Some("SUBSCRIBE")
            && lines
                .find_map(|line| line.strip_prefix("destination:"))
                .is_some_and(self.close_upon)
    }

    fn land_at_client(&mut self, conn: u64, flight: Flight) {
        if let Some(end) = self.ends.get_mut(&conn) {
            if !matches!(flight, Flight::OverallLimit(_)) {
                if let Some(held) = &mut end.mute {
                    return held.push(flight);
                }
                if end.cut {
                    return;
                }
            }
        }
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.conn == conn) else {
            return;
        };
        let (ticket, state) = (wire.ticket, wire.state);
        match flight {
            Flight::Up(_) => {
                wire.state = State::Up;
                self.input(Input::LinkUp(ticket));
            }
            Flight::ToClient(_, octets) => self.input(Input::Message(octets.into())),
            Flight::Refused(_, status) => self.down(&LinkError::Refused(Box::new(Refusal {
                stage: Stage::Upgrade,
                status,
                headers: Vec::new(),
                body: Vec::new(),
                hint: None,
            }))),
            Flight::CloseToClient(_, code, reason) => {
                if state == State::Up {
                    self.fly_to_broker(Flight::CloseToBroker(conn, code));
                }
                self.down(&LinkError::Closed { code, reason });
            }
            Flight::Unreachable(_, error) => self.down(&error),
            Flight::EofToClient(_) => self.down(&LinkError::Lost("end of file".into())),
            Flight::OverallLimit(_) if state == State::Opening => {
                self.fly_to_broker(Flight::GoneToBroker(conn));
                self.down(&LinkError::Timeout {
                    stage: Stage::Upgrade,
                    limit: self.config.timeouts.overall,
                });
            }
            Flight::OverallLimit(_) => {}
            other => panic!("{other:?} is not for the client"),
        }
    }

    fn down(&mut self, error: &LinkError) {
        let wire = self.wire.take().expect("a link that ends");
        self.note(format!("link: {error}"));
        self.input(Input::LinkDown(wire.ticket, error));
    }

    /// The connection ends without a Close, and both ends learn it.
    pub(super) fn lose(&mut self) {
        let conn = self.wire.as_ref().expect("a link to lose").conn;
        self.end_of(conn, How::PeerGone);
        self.down(&LinkError::Lost("reset by peer".into()));
    }

    /// Nothing passes any more, and nobody is told.
    pub(super) fn half_open(&mut self) {
        let conn = self.wire.as_ref().expect("a link to cut").conn;
        self.ends.entry(conn).or_default().cut = true;
    }

    /// Octets for the client that no broker engine would send.
    pub(super) fn inject(&mut self, octets: impl Into<Bytes>) {
        let conn = self.wire.as_ref().expect("a link to write to").conn;
        self.fly_to_client(Flight::ToClient(conn, octets.into()));
    }

    /// A Close for the client that no broker engine would send.
    pub(super) fn inject_close(&mut self, code: u16) {
        let conn = self.wire.as_ref().expect("a link to write to").conn;
        self.ends.entry(conn).or_default().closing = true;
        self.fly_to_client(Flight::CloseToClient(conn, code, String::new()));
    }
}
