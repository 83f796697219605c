//! The loop: sockets, the clock and the engine, on one thread.

mod port;
mod sock;

use crate::engine::{Engine, Input, Output};
use crate::faults::{Chunk, lay};
use crate::http::{self, Response};
use crate::transcript::{How, Note};
use crate::ws::{self, Event};
use mio::{Events, Interest, Poll, Token, Waker};
use native_tls::TlsAcceptor;
use port::Port;
use sock::{Flushed, Sock, Stage};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const WAKER: Token = Token(2);
const FIRST: usize = 3;
/// Octets read from one connection before the others have their turn.
const TURN: usize = 256 << 10;
/// How long the peer's Close and its FIN are awaited.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a socket whose two ends are both done may linger.
const LINGER: Duration = Duration::from_millis(500);
/// Connections at most.
const MOST: usize = 65_536;

/// What other threads ask of the loop. It holds tokens: no `Debug`.
pub(crate) enum Command {
    Signal(String),
    Issue {
        token: String,
        identity: String,
        ttl: Duration,
    },
    Expire(String),
    Publish {
        destination: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    Kick(u64),
    Refuse(Option<Duration>),
    Listen,
    Restart,
    Stop,
}

/// What the loop shares with other threads.
pub(crate) struct Shared {
    commands: Mutex<VecDeque<(Command, Option<SyncSender<()>>)>>,
    waker: Waker,
}

impl Shared {
    /// Asks the loop for something. It is done before anything that arrives
    /// on a socket after this call.
    pub(crate) fn send(&self, command: Command) {
        self.queue(command, None);
    }

    /// Asks the loop for something and waits until it is done.
    pub(crate) fn ask(&self, command: Command) {
        let (done, is_done) = sync_channel(1);
        self.queue(command, Some(done));
        // An error means that the loop has ended, or is hopelessly late.
        if is_done.recv_timeout(Duration::from_secs(5)).is_err() {
            log::warn!("the broker does not answer");
        }
    }

    fn queue(&self, command: Command, done: Option<SyncSender<()>>) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.push_back((command, done));
        drop(commands);
        if let Err(error) = self.waker.wake() {
            log::warn!("cannot wake the broker: {error}");
        }
    }

