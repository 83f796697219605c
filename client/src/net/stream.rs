//! The octet streams below WebSocket.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    sync::Arc,
};

use mio::net::TcpStream;
use native_tls::TlsStream;

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
    readable: bool,
    writable: bool,
    octets_read: u64,
    /// The first write error. From then on octets to write vanish, so that
    /// what the peer said before it went away is still read; reading ends with
    /// an error or EOF soon enough.
    broken: Option<Arc<io::Error>>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, peer: SocketAddr, readable: bool, writable: bool) -> Self {
        Self {
            tcp,
            peer,
            readable,
            writable,
            octets_read: 0,
            broken: None,
        }
    }

    pub(super) fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn broken(&self) -> Option<&Arc<io::Error>> {
        self.broken.as_ref()
    }

    /// What `read` would give, left where it is.
    pub(super) fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let peeked = self.tcp.peek(buf);
        if matches!(&peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock) {
            self.readable = false;
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
            if !self.readable {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match self.tcp.read(buf) {
                Ok(n) => {
                    self.octets_read += n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.readable = false,
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
            if !self.writable {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match self.tcp.write(buf) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => self.broken = Some(Arc::new(e)),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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
