//! Plain HTTP: the rules of the scenario first, then what the broker itself
//! has to say.

mod control;
mod guard;
mod oauth;
mod page;
mod status;
mod watch;

pub use control::Control;

use super::conn::{Gathered, Phase};
use super::dice::Dice;
use super::run::{Cx, Run, flatten};
use super::triggers::{Conditions, Watches};
use super::{Engine, Output, Pending, Timer};
use crate::http::{Request, Response};
use crate::rng::Rng;
use crate::script::{Action, Scenario};
use crate::transcript::{PLAIN, What, plain_number};
use oauth::Grants;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use watch::Watch;

/// What plain HTTP keeps.
#[derive(Default)]
pub(super) struct Web {
    /// How often each rule has fired.
    fired: Vec<u64>,
    /// Connections of plain HTTP so far.
    conns: u64,
    grants: Grants,
    control: Control,
    /// Connections that came to the port of the control API.
    apart: BTreeSet<u64>,
    watches: BTreeMap<u64, Watch>,
}

impl Web {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            fired: vec![0; scenario.http.len()],
            ..Self::default()
        }
    }
}

impl Engine {
    pub(super) fn on_plain(&mut self, conn: u64, request: &Request) {
        let plain = self.set_aside(conn);
        self.record(
            plain,
            What::Request {
                method: request.method.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
                body: request.body.clone(),
                was: conn,
            },
        );
        if let Some(c) = self.conns.get_mut(&plain) {
            c.phase = Phase::Plain;
            c.dice = Dice::new(self.scenario.seed, plain);
            c.request = Some(request.clone());
        }
        if self.has_control(plain) && control::is_control(request.route()) {
            return self.control(plain, request);
        }
        let apart = self.web.apart.contains(&plain);
        let actions = if apart {
            VecDeque::new()
        } else {
            self.fire_http(plain, request)
        };
        self.run(Run::new(plain, Cx::Plain, actions));
    }

    /// The actions of the first rule that fits and has firings left.
    fn fire_http(&mut self, plain: u64, request: &Request) -> VecDeque<Action> {
        let mut actions = VecDeque::new();
        let scenario = Arc::clone(&self.scenario);
        let rules = scenario.http.iter().enumerate();
        let fits = rules.filter(|(_, r)| r.fits(&request.method, request.route()));
        for (i, rule) in fits {
            if rule.times.is_none_or(|most| self.web.fired[i] < most) {
                self.web.fired[i] += 1;
                let nth = self.web.fired[i];
                flatten(&rule.actions, nth, self.die(plain), &mut actions);
                break;
            }
        }
        actions
    }

    /// Whether the control API is where this connection came to.
    fn has_control(&self, conn: u64) -> bool {
        match self.web.control {
            Control::Here => true,
            Control::Port(_) => self.web.apart.contains(&conn),
            Control::Off => false,
        }
    }

    /// Where the control API is (default: on the same port).
    pub fn set_control(&mut self, control: Control) {
        self.web.control = control;
    }

    /// Who is at the other end of a connection; only shown.
    pub(crate) fn set_peer(&mut self, conn: u64, peer: Option<SocketAddr>) {
        if let Some(c) = self.conns.get_mut(&conn) {
            c.peer = peer;
        }
    }

    /// The number for a connection to the port of the control API.
    pub(crate) fn control_conn(&mut self) -> u64 {
        let conn = self.plain_conn();
        self.web.apart.insert(conn);
        conn
    }

    /// A connection of plain HTTP is over.
    pub(super) fn forget_plain(&mut self, conn: u64) {
        self.web.apart.remove(&conn);
        self.web.watches.remove(&conn);
    }

