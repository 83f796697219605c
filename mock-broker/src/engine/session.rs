//! Sessions: how they begin, whose they are, and how they end.

use super::beats::{agreed, offered, pair};
use super::conn::{Conn, Phase, Session};
use super::refusal::{Fault, Refused};
use super::run::{Cx, Event, Run};
use super::{Engine, Output, Pending, Timer};
use crate::dialect::{AckId, Ending};
use crate::script::{OnExpiry, Origin, Stage};
use crate::transcript::{Note, What};
use crate::wire::{Frame, Version};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Whose a token is that was not issued and comes without a telling `login`.
const BEARER: &str = "bearer";

/// Who connects, and by which token.
#[derive(Clone, Debug, Default)]
struct Caller {
    identity: Option<String>,
    token: Option<String>,
}

/// In which situation a CONNECT is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// For the first time.
    Fresh,
    /// The question of an overlap is settled.
    Settled,
    /// It renews the credentials of this connection's session.
    Rebind,
}

impl Engine {
    /// CONNECT or STOMP.
    pub(super) fn connect(
        &mut self,
        conn: u64,
        frame: &Frame,
        entry: Entry,
    ) -> Result<(), Refused> {
        if self.proxy {
            self.renew(conn, frame);
            return Ok(());
        }
        let version = self.negotiate(conn, frame)?;
        if self.scenario.require_host && version > Version::V1_0 && frame.header("host").is_none() {
            return Err(Refused::new("CONNECT without host"));
        }
        let beats = match frame
            .header("heart-beat")
            .filter(|_| version > Version::V1_0)
        {
            Some(text) => {
                pair(text).ok_or_else(|| Refused::new("heart-beat is not a pair of numbers"))?
            }
            None => (0, 0),
        };
        let caller = self.authenticate(conn, frame, entry)?;
        if entry == Entry::Fresh {
            if let Some(other) = self.other_session(conn, caller.identity.as_deref()) {
                if self.scenario.single_session {
                    self.record(conn, What::Note(Note::ConnectWhileLive { other }));
                }
                let actions = self.fire(conn, Event::Overlap);
                let identity = caller.identity;
                let cx = Cx::Overlap {
                    frame: frame.clone(),
                    identity,
                };
                self.run(Run::new(conn, cx, actions));
                return Ok(());
            }
        }
        let held = self.conns.get(&conn).and_then(|c| c.session.as_ref());
        if let Some(session) = held.filter(|_| entry == Entry::Rebind) {
            if session.identity != caller.identity {
                return Err(Refused::coded(401, "another identity has this session"));
            }
        }
        self.establish(conn, frame, version, beats, caller, entry);
        Ok(())
    }

    /// The highest version that both sides have. A subprotocol that names one
    /// of them decides.
    fn negotiate(&self, conn: u64, frame: &Frame) -> Result<Version, Refused> {
        let offered: Vec<Version> = match frame.header("accept-version") {
            None => vec![Version::V1_0],
            Some(list) => list
                .split(',')
                .filter_map(|v| Version::parse(v.trim()))
                .collect(),
        };
        let common = || {
            offered
                .iter()
                .copied()
                .filter(|v| self.scenario.versions.contains(v))
        };
        let promised = self.conns.get(&conn).and_then(|c| c.promised);
        common()
            .find(|v| Some(*v) == promised)
            .or_else(|| common().max())
            .ok_or_else(|| Refused::new("no common protocol version").of(Fault::Version))
    }

