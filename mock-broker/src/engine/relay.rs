//! The personality of a proxy: frames that take place go to a real broker
//! upstream, and what comes from there goes to the client, both past the
//! rules.

use super::beats::{agreed, pair};
use super::conn::{Conn, Phase, Session};
use super::hub::{AckMode, Wish};
use super::refusal::Refused;
use super::run::{Cx, Event, Run};
use super::{Engine, Output, Pending, Plan};
use crate::http::{Request, Response};
use crate::script::{Origin, Stage};
use crate::transcript::{Note, What};
use crate::wire::{Decoder, Frame, Limits, Version, encode};
use std::fmt;
use std::sync::atomic::Ordering;

/// What the upstream side of a connection did. `Debug` names the kind only.
#[derive(Clone, Copy)]
pub enum FromUpstream<'a> {
    /// It answered the upgrade with 101.
    Open {
        /// The subprotocol it named.
        subprotocol: Option<&'a str>,
    },
    /// It answered the upgrade with something else.
    Refused(&'a Response),
    /// It could not be reached, or what it answered was no HTTP.
    Failed {
        /// In words.
        why: &'a str,
        /// Whether a deadline passed.
        late: bool,
    },
    /// A whole WebSocket message came.
    Message {
        /// What it holds.
        octets: &'a [u8],
        /// Whether it was binary.
        binary: bool,
    },
    /// A ping came.
    Ping(&'a [u8]),
    /// A pong came.
    Pong(&'a [u8]),
    /// Its Close came.
    Close {
        /// Its code.
        code: Option<u16>,
        /// Its reason.
        reason: &'a str,
    },
    /// It ended without a Close.
    Gone {
        /// Whether by a reset.
        reset: bool,
    },
}

impl fmt::Debug for FromUpstream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open { .. } => "Open",
            Self::Refused(_) => "Refused",
            Self::Failed { .. } => "Failed",
            Self::Message { .. } => "Message",
            Self::Ping(_) => "Ping",
            Self::Pong(_) => "Pong",
            Self::Close { .. } => "Close",
            Self::Gone { .. } => "Gone",
        })
    }
}

/// What is to be done on the upstream side of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToUpstream {
    /// Connect, and pass this request on.
    Dial(Request),
    /// Send one WebSocket message.
    Message {
        /// What it holds.
        octets: Vec<u8>,
        /// Whether it is binary.
        binary: bool,
    },
    /// Send a ping.
    Ping(Vec<u8>),
    /// Send a pong.
    Pong(Vec<u8>),
    /// Send Close, and end with it.
    Close {
        /// Its code.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// End TCP with FIN and without Close, after what is on its way.
    End,
}

/// What the engine knows of the upstream side of a connection.
pub(super) struct Relay {
    decoder: Decoder,
    /// What the script wants in the 101.
    forced: Option<Option<String>>,
    bad_accept: bool,
    /// CONNECT's `login` and `heart-beat`.
    login: Option<String>,
    beats: (u64, u64),
    connected: Option<Frame>,
    /// Kinds of the messages that came last, of the client and of the upstream.
    up_binary: bool,
    pub(super) down_binary: bool,
    /// What is no STOMP is passed on as it is, message by message.
    raw_up: bool,
    raw_down: bool,
    /// The script makes the heart-beats; the upstream's are swallowed.
    pub(super) own_beats: bool,
    /// Nothing goes upstream any more.
    over: bool,
}

impl Relay {
    fn new(limits: Limits, forced: Option<Option<String>>, bad_accept: bool) -> Self {
        Self {
            decoder: Decoder::with_limits(Version::V1_2, limits),
            forced,
            bad_accept,
            login: None,
            beats: (0, 0),
            connected: None,
            up_binary: false,
            down_binary: false,
            raw_up: false,
            raw_down: false,
            own_beats: false,
            over: false,
        }
    }
}

impl Engine {
    /// The upgrade is passed on; its answer decides.
    pub(super) fn dial(&mut self, conn: u64, forced: Option<Option<String>>, bad_accept: bool) {
        let limits = self.scenario.limits;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some(request) = c.request.clone().filter(|_| c.phase == Phase::Upgrade) else {
            return;
        };
        if c.relay.is_none() {
            c.relay = Some(Box::new(Relay::new(limits, forced, bad_accept)));
            self.upstream(conn, ToUpstream::Dial(request));
        }
    }

