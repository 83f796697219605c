//! The control API: what curl can do to a running broker.

use super::watch::number;
use super::{Engine, Output, Pending};
use super::{guard, page};
use crate::engine::conn::Phase;
use crate::http::{Request, Response, decode};
use crate::script::Scenario;
use crate::script::units::nearest;
use crate::transcript::What;
use crate::verdict::Judge;
use crate::wire::Frame;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Method, path and words of everything there is; `GET /control/` prints it.
const LIST: [(&str, &str, &str); 13] = [
    ("GET", "/", "a page for people"),
    ("GET", "/control/", "this list"),
    (
        "GET",
        "/control/sessions",
        "connections, sessions and subscriptions now; ?limit=1000",
    ),
    (
        "GET",
        "/control/transcript",
        "what happened, as JSON lines; ?from=1",
    ),
    (
        "GET",
        "/control/events",
        "the same as it happens, as server-sent events; ?from= or ?tail=",
    ),
    ("GET", "/control/report", "what happened, counted"),
    (
        "POST",
        "/control/signal/NAME",
        "fires the rules that wait for this signal",
    ),
    ("POST", "/control/mark/NAME", "sets a mark"),
    (
        "POST",
        "/control/expire/NAME",
        "ends a token, or all of an identity, or \"all\"; the name may be the body",
    ),
    (
        "POST",
        "/control/kick/CONN",
        "ends a connection without a Close: 1006",
    ),
    (
        "POST",
        "/control/publish",
        "publishes the body; ?destination=, further parameters are headers",
    ),
    (
        "POST",
        "/control/reload",
        "a new scenario in the body; connections stay",
    ),
    ("POST", "/control/stop", "stops the broker"),
];

/// Where the control API and the page are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// On the broker's own port.
    #[default]
    Here,
    /// On a port of its own on 127.0.0.1; 0 is any free one.
    Port(u16),
    /// Nowhere.
    Off,
}

pub(super) fn is_control(route: &str) -> bool {
    route == "/control" || route.starts_with("/control/")
}

fn error(status: u16, words: impl Into<String>) -> Response {
    Response::json(status, &json!({"error": words.into()}))
}

/// What is a number in the queries of those who ask.
const NUMBERS: [&str; 3] = ["limit", "from", "tail"];

/// Whether one of them is there but none; with POST they are headers.
fn is_no_number(request: &Request, name: &str) -> bool {
    let query = request.query();
    let there = query.iter().any(|(n, _)| n == name);
    there && request.method != "POST" && number(request, name).is_none()
}

fn done(value: &Value) -> Response {
    Response::json(200, value)
}

impl Engine {
    /// Does what a request to the control API asks for.
    pub(super) fn control(&mut self, conn: u64, request: &Request) {
        if let Some(refusal) = guard::refusal(&request.headers) {
            return self.answer(conn, refusal);
        }
        let path = request.route().strip_prefix("/control").unwrap_or_default();
        let path = path.trim_start_matches('/');
        let (verb, name) = path.split_once('/').unwrap_or((path, ""));
        let name = decode(name);
        if let Some(name) = NUMBERS.into_iter().find(|n| is_no_number(request, n)) {
            return self.answer(conn, error(400, format!("?{name}= is not a number")));
        }
        let method = if request.method == "HEAD" {
            "GET"
        } else {
            request.method.as_str()
        };
        let response = match (method, verb) {
            ("GET", "") => list(),
            ("GET", "sessions") => {
                let limit = number(request, "limit").unwrap_or(1000);
                done(&self.state(usize::try_from(limit).unwrap_or(usize::MAX)))
            }
            ("GET", "transcript") => return self.show_transcript(conn, request),
            ("GET", "events") => return self.show_events(conn, request),
            ("GET", "page.css") => page::styles(),
            ("GET", "page.js") => page::script(),
            ("GET", "report") => done(&self.report()),
            ("POST", "signal" | "mark") if name.is_empty() => error(400, "the name is missing"),
            ("POST", "signal") => {
                self.on_signal(&name);
                done(&json!({"signal": name}))
            }
            ("POST", "mark") => {
                self.record(conn, What::Mark(name.clone()));
                let mark = name.clone();
                self.triggers.push_back((conn, Pending::Mark(mark)));
                done(&json!({"mark": name}))
            }
            ("POST", "expire") => self.control_expire(&name, &request.body),
            ("POST", "kick") => self.control_kick(&name),
            ("POST", "publish") => self.control_publish(request),
            ("POST", "reload") => self.control_reload(&request.body),
            ("POST", "stop") => {
                self.answer(conn, done(&json!({"stopping": true})));
                self.outputs.push_back(Output::Stop);
                return;
            }
            _ => unknown(verb),
        };
        self.answer(conn, response);
    }

