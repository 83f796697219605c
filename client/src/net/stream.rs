//! The octet streams below WebSocket.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    sync::Arc,
};

use mio::{event::Event, net::TcpStream};
use native_tls::TlsStream;

/// What the poller tells of a socket.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Readiness {
    readable: bool,
    writable: bool,
    /// Nothing more will come, or an error: reading finds out which.
    ended: bool,
}

impl Readiness {
    /// An event that says neither (an error, a hang-up) counts as both.
    pub(crate) fn of(event: &Event) -> Self {
        let neither = !(event.is_readable() || event.is_writable());
        Self {
            readable: event.is_readable() || neither,
            writable: event.is_writable() || neither,
            ended: event.is_read_closed() || event.is_error(),
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.readable |= more.readable;
        self.writable |= more.writable;
        self.ended |= more.ended;
    }

    pub(super) fn is_any(self) -> bool {
        self.readable || self.writable
    }
}

/// A connected, non-blocking TCP socket with its readiness.
///
/// The poller reports edges, so the flags live here, at the one place that
/// sees every `WouldBlock`: an event sets them, `WouldBlock` clears them, and
/// no system call is made against a cleared flag. TLS sits on top and may
/// write in order to read; down here the flags mean what they say all the same.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    peer: SocketAddr,
    ready: Readiness,
    octets_read: u64,
    /// The first write error. From then on octets to write vanish, so that
    /// what the peer said before it went away is still read; reading ends with
    /// an error or EOF soon enough.
    broken: Option<Arc<io::Error>>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, peer: SocketAddr, ready: Readiness) -> Self {
        Self {
            tcp,
            peer,
            ready,
            octets_read: 0,
            broken: None,
        }
    }

    pub(super) fn ready(&mut self, more: Readiness) {
        self.ready.add(more);
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn is_writable(&self) -> bool {
        self.ready.writable
    }

    pub(super) fn broken(&self) -> Option<&Arc<io::Error>> {
        self.broken.as_ref()
    }

    /// What `read` would give, left where it is.
    pub(super) fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.ready.readable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let peeked = self.tcp.peek(buf);
        if matches!(&peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock) {
            self.ready.readable = false;
        }
        peeked
    }

    pub(super) fn octets_read(&self) -> u64 {
        self.octets_read
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.ready.readable {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match self.tcp.read(buf) {
                Ok(n) => {
                    self.octets_read += n as u64;
                    // All there was: whatever comes from now on is a new edge,
                    // but for an end that the poller has told of already.
                    if SHORT_IS_ALL && n < buf.len() && !self.ready.ended {
                        self.ready.readable = false;
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.ready.readable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        loop {
            if self.broken.is_some() {
                return Ok(buf.len());
            }
            if !self.ready.writable {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match self.tcp.write(buf) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.ready.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => self.broken = Some(Arc::new(e)),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a read that does not fill its buffer has emptied the socket, as
/// epoll(7) has it. Other pollers are armed by `WouldBlock` alone.
const SHORT_IS_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What HTTP and WebSocket are spoken over.
#[derive(Debug)]
pub(super) struct Stream {
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    pub(super) fn plain(socket: Socket) -> Self {
        Self {
            transport: Transport::Plain(socket),
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.transport, Transport::Plain(_))
    }

    pub(super) fn tls(tls: TlsStream<Socket>) -> Self {
        Self {
            transport: Transport::Tls(Box::new(tls)),
        }
    }

    pub(super) fn socket(&self) -> &Socket {
        match &self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(tls) => tls.get_ref(),
        }
    }

    pub(super) fn socket_mut(&mut self) -> &mut Socket {
        match &mut self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(tls) => tls.get_mut(),
        }
    }

    /// The socket, if it is not wrapped in TLS.
    pub(super) fn into_socket(self) -> Option<Socket> {
        match self.transport {
            Transport::Plain(socket) => Some(socket),
            Transport::Tls(_) => None,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.read(buf),
            Transport::Tls(tls) => tls.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.write(buf),
            Transport::Tls(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.flush(),
            Transport::Tls(tls) => tls.flush(),
        }
    }
}