    fn upstream(&mut self, conn: u64, what: ToUpstream) {
        self.outputs.push_back(Output::Upstream { conn, what });
    }

    fn note_upstream(&self, conn: u64, words: impl Into<String>) {
        self.record(conn, What::Note(Note::Upstream(words.into())));
    }

    fn relay_mut(&mut self, conn: u64) -> Option<&mut Relay> {
        self.conns.get_mut(&conn)?.relay.as_deref_mut()
    }

    pub(super) fn on_upstream(&mut self, conn: u64, what: FromUpstream<'_>) {
        match what {
            FromUpstream::Open { subprotocol } => self.on_up_open(conn, subprotocol),
            FromUpstream::Refused(response) => {
                self.note_upstream(conn, format!("refused with {}", response.status));
                self.pass_refusal(conn, response.clone());
            }
            FromUpstream::Failed { why, late } => {
                self.note_upstream(conn, why);
                let status = if late { 504 } else { 502 };
                self.pass_refusal(conn, Response::text(status, &format!("upstream: {why}\n")));
            }
            FromUpstream::Message { octets, binary } => self.on_up_message(conn, octets, binary),
            FromUpstream::Ping(octets) => {
                let octets = octets.to_vec();
                if self.is_open(conn) {
                    self.outputs.push_back(Output::Ping { conn, octets });
                }
            }
            FromUpstream::Pong(octets) => {
                let octets = octets.to_vec();
                if self.is_open(conn) {
                    self.outputs.push_back(Output::Pong { conn, octets });
                }
            }
            FromUpstream::Close { code, reason } => {
                self.note_upstream(conn, format!("closed {code:?} {reason:?}"));
                self.up_is_over(conn);
                self.shut_close(conn, code.unwrap_or(1005), reason);
            }
            FromUpstream::Gone { reset } => {
                self.note_upstream(conn, if reset { "reset" } else { "gone" });
                self.up_is_over(conn);
                if reset {
                    self.shut_rst(conn);
                } else {
                    self.shut_fin(conn);
                }
            }
        }
    }

    fn is_open(&self, conn: u64) -> bool {
        self.conns
            .get(&conn)
            .is_some_and(|c| c.phase == Phase::Open)
    }

    fn up_is_over(&mut self, conn: u64) {
        if let Some(relay) = self.relay_mut(conn) {
            relay.over = true;
        }
    }

    /// A connection that is over for the client is so for the upstream.
    pub(super) fn end_upstream(&mut self, conn: u64) {
        let Some(relay) = self.relay_mut(conn) else {
            return;
        };
        if !std::mem::replace(&mut relay.over, true) {
            self.upstream(conn, ToUpstream::End);
        }
    }

    /// The client's Close is passed on as it came.
    pub(super) fn close_upstream(&mut self, conn: u64, code: Option<u16>, reason: &str) {
        let Some(relay) = self.relay_mut(conn) else {
            return;
        };
        if !std::mem::replace(&mut relay.over, true) {
            let reason = reason.to_owned();
            self.upstream(conn, ToUpstream::Close { code, reason });
        }
    }

    fn on_up_open(&mut self, conn: u64, subprotocol: Option<&str>) {
        let Some(relay) = self.relay_mut(conn) else {
            return;
        };
        let named = || subprotocol.map(str::to_owned);
        let subprotocol = relay.forced.take().unwrap_or_else(named);
        let bad_accept = relay.bad_accept;
        self.open(conn, subprotocol, bad_accept);
    }

    /// The upstream's answer reaches the client as it came.
    fn pass_refusal(&mut self, conn: u64, response: Response) {
        self.up_is_over(conn);
        let waits = |c: &Conn| c.phase == Phase::Upgrade;
        if self.conns.get(&conn).is_some_and(waits) {
            let status = response.status;
            self.record(conn, What::Http { status });
            self.over(conn);
            self.outputs.push_back(Output::Http {
                conn,
                response,
                how: Plan::default(),
            });
        }
    }

    /// A message of the client before it is decoded; true if that is not
    /// wanted any more.
    pub(super) fn relays_raw(&mut self, conn: u64, octets: &[u8], binary: bool) -> bool {
        let Some(relay) = self.relay_mut(conn) else {
            return false;
        };
        relay.up_binary = binary;
        if relay.raw_up {
            let octets = octets.to_vec();
            self.upstream(conn, ToUpstream::Message { octets, binary });
            return true;
        }
        false
    }

