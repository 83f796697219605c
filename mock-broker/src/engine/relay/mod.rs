//! The personality of a proxy: frames that take place go to a real broker
//! upstream, and what comes from there goes to the client, both past the
//! rules.

mod down;
mod io;
mod up;

pub use io::{FromUpstream, ToUpstream};

use super::conn::{Conn, Phase};
use super::{Engine, Output, Plan};
use crate::http::Response;
use crate::transcript::{Note, What};
use crate::wire::{Decoder, Frame, Limits, Version};

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
                let with = code.map_or("without a code".to_owned(), |code| format!("with {code}"));
                self.note_upstream(conn, format!("closed {with} {reason}").trim_end());
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
}
