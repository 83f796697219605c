//! The serving side: one thread accepts, one for each connection reads it
//! strictly and writes down what it read.

use super::echo;
use super::passive::What;
use super::world::World;
use crate::grade::Ending;
use crate::wire::log::{Dir, Layer};
use crate::wire::stomp::{self, Frame, Item, Parser, Version};
use crate::wire::ws::{self, Lay, Read as WsRead, WsFrame};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Octets of a WebSocket frame, and of an upgrade, at most.
const MOST: usize = 80 << 20;
const HEAD: usize = 64 << 10;

/// A request for the upgrade.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) minor: u8,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// The subprotocols it offers.
    pub(crate) fn subprotocols(&self) -> Vec<&str> {
        let list = self.header("Sec-WebSocket-Protocol").unwrap_or_default();
        let each = list.split(',').map(str::trim);
        each.filter(|name| !name.is_empty()).collect()
    }
}

/// The writing half of a connection.
#[derive(Debug)]
pub(crate) struct Pipe(Mutex<Option<TcpStream>>);

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self, octets: &[u8]) -> io::Result<()> {
        match &mut *self.lock() {
            Some(stream) => stream.write_all(octets),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Nothing more is sent.
    pub(crate) fn fin(&self) {
        if let Some(stream) = &*self.lock() {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// The end, at once. It leaves when whoever reads has let go, too.
    pub(crate) fn reset(&self) {
        if let Some(stream) = self.lock().take() {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    /// The end, in order.
    pub(crate) fn hang_up(&self) {
        if let Some(stream) = self.lock().take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// What is known of one connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) pipe: Arc<Pipe>,
    pub(crate) since: Instant,
    pub(crate) request: Option<Request>,
    /// The 101 has been sent: what comes are WebSocket frames.
    pub(crate) upgraded: bool,
    /// The version of the CONNECTED that was sent.
    pub(crate) version: Option<Version>,
    /// The id of its first subscription.
    pub(crate) sub: Option<String>,
    /// Frames that nobody took yet.
    pub(crate) frames: VecDeque<(Instant, Frame)>,
    /// EOLs between frames, with their octets.
    pub(crate) beats: Vec<(Instant, Vec<u8>)>,
    /// When STOMP octets came, beats included.
    pub(crate) heard: Vec<Instant>,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// Every message: opcode and octets' number.
    pub(crate) messages: Vec<(u8, usize)>,
    pub(crate) masks: Vec<[u8; 4]>,
    pub(crate) close: Option<Close>,
    pub(crate) sent_close: bool,
    /// When the stream ended, and whether by a reset.
    pub(crate) end: Option<(Instant, bool)>,
    pub(crate) breach: Option<String>,
    /// The judge gave it up.
    pub(crate) abandoned: bool,
}

/// A Close frame that came.
#[derive(Clone, Debug)]
pub(crate) struct Close {
    pub(crate) code: Option<u16>,
}

impl Wire {
    fn new(pipe: Arc<Pipe>) -> Self {
        Self {
            pipe,
            since: Instant::now(),
            request: None,
            upgraded: false,
            version: None,
            sub: None,
            frames: VecDeque::new(),
            beats: Vec::new(),
            heard: Vec::new(),
            pongs: Vec::new(),
            messages: Vec::new(),
            masks: Vec::new(),
            close: None,
            sent_close: false,
            end: None,
            breach: None,
            abandoned: false,
        }
    }

    /// The client has ended it, by a Close or by TCP.
    pub(crate) fn is_over(&self) -> bool {
        self.close.is_some() || self.end.is_some()
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        let ending = match (&self.close, self.end) {
            (Some(close), _) => match close.code {
                None => Ending::ClosedNoCode,
                Some(1000..=1001) => Ending::Clean,
                Some(code) => Ending::WrongCode(code),
            },
            (None, Some((_, true))) => Ending::Reset,
            (None, Some((_, false))) => Ending::Dropped,
            (None, None) => Ending::ByHarness,
        };
        self.upgraded.then_some(ending)
    }
}

/// Accepts until the listener is no longer wanted: then somebody connects who
/// says so.
pub(crate) fn accept(listener: &TcpListener, world: &Arc<World>, stop: &dyn Fn() -> bool) {
    while let Ok((stream, _)) = listener.accept() {
        if stop() {
            return;
        }
        let _ = stream.set_nodelay(true);
        // A client that does not read must not hold up the case for good.
        let _ = stream.set_write_timeout(Some(Duration::from_secs(20)));
        let Ok(writer) = stream.try_clone() else {
            continue;
        };
        let pipe = Arc::new(Pipe(Mutex::new(Some(writer))));
        let (at, refuses) = world.change(|state| {
            state.wires.push(Wire::new(Arc::clone(&pipe)));
            (state.wires.len() - 1, state.manners.refuses)
        });
        if refuses {
            world.log.note(number(at), Dir::Out, Layer::Tcp, "RST", &[]);
            pipe.reset();
            world.change(|state| state.wires[at].abandoned = true);
            continue;
        }
        let world = Arc::clone(world);
        std::thread::spawn(move || Reader::new(world, at, stream, pipe).run());
    }
}

pub(crate) fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

struct Reader {
    world: Arc<World>,
    at: usize,
    stream: TcpStream,
    pipe: Arc<Pipe>,
    octets: Vec<u8>,
    parts: Option<(u8, Vec<u8>)>,
    parser: Parser,
}

impl Reader {
    fn new(world: Arc<World>, at: usize, stream: TcpStream, pipe: Arc<Pipe>) -> Self {
        Self {
            world,
            at,
            stream,
            pipe,
            octets: Vec::new(),
            parts: None,
            parser: Parser::new(),
        }
    }

    fn run(mut self) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            while !self.world.lock().manners.reads {
                let on = |s: &mut super::world::State| s.manners.reads.then_some(());
                if self.world.until(Duration::from_secs(60), on).is_none() {
                    break;
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.end(false),
                Ok(n) => {
                    self.octets.extend_from_slice(&buffer[..n]);
                    self.take_apart();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.end(true),
            }
        }
    }

    fn note(&self, layer: Layer, what: impl Into<String>, octets: &[u8]) {
        self.world
            .log
            .note(number(self.at), Dir::In, layer, what, octets);
    }

    fn end(&self, reset: bool) {
        let at = self.at;
        // What the judge itself has torn down says nothing of the client.
        let own = self.world.lock().wires[at].abandoned;
        if own {
            return;
        }
        self.note(Layer::Tcp, if reset { "RST" } else { "FIN" }, &[]);
        self.world.change(|state| {
            state.wires[at].end.get_or_insert((Instant::now(), reset));
        });
    }

    fn take_apart(&mut self) {
        if self.world.lock().wires[self.at].request.is_none() && !self.read_head() {
            return;
        }
        if !self.world.lock().wires[self.at].upgraded {
            return;
        }
        loop {
            match ws::read(&self.octets, MOST) {
                WsRead::Partial => return,
                WsRead::Frame(frame, used) => {
                    let mask = frame.masked.then(|| mask_of(&self.octets)).flatten();
                    self.octets.drain(..used);
                    self.on_ws(frame, mask);
                }
                WsRead::TooLong(length) => {
                    return self.breach(format!("a WebSocket frame of {length} octets"));
                }
            }
        }
    }

    fn breach(&self, why: String) {
        let at = self.at;
        self.world.passive.see(&What::Breach(&why));
        self.world.change(|state| {
            state.wires[at].breach.get_or_insert(why);
        });
    }

    /// Whether the request is whole.
    fn read_head(&mut self) -> bool {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(&self.octets) {
            Ok(httparse::Status::Complete(used)) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let request = Request {
                    method: parsed.method.unwrap_or_default().to_owned(),
                    minor: parsed.version.unwrap_or_default(),
                    headers: parsed
                        .headers
                        .iter()
                        .map(|h| (h.name.to_owned(), text(h.value)))
                        .collect(),
                };
                let head: Vec<u8> = self.octets.drain(..used).collect();
                self.note(Layer::Http, request.method.as_str(), &head);
                self.world.passive.see(&What::Upgrade(&request));
                let at = self.at;
                self.world
                    .change(|state| state.wires[at].request = Some(request));
                true
            }
            Ok(httparse::Status::Partial) => {
                if self.octets.len() > HEAD {
                    self.breach("the head of the request has no end".to_owned());
                }
                false
            }
            Err(error) => {
                self.breach(format!("the request is no HTTP: {error}"));
                false
            }
        }
    }

    /// One frame of the judge's own accord.
    fn answer(&self, opcode: u8, payload: &[u8], what: &str) {
        let lay = Lay::plain(opcode);
        self.world
            .log
            .note(number(self.at), Dir::Out, Layer::Ws, what, payload);
        let _ = self.pipe.write(&lay.octets(payload));
    }

    fn on_ws(&mut self, frame: WsFrame, mask: Option<[u8; 4]>) {
        self.note(Layer::Ws, ws::words(&frame), &frame.payload);
        let at = self.at;
        let (manners, after_close) = {
            let mut state = self.world.lock();
            state.wires[at].masks.extend(mask);
            (state.manners, state.wires[at].close.is_some())
        };
        self.world.passive.see(&What::Ws(&frame, after_close));
        match frame.opcode {
            ws::TEXT | ws::BINARY | ws::CONTINUATION => self.on_data(frame),
            ws::PING if manners.pong => self.answer(ws::PONG, &frame.payload, "pong"),
            ws::PING => {}
            ws::PONG => self
                .world
                .change(|state| state.wires[at].pongs.push(frame.payload)),
            ws::CLOSE => self.on_close(&frame, manners.close, manners.fin),
            other => self.breach(format!("a WebSocket frame of opcode {other:X}")),
        }
    }

    fn on_close(&self, frame: &WsFrame, answers: bool, ends: bool) {
        let at = self.at;
        let code = frame
            .payload
            .first_chunk()
            .map(|two| u16::from_be_bytes(*two));
        let already = self.world.change(|state| {
            let wire = &mut state.wires[at];
            wire.close.get_or_insert(Close { code });
            let already = wire.sent_close;
            wire.sent_close |= answers;
            already
        });
        if !already && answers {
            let body = frame.payload.get(..2).unwrap_or_default();
            self.answer(ws::CLOSE, body, "close");
        }
        if ends && (already || answers) {
            self.pipe.fin();
        }
    }

    fn on_data(&mut self, frame: WsFrame) {
        match (frame.opcode, &mut self.parts) {
            (ws::CONTINUATION, Some((_, parts))) => parts.extend_from_slice(&frame.payload),
            (ws::CONTINUATION, None) => {
                return self.breach("a continuation without a start".to_owned());
            }
            (_, Some(_)) => return self.breach("a new message within another".to_owned()),
            (opcode, parts @ None) => *parts = Some((opcode, frame.payload)),
        }
        if !frame.fin {
            return;
        }
        let Some((opcode, octets)) = self.parts.take() else {
            return;
        };
        let at = self.at;
        self.world.passive.see(&What::Message(opcode, &octets));
        let version = self.world.change(|state| {
            let wire = &mut state.wires[at];
            wire.messages.push((opcode, octets.len()));
            wire.heard.push(Instant::now());
            wire.version
        });
        self.parser.set_version(version.unwrap_or(Version::V1_2));
        self.parser.feed(&octets);
        while let Some(item) = self.parser.next() {
            match item {
                Item::Frame(frame) => self.on_frame(frame, version),
                Item::Beat => {
                    let whole = octets.clone();
                    self.world
                        .passive
                        .see(&What::Beat(number(at), version, &whole));
                    self.world
                        .change(|state| state.wires[at].beats.push((Instant::now(), whole)));
                }
                Item::Breach(why) => self.breach(why),
            }
        }
    }

    fn on_frame(&self, frame: Frame, version: Option<Version>) {
        let at = self.at;
        self.note(Layer::Stomp, frame.command.as_str(), &frame.octets);
        self.world
            .passive
            .see(&What::Frame(number(at), version, &frame));
        let gives = self.world.lock().manners.receipts && version.is_some();
        let receipt = frame.header("receipt").map(stomp::encode);
        let came = Instant::now();
        // First, or it would stand within what the case goes on with.
        if let Some(id) = receipt.filter(|_| gives) {
            let octets = format!("RECEIPT\nreceipt-id:{id}\n\n\0");
            self.answer(ws::TEXT, octets.as_bytes(), "text fin=true rsv=0");
        }
        let told = echo::told(&frame).filter(|_| self.world.echo);
        self.world.change(|state| {
            let wire = &mut state.wires[at];
            if frame.command == "SUBSCRIBE" && wire.sub.is_none() {
                wire.sub = frame.header("id").map(stomp::encode);
            }
            // An echo is no frame of the case's.
            if told.as_ref().is_none_or(|event| event.name != "message") {
                wire.frames.push_back((came, frame));
            }
            state.events.extend(told);
        });
    }
}

/// The masking key of the frame at the front.
fn mask_of(octets: &[u8]) -> Option<[u8; 4]> {
    let at = match octets.get(1)? & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    octets.get(at..at + 4)?.try_into().ok()
}