    /// The client sent what is no STOMP: the upstream is to see it, if it
    /// still can be passed on as it came.
    pub(super) fn relay_broken(&mut self, conn: u64, octets: &[u8], whole: bool, why: String) {
        self.record(conn, What::Note(Note::Refused { message: why }));
        let Some(relay) = self.relay_mut(conn) else {
            return;
        };
        if whole {
            relay.raw_up = true;
            let (octets, binary) = (octets.to_vec(), relay.up_binary);
            self.upstream(conn, ToUpstream::Message { octets, binary });
        } else {
            self.shut_close(conn, 1002, "broken frame");
        }
    }

    /// A heart-beat of the client.
    pub(super) fn relay_beat(&mut self, conn: u64, octets: &[u8]) {
        if let Some(relay) = self.relay_mut(conn) {
            let (octets, binary) = (octets.to_vec(), relay.up_binary);
            self.upstream(conn, ToUpstream::Message { octets, binary });
        }
    }

    /// A ping (or else a pong) of the client.
    pub(super) fn relay_ping(&mut self, conn: u64, octets: &[u8], ping: bool) {
        let octets = octets.to_vec();
        if self.is_open(conn) {
            self.upstream(
                conn,
                if ping {
                    ToUpstream::Ping(octets)
                } else {
                    ToUpstream::Pong(octets)
                },
            );
        }
    }

    /// A frame of the client takes place.
    pub(super) fn relay(&mut self, conn: u64, frame: &Frame, rebind: bool) {
        let grace = self.scenario.suspend_grace;
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let suspended = c.session.as_ref().and_then(|s| s.suspended);
        match frame.command.as_str() {
            "CONNECT" | "STOMP" => {
                let live = c.session.is_some();
                if live && (rebind || suspended.is_some()) {
                    self.renew(conn, frame);
                    return;
                }
                if let Some(relay) = &mut c.relay {
                    relay.login = frame.header("login").map(str::to_owned);
                    relay.beats = frame
                        .header("heart-beat")
                        .and_then(pair)
                        .unwrap_or_default();
                }
                let identity = frame.header("login").map(str::to_owned);
                if live || self.other_session(conn, identity.as_deref()).is_some() {
                    let actions = self.fire(conn, Event::Overlap);
                    let frame = frame.clone();
                    self.run(Run::new(conn, Cx::Overlap { frame, identity }, actions));
                    return;
                }
            }
            "DISCONNECT" => {
                let actions = self.fire(conn, Event::Stage(Stage::Disconnect));
                self.run(Run::new(conn, Cx::None, actions));
            }
            command if suspended.is_some_and(|since| now >= since + grace) => {
                let command = command.to_owned();
                self.record(conn, What::Note(Note::SentWhileSuspended { command }));
                let refused = Refused::coded(401, "token expired");
                self.refuse(conn, self.receipt_of(frame), refused, Some(frame));
                return;
            }
            "SUBSCRIBE" => self.remember(conn, frame),
            "UNSUBSCRIBE" => self.forget(conn, frame),
            _ => {}
        }
        self.pass_up(conn, frame);
    }

    /// Sends a frame upstream.
    pub(super) fn pass_up(&mut self, conn: u64, frame: &Frame) {
        let Some(c) = self.conns.get(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        let Some(relay) = &c.relay else { return };
        let octets = encode(frame, c.version);
        let binary = relay.up_binary || std::str::from_utf8(&octets).is_err();
        self.upstream(conn, ToUpstream::Message { octets, binary });
    }

    /// Storms reach those who subscribed upstream.
    fn remember(&mut self, conn: u64, frame: &Frame) {
        let (Some(id), Some(destination)) = (frame.header("id"), frame.header("destination"))
        else {
            return;
        };
        let session = self.conns.get(&conn).and_then(|c| c.session.as_ref());
        if session.is_none_or(|s| s.subs.contains_key(id)) {
            return;
        }
        // What the upstream knows by another name gets no storms.
        let Ok(target) = self.subscribe_target(conn, destination) else {
            return;
        };
        let no = self.hub.subscribe(Wish {
            conn,
            id: Some(id.to_owned()),
            target,
            ack: AckMode::Auto,
            prefetch: usize::MAX,
            selector: None,
        });
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        if let Some(session) = session {
            session.subs.insert(id.to_owned(), no);
        }
    }

    fn forget(&mut self, conn: u64, frame: &Frame) {
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let no = session.and_then(|s| s.subs.remove(frame.header("id")?));
        if let Some(no) = no {
            self.hub.unsubscribe(no);
        }
    }

    /// The script takes a CONNECT on a live session as a renewal: the upstream,
    /// which would not, does not hear of it.
    pub(super) fn renew(&mut self, conn: u64, frame: &Frame) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let connected = c.relay.as_ref().and_then(|r| r.connected.clone());
        let (Some(session), Some(connected)) = (&mut c.session, connected) else {
            return;
        };
        session.suspended = None;
        let waiting = std::mem::take(&mut session.waiting);
        self.emit(conn, connected, None);
        if let Some(receipt) = self.receipt_of(frame) {
            let receipt = Frame::new("RECEIPT").with("receipt-id", receipt);
            self.emit(conn, receipt, None);
        }
        for message in waiting {
            self.emit(conn, message, None);
        }
    }

