//! The loop: sockets, the clock and the engine, on one thread.

mod command;
mod obey;
mod port;
mod sock;
mod up;

use crate::engine::{Control, Engine, Input, Plan};
use crate::faults::Chunk;
use crate::http::{self, Parsed, Response};
use crate::proxy::Target;
use crate::rng::Rng;
use crate::script::TlsFault;
use crate::tls::ServerTls;
use crate::transcript::{How, Note};
use crate::ws::{self, Event};
pub(crate) use command::{Command, Shared};
use mio::{Events, Interest, Poll, Token, Waker};
use port::Port;
use sock::{Sock, Stage};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use up::Up;

const WAKER: Token = Token(2);
const CONTROL: Token = Token(3);
const FIRST: usize = 4;
/// Octets read from one connection before the others have their turn.
const TURN: usize = 256 << 10;
/// Connections at most.
const MOST: usize = 65_536;

/// A TLS record: the fatal alert `handshake_failure`.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 40];

/// What a client gets that asks before it sends a body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[derive(Clone, Copy, Debug)]
enum Alarm {
    /// A pause between dripped octets is over.
    Resume,
    /// The peer did not answer our Close, or our FIN, or does not read.
    Impatience,
    /// The upstream has not answered the upgrade.
    Dial,
    /// The upstream does not take its end.
    Farewell,
}

pub(crate) struct Server {
    poll: Poll,
    port: Port,
    tls: Option<ServerTls>,
    engine: Engine,
    shared: Arc<Shared>,
    started: Instant,
    socks: BTreeMap<u64, Sock>,
    next: u64,
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

