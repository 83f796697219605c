//! Client and broker, the network between them, and the clock over all.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use hobnail_mock_broker::{
    engine::{self, Engine},
    script::{Builder as Scenario, Scenario as Finished},
};

use super::{
    app::App,
    secs,
    source::Source,
    wire::{End, Flight, Left, Sent, Wire},
};
use crate::{
    auth::{Token, TokenReason},
    config::{Builder, Config},
    core::{Core, Input, Key, Phase, Ticket},
    error::{AuthError, LinkError},
    event::Event,
    frame::Frame,
};

/// More steps than any run that makes progress needs.
const MOST_STEPS: u64 = 200_000;

/// Two ends and all that lies between.
pub(super) struct Pair {
    pub(super) core: Core,
    pub(super) engine: Engine,
    pub(super) config: Arc<Config>,
    seed: u64,
    base: Instant,
    /// Time since the beginning.
    pub(super) now: Duration,
    steps: u64,
    /// How often the client woke up for a deadline.
    pub(super) timeouts: u64,
    pub(super) flights: BTreeMap<(Duration, u64), Flight>,
    pub(super) flown: u64,
    pub(super) to_broker: Duration,
    pub(super) to_client: Duration,
    /// One way.
    pub(super) latency: Duration,
    /// The client's end of the link; there is never a second one.
    pub(super) wire: Option<Wire>,
    /// The broker's ends.
    pub(super) ends: BTreeMap<u64, End>,
    pub(super) conns: u64,
    /// Whether the client's link can take frames.
    pub(super) writable: bool,
    pub(super) listening: bool,
    /// SUBSCRIBE to this is answered with an ERROR that says nothing.
    pub(super) refuse_destination: Option<&'static str>,
    /// SUBSCRIBE to such a destination is answered with a Close 1000 and nothing else.
    pub(super) close_upon: fn(&str) -> bool,
    /// When a link was opened, and to which host.
    pub(super) opened: Vec<(Duration, String)>,
    /// Hosts that nobody answers for, with what is told of them.
    pub(super) dead: BTreeMap<&'static str, LinkError>,
    pub(super) regions_asked: Vec<(Duration, Ticket)>,
    pub(super) remembered: Vec<String>,
    pub(super) source: Source,
    pub(super) app: App,
    pub(super) left: Vec<Left>,
    pub(super) events: Vec<(Duration, Event)>,
    pub(super) messages: Vec<(Duration, Key, u64, Frame)>,
    /// Questions for the headers of a SUBSCRIBE.
    pub(super) asked: Vec<(Ticket, Key)>,
    pub(super) gaps: Vec<(String, Duration, Duration)>,
    pub(super) ended: Vec<Key>,
    pub(super) closes: Vec<u16>,
    pub(super) is_closed: bool,
    /// The last things that happened, for the report of a failure.
    pub(super) log: VecDeque<String>,
}

impl Pair {
    /// A client with the default settings and a broker that does nothing wrong.
    pub(super) fn new() -> Self {
        Self::with(1, |c| c, |s| s)
    }

    /// Changes to the client's settings and to the broker's scenario.
    pub(super) fn with(
        seed: u64,
        client: impl FnOnce(Builder) -> Builder,
        broker: impl FnOnce(Scenario) -> Scenario,
    ) -> Self {
        let builder = Builder::new("ws://broker.test/stomp")
            .proxy(None)
            .seed(seed);
        let config = Arc::new(client(builder).build().unwrap());
        let base = super::super::some_instant();
        let scenario = broker(Finished::builder().seed(seed)).build();
        Self {
            core: Core::new(Arc::clone(&config), seed, base),
            engine: Engine::new(scenario),
            config,
            seed,
            base,
            now: Duration::ZERO,
            steps: 0,
            timeouts: 0,
            flights: BTreeMap::new(),
            flown: 0,
            to_broker: Duration::ZERO,
            to_client: Duration::ZERO,
            latency: Duration::from_millis(10),
            wire: None,
            ends: BTreeMap::new(),
            conns: 0,
            writable: true,
            listening: true,
            refuse_destination: None,
            close_upon: |_| false,
            opened: Vec::new(),
            dead: BTreeMap::new(),
            regions_asked: Vec::new(),
            remembered: Vec::new(),
            source: Source::default(),
            app: App::default(),
            left: Vec::new(),
            events: Vec::new(),
            messages: Vec::new(),
            asked: Vec::new(),
            gaps: Vec::new(),
            ended: Vec::new(),
            closes: Vec::new(),
            is_closed: false,
            log: VecDeque::new(),
        }
    }

    /// A pair whose session is live.
    pub(super) fn online() -> Self {
        Self::online_with(|c| c, |s| s)
    }