    fn on_up_message(&mut self, conn: u64, octets: &[u8], binary: bool) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        let Some(relay) = &mut c.relay else { return };
        relay.down_binary = binary;
        if relay.raw_down {
            self.pass_down(conn, octets, binary);
            return;
        }
        let fresh = !relay.decoder.is_mid_frame();
        relay.decoder.feed(octets);
        let mut whole = 0;
        loop {
            let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
                return;
            };
            let Some(relay) = &mut c.relay else { return };
            let next = relay.decoder.next_frame();
            let beats = relay.decoder.take_beats();
            match next {
                Ok(Some(frame)) => {
                    whole += 1;
                    self.on_up_frame(conn, frame);
                }
                Ok(None) => {
                    if beats > 0 && whole == 0 && !relay.own_beats && !relay.decoder.is_mid_frame()
                    {
                        c.beats.last_out = now;
                        self.pass_beat(conn, octets, binary);
                    }
                    return;
                }
                Err(error) => {
                    relay.raw_down = true;
                    self.note_upstream(conn, format!("sent a broken frame: {error}"));
                    if fresh && whole == 0 {
                        self.pass_down(conn, octets, binary);
                    } else {
                        self.shut_close(conn, 1002, "broken frame from the upstream");
                    }
                    return;
                }
            }
        }
    }

    /// A heart-beat of the upstream, which the rules may want to keep back.
    fn pass_beat(&mut self, conn: u64, octets: &[u8], binary: bool) {
        if self.watches.beats {
            let actions = self.fire(conn, Event::BeatDue);
            self.run(Run::new(conn, Cx::Beat, actions));
            return;
        }
        self.active(conn);
        self.record(conn, What::BeatOut);
        self.pass_down(conn, octets, binary);
    }

    fn pass_down(&mut self, conn: u64, octets: &[u8], binary: bool) {
        let (octets, how) = (octets.to_vec(), Plan::default());
        self.outputs.push_back(Output::Message {
            conn,
            octets,
            binary,
            how,
        });
    }

    fn on_up_frame(&mut self, conn: u64, frame: Frame) {
        if frame.command == "CONNECTED" {
            self.on_up_connected(conn, frame);
        } else {
            self.emit(conn, frame, None);
        }
    }

    fn on_up_connected(&mut self, conn: u64, frame: Frame) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some(relay) = &mut c.relay else { return };
        let version = frame.header("version").and_then(Version::parse);
        c.version = version.unwrap_or(Version::V1_0);
        c.decoder.set_version(c.version);
        relay.decoder.set_version(c.version);
        relay.connected = Some(frame.clone());
        let (can, _) = frame
            .header("heart-beat")
            .and_then(pair)
            .unwrap_or_default();
        let (out, own) = (agreed(can, relay.beats.1), relay.own_beats);
        let identity = relay.login.clone();
        let fresh = c.session.is_none();
        if fresh {
            c.connected_at = Some(now);
            c.session = Some(Session {
                identity: identity.clone(),
                ..Session::default()
            });
            self.sessions.fetch_add(1, Ordering::AcqRel);
            if let Some(identity) = identity {
                self.live.entry(identity).or_default().insert(conn);
            }
        }
        self.emit(conn, frame, None);
        if own {
            self.start_beats(conn, out, None);
        } else if let Some(c) = self.conns.get_mut(&conn) {
            c.beats.out = out;
        }
        if fresh {
            self.arm_rules(conn, &Origin::Connected);
            self.triggers
                .push_back((conn, Pending::Stage(Stage::Connected)));
        }
    }
}
