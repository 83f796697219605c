//! The loop: sockets, the clock and the engine, on one thread.

mod accept;
mod alarm;
mod command;
mod obey;
mod port;
mod read;
mod sock;
mod up;

use crate::engine::{Control, Engine, Input};
use crate::proxy::Target;
use crate::rng::Rng;
use crate::tls::ServerTls;
use crate::transcript::How;
use alarm::Alarm;
pub(crate) use command::{Command, Shared};
use mio::{Events, Poll, Token, Waker};
use port::Port;
use sock::Sock;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use up::Up;

const WAKER: Token = Token(2);
const CONTROL: Token = Token(3);
const FIRST: usize = 4;
/// Octets read from one connection before the others have their turn.
const TURN: usize = 256 << 10;

pub(crate) struct Server {
    poll: Poll,
    port: Port,
    tls: Option<ServerTls>,
    engine: Engine,
    shared: Arc<Shared>,
    started: Instant,
    socks: BTreeMap<u64, Sock>,
    next: u64,
    /// Numbers below `next` whose connections spoke plain HTTP.
    freed: BTreeSet<u64>,
    alarms: BTreeMap<(Duration, u64), (u64, Alarm)>,
    alarm_no: u64,
    ready: VecDeque<u64>,
    unflushed: VecDeque<u64>,
    /// In a proxy: the broker behind it, and the connections there.
    upstream: Option<Arc<Target>>,
    ups: BTreeMap<u64, Up>,
    ready_ups: VecDeque<u64>,
    unflushed_ups: VecDeque<u64>,
    masks: Rng,
    buffer: Vec<u8>,
    /// For the next message's octets.
    spare: Vec<u8>,
    /// Connections could not be accepted; try again.
    starved: bool,
    obeying: bool,
    /// Some who watch can take more at once.
    pumping: bool,
    stopping: bool,
    /// The port of the control API, if it has one of its own.
    control: Option<Port>,
}

/// How the poll names a connection.
fn token(conn: u64) -> Token {
    Token(usize::try_from(conn).unwrap_or(usize::MAX - FIRST) + FIRST)
}

impl Server {
    pub(crate) fn bind(mut engine: Engine, port: u16, tls: Option<ServerTls>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let port = Port::open(poll.registry(), port, tls.is_some())?;
        engine.set_port(port.number());
        let seed = engine.scenario().seed;
        let shared = Arc::new(Shared {
            commands: Mutex::default(),
            waker: Waker::new(poll.registry(), WAKER)?,
        });
        Ok(Self {
            poll,
            port,
            tls,
            engine,
            shared,
            started: Instant::now(),
            socks: BTreeMap::new(),
            next: 1,
            freed: BTreeSet::new(),
            alarms: BTreeMap::new(),
            alarm_no: 0,
            ready: VecDeque::new(),
            unflushed: VecDeque::new(),
            upstream: None,
            ups: BTreeMap::new(),
            ready_ups: VecDeque::new(),
            unflushed_ups: VecDeque::new(),
            masks: Rng::new(seed),
            buffer: vec![0; 64 << 10],
            spare: Vec::new(),
            starved: false,
            obeying: false,
            pumping: false,
            stopping: false,
            control: None,
        })
    }

    /// Puts the control API where it is to be; says on which port.
    pub(crate) fn control(&mut self, control: Control) -> io::Result<Option<u16>> {
        self.engine.set_control(control);
        match control {
            Control::Here => Ok(Some(self.number())),
            Control::Off => Ok(None),
            Control::Port(port) => {
                let port = Port::for_control(self.poll.registry(), port, CONTROL)?;
                let number = port.number();
                self.control = Some(port);
                Ok(Some(number))
            }
        }
    }

    /// Passes everything on to a broker; the engine must be a proxy's.
    pub(crate) fn upstream(&mut self, target: Target) {
        self.upstream = Some(Arc::new(target));
    }

    pub(crate) fn number(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Serves until it is told to stop.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            for (command, done) in self.shared.take() {
                if matches!(command, Command::Stop) {
                    self.stop();
                    return Ok(());
                }
                self.command(command);
                self.flush_all();
                // Nobody listens if the caller has given up.
                done.map(|done| done.try_send(()));
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    Token(door @ (0 | 1)) => self.accept(Token(door)),
                    CONTROL => self.accept_control(),
                    Token(n) if n & up::UPSTREAM != 0 => {
                        self.wake_up((n & !up::UPSTREAM) as u64, event);
                    }
                    Token(n) => self.wake((n - FIRST) as u64, event),
                }
            }
            if std::mem::take(&mut self.starved) {
                self.accept(Token(0));
                self.accept(Token(1));
                self.accept_control();
            }
            for _ in 0..self.ready.len() {
                if let Some(conn) = self.ready.pop_front() {
                    self.drive(conn);
                }
            }
            for _ in 0..self.ready_ups.len() {
                if let Some(conn) = self.ready_ups.pop_front() {
                    self.drive_up(conn);
                }
            }
            self.ring();
            let now = self.now();
            if self.engine.next_deadline().is_some_and(|at| at <= now) {
                self.tell(Input::Timeout);
            }
            // What leaves now makes room for those who watch.
            self.flush_all();
            self.pump();
            self.flush_all();
            self.engine.journal().wake();
            if self.stopping {
                self.stop();
                return Ok(());
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() || !self.ready_ups.is_empty() || self.pumping {
            return Some(Duration::ZERO);
        }
        let retry = self.starved.then(|| self.now() + Duration::from_millis(50));
        let alarm = self.alarms.first_key_value().map(|((at, _), _)| *at);
        let next = [self.engine.next_deadline(), alarm, retry]
            .into_iter()
            .flatten()
            .min()?;
        let left = next.saturating_sub(self.now());
        // Rounded up, or the loop would spin through the last millisecond.
        let millis = left.as_nanos().div_ceil(1_000_000);
        Some(Duration::from_millis(
            u64::try_from(millis).unwrap_or(u64::MAX),
        ))
    }

    /// Tells the engine something, and does what it wants in return.
    fn tell(&mut self, input: Input<'_>) {
        let now = self.now();
        self.tell_at(now, input);
    }

    fn tell_at(&mut self, now: Duration, input: Input<'_>) {
        self.engine.handle(now, input);
        self.obey();
    }

    fn command(&mut self, command: Command) {
        match &command {
            Command::Signal(name) => self.tell(Input::Signal(name)),
            Command::Issue {
                token,
                identity,
                ttl,
            } => {
                self.tell(Input::Issue {
                    token,
                    identity,
                    ttl: *ttl,
                });
            }
            Command::Expire(name) => self.tell(Input::Expire(name)),
            Command::Publish {
                destination,
                headers,
                body,
            } => {
                let headers: Vec<(&str, &str)> = headers
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.as_str()))
                    .collect();
                self.tell(Input::Publish {
                    destination,
                    headers: &headers,
                    body,
                });
            }
            Command::Kick(conn) => self.tell(Input::Kick { conn: *conn }),
            Command::Refuse(span) => self.tell(Input::Refuse(*span)),
            Command::Listen => self.tell(Input::Listen),
            Command::Restart => self.tell(Input::Restart),
            Command::Stop => {}
        }
    }

    fn stop(&mut self) {
        let now = self.now();
        for conn in std::mem::take(&mut self.socks).into_keys() {
            self.engine.handle(
                now,
                Input::Closed {
                    conn,
                    how: &How::Stopped,
                },
            );
        }
    }
}
