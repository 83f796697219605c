//! One connection's socket: TLS, buffers and what is on its way out.

use crate::faults::Chunk;
use crate::script::{Direction, TlsFault};
use crate::transcript::How;
use crate::ws::{MAX_FRAME_HEAD, Opcode, Reader, write_head};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use native_tls::{HandshakeError, MidHandshakeTlsStream, TlsStream};
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// Octets are appended to the last chunk up to this size.
const MERGE: usize = 64 << 10;

/// A chunk of so many octets is given room for all it may hold.
const MANY: usize = 4 << 10;

/// What others write too is not copied if it is longer than this.
const SHARED: usize = 16 << 10;

/// How far the socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The TLS handshake goes on.
    Tls,
    /// The request is being read.
    Http,
    /// The request is being answered.
    Asked,
    /// WebSocket frames flow.
    Ws,
    /// What comes is thrown away; only the end matters.
    Deaf,
}

#[derive(Debug)]
enum Stream {
    Raw(TcpStream),
    Mid(MidHandshakeTlsStream<TcpStream>),
    Tls(TlsStream<TcpStream>),
    Gone,
}

impl Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Raw(tcp) => tcp.write(octets),
            Self::Tls(tls) => tls.write(octets),
            Self::Mid(_) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

pub(super) struct Sock {
    stream: Stream,
    pub(super) stage: Stage,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// It is in the list of those that can do something.
    pub(super) queued: bool,
    /// It is in the list of those that have something to write.
    pub(super) dirty: bool,
    /// The request's octets, and what came before its answer.
    pub(super) head: Vec<u8>,
    /// Before it has so many octets, the request is not whole.
    pub(super) awaits: usize,
    pub(super) key: String,
    /// More headers for the 101.
    pub(super) extra: Vec<(String, String)>,
    pub(super) reader: Reader,
    out: VecDeque<Chunk>,
    /// Octets in `out`.
    pub(super) waiting: usize,
    /// Pauses in `out`.
    pauses: Duration,
    pub(super) paused: bool,
    pub(super) hole: Option<Direction>,
    /// What is to be wrong with the TLS handshake.
    pub(super) tls_fault: Option<TlsFault>,
    /// More was to be written into a black hole than is kept.
    pub(super) overflown: bool,
    /// How it will have ended, once its end has begun.
    pub(super) ending: Option<How>,
    /// FIN was sent; the peer's is awaited.
    pub(super) finished: bool,
}

/// What writing came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// All is written, or no more can be written now.
    Enough,
    /// A pause begins.
    Pause(Duration),
    /// FIN was sent.
    Fin,
    /// The connection was reset.
    Rst,
}

impl Sock {
    pub(super) fn new(stream: TcpStream, tls: bool, max_message: usize) -> Self {
        Self {
            stream: Stream::Raw(stream),
            stage: if tls { Stage::Tls } else { Stage::Http },
            // Nothing is known yet: try, and learn from `WouldBlock`.
            readable: true,
            writable: true,
            queued: false,
            dirty: false,
            head: Vec::new(),
            awaits: 0,
            key: String::new(),
            extra: Vec::new(),
            reader: Reader::new(max_message),
            out: VecDeque::new(),
            waiting: 0,
            pauses: Duration::ZERO,
            paused: false,
            hole: None,
            tls_fault: None,
            overflown: false,
            ending: None,
            finished: false,
        }
    }

    /// The socket of a connection to an upstream, which is not there yet.
    pub(super) fn of_upstream(stream: TcpStream, max_message: usize) -> Self {
        Self {
            stage: Stage::Tls,
            reader: Reader::of_client(max_message),
            ..Self::new(stream, false, max_message)
        }
    }

    /// Whether a connection that was begun has come about.
    pub(super) fn connected(&self) -> io::Result<bool> {
        let Some(tcp) = self.tcp() else {
            return Ok(true);
        };
        if let Some(error) = tcp.take_error()? {
            return Err(error);
        }
        match tcp.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match &self.stream {
            Stream::Raw(tcp) => Some(tcp),
            Stream::Mid(mid) => Some(mid.get_ref()),
            Stream::Tls(tls) => Some(tls.get_ref()),
            Stream::Gone => None,
        }
    }

    /// Has the poll call it by another name.
    pub(super) fn register_again(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let tcp = match &mut self.stream {
            Stream::Raw(tcp) => tcp,
            Stream::Mid(mid) => mid.get_mut(),
            Stream::Tls(tls) => tls.get_mut(),
            Stream::Gone => return Ok(()),
        };
        registry.reregister(tcp, token, Interest::READABLE | Interest::WRITABLE)
    }

    pub(super) fn is_deaf(&self) -> bool {
        matches!(self.hole, Some(Direction::In | Direction::Both))
    }

    pub(super) fn is_mute(&self) -> bool {
        matches!(self.hole, Some(Direction::Out | Direction::Both))
    }

