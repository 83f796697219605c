//! The engine in virtual time: one broker, its clock and what it wanted done.

use hobnail_mock_broker::Scenario;
use hobnail_mock_broker::engine::{Engine, Input, Output};
use hobnail_mock_broker::http::Request;
use hobnail_mock_broker::wire::{Decoder, Frame, Version};
use std::time::Duration;

/// One engine, its clock and what it wanted done.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Duration,
    pub(crate) outputs: Vec<(Duration, Output)>,
}

impl World {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            engine: Engine::new(scenario),
            now: Duration::ZERO,
            outputs: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        while let Some(output) = self.engine.poll() {
            self.outputs.push((self.now, output));
        }
    }

    pub(crate) fn say(&mut self, conn: u64, text: &str) {
        let octets = format!("{text}\0");
        self.tell(Input::Message {
            conn,
            octets: octets.as_bytes(),
            binary: false,
        });
    }

    pub(crate) fn open(&mut self, conn: u64) {
        self.open_as(conn, &["v12.stomp"]);
    }

    /// Opens a connection with an offer of subprotocols.
    pub(crate) fn open_as(&mut self, conn: u64, offer: &[&str]) {
        self.tell(Input::Tcp { conn });
        let request = Request::upgrade("/stomp", offer);
        self.tell(Input::Request {
            conn,
            request: &request,
        });
    }

    pub(crate) fn connect(&mut self, conn: u64, headers: &str) {
        self.open(conn);
        self.say(
            conn,
            &format!("CONNECT\naccept-version:1.2\nhost:h\n{headers}\n"),
        );
    }

    /// Jumps from deadline to deadline for a while.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tell(Input::Timeout);
        }
        self.now = end;
    }

    /// The answers to plain requests: when, to whom and with which status.
    pub(crate) fn answers(&self) -> Vec<(Duration, u64, u16)> {
        let mut answers = Vec::new();
        for (at, output) in &self.outputs {
            if let Output::Http { conn, response, .. } = output {
                answers.push((*at, *conn, response.status));
            }
        }
        answers
    }

    /// The frames that went to a connection, and when.
    pub(crate) fn frames(&self, to: u64) -> Vec<(Duration, Frame)> {
        let mut decoder = Decoder::new(Version::V1_2);
        let mut frames = Vec::new();
        for (at, output) in &self.outputs {
            if let Output::Message { conn, octets, .. } = output {
                if *conn == to {
                    let new = decoder.push(octets).expect("good STOMP");
                    frames.extend(new.into_iter().map(|f| (*at, f)));
                }
            }
        }
        frames
    }

    pub(crate) fn commands(&self, to: u64) -> Vec<String> {
        self.frames(to)
            .into_iter()
            .map(|(_, f)| f.command)
            .collect()
    }

    pub(crate) fn beats(&self, to: u64) -> Vec<Duration> {
        let beat = |o: &Output| matches!(o, Output::Message { conn, octets, .. } if *conn == to && octets == b"\n");
        self.outputs
            .iter()
            .filter(|(_, o)| beat(o))
            .map(|(at, _)| *at)
            .collect()
    }
}