    /// Plays another scenario from now on. Connections, sessions, queues and
    /// tokens stay; what rules have counted is forgotten, and spans since a
    /// connection's beginning are those of new connections.
    pub fn reload(&mut self, scenario: Scenario) {
        self.rules = scenario.rules.clone().into();
        self.fired = vec![0; self.rules.len()];
        self.watches = Watches::new(&self.rules);
        self.conditions = Conditions::default();
        self.web.fired = vec![0; scenario.http.len()];
        self.rng = Rng::new(scenario.seed);
        let seed = scenario.seed;
        self.scenario = Arc::new(scenario);
        for (n, c) in &mut self.conns {
            c.dice = Dice::new(seed, *n);
            c.counts.clear();
            c.gathered = Gathered::default();
            c.state = None;
        }
        // Timers know rules by their place.
        self.timers
            .retain(|_, t| !matches!(t, Timer::Rule { .. } | Timer::Idle { .. }));
        self.triggers
            .retain(|(_, p)| !matches!(p, Pending::Conditions));
        let words = format!("scenario reloaded: {}", self.scenario.name.escape_debug());
        self.record(0, What::Log(words));
        self.arm_start_rules();
    }

    pub(super) fn is_head(&self, conn: u64) -> bool {
        let request = self.conns.get(&conn).and_then(|c| c.request.as_ref());
        request.is_some_and(|r| r.method == "HEAD")
    }

    /// A connection of plain HTTP does not count among those of STOMP.
    fn set_aside(&mut self, conn: u64) -> u64 {
        if plain_number(conn).is_some() {
            return conn;
        }
        let plain = self.plain_conn();
        if let Some(c) = self.conns.remove(&conn) {
            self.conns.insert(plain, c);
        }
        self.timers
            .retain(|_, t| !matches!(t, Timer::Rule { conn: c, .. } | Timer::Idle { conn: c, .. } if *c == conn));
        for timer in self.timers.values_mut() {
            if let Timer::Resume(run) = timer {
                if run.conn == conn {
                    run.conn = plain;
                }
            }
        }
        self.journal.renumber(conn, plain);
        self.outputs.push_back(Output::Plain { conn, plain });
        plain
    }

    /// The number of the next connection that speaks plain HTTP.
    pub(crate) fn plain_conn(&mut self) -> u64 {
        self.web.conns += 1;
        PLAIN + self.web.conns
    }

    /// What the broker itself says to a plain request.
    pub(super) fn serve(&mut self, conn: u64) {
        let c = self.conns.get(&conn).filter(|c| c.phase == Phase::Plain);
        let Some(request) = c.and_then(|c| c.request.clone()) else {
            return;
        };
        let route = request.route();
        let response = if self.web.apart.contains(&conn) && route != "/" {
            Response::text(
                404,
                "This is the control API: GET /control/ prints what there is.\n",
            )
        } else if route == "/" && self.has_control(conn) {
            page::page(&request)
        } else if route == self.scenario.auth.oauth.path {
            self.grant(&request)
        } else if self.is_broker(&request) {
            Response::text(426, "This is a STOMP broker: WebSocket only.\n")
                .with("Upgrade", "websocket")
        } else {
            Response::text(404, "There is nothing at this path.\n")
        };
        self.answer(conn, response);
    }

    /// Puts `{port}` and `{token}` into an answer of the script. A token lives
    /// as long as the `expires_in` beside it says.
    pub(super) fn fill(&mut self, conn: u64, response: &mut Response) {
        let port = self.port.to_string();
        let mut token = None;
        for (_, value) in &mut response.headers {
            *value = value.replace("{port}", &port);
            if value.contains("{token}") {
                let token = token.get_or_insert_with(|| self.issue_for(conn, ""));
                *value = value.replace("{token}", token);
            }
        }
        if let Ok(text) = std::str::from_utf8(&response.body) {
            let mut text = text.replace("{port}", &port);
            if text.contains("{token}") {
                let token = token.get_or_insert_with(|| self.issue_for(conn, &text));
                text = text.replace("{token}", token);
            }
            response.body = text.into_bytes();
        }
    }
}