    /// One step of the TLS handshake; an error ends the connection.
    pub(super) fn shake(
        &mut self,
        begin: impl FnOnce(TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError<TcpStream>>,
    ) -> Result<(), String> {
        let result = match std::mem::replace(&mut self.stream, Stream::Gone) {
            Stream::Raw(tcp) => begin(tcp),
            Stream::Mid(mid) => mid.handshake(),
            other @ (Stream::Tls(_) | Stream::Gone) => {
                self.stream = other;
                return Ok(());
            }
        };
        match result {
            Ok(tls) => {
                self.stream = Stream::Tls(tls);
                self.stage = Stage::Http;
                Ok(())
            }
            Err(HandshakeError::WouldBlock(mid)) => {
                self.stream = Stream::Mid(mid);
                (self.readable, self.writable) = (false, false);
                Ok(())
            }
            Err(HandshakeError::Failure(error)) => Err(error.to_string()),
        }
    }

    /// Reads once; `None` means that nothing can be read now, 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let result = match &mut self.stream {
            Stream::Raw(tcp) => tcp.read(buffer),
            Stream::Tls(tls) => tls.read(buffer),
            Stream::Mid(mid) => mid.get_mut().read(buffer),
            Stream::Gone => Ok(0),
        };
        match result {
            Ok(n) => Ok(Some(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a whole message on its way, in one frame. What is long of it stays
    /// shared: a thousand who do not read keep it once.
    pub(super) fn push_message(&mut self, opcode: Opcode, own: &[u8], shared: &Arc<Vec<u8>>) {
        let length = own.len() + shared.len();
        let copied = if shared.len() > SHARED {
            own.len()
        } else {
            length
        };
        let most = copied + MAX_FRAME_HEAD;
        let room =
            |chunk: &Chunk| matches!(chunk, Chunk::Octets(last, _) if last.len() + most <= MERGE);
        if !self.out.back().is_some_and(room) {
            self.out.push_back(Chunk::octets(Vec::with_capacity(most)));
        }
        if let Some(Chunk::Octets(last, _)) = self.out.back_mut() {
            let before = last.len();
            // What has come to so much will be more: it need not move again and
            // again.
            if before >= MANY && last.capacity() - before < most {
                last.reserve_exact(MERGE - before);
            }
            write_head(opcode, length, last);
            last.extend_from_slice(own);
            if copied == length {
                last.extend_from_slice(shared);
            }
            self.waiting += last.len() - before;
        }
        if copied < length {
            self.waiting += shared.len();
            self.out.push_back(Chunk::Shared(Arc::clone(shared), 0));
        }
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        match chunk {
            Chunk::Octets(octets, _) => {
                self.waiting += octets.len();
                match self.out.back_mut() {
                    Some(Chunk::Octets(last, _)) if last.len() + octets.len() <= MERGE => {
                        last.extend_from_slice(&octets);
                    }
                    Some(_) | None => self.out.push_back(Chunk::octets(octets)),
                }
            }
            Chunk::Shared(ref octets, _) => {
                self.waiting += octets.len();
                self.out.push_back(chunk);
            }
            Chunk::Drip { ref octets, .. } => {
                self.waiting += octets.len();
                self.pauses = self.pauses.saturating_add(chunk.pauses());
                self.out.push_back(chunk);
            }
            Chunk::Fin => self.out.push_back(Chunk::Fin),
            Chunk::Rst => self.out.push_back(Chunk::Rst),
        }
    }

    /// How long the pauses in what is on its way take.
    pub(super) fn pauses(&self) -> Duration {
        self.pauses
    }

    /// Throws away what is on its way.
    pub(super) fn discard(&mut self) {
        self.out.clear();
        self.waiting = 0;
        self.pauses = Duration::ZERO;
    }

    /// Writes what can be written.
    pub(super) fn flush(&mut self) -> io::Result<Flushed> {
        while self.writable && !self.paused && !self.is_mute() && self.stage != Stage::Tls {
            match self.out.front_mut() {
                None => break,
                Some(chunk @ (Chunk::Octets(..) | Chunk::Shared(..))) => {
                    let (octets, done) = match chunk {
                        Chunk::Octets(octets, done) => (&*octets, done),
                        Chunk::Shared(octets, done) => (&**octets, done),
                        Chunk::Drip { .. } | Chunk::Fin | Chunk::Rst => break,
                    };
                    match self.stream.write(&octets[*done..]) {
                        Ok(n) => {
                            *done += n;
                            self.waiting -= n;
                            if *done == octets.len() {
                                self.out.pop_front();
                            }
                        }
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
                Some(Chunk::Drip {
                    octets,
                    done,
                    piece,
                    gap,
                }) => {
                    // A piece that was cut short goes on where it ended.
                    let end = (*done - *done % *piece + *piece).min(octets.len());
                    match self.stream.write(&octets[*done..end]) {
                        Ok(n) => {
                            *done += n;
                            self.waiting -= n;
                            let (pause, all) = (*gap, *done == octets.len());
                            if *done < end {
                                continue;
                            }
                            if all {
                                self.out.pop_front();
                            }
                            self.pauses = self.pauses.saturating_sub(pause);
                            self.paused = true;
                            return Ok(Flushed::Pause(pause));
                        }
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
                Some(Chunk::Fin) => {
                    self.out.pop_front();
                    self.finish()?;
                    return Ok(Flushed::Fin);
                }
                Some(Chunk::Rst) => {
                    self.reset();
                    return Ok(Flushed::Rst);
                }
            }
        }
        Ok(Flushed::Enough)
    }

    /// Sends FIN, and before it, if the end is a regular one, TLS's own.
    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        if let Stream::Tls(tls) = &mut self.stream {
            if self.ending != Some(How::Fin) {
                if let Err(error) = tls.shutdown() {
                    log::debug!("close_notify: {error}");
                }
            }
        }
        match self.tcp().map(|tcp| tcp.shutdown(Shutdown::Write)) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the coming drop of the socket a reset.
    pub(super) fn reset(&self) {
        if let Some(tcp) = self.tcp() {
            if let Err(error) = SockRef::from(tcp).set_linger(Some(Duration::ZERO)) {
                log::debug!("linger: {error}");
            }
        }
    }
}