    fn control_expire(&mut self, name: &str, body: &[u8]) -> Response {
        let body = String::from_utf8_lossy(body);
        let name = if name.is_empty() { body.trim() } else { name };
        if name.is_empty() {
            return error(
                400,
                "name a token, an identity or \"all\", in the path or the body",
            );
        }
        let ended = self.tokens.live(name, self.now);
        self.expire_tokens(name);
        done(&json!({"expired": ended}))
    }

    fn control_kick(&mut self, name: &str) -> Response {
        let Ok(conn) = name.parse::<u64>() else {
            return error(
                400,
                "the number of a connection is missing: /control/kick/1",
            );
        };
        let alive = |p: Phase| p != Phase::Over;
        if !self.conns.get(&conn).is_some_and(|c| alive(c.phase)) {
            return error(404, format!("there is no connection {conn} now"));
        }
        self.fault(conn, "kick");
        self.shut_fin(conn);
        done(&json!({"kicked": conn}))
    }

    fn control_publish(&mut self, request: &Request) -> Response {
        if self.proxy {
            return error(409, "a proxy publishes nothing of its own");
        }
        let mut frame = Frame::new("SEND").body(request.body.clone());
        for (name, value) in request.query() {
            frame = frame.with(&name, value);
        }
        if frame.header("destination").is_none_or(str::is_empty) {
            return error(400, "say where: ?destination=/topic/a");
        }
        if let Some(kind) = request.headers.get("Content-Type") {
            // What curl says when nobody says anything is no content type.
            let form = kind == "application/x-www-form-urlencoded";
            if !form && frame.header("content-type").is_none() {
                frame = frame.with("content-type", kind);
            }
        }
        let frame = Arc::new(frame);
        match self.publish(0, &frame) {
            Ok(()) => done(&json!({"published": frame.header("destination")})),
            Err(refused) => error(400, refused.words),
        }
    }

    fn control_reload(&mut self, body: &[u8]) -> Response {
        let Ok(text) = std::str::from_utf8(body) else {
            return error(400, "the scenario is not UTF-8");
        };
        match Scenario::from_json(text) {
            Ok(scenario) => {
                let name = scenario.name.clone();
                let rules = scenario.rules.len();
                self.reload(scenario);
                done(&json!({"scenario": name, "rules": rules}))
            }
            Err(e) => {
                let value = json!({"error": e.message, "line": e.line, "column": e.column});
                Response::json(422, &value)
            }
        }
    }

    /// What the scenario's assertions come to if the run ends now, and what
    /// happened, counted by kind.
    fn report(&self) -> Value {
        let mut judge = Judge::new(Arc::clone(&self.scenario));
        let mut counts = BTreeMap::<String, u64>::new();
        let transcript = self.journal.snapshot();
        for entry in transcript.iter() {
            judge.see(entry);
            let kind = match entry.received().or(entry.sent()) {
                Some(frame) => format!("{} {}", entry.what.kind(), frame.command.escape_debug()),
                None => entry.what.kind().to_owned(),
            };
            // Commands are the client's own words: no more kinds than that.
            if counts.len() < 100 || counts.contains_key(&kind) {
                *counts.entry(kind).or_default() += 1;
            }
        }
        let report = judge.report(self.now);
        let mut json = report.to_json();
        json["words"] = json!(report.to_string());
        json["dropped"] = json!(transcript.dropped);
        json["counts"] = json!(counts);
        json
    }
}

fn list() -> Response {
    let mut text = String::from("The mock broker's control API. Answers are JSON.\n\n");
    for (method, path, words) in LIST {
        text.push_str(&format!("{method:<5}{path:<24}{words}\n"));
    }
    Response::text(200, &text)
}

fn unknown(verb: &str) -> Response {
    let named = |path: &str| path.split('/').nth(2).unwrap_or_default().to_owned();
    let known = LIST.iter().skip(1).find(|(_, path, _)| named(path) == verb);
    if let Some((method, path, _)) = known {
        return error(405, format!("it is {method} {path}")).with("Allow", method);
    }
    let verbs: Vec<String> = LIST
        .iter()
        .skip(2)
        .map(|(_, path, _)| named(path))
        .collect();
    match nearest(verb, verbs.iter().map(String::as_str)) {
        Some(near) => error(
            404,
            format!("did you mean `{near}`? GET /control/ prints the list"),
        ),
        None => error(404, "there is no such thing; GET /control/ prints the list"),
    }
}