    fn authenticate(&mut self, conn: u64, frame: &Frame, entry: Entry) -> Result<Caller, Refused> {
        let login = frame.header("login");
        let auth = &self.scenario.auth;
        if let Some(expected) = login.and_then(|l| auth.basic.get(l)) {
            if frame.header("passcode") != Some(expected) {
                return Err(Refused::coded(401, "wrong passcode"));
            }
            return Ok(Caller {
                identity: login.map(str::to_owned),
                token: None,
            });
        }
        let Some(bearer) = auth.bearer.clone() else {
            if auth.basic.is_empty() {
                return Ok(Caller {
                    identity: login.map(str::to_owned),
                    token: None,
                });
            }
            return Err(Refused::coded(401, "unknown login"));
        };
        let upgrade = self.conns.get(&conn).filter(|_| entry != Entry::Rebind);
        let upgrade = upgrade.and_then(|c| c.request.as_ref()).map(|r| &r.headers);
        let named = bearer.header.as_deref();
        let token = named
            .and_then(|name| frame.header(name))
            .or_else(|| frame.header("Authorization"))
            .or_else(|| frame.header("passcode"))
            .or_else(|| named.and_then(|name| upgrade?.get(name)))
            .or_else(|| upgrade?.get("Authorization"))
            .map(|value| value.strip_prefix("Bearer ").unwrap_or(value).to_owned())
            .filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(Refused::coded(401, "token missing"));
        };
        if self.tokens.get(&token).is_none() {
            if bearer.issued_only {
                return Err(Refused::coded(401, "token unknown"));
            }
            let identity = login
                .filter(|l| !l.eq_ignore_ascii_case("bearer"))
                .unwrap_or(BEARER);
            self.tokens
                .issue(&token, Some(identity), self.now.saturating_add(bearer.ttl));
        }
        if !self.tokens.is_live(&token, self.now, bearer.leeway) {
            return Err(Refused::coded(401, "token expired"));
        }
        let identity = self.tokens.get(&token).and_then(|t| t.identity.clone());
        Ok(Caller {
            identity,
            token: Some(token),
        })
    }

    /// Another connection on which the identity has a live session.
    pub(super) fn other_session(&self, conn: u64, identity: Option<&str>) -> Option<u64> {
        self.live
            .get(identity?)?
            .iter()
            .copied()
            .find(|c| *c != conn)
    }

    fn establish(
        &mut self,
        conn: u64,
        frame: &Frame,
        version: Version,
        (can, wants): (u64, u64),
        caller: Caller,
        entry: Entry,
    ) {
        let now = self.now;
        let dialect = self.scenario.dialect;
        let number = self.die(conn).next() >> 32;
        let session_id = match dialect.ack_id {
            AckId::Colons => format!("ID:mock-{number:08x}-{conn}:2"),
            AckId::Plain | AckId::Rabbit => format!("session-{conn}-{number:08x}"),
        };
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        c.version = version;
        c.decoder.set_version(version);
        let fresh = c.session.is_none();
        let session = c.session.get_or_insert_with(Session::default);
        session.suspended = None;
        if fresh {
            session.id.clone_from(&session_id);
            session.client = frame.header("client-id").map(str::to_owned);
        }
        session.identity = caller.identity;
        session.token = caller.token;
        let waiting = session.take_waiting();
        if fresh {
            self.sessions.fetch_add(1, Ordering::AcqRel);
            c.connected_at = Some(now);
        }
        if let Some(identity) = &session.identity {
            self.live.entry(identity.clone()).or_default().insert(conn);
        }
        self.arm_token(conn);

        let (sx, sy) = offered(dialect.heart_beat, self.scenario.heart_beat, (can, wants));
        let mut connected = Frame::new("CONNECTED")
            .with("version", version.as_str())
            .with("session", session_id);
        if let Some(server) = dialect.server {
            connected = connected.with("server", server);
        }
        if let Some(receipt) = self.receipt_of(frame).filter(|_| dialect.connect_receipt) {
            connected = connected
                .with("receipt-id", receipt.as_str())
                .with("response-id", receipt);
        }
        if version > Version::V1_0 {
            connected = connected.with("heart-beat", format!("{sx},{sy}"));
        }
        self.emit(conn, connected, None);
        self.start_beats(conn, agreed(sx, wants), agreed(can, sy));
        if entry == Entry::Rebind {
            // STOMP has no receipt on CONNECT, but those who rebind ask for one.
            if let Some(receipt) = self.receipt_of(frame) {
                self.emit(
                    conn,
                    Frame::new("RECEIPT").with("receipt-id", receipt),
                    None,
                );
            }
            for message in waiting {
                self.emit(conn, message, None);
            }
        }
        if fresh {
            self.arm_rules(conn, &Origin::Connected);
            self.triggers
                .push_back((conn, Pending::Stage(Stage::Connected)));
        }
    }

    /// For so long after its end a token is still accepted.
    pub(super) fn leeway(&self) -> Duration {
        let bearer = self.scenario.auth.bearer.as_ref();
        bearer.map_or(Duration::ZERO, |b| b.leeway)
    }

    fn arm_token(&mut self, conn: u64) {
        let session = self.conns.get(&conn).and_then(|c| c.session.as_ref());
        let Some(token) = session.and_then(|s| s.token.as_deref()) else {
            return;
        };
        let leeway = self.leeway();
        if let Some(token) = self.tokens.get(token) {
            self.arm(
                token.ends.saturating_add(leeway).max(self.now),
                Timer::Token { conn },
            );
        }
    }

    /// Ends tokens, and what rests on them.
    pub(super) fn expire_tokens(&mut self, name: &str) {
        self.tokens.expire(name);
        self.expire_refresh(name);
        let all: Vec<u64> = self.conns.keys().copied().collect();
        for conn in all {
            self.check_token(conn);
        }
    }

    /// Whether the token of a session has ended since.
    pub(super) fn check_token(&mut self, conn: u64) {
        let leeway = self.leeway();
        let Some(c) = self.conns.get(&conn).filter(|c| !c.is_suspended()) else {
            return;
        };
        let Some(token) = c.session.as_ref().and_then(|s| s.token.as_deref()) else {
            return;
        };
        if self.tokens.is_live(token, self.now, leeway) {
            return;
        }
        let actions = self.fire(conn, Event::TokenExpired);
        self.run(Run::new(conn, Cx::Expiry, actions));
    }

    /// What happens to a session with a dead token if no rule says otherwise.
    pub(super) fn expiry_default(&mut self, conn: u64) {
        let refused = Refused::coded(401, "token expired");
        match self.scenario.on_expiry {
            OnExpiry::Nothing => {}
            OnExpiry::ErrorClose => self.refuse(conn, None, refused, None),
            OnExpiry::Suspend => {
                let error = self.error_frame(&refused, None, None);
                self.emit(conn, error, None);
                self.suspend(conn);
            }
        }
    }

    /// Nothing but a CONNECT is welcome from now on.
    pub(super) fn suspend(&mut self, conn: u64) {
        let now = self.now;
        if let Some(session) = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut()) {
            session.suspended.get_or_insert(now);
        }
    }

    /// What happens at an overlap if no rule says otherwise: with
    /// single-session it costs both; a CONNECT on a live session of the same
    /// socket costs that one.
    pub(super) fn overlap_default(&mut self, conn: u64, frame: &Frame, identity: Option<&str>) {
        if self.proxy {
            self.pass_up(conn, frame);
            return;
        }
        let same = self.conns.get(&conn).is_some_and(|c| c.session.is_some());
        let other = self
            .other_session(conn, identity)
            .filter(|_| self.scenario.single_session);
        let conflict = || Refused::coded(409, "already connected");
        let receipt = self.receipt_of(frame);
        if let Some(other) = other {
            self.refuse(other, None, conflict(), None);
        }
        let again = same && self.ending(Fault::SecondConnect) == Ending::Fine;
        if again && other.is_none() {
            if let Err(refused) = self.connect(conn, frame, Entry::Rebind) {
                self.refuse(conn, receipt, refused, Some(frame));
            }
        } else if same || other.is_some() {
            let fault = if same {
                Fault::SecondConnect
            } else {
                Fault::Conflict
            };
            self.refuse(conn, receipt, conflict().of(fault), Some(frame));
        } else if let Err(refused) = self.connect(conn, frame, Entry::Settled) {
            self.refuse(conn, receipt, refused, Some(frame));
        }
    }

    /// Ends the STOMP session: what was not acknowledged goes back, what was
    /// not committed is forgotten.
    pub(super) fn end_session(&mut self, conn: u64) {
        let Some(session) = self.conns.get_mut(&conn).and_then(|c| c.session.take()) else {
            return;
        };
        self.sessions.fetch_sub(1, Ordering::AcqRel);
        if let Some(identity) = session.identity {
            if let Some(conns) = self.live.get_mut(&identity) {
                conns.remove(&conn);
                if conns.is_empty() {
                    self.live.remove(&identity);
                }
            }
        }
        for sub in session.subs.into_values() {
            self.hub.unsubscribe(sub);
        }
        for key in session.temps.into_values() {
            self.temps.remove(&key);
            self.hub.delete_queue(&key);
        }
    }

    /// The connection counts as over from now on.
    pub(super) fn over(&mut self, conn: u64) {
        self.end_session(conn);
        self.end_upstream(conn);
        if let Some(c) = self.conns.get_mut(&conn) {
            c.phase = Phase::Over;
            c.held.clear();
        }
    }

    /// Whether a connection can still be ended; it is over afterwards.
    fn can_end(&mut self, conn: u64) -> bool {
        self.flush_join(conn);
        let alive = |c: &Conn| c.phase != Phase::Over;
        let ending = self.conns.get(&conn).is_some_and(alive);
        if ending {
            self.over(conn);
        }
        ending
    }

    pub(super) fn shut_close(&mut self, conn: u64, code: u16, reason: &str) {
        let open = self
            .conns
            .get(&conn)
            .is_some_and(|c| c.phase == Phase::Open);
        if !self.can_end(conn) {
            return;
        }
        if !open {
            // Before the upgrade there is no Close.
            self.outputs.push_back(Output::Fin { conn });
            return;
        }
        self.record(
            conn,
            What::CloseOut {
                code,
                reason: reason.to_owned(),
            },
        );
        self.outputs.push_back(Output::Close {
            conn,
            code,
            reason: reason.to_owned(),
        });
    }

    pub(super) fn shut_fin(&mut self, conn: u64) {
        if self.can_end(conn) {
            self.outputs.push_back(Output::Fin { conn });
        }
    }

    pub(super) fn shut_rst(&mut self, conn: u64) {
        if self.can_end(conn) {
            self.outputs.push_back(Output::Rst { conn });
        }
    }
}