    fn accept(&mut self, door: Token) {
        loop {
            let mut stream = match self.port.accept(door) {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    // Mostly too many open files: the next turn tries again.
                    log::warn!("accept: {error}");
                    self.starved = true;
                    return;
                }
            };
            if self.socks.len() >= MOST {
                continue;
            }
            let conn = self.next;
            let token = token(conn);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.poll.registry().register(&mut stream, token, interest) {
                log::warn!("register: {error}");
                continue;
            }
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!("nodelay: {error}");
            }
            self.next += 1;
            let sock = Sock::new(stream, self.tls.is_some(), self.max_message());
            self.socks.insert(conn, sock);
            self.tell(Input::Tcp { conn });
            self.enqueue(conn);
        }
    }

    fn accept_control(&mut self) {
        while let Some(port) = &self.control {
            let mut stream = match port.accept(CONTROL) {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    log::warn!("accept: {error}");
                    self.starved = true;
                    return;
                }
            };
            if self.socks.len() >= MOST {
                continue;
            }
            let conn = self.engine.control_conn();
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            if let Err(error) = registry.register(&mut stream, token(conn), interest) {
                log::warn!("register: {error}");
                continue;
            }
            let sock = Sock::new(stream, false, self.max_message());
            self.socks.insert(conn, sock);
            self.tell(Input::Tcp { conn });
            self.enqueue(conn);
        }
    }

    fn max_message(&self) -> usize {
        self.engine.scenario().limits.body.saturating_add(1 << 20)
    }

    fn wake(&mut self, conn: u64, event: &mio::event::Event) {
        let tls = self.tls.is_some();
        if let Some(sock) = self.socks.get_mut(&conn) {
            // TLS may have to write in order to read, and the other way round.
            let any = event.is_error() || tls;
            sock.readable |= any || event.is_readable() || event.is_read_closed();
            sock.writable |= any || event.is_writable() || event.is_write_closed();
            self.enqueue(conn);
        }
    }

    fn enqueue(&mut self, conn: u64) {
        if let Some(sock) = self.socks.get_mut(&conn) {
            if !std::mem::replace(&mut sock.queued, true) {
                self.ready.push_back(conn);
            }
        }
    }

    /// Lets one connection do what it can.
    fn drive(&mut self, conn: u64) {
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        sock.queued = false;
        if sock.stage == Stage::Tls && !sock.is_deaf() {
            if sock.tls_fault == Some(TlsFault::Alert) {
                self.alert(conn);
            } else if let Some(tls) = &self.tls {
                let acceptor = tls.acceptor(sock.tls_fault);
                if let Err(words) = sock.shake(|tcp| acceptor.accept(tcp)) {
                    self.fail(conn, format!("TLS: {words}"));
                    return;
                }
            }
        }
        self.read(conn);
        self.mark(conn);
        let more = |s: &Sock| s.readable && !s.is_deaf() && s.stage != Stage::Tls;
        if self
            .socks
            .get(&conn)
            .is_some_and(|s| more(s) && !Self::is_clogged(s))
            && !self.is_backed_up(conn)
        {
            self.enqueue(conn);
        }
    }

    /// Answers the hello with an alert, and ends. The hello is read first, or
    /// the end would be a reset that overtakes the alert.
    fn alert(&mut self, conn: u64) {
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        match sock.read(&mut self.buffer) {
            Ok(None) => {}
            Ok(Some(0)) | Err(_) => self.close(conn, How::PeerGone),
            Ok(Some(_)) => {
                sock.stage = Stage::Deaf;
                self.end(conn, How::Failed("TLS: alert sent".to_owned()));
                self.push(conn, Chunk::octets(ALERT.to_vec()));
                self.push(conn, Chunk::Fin);
                self.hurry(conn);
            }
        }
    }

    /// Whether more came before the answer than a decent client sends.
    fn is_clogged(sock: &Sock) -> bool {
        sock.stage == Stage::Asked && sock.head.len() > 4 * http::MAX_HEAD
    }

    fn read(&mut self, conn: u64) {
        let mut budget = TURN;
        while budget > 0 && !self.is_backed_up(conn) {
            let Some(sock) = self.socks.get_mut(&conn) else {
                return;
            };
            let able = sock.readable && !sock.is_deaf() && sock.stage != Stage::Tls;
            if !able || Self::is_clogged(sock) {
                return;
            }
            let n = match sock.read(&mut self.buffer) {
                Ok(None) => continue,
                Ok(Some(0)) => {
                    let how = sock.ending.clone().unwrap_or(How::PeerGone);
                    self.close(conn, how);
                    return;
                }
                Ok(Some(n)) => n,
                Err(error) => {
                    log::debug!("conn {conn}: {error}");
                    let how = sock.ending.clone().unwrap_or(How::PeerGone);
                    self.close(conn, how);
                    return;
                }
            };
            budget = budget.saturating_sub(n);
            match sock.stage {
                Stage::Tls | Stage::Deaf => {}
                Stage::Asked => sock.head.extend_from_slice(&self.buffer[..n]),
                Stage::Http => {
                    sock.head.extend_from_slice(&self.buffer[..n]);
                    self.on_head(conn);
                }
                Stage::Ws => {
                    sock.reader.feed(&self.buffer[..n]);
                    self.on_frames(conn);
                }
            }
        }
    }

    fn on_head(&mut self, conn: u64) {
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        if sock.head.len() < sock.awaits {
            return;
        }
        match http::parse(&sock.head) {
            Ok(Parsed::Partial) => {}
            Ok(Parsed::Body { length, expects }) => {
                sock.awaits = length;
                if expects {
                    self.push(conn, Chunk::octets(CONTINUE.to_vec()));
                }
            }
            Ok(Parsed::Whole(request, length)) => {
                sock.head.drain(..length);
                sock.key = request
                    .headers
                    .get("Sec-WebSocket-Key")
                    .unwrap_or_default()
                    .to_owned();
                sock.stage = Stage::Asked;
                self.tell(Input::Request {
                    conn,
                    request: &request,
                });
            }
            Err(error) => {
                sock.stage = Stage::Deaf;
                let note = Note::Handshake(error.to_string());
                self.tell(Input::Note { conn, note: &note });
                let response = Response::text(error.status(), &format!("{error}\n"));
                self.answer(conn, &response, &Plan::default());
            }
        }
    }

    fn on_frames(&mut self, conn: u64) {
        let mut told = false;
        loop {
            let Some(sock) = self.socks.get_mut(&conn) else {
                return;
            };
            if sock.stage != Stage::Ws || sock.is_deaf() {
                return;
            }
            let event = match sock.reader.next() {
                Ok(Some(event)) => event,
                Ok(None) => {
                    if !told {
                        self.tell(Input::Alive { conn });
                    }
                    return;
                }
                Err(error) => {
                    // Nothing after a breach can be understood.
                    sock.stage = Stage::Deaf;
                    self.tell(Input::Breach {
                        conn,
                        code: error.code,
                        why: error.why,
                    });
                    return;
                }
            };
            told = true;
            match &event {
                Event::Message { octets, binary } => {
                    self.tell(Input::Message {
                        conn,
                        octets,
                        binary: *binary,
                    });
                }
                Event::Ping(octets) => self.tell(Input::Ping { conn, octets }),
                Event::Pong(octets) => self.tell(Input::Pong { conn, octets }),
                Event::Close { code, reason } => {
                    sock.stage = Stage::Deaf;
                    match &mut sock.ending {
                        Some(How::Broker { answered, .. }) => *answered = true,
                        Some(_) => {}
                        None => {
                            sock.ending = Some(How::Peer { code: *code });
                            let mut wire = Vec::new();
                            ws::write_close(*code, "", &mut wire);
                            sock.push(Chunk::octets(wire));
                        }
                    }
                    sock.push(Chunk::Fin);
                    self.hurry(conn);
                    self.tell(Input::Close {
                        conn,
                        code: *code,
                        reason,
                    });
                    self.mark(conn);
                    self.obey();
                }
            }
        }
    }

    fn fail(&mut self, conn: u64, words: String) {
        let note = Note::Handshake(words.clone());
        self.tell(Input::Note { conn, note: &note });
        self.close(conn, How::Failed(words));
    }

    /// Drops the socket and tells the engine.
    fn close(&mut self, conn: u64, how: How) {
        if self.socks.remove(&conn).is_some() {
            let now = self.now();
            self.engine.handle(now, Input::Closed { conn, how: &how });
            self.obey();
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
