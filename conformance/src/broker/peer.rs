//! One connection of a case: what is sent is sent octet by octet as the case
//! says, what comes is read strictly and written down.

mod expect;

pub(crate) use expect::Refusal;

use super::handshake::{self, Answer, Upgrade};
use super::passive::{Passive, What};
use super::target::{Stream, Target};
use crate::grade::Ending;
use crate::wire::log::{Dir, Layer, Log};
use crate::wire::stomp::{Frame, Item, Parser, Version};
use crate::wire::ws::{self, Lay, Read as WsRead, WsFrame};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Octets of a WebSocket frame, at most.
const MOST: usize = 80 << 20;

/// What connections of one case share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) target: Arc<Target>,
    pub(crate) log: Log,
    pub(crate) passive: Passive,
    /// How the connections ended that are over.
    pub(crate) endings: Mutex<Vec<Ending>>,
}

impl Shared {
    pub(crate) fn endings(&self) -> Vec<Ending> {
        let endings = self.endings.lock();
        endings.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) shared: Arc<Shared>,
    /// Within the case, from 1.
    conn: u32,
    stream: Stream,
    pub(crate) answer: Answer,
    octets: Vec<u8>,
    /// Parts of a message that is not whole, and whether it is text.
    parts: Option<(u8, Vec<u8>)>,
    parser: Parser,
    /// Frames that nobody took yet, with the time they came.
    frames: VecDeque<(Instant, Frame)>,
    /// EOLs between frames: when they came, and the octets of their message.
    pub(crate) beats: Vec<Instant>,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// Every message: opcode and length.
    pub(crate) messages: Vec<(u8, usize)>,
    /// When anything came last.
    pub(crate) heard: Instant,
    pub(crate) breach: Option<String>,
    pub(crate) close: Option<(Option<u16>, String)>,
    /// The end of the stream: `true` for a reset.
    pub(crate) eof: Option<bool>,
    sent_close: bool,
    mask: u32,
    /// How data leaves; a heart-beat as well.
    pub(crate) opcode: u8,
}

impl Peer {
    /// Dials and asks for the upgrade; says whatever was answered.
    pub(crate) fn dial(shared: &Arc<Shared>, conn: u32, upgrade: &Upgrade) -> io::Result<Self> {
        let target = &shared.target;
        let within = target.scaled(Duration::from_secs(5));
        let mut stream = target.dial(within)?;
        // Its lower half is enough for masks.
        let seed = target.seed as u32;
        let answer = handshake::ask(&mut stream, target, upgrade, within, conn, &shared.log)?;
        let mut parser = Parser::new();
        if target.nul_beats {
            parser.bear_nul_beats();
        }
        let mut peer = Self {
            shared: Arc::clone(shared),
            conn,
            stream,
            octets: answer.rest.clone(),
            answer,
            parts: None,
            parser,
            frames: VecDeque::new(),
            beats: Vec::new(),
            pongs: Vec::new(),
            messages: Vec::new(),
            heard: Instant::now(),
            breach: None,
            close: None,
            eof: None,
            sent_close: false,
            mask: conn ^ seed,
            opcode: match target.binary {
                true => ws::BINARY,
                false => ws::TEXT,
            },
        };
        if peer.answer.status == 101 {
            peer.take_apart();
        }
        Ok(peer)
    }

    fn target(&self) -> &Target {
        &self.shared.target
    }

    /// A reply is due by then.
    pub(crate) fn reply_due(&self) -> Duration {
        self.target().scaled(self.target().reply)
    }

    pub(crate) fn set_version(&mut self, version: Version) {
        self.parser.set_version(version);
    }

    // ---- sending

    fn fresh_mask(&mut self) -> [u8; 4] {
        self.mask = self
            .mask
            .wrapping_mul(0x9E37_79B1)
            .wrapping_add(0x7F4A_7C15);
        self.mask.to_be_bytes()
    }

