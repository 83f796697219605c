//! Plain HTTP: the rules of the scenario first, then what the broker itself
//! has to say.

mod oauth;

use super::Engine;
use super::conn::Phase;
use super::run::{Cx, Run};
use super::{Output, Timer};
use crate::http::{Request, Response};
use crate::script::Scenario;
use crate::transcript::{PLAIN, What, plain_number};
use oauth::Grants;
use std::collections::VecDeque;
use std::sync::Arc;

/// What plain HTTP keeps.
#[derive(Default)]
pub(super) struct Web {
    /// How often each rule has fired.
    fired: Vec<u64>,
    /// Connections of plain HTTP so far.
    conns: u64,
    grants: Grants,
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
            c.request = Some(request.clone());
        }
        let mut actions = VecDeque::new();
        let scenario = Arc::clone(&self.scenario);
        let rules = scenario.http.iter().enumerate();
        let fits = rules.filter(|(_, r)| r.fits(&request.method, request.route()));
        for (i, rule) in fits {
            if rule.times.is_none_or(|most| self.web.fired[i] < most) {
                self.web.fired[i] += 1;
                self.flatten(&rule.actions, self.web.fired[i], &mut actions);
                break;
            }
        }
        self.run(Run::new(plain, Cx::Plain, actions));
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
            .retain(|_, t| !matches!(t, Timer::Rule { conn: c, .. } if *c == conn));
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
        let response = if request.route() == self.scenario.auth.oauth.path {
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
        }
        if let Ok(text) = std::str::from_utf8(&response.body) {
            let mut text = text.replace("{port}", &port);
            if text.contains("{token}") {
                token = Some(self.issue_for(conn, &text));
            }
            if let Some(token) = &token {
                text = text.replace("{token}", token);
            }
            response.body = text.into_bytes();
        }
    }
}