    pub(super) fn online_with(
        client: impl FnOnce(Builder) -> Builder,
        broker: impl FnOnce(Scenario) -> Scenario,
    ) -> Self {
        let mut pair = Self::with(1, client, broker);
        pair.go_online();
        pair
    }

    pub(super) fn go_online(&mut self) {
        let connect = self.connect();
        self.until(|p| p.answer(connect).is_some());
        self.expect_ok(connect);
        assert_eq!(self.core.phase(), Phase::Online);
    }

    /// The present moment, as the core knows it.
    pub(super) fn instant(&self) -> Instant {
        self.base + self.now
    }

    pub(super) fn at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.base)
    }

    /// One input to the core, with all that follows at once.
    pub(super) fn input(&mut self, input: Input<'_>) {
        let now = self.instant();
        self.core.handle(now, input);
        self.settle();
    }

    /// One input to the broker, with all that follows at once.
    pub(super) fn broker(&mut self, input: engine::Input<'_>) {
        self.engine.handle(self.now, input);
        self.settle();
    }

    /// Drains both ends until nothing more comes of it.
    pub(super) fn settle(&mut self) {
        loop {
            // What cannot leave is answered, so that there is more to poll.
            let client = self.drain_core() + self.drain_transmit() + self.drain_core();
            let kept = self.app.must_leave.take();
            assert_eq!(kept, None, "it was to leave at once");
            if client + self.drain_engine() == 0 {
                break;
            }
        }
        self.check_laws();
    }

    /// Goes to the next moment at which anything happens; false if nothing
    /// ever will, or not until `limit`.
    pub(super) fn step(&mut self, limit: Duration) -> bool {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "this run does not end");
        let flight = self.flights.first_key_value().map(|(key, _)| key.0);
        let core = self.core.next_deadline().map(|at| self.at(at));
        let next = [flight, core, self.engine.next_deadline()];
        let Some(next) = next.into_iter().flatten().min().filter(|at| *at <= limit) else {
            self.now = self.now.max(limit);
            return false;
        };
        self.now = self.now.max(next);
        // What arrived is read before anybody's deadline counts as missed.
        if flight.is_some_and(|at| at <= self.now) {
            let (_, flight) = self.flights.pop_first().unwrap();
            self.land(flight);
        } else if core.is_some_and(|at| at <= self.now) {
            self.note("client: timeout");
            self.timeouts += 1;
            self.input(Input::Timeout);
            let next = self.core.next_deadline();
            assert!(
                next.is_none_or(|at| at > self.instant()),
                "a deadline that has passed is still due"
            );
        } else {
            self.broker(engine::Input::Timeout);
        }
        true
    }

    /// The client's link can take frames again.
    pub(super) fn unblock(&mut self) {
        self.writable = true;
        self.settle();
    }

    /// Runs for a span of virtual time.
    pub(super) fn pass(&mut self, span: Duration) {
        let limit = self.now + span;
        while self.step(limit) {}
    }

    /// Runs until something is so; fails if it is not within an hour.
    pub(super) fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let limit = self.now + secs(3600);
        while !is_so(self) {
            assert!(self.step(limit) || is_so(self), "nothing more happens");
        }
    }

    pub(super) fn until_phase(&mut self, phase: Phase) {
        self.until(|p| p.core.phase() == phase);
    }

    /// Ends the client and checks what must be true at the end.
    pub(super) fn finish(&mut self) {
        let close = self.close();
        self.until(|p| p.answer(close).is_some());
        self.check_end();
    }

    /// The frames that left the client with this command.
    pub(super) fn sent(&self, command: &str) -> Vec<&Left> {
        let is_it = |left: &&Left| matches!(&left.what, Sent::Frame(f) if f.command == command);
        self.left.iter().filter(is_it).collect()
    }

    /// The commands of all frames that left the client over a connection.
    pub(super) fn commands(&self, conn: u64) -> Vec<&str> {
        self.left
            .iter()
            .filter(|left| left.conn == conn)
            .filter_map(|left| match &left.what {
                Sent::Frame(frame) => Some(frame.command.as_str()),
                Sent::Beat => None,
            })
            .collect()
    }

    pub(super) fn count(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| is_it(event)).count()
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        if self.log.len() == 80 {
            self.log.pop_front();
        }
        let what = what.into();
        self.log
            .push_back(format!("{:>9.3} {what}", self.now.as_secs_f64()));
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in &self.log {
                eprintln!("{line}");
            }
            eprintln!(
                "seed {} at {:?}, phase {:?}",
                self.seed,
                self.now,
                self.core.phase()
            );
        }
    }
}

/// A source that the core must not ask itself: the world answers for it.
pub(super) fn no_source(_: TokenReason) -> Result<Token, AuthError> {
    unreachable!("the core asks by an output")
}
