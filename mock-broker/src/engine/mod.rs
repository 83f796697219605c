//! The broker without sockets, clock or thread: inputs and the time go in,
//! outputs come out.
//!
//! Feed [`Engine::handle`], then drain [`Engine::poll`] to `None`; call
//! `handle` with [`Input::Timeout`] when [`Engine::next_deadline`] has come.
//! The answer of `next_deadline` may have changed after every `handle`.
//! Everything of STOMP and of the scenario happens in here, so two ends can
//! meet in virtual time.

mod acks;
mod act;
mod beats;
mod broker;
mod conn;
mod delivery;
mod destination;
mod dice;
mod durable;
mod events;
mod hub;
mod incoming;
mod io;
mod message;
mod refusal;
mod relay;
mod run;
mod session;
mod shape;
mod storm;
mod template;
mod tokens;
mod topics;
mod transactions;
mod triggers;
mod upgrade;
mod web;

pub(crate) use delivery::{Delivery, Label, Step};
pub use io::{Input, Output, Plan};
pub use relay::{FromUpstream, ToUpstream};
pub use web::Control;

use crate::rng::Rng;
use crate::script::{Origin, Rule, Scenario, Stage};
use crate::transcript::{How, Journal, Note, Transcript, What, plain_number};
use crate::wire::Frame;
use conn::{Conn, Silences};
use delivery::Steps;
use dice::Dice;
use durable::Binding;
use hub::Hub;
use run::{Cx, Event, Run};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use storm::Gale;
use tokens::Tokens;
use triggers::{Conditions, Watches};
use web::Web;

/// The broker.
pub struct Engine {
    scenario: Arc<Scenario>,
    rules: Arc<[Rule]>,
    /// How often each rule has fired.
    fired: Vec<u64>,
    watches: Watches,
    conditions: Conditions,
    /// Of every connection.
    silences: Silences,
    /// Storms that blow.
    gales: usize,
    /// Storms that ever blew.
    storms: u64,
    /// Frames go to a real broker, and come from there.
    proxy: bool,
    now: Duration,
    port: u16,
    conns: BTreeMap<u64, Conn>,
    live: BTreeMap<String, BTreeSet<u64>>,
    /// Shared, so that it is right as soon as the transcript tells.
    sessions: Arc<AtomicUsize>,
    hub: Hub,
    /// Temporary queues: whose, and under which name the owner knows them.
    temps: BTreeMap<String, (u64, String)>,
    /// Durable subscriptions by their queues, and these by what the topics
    /// know.
    durables: BTreeMap<String, Binding>,
    bound: BTreeMap<u64, String>,
    tokens: Tokens,
    timers: BTreeMap<(Duration, u64), Timer>,
    timer_no: u64,
    refusals: u64,
    triggers: VecDeque<(u64, Pending)>,
    web: Web,
    outputs: Steps,
    journal: Journal,
    /// Of what belongs to no connection.
    rng: Rng,
    issued: u64,
}

/// A trigger that waits until the engine is done with what it is doing.
#[derive(Debug)]
enum Pending {
    Mark(String),
    FramesOut(u64),
    BytesOut(u64, u64),
    Stage(Stage),
    Conditions,
}