    /// Octets as they are, below all framing. That the broker has gone shows
    /// when its answer is looked for.
    pub(crate) fn raw(&mut self, octets: &[u8]) {
        let sent = self
            .stream
            .write_all(octets)
            .and_then(|()| self.stream.flush());
        if let Err(error) = sent {
            self.shared.log.note(
                self.conn,
                Dir::Out,
                Layer::Tcp,
                format!("write: {error}"),
                &[],
            );
        }
    }

    /// One WebSocket frame.
    pub(crate) fn lay(&mut self, lay: Lay, payload: &[u8]) {
        let words = lay.words();
        self.shared
            .log
            .note(self.conn, Dir::Out, Layer::Ws, words, payload);
        let octets = lay.octets(payload);
        self.raw(&octets);
    }

    pub(crate) fn masked(&mut self, opcode: u8) -> Lay {
        Lay::masked(opcode, self.fresh_mask())
    }

    /// One WebSocket message of one frame, holding these octets.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        let lay = self.masked(self.opcode);
        self.lay(lay, octets.as_ref());
    }

    /// Frames without NUL in their bodies, each in a message of its own.
    pub(crate) fn send_each(&mut self, frames: &str) {
        for frame in frames.split_inclusive('\0') {
            self.send(frame);
        }
    }

    /// The same as a binary message.
    pub(crate) fn send_binary(&mut self, octets: impl AsRef<[u8]>) {
        let lay = self.masked(ws::BINARY);
        self.lay(lay, octets.as_ref());
    }

    pub(crate) fn ping(&mut self, octets: &[u8]) {
        let lay = self.masked(ws::PING);
        self.lay(lay, octets);
    }

    /// A Close frame with a body as it is.
    pub(crate) fn send_close(&mut self, body: &[u8]) {
        self.sent_close = true;
        let lay = self.masked(ws::CLOSE);
        self.lay(lay, body);
    }

    /// Resets TCP.
    pub(crate) fn reset(self) {
        let linger = socket2::SockRef::from(self.stream.tcp()).set_linger(Some(Duration::ZERO));
        if let Err(error) = linger {
            log::warn!("linger: {error}");
        }
        self.shared
            .log
            .note(self.conn, Dir::Out, Layer::Tcp, "RST", &[]);
    }

    // ---- receiving

    /// From now on a NUL between frames is a heart-beat.
    pub(crate) fn bear_nul_beats(&mut self) {
        self.parser.bear_nul_beats();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.eof.is_some()
    }

    /// Reads until `done` finds something, or the time is over.
    pub(crate) fn until<T>(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = done(self) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_gone() || self.breach.is_some() {
                return None;
            }
            self.read(left);
        }
    }

    fn read(&mut self, within: Duration) {
        let mut buffer = [0; 64 << 10];
        if let Err(error) = self.stream.tcp().set_read_timeout(Some(within)) {
            self.breach = Some(format!("the judge's socket: {error}"));
            return;
        }
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end(false),
            Ok(n) => {
                self.heard = Instant::now();
                self.octets.extend_from_slice(&buffer[..n]);
                self.take_apart();
            }
            Err(error) if is_patience(error.kind()) => {}
            Err(_) => self.end(true),
        }
    }

    fn end(&mut self, reset: bool) {
        let words = if reset { "RST" } else { "FIN" };
        self.shared
            .log
            .note(self.conn, Dir::In, Layer::Tcp, words, &[]);
        self.eof = Some(reset);
    }

    fn take_apart(&mut self) {
        loop {
            match ws::read(&self.octets, MOST) {
                WsRead::Partial => return,
                WsRead::Frame(frame, used) => {
                    self.octets.drain(..used);
                    self.on_ws(frame);
                }
                WsRead::TooLong(length) => {
                    self.breach = Some(format!("a WebSocket frame of {length} octets"));
                    return;
                }
            }
        }
    }

    fn on_ws(&mut self, frame: WsFrame) {
        let words = ws::words(&frame);
        self.shared
            .log
            .note(self.conn, Dir::In, Layer::Ws, words, &frame.payload);
        let after_close = self.close.is_some();
        self.shared.passive.see(&What::Ws(&frame, after_close));
        match frame.opcode {
            ws::TEXT | ws::BINARY | ws::CONTINUATION => self.on_data(frame),
            ws::PING => {
                let lay = self.masked(ws::PONG);
                self.lay(lay, &frame.payload);
            }
            ws::PONG => self.pongs.push(frame.payload),
            ws::CLOSE => {
                let code = frame
                    .payload
                    .first_chunk()
                    .map(|two| u16::from_be_bytes(*two));
                let reason = frame.payload.get(2..).unwrap_or_default();
                let reason = String::from_utf8_lossy(reason).into_owned();
                self.close.get_or_insert((code, reason));
                if !self.sent_close {
                    let body = frame.payload.get(..2).unwrap_or_default().to_vec();
                    self.send_close(&body);
                }
            }
            other => self.breach = Some(format!("a WebSocket frame of opcode {other:X}")),
        }
    }

    fn on_data(&mut self, frame: WsFrame) {
        match (frame.opcode, &mut self.parts) {
            (ws::CONTINUATION, Some((_, parts))) => {
                parts.extend_from_slice(&frame.payload);
                if parts.len() > MOST {
                    self.breach = Some(format!("a message of more than {MOST} octets"));
                    return;
                }
            }
            (ws::CONTINUATION, None) => {
                self.breach = Some("a continuation without a start".to_owned());
                return;
            }
            (_, Some(_)) => {
                self.breach = Some("a new message within another".to_owned());
                return;
            }
            (opcode, parts @ None) => *parts = Some((opcode, frame.payload)),
        }
        if !frame.fin {
            return;
        }
        let Some((opcode, octets)) = self.parts.take() else {
            return;
        };
        self.messages.push((opcode, octets.len()));
        self.shared.passive.see(&What::Message(opcode, &octets));
        self.parser.feed(&octets);
        if self.parser.waiting() > MOST {
            self.breach = Some(format!("a STOMP frame of more than {MOST} octets"));
            return;
        }
        // EOLs after a NUL belong to the frame; they beat no heart.
        let mut after_frame = false;
        while let Some(item) = self.parser.next() {
            match item {
                Item::Frame(frame) => {
                    self.shared.log.note(
                        self.conn,
                        Dir::In,
                        Layer::Stomp,
                        frame.command.as_str(),
                        &frame.octets,
                    );
                    self.shared
                        .passive
                        .see(&What::Frame(self.conn, self.parser.version(), &frame));
                    if let Some(version) = frame.header("version").and_then(Version::named) {
                        if frame.command == "CONNECTED" {
                            self.parser.set_version(version);
                        }
                    }
                    self.frames.push_back((Instant::now(), frame));
                    after_frame = true;
                }
                Item::Beat if after_frame => {}
                Item::Beat => self.beats.push(Instant::now()),
                Item::Breach(why) => {
                    self.shared.passive.see(&What::Breach(&why));
                    self.breach = Some(why);
                }
            }
        }
    }

    /// How it ended; the judge closes what is still open.
    fn finish(&mut self) -> Ending {
        if !self.is_gone() && self.close.is_none() && self.answer.status == 101 {
            if self.breach.is_none() && !self.sent_close {
                self.send_close(&1000_u16.to_be_bytes());
            }
            return Ending::ByHarness;
        }
        match (&self.close, self.eof) {
            (Some((None, _)), _) => Ending::ClosedNoCode,
            (Some((Some(1000..=1001), _)), _) => Ending::Clean,
            (Some((Some(code), _)), _) => Ending::WrongCode(*code),
            (None, Some(true)) => Ending::Reset,
            (None, _) => Ending::Dropped,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let ending = self.finish();
        let endings = self.shared.endings.lock();
        endings.unwrap_or_else(PoisonError::into_inner).push(ending);
    }
}

/// Nothing has come yet, and may still.
fn is_patience(kind: io::ErrorKind) -> bool {
    kind == io::ErrorKind::WouldBlock
        || kind == io::ErrorKind::TimedOut
        || kind == io::ErrorKind::Interrupted
}