    fn take(&self) -> VecDeque<(Command, Option<SyncSender<()>>)> {
        std::mem::take(&mut self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Clone, Copy, Debug)]
enum Alarm {
    /// A pause between dripped octets is over.
    Resume,
    /// The peer did not answer our Close, or our FIN, or does not read.
    Impatience,
}

pub(crate) struct Server {
    poll: Poll,
    port: Port,
    tls: Option<TlsAcceptor>,
    engine: Engine,
    shared: Arc<Shared>,
    started: Instant,
    socks: BTreeMap<u64, Sock>,
    next: u64,
    alarms: BTreeMap<(Duration, u64), (u64, Alarm)>,
    alarm_no: u64,
    ready: VecDeque<u64>,
    unflushed: VecDeque<u64>,
    buffer: Vec<u8>,
    /// Connections could not be accepted; try again.
    starved: bool,
    obeying: bool,
}

impl Server {
    pub(crate) fn bind(
        mut engine: Engine,
        port: u16,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let port = Port::open(poll.registry(), port, tls.is_some())?;
        engine.set_port(port.number());
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
            buffer: vec![0; 64 << 10],
            starved: false,
            obeying: false,
        })
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
                // Nobody listens if the caller has given up.
                done.map(|done| done.try_send(()));
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    Token(door @ (0 | 1)) => self.accept(Token(door)),
                    Token(n) => self.wake((n - FIRST) as u64, event),
                }
            }
            if std::mem::take(&mut self.starved) {
                self.accept(Token(0));
                self.accept(Token(1));
            }
            for _ in 0..self.ready.len() {
                if let Some(conn) = self.ready.pop_front() {
                    self.drive(conn);
                }
            }
            self.ring();
            let now = self.now();
            if self.engine.next_deadline().is_some_and(|at| at <= now) {
                self.tell(Input::Timeout);
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
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
            let token = Token(usize::try_from(conn).unwrap_or(usize::MAX - FIRST) + FIRST);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.poll.registry().register(&mut stream, token, interest) {
                log::warn!("register: {error}");
                continue;
            }
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!("nodelay: {error}");
            }
            self.next += 1;
            let max_message = self.engine.scenario().limits.body.saturating_add(1 << 20);
            self.socks
                .insert(conn, Sock::new(stream, self.tls.is_some(), max_message));
            self.tell(Input::Tcp { conn });
            self.enqueue(conn);
        }
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
            if let Some(acceptor) = &self.tls {
                if let Err(words) = sock.shake(acceptor) {
                    self.fail(conn, format!("TLS: {words}"));
                    return;
                }
            }
        }
        self.read(conn);
        self.flush(conn);
        let more = |s: &Sock| s.readable && !s.is_deaf() && s.stage != Stage::Tls;
        if self
            .socks
            .get(&conn)
            .is_some_and(|s| more(s) && !Self::is_clogged(s))
        {
            self.enqueue(conn);
        }
    }

    /// Whether more came before the answer than a decent client sends.
    fn is_clogged(sock: &Sock) -> bool {
        sock.stage == Stage::Asked && sock.head.len() > 4 * http::MAX_HEAD
    }

    fn read(&mut self, conn: u64) {
        let mut budget = TURN;
        while budget > 0 {
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
        match http::parse(&sock.head) {
            Ok(None) => {}
            Ok(Some((request, length))) => {
                sock.head.drain(..length);
                sock.key = request
                    .headers
                    .get("Sec-WebSocket-Key")
                    .unwrap_or_default()
                    .to_owned();
                sock.stage = Stage::Asked;
                self.tell(Input::Upgrade {
                    conn,
                    request: &request,
                });
            }
            Err(error) => {
                sock.stage = Stage::Deaf;
                let note = Note::Handshake(error.to_string());
                self.tell(Input::Note { conn, note: &note });
                let status = if error == http::HttpError::TooLarge {
                    431
                } else {
                    400
                };
                self.answer(conn, &Response::text(status, &format!("{error}\n")));
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
                            match code {
                                Some(code) => ws::write_close(*code, "", &mut wire),
                                None => {
                                    ws::write_frame(true, ws::Opcode::Close, b"", &mut wire);
                                }
                            }
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
                    self.unflushed.push_back(conn);
                    self.obey();
                }
            }
        }
    }

    /// Does what the engine wants, in order, and flushes who has to write.
    fn obey(&mut self) {
        // What happens in here may lead here again: one level is enough, and
        // ten thousand would not fit on the stack.
        if std::mem::replace(&mut self.obeying, true) {
            return;
        }
        loop {
            if let Some(output) = self.engine.poll() {
                self.apply(output);
            } else if let Some(conn) = self.unflushed.pop_front() {
                self.flush(conn);
            } else {
                break;
            }
        }
        self.obeying = false;
    }

    fn apply(&mut self, output: Output) {
        match output {
            Output::Accept {
                conn,
                subprotocol,
                bad_accept,
            } => {
                let Some(sock) = self.socks.get_mut(&conn) else {
                    return;
                };
                let key = if bad_accept { "a wrong key" } else { &sock.key };
                let accept = http::accept_key(key);
                sock.push(Chunk::octets(http::switching(
                    &accept,
                    subprotocol.as_deref(),
                )));
                sock.stage = Stage::Ws;
                let early = std::mem::take(&mut sock.head);
                sock.reader.feed(&early);
                self.unflushed.push_back(conn);
                if !early.is_empty() {
                    self.on_frames(conn);
                }
            }
            Output::Http { conn, response } => self.answer(conn, &response),
            Output::Stall { conn } => {
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.stage = Stage::Deaf;
                }
            }
            Output::Message {
                conn,
                octets,
                binary,
                how,
            } => {
                if how.truncate.is_some() {
                    self.end(conn, How::Fin);
                }
                for chunk in lay(&octets, binary, &how) {
                    self.push(conn, chunk);
                }
                if how.truncate.is_some() {
                    self.hurry(conn);
                }
            }
            Output::Ping { conn, octets } => self.push_frame(conn, ws::Opcode::Ping, &octets),
            Output::Pong { conn, octets } => self.push_frame(conn, ws::Opcode::Pong, &octets),
            Output::Stream { conn, octets } => self.push(conn, Chunk::octets(octets)),
            Output::Close { conn, code, reason } => {
                let Some(sock) = self.socks.get_mut(&conn) else {
                    return;
                };
                let deaf = sock.stage == Stage::Deaf;
                self.end(
                    conn,
                    How::Broker {
                        code,
                        answered: false,
                    },
                );
                let mut wire = Vec::new();
                ws::write_close(code, &reason, &mut wire);
                self.push(conn, Chunk::octets(wire));
                if deaf {
                    self.push(conn, Chunk::Fin);
                }
                self.hurry(conn);
            }
            Output::Fin { conn } => {
                self.end(conn, How::Fin);
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.stage = Stage::Deaf;
                }
                self.push(conn, Chunk::Fin);
                self.hurry(conn);
            }
            Output::Rst { conn } => {
                self.end(conn, How::Rst);
                self.push(conn, Chunk::Rst);
                self.hurry(conn);
            }
            Output::Blackhole { conn, direction } => {
                self.flush(conn);
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.hole = Some(direction);
                }
            }
            Output::Heal { conn } => {
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.hole = None;
                    if sock.overflown {
                        sock.push(Chunk::Rst);
                    }
                    self.enqueue(conn);
                    // What was read but not yet looked at when the hole opened.
                    self.on_frames(conn);
                }
            }
            Output::Refuse => self.port.refuse(self.poll.registry()),
            Output::Listen => {
                if let Err(error) = self.port.listen(self.poll.registry()) {
                    log::error!("cannot listen again: {error}");
                }
                self.starved = true;
            }
        }
    }

    /// Remembers how the connection will have ended; the first word counts.
    fn end(&mut self, conn: u64, how: How) {
        if let Some(sock) = self.socks.get_mut(&conn) {
            sock.ending.get_or_insert(how);
        }
    }

    fn answer(&mut self, conn: u64, response: &Response) {
        self.end(conn, How::Http);
        if let Some(sock) = self.socks.get_mut(&conn) {
            sock.stage = Stage::Deaf;
        }
        self.push(conn, Chunk::octets(response.encode()));
        self.push(conn, Chunk::Fin);
        self.hurry(conn);
    }

    fn push_frame(&mut self, conn: u64, opcode: ws::Opcode, octets: &[u8]) {
        let mut wire = Vec::new();
        let end = octets.len().min(125);
        ws::write_frame(true, opcode, &octets[..end], &mut wire);
        self.push(conn, Chunk::octets(wire));
    }

    /// Puts something on its way. A peer that does not read is given up; into
    /// a black hole no more is poured than it can hold.
    fn push(&mut self, conn: u64, chunk: Chunk) {
        let bound = self.engine.scenario().bounds.out;
        let Some(sock) = self.socks.get_mut(&conn).filter(|s| !s.overflown) else {
            return;
        };
        sock.push(chunk);
        if sock.waiting > bound {
            // What the socket takes now does not count.
            self.flush(conn);
        } else {
            self.unflushed.push_back(conn);
        }
        let Some(sock) = self.socks.get_mut(&conn).filter(|s| s.waiting > bound) else {
            return;
        };
        sock.overflown = true;
        let waiting = sock.waiting;
        sock.discard();
        if sock.is_mute() {
            return;
        }
        // The reset must not wait behind a socket that takes nothing.
        (sock.writable, sock.paused) = (true, false);
        sock.push(Chunk::Rst);
        sock.ending
            .get_or_insert(How::Failed("the client does not read".to_owned()));
        let now = self.now();
        let note = Note::SlowConsumer { waiting };
        self.engine.handle(now, Input::Note { conn, note: &note });
        self.unflushed.push_back(conn);
    }

    fn flush(&mut self, conn: u64) {
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        match sock.flush() {
            Ok(Flushed::Enough) => {}
            Ok(Flushed::Pause(gap)) => self.alarm(conn, gap, Alarm::Resume),
            Ok(Flushed::Fin) => self.alarm(conn, LINGER, Alarm::Impatience),
            Ok(Flushed::Rst) => {
                let how = sock.ending.clone().unwrap_or(How::Rst);
                self.close(conn, how);
            }
            Err(error) => {
                log::debug!("conn {conn}: {error}");
                let how = sock.ending.clone().unwrap_or(How::PeerGone);
                self.close(conn, how);
            }
        }
    }

    /// A connection whose end has begun must come to it.
    fn hurry(&mut self, conn: u64) {
        if let Some(sock) = self.socks.get(&conn) {
            let pauses = sock.pauses();
            self.alarm(conn, PATIENCE + pauses, Alarm::Impatience);
        }
    }

    fn alarm(&mut self, conn: u64, after: Duration, alarm: Alarm) {
        self.alarm_no += 1;
        self.alarms
            .insert((self.now() + after, self.alarm_no), (conn, alarm));
    }

    fn ring(&mut self) {
        let now = self.now();
        while let Some(entry) = self.alarms.first_entry().filter(|e| e.key().0 <= now) {
            let (conn, alarm) = entry.remove();
            let Some(sock) = self.socks.get_mut(&conn) else {
                continue;
            };
            match alarm {
                Alarm::Resume => {
                    sock.paused = false;
                    self.flush(conn);
                }
                // A half-open connection stays half open.
                Alarm::Impatience if sock.hole.is_some() => self.hurry(conn),
                Alarm::Impatience => {
                    if !sock.finished {
                        // With something unread a plain close would be a reset.
                        // FIN goes out even to a peer that takes nothing.
                        sock.discard();
                        (sock.writable, sock.paused) = (true, false);
                        sock.stage = Stage::Deaf;
                        sock.push(Chunk::Fin);
                        self.flush(conn);
                    } else if let Some(how) = sock.ending.clone() {
                        self.close(conn, how);
                    }
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
