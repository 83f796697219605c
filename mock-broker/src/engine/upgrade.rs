//! From the request to the open WebSocket.

use super::conn::{Conn, Phase};
use super::refusal::{Fault, Refused};
use super::run::{Cx, Event, Run};
use super::{Engine, Output, Plan, Timer};
use crate::http::{Request, Response, refusal};
use crate::script::units::glob;
use crate::script::{Origin, Stage};
use crate::transcript::{Note, What, plain_number};
use crate::wire::Version;

impl Engine {
    pub(super) fn on_request(&mut self, conn: u64, request: &Request) {
        let asked = |p: Phase| p != Phase::Tcp;
        if self.conns.get(&conn).is_none_or(|c| asked(c.phase)) {
            return;
        }
        if request.wants_upgrade() && plain_number(conn).is_none() {
            self.on_upgrade(conn, request);
        } else {
            self.on_plain(conn, request);
        }
    }

    fn on_upgrade(&mut self, conn: u64, request: &Request) {
        let (path, headers) = (request.path.clone(), request.headers.clone());
        self.record(conn, What::Upgrade { path, headers });
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        c.phase = Phase::Upgrade;
        c.request = Some(request.clone());
        if !self.is_broker(request) {
            self.answer(
                conn,
                Response::text(404, "There is no broker at this path.\n"),
            );
        } else if let Some(response) = refusal(request).or_else(|| self.bridge_refusal(request)) {
            self.answer(conn, response);
        } else {
            let actions = self.fire(conn, Event::Stage(Stage::Upgrade));
            let cx = Cx::Upgrade {
                subprotocol: None,
                bad_accept: false,
            };
            self.run(Run::new(conn, cx, actions));
        }
    }

    /// A websockify bridge takes no subprotocol but its own.
    fn bridge_refusal(&self, request: &Request) -> Option<Response> {
        let dialect = &self.scenario.dialect;
        let mut offered = request.headers.tokens("Sec-WebSocket-Protocol").peekable();
        let wrong = dialect.messages.text_refused
            && offered.peek().is_some()
            && !offered.any(|o| dialect.subprotocols.contains(&o));
        wrong.then(|| Response::text(400, "Invalid protocol selected\n"))
    }

    /// Whether the broker is at the path of the request.
    pub(super) fn is_broker(&self, request: &Request) -> bool {
        let path = self.scenario.path.as_deref();
        path.is_none_or(|path| path == request.route())
    }

    /// Answers the request without an upgrade.
    pub(super) fn answer(&mut self, conn: u64, mut response: Response) {
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase != Phase::Over) else {
            return;
        };
        let how = Plan {
            drip: c.shapes.drip.take(),
            truncate: c.shapes.cut.take(),
            ..Plan::default()
        };
        if self.is_head(conn) {
            let length = response.body.len().to_string();
            response.headers.push(("Content-Length".to_owned(), length));
            response.body.clear();
        }
        self.record(
            conn,
            What::Http {
                status: response.status,
            },
        );
        self.over(conn);
        self.outputs.push_back(Output::Http {
            conn,
            response,
            how,
        });
    }

    /// The request was not whole in time, or no frame followed the upgrade.
    pub(super) fn handshake_due(&mut self, conn: u64) {
        let bound = self.scenario.bounds.handshake;
        let now = self.now;
        let Some(c) = self.conns.get(&conn) else {
            return;
        };
        // Another connection may have the number by now.
        let waits = match c.phase {
            Phase::Tcp => !c.hung,
            // A client that says something, however wrong, gets its answer.
            Phase::Open => c.frames_in == 0 && c.relay.is_none(),
            Phase::Upgrade | Phase::Plain | Phase::Over => false,
        };
        if !waits || now < c.awaited.saturating_add(bound) {
            return;
        }
        if c.holes.direction().is_some() {
            self.arm(now.saturating_add(bound), Timer::Handshake { conn });
            return;
        }
        if c.phase == Phase::Open {
            let words = format!("no frame came within {bound:?}");
            self.refuse(conn, None, Refused::new(words).of(Fault::Silence), None);
            return;
        }
        let words = format!("no whole request came within {bound:?}");
        self.record(conn, What::Note(Note::Handshake(words.clone())));
        self.answer(conn, Response::text(408, &format!("{words}\n")));
    }

    /// Never answers a handshake.
    pub(super) fn hang(&mut self, conn: u64) {
        self.fault(conn, "hang");
        if let Some(c) = self.conns.get_mut(&conn) {
            c.hung = true;
        }
        self.outputs.push_back(Output::Stall { conn });
    }

    /// Agrees to the upgrade.
    pub(super) fn accept(&mut self, conn: u64, forced: Option<Option<String>>, bad_accept: bool) {
        if self.proxy {
            self.dial(conn, forced, bad_accept);
            return;
        }
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some(request) = c.request.as_ref().filter(|_| c.phase == Phase::Upgrade) else {
            return;
        };
        let offered: Vec<&str> = request.headers.tokens("Sec-WebSocket-Protocol").collect();
        let known = self.scenario.subprotocols.iter().map(String::as_str);
        let subprotocol = forced.unwrap_or_else(|| {
            let dialect = &self.scenario.dialect;
            let stomp = ["v12.stomp", "v11.stomp", "v10.stomp"];
            let stomp = stomp.iter().filter(|_| !dialect.messages.text_refused);
            known
                .chain(dialect.subprotocols.iter().copied())
                .chain(stomp.copied())
                .find_map(|name| offered.iter().find(|o| glob(name, o)))
                .map(|name| (*name).to_owned())
                .or_else(|| dialect.unasked_subprotocol.map(str::to_owned))
        });
        self.open(conn, subprotocol, bad_accept);
    }

    /// Completes the upgrade.
    pub(super) fn open(&mut self, conn: u64, subprotocol: Option<String>, bad_accept: bool) {
        let waits = |c: &&mut Conn| c.phase == Phase::Upgrade;
        let Some(c) = self.conns.get_mut(&conn).filter(waits) else {
            return;
        };
        c.phase = Phase::Open;
        c.awaited = self.now;
        c.beats.last_in = self.now;
        c.active = self.now;
        c.promised = match subprotocol.as_deref() {
            Some("v12.stomp") => Some(Version::V1_2),
            Some("v11.stomp") => Some(Version::V1_1),
            Some("v10.stomp") => Some(Version::V1_0),
            Some(_) | None => None,
        };
        self.record(
            conn,
            What::Open {
                subprotocol: subprotocol.clone(),
            },
        );
        self.outputs.push_back(Output::Accept {
            conn,
            subprotocol,
            bad_accept,
        });
        let due = self.now.saturating_add(self.scenario.bounds.handshake);
        self.arm(due, Timer::Handshake { conn });
        self.arm_rules(conn, &Origin::Open);
        let actions = self.fire(conn, Event::Stage(Stage::Open));
        self.run(Run::new(conn, Cx::None, actions));
    }
}