#[derive(Debug)]
enum Timer {
    BeatOut {
        conn: u64,
        generation: u64,
    },
    BeatIn {
        conn: u64,
        generation: u64,
    },
    Token {
        conn: u64,
    },
    /// A rule, and the part of its trigger.
    Rule {
        conn: u64,
        at: (usize, usize),
    },
    Idle {
        conn: u64,
        at: (usize, usize),
        span: Duration,
    },
    Join {
        conn: u64,
        generation: u64,
    },
    Heal {
        conn: u64,
        number: u64,
    },
    Listen {
        generation: u64,
    },
    Handshake {
        conn: u64,
    },
    /// Those who watch have waited for the next picture.
    Watch,
    Resume(Box<Run>),
    Storm(Box<Gale>),
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("now", &self.now)
            .field("conns", &self.conns.len())
            .field("sessions", &self.sessions)
            .field("timers", &self.timers.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// A broker at time zero.
    pub fn new(scenario: Scenario) -> Self {
        let bounds = scenario.bounds;
        let rules: Arc<[Rule]> = scenario.rules.clone().into();
        let watches = Watches::new(&rules);
        let hub = Hub::new(scenario.dialect.wildcards, bounds);
        let mut engine = Self {
            fired: vec![0; rules.len()],
            watches,
            conditions: Conditions::default(),
            silences: Silences::default(),
            gales: 0,
            storms: 0,
            proxy: false,
            now: Duration::ZERO,
            port: 0,
            conns: BTreeMap::new(),
            live: BTreeMap::new(),
            sessions: Arc::default(),
            hub,
            temps: BTreeMap::new(),
            durables: BTreeMap::new(),
            bound: BTreeMap::new(),
            tokens: Tokens::default(),
            timers: BTreeMap::new(),
            timer_no: 0,
            refusals: 0,
            triggers: VecDeque::new(),
            web: Web::new(&scenario),
            outputs: Steps::default(),
            journal: Journal::new(bounds.transcript, bounds.transcript_octets),
            rng: Rng::new(scenario.seed),
            issued: 0,
            rules,
            scenario: Arc::new(scenario),
        };
        engine.arm_start_rules();
        engine
    }

    /// A proxy at time zero: it asks for connections to a real broker, see
    /// [`Output::Upstream`]. Of the scenario's set-up only the bounds, limits
    /// and path count; all else is the broker's.
    pub fn proxy(scenario: Scenario) -> Self {
        let mut engine = Self::new(scenario);
        engine.proxy = true;
        engine
    }

    /// The port which `{port}` stands for in redirects and answers.
    pub fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// Takes one input. `now` is the time since the engine's start and never
    /// goes back.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Tcp { conn } => self.on_tcp(conn),
            Input::Request { conn, request } => self.on_request(conn, request),
            Input::Alive { conn } => self.touch(conn),
            Input::Message {
                conn,
                octets,
                binary,
            } => self.on_message(conn, octets, binary),
            Input::Ping { conn, octets } => self.on_ping(conn, octets),
            Input::Pong { conn, octets } => {
                self.touch(conn);
                self.record(conn, What::Pong(octets.to_vec()));
                if self.proxy {
                    self.relay_ping(conn, octets, false);
                }
            }
            Input::Close { conn, code, reason } => {
                self.record(
                    conn,
                    What::CloseIn {
                        code,
                        reason: reason.to_owned(),
                    },
                );
                self.close_upstream(conn, code, reason);
                self.over(conn);
            }
            Input::Upstream { conn, what } => self.on_upstream(conn, what),
            Input::Closed { conn, how } => self.on_closed(conn, how),
            Input::Note { conn, note } => self.record(conn, What::Note(note.clone())),
            Input::Breach { conn, code, why } => {
                self.record(
                    conn,
                    What::Note(Note::WebSocket {
                        code,
                        why: why.to_owned(),
                    }),
                );
                self.shut_close(conn, code, why);
            }
            Input::Signal(name) => self.on_signal(name),
            Input::Issue {
                token,
                identity,
                ttl,
            } => {
                self.tokens
                    .issue(token, Some(identity), self.now.saturating_add(ttl));
            }
            Input::Expire(name) => self.expire_tokens(name),
            Input::Publish {
                destination,
                headers,
                body,
            } => {
                let mut frame = Frame::new("SEND")
                    .with("destination", destination)
                    .body(body);
                for (name, value) in headers {
                    frame = frame.with(name, *value);
                }
                if let Err(refused) = self.publish(0, &Arc::new(frame)) {
                    let message = refused.words;
                    self.record(0, What::Note(Note::Refused { message }));
                }
            }
            Input::Kick { conn } => {
                self.record(conn, What::Fault("kick".to_owned()));
                self.shut_fin(conn);
            }
            Input::Refuse(span) => self.refuse_connections(span),
            Input::Listen => self.listen_again(),
            Input::Restart => {
                self.record(0, What::Fault("restart".to_owned()));
                let all: Vec<u64> = self.conns.keys().copied().collect();
                for conn in all {
                    self.shut_rst(conn);
                }
            }
            Input::Timeout => self.on_timeout(),
        }
        self.settle();
    }

    /// The next thing to do; `None` until the next [`Engine::handle`].
    pub fn poll(&mut self) -> Option<Output> {
        let step = self.next_step();
        if step.is_none() {
            self.journal.wake();
        }
        step.map(Step::output)
    }

    /// The same, with deliveries as they are shared.
    pub(crate) fn next_step(&mut self) -> Option<Step> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due, as time since the engine's start.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Live STOMP sessions.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    pub(crate) fn session_count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.sessions)
    }

    /// Issues a token by itself, for use without a
    /// [`MockBroker`](crate::MockBroker).
    pub fn issue_token(&mut self, now: Duration, identity: &str, ttl: Duration) -> String {
        self.issued += 1;
        let token = token_text(self.scenario.seed, self.issued);
        self.handle(
            now,
            Input::Issue {
                token: &token,
                identity,
                ttl,
            },
        );
        token
    }

    /// A copy of what happened.
    pub fn transcript(&self) -> Transcript {
        self.journal.snapshot()
    }

    /// The ring behind the transcript.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The scenario it plays.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    fn record(&self, conn: u64, what: What) {
        self.journal.push(self.now, conn, what);
    }

    fn fault(&self, conn: u64, words: impl Into<String>) {
        self.record(conn, What::Fault(words.into()));
    }

    fn arm(&mut self, at: Duration, timer: Timer) {
        self.timer_no += 1;
        self.timers.insert((at, self.timer_no), timer);
    }

    fn on_timeout(&mut self) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                Timer::BeatOut { conn, generation } => self.beat_out(conn, generation),
                Timer::BeatIn { conn, generation } => self.beat_in(conn, generation),
                Timer::Token { conn } => self.check_token(conn),
                Timer::Rule { conn, at } => self.rule_due(conn, at),
                Timer::Idle { conn, at, span } => self.idle_due(conn, at, span),
                Timer::Join { conn, generation } => self.join_due(conn, generation),
                Timer::Heal { conn, number } => self.heal(conn, number),
                Timer::Listen { generation } => {
                    if generation == self.refusals {
                        self.listen_again();
                    }
                }
                Timer::Handshake { conn } => self.handshake_due(conn),
                Timer::Watch => {}
                Timer::Resume(run) => self.resume(*run),
                Timer::Storm(gale) => self.blow(*gale),
            }
            self.settle();
        }
    }

    /// Delivers from queues and fires what waits, until nothing is left.
    fn settle(&mut self) {
        let mut budget = 1000;
        loop {
            while let Some((sub, item)) = self.hub.next_delivery() {
                self.deliver(sub, item);
            }
            let Some((conn, pending)) = self.triggers.pop_front() else {
                return;
            };
            if budget == 0 {
                self.triggers.clear();
                self.record(conn, What::Note(Note::ScriptLoop));
                continue;
            }
            // Counters only grow: they cannot go in circles.
            if !matches!(pending, Pending::FramesOut(_) | Pending::BytesOut(..)) {
                budget -= 1;
            }
            self.fire_pending(conn, pending);
        }
    }

    fn on_tcp(&mut self, conn: u64) {
        let (now, limits) = (self.now, self.scenario.limits);
        let mut c = Conn::new(limits, now, Dice::new(self.scenario.seed, conn));
        if !self.proxy {
            let dialect = &self.scenario.dialect;
            c.decoder = c.decoder.with_rules(dialect.rules);
            c.beats.octets = dialect.beat.to_vec();
        }
        self.conns.insert(conn, c);
        self.record(conn, What::Tcp);
        let due = now.saturating_add(self.scenario.bounds.handshake);
        self.arm(due, Timer::Handshake { conn });
        if plain_number(conn).is_some() {
            return;
        }
        self.arm_rules(conn, &Origin::Tcp);
        let actions = self.fire(conn, Event::Stage(Stage::Tcp));
        self.run(Run::new(conn, Cx::None, actions));
    }

    fn on_closed(&mut self, conn: u64, how: &How) {
        if !self.conns.contains_key(&conn) {
            return;
        }
        self.over(conn);
        self.record(conn, What::Closed(how.clone()));
        self.forget_plain(conn);
        let actions = self.fire(conn, Event::Stage(Stage::Closed));
        self.run(Run::new(conn, Cx::None, actions));
        self.conns.remove(&conn);
    }

    fn refuse_connections(&mut self, span: Option<Duration>) {
        self.refusals += 1;
        self.record(0, What::Listening(false));
        self.outputs.push_back(Output::Refuse);
        if let Some(span) = span {
            self.arm(
                self.now.saturating_add(span),
                Timer::Listen {
                    generation: self.refusals,
                },
            );
        }
    }

    fn listen_again(&mut self) {
        self.refusals += 1;
        self.record(0, What::Listening(true));
        self.outputs.push_back(Output::Listen);
    }
}

/// The `n`-th token of a seed.
pub(crate) fn token_text(seed: u64, n: u64) -> String {
    let mut rng = Rng::new(seed ^ n.rotate_left(32) ^ 0x746f_6b65);
    format!("tok-{n}-{:016x}", rng.next())
}
