//! The socket below everything, and what the poller tells of it.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    sync::Arc,
};

use mio::{event::Event, net::TcpStream};

use super::outbuf::Outbuf;

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
    /// Octets that TLS has not asked for yet, once it is the one that reads.
    ahead: Option<Ahead>,
    /// Records that TLS has written, once it is the one that writes: they leave
    /// together when it is flushed.
    behind: Option<Outbuf>,
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
            ahead: None,
            behind: None,
            broken: None,
        }
    }

    /// From now on TLS is the one that reads and writes.
    pub(super) fn serve_tls(&mut self) {
        self.ahead = Some(Ahead::new());
        self.behind = Some(Outbuf::default());
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

    /// Whether a read would give nothing, as far as is known without trying.
    pub(super) fn is_drained(&self) -> bool {
        !self.ready.readable && self.ahead.as_ref().is_none_or(Ahead::is_empty)
    }

    fn receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
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

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(mut ahead) = self.ahead.take() else {
            return self.receive(buf);
        };
        let read = match ahead.is_empty() {
            true if buf.len() >= ahead.block.len() => self.receive(buf),
            true => ahead.fill(self).map(|()| ahead.take(buf)),
            false => Ok(ahead.take(buf)),
        };
        self.ahead = Some(ahead);
        read
    }
}

/// TLS asks for the five octets of a record's head, then for the rest, and then
/// for the next head: three system calls, where one brings all that there is.
#[derive(Debug)]
struct Ahead {
    block: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Ahead {
    /// The largest record and its head (RFC 8446 §5.2).
    const ROOM: usize = 5 + (16 << 10) + 256;

    fn new() -> Self {
        Self {
            block: vec![0; Self::ROOM].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn fill(&mut self, socket: &mut Socket) -> io::Result<()> {
        self.end = 0;
        self.start = 0;
        self.end = socket.receive(&mut self.block)?;
        Ok(())
    }

    fn take(&mut self, buf: &mut [u8]) -> usize {
        let octets = &self.block[self.start..self.end];
        let n = octets.len().min(buf.len());
        buf[..n].copy_from_slice(&octets[..n]);
        self.start += n;
        n
    }
}

impl Socket {
    fn transmit(&mut self, buf: &[u8]) -> io::Result<usize> {
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

    /// Until nothing waits or the system takes no more.
    fn transmit_all(&mut self, octets: &mut Outbuf) -> io::Result<()> {
        while !octets.is_empty() {
            match self.transmit(octets.octets())? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => octets.consume(written),
            }
        }
        Ok(())
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.behind.as_ref().is_none_or(Outbuf::is_empty)
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let waits = self.behind.as_ref().map(Outbuf::len);
        if waits.is_some_and(|waits| waits > 0 && waits + buf.len() > BEHIND) {
            self.flush()?;
        }
        match &mut self.behind {
            Some(behind) => {
                behind.add(buf.len()).copy_from_slice(buf);
                Ok(buf.len())
            }
            None => self.transmit(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(mut behind) = self.behind.take() else {
            return Ok(());
        };
        let flushed = self.transmit_all(&mut behind);
        self.behind = Some(behind);
        flushed
    }
}

/// So many octets of records are gathered for one write: those of what is written at
/// once, mostly.
const BEHIND: usize = 72 << 10;

/// Whether a read that does not fill its buffer has emptied the socket, as
/// epoll(7) has it. Other pollers are armed by `WouldBlock` alone.
pub(super) const SHORT_IS_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread, time::Duration};

    use super::*;

    /// A socket below TLS, and its peer, which does not wait.
    fn below_tls() -> (Socket, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ours = std::net::TcpStream::connect(address).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        for stream in [&ours, &theirs] {
            stream.set_nonblocking(true).unwrap();
        }
        let ready = Readiness {
            writable: true,
            ..Readiness::default()
        };
        let mut socket = Socket::new(TcpStream::from_std(ours), address, ready);
        socket.behind = Some(Outbuf::default());
        (socket, theirs)
    }

    fn is_nothing(peer: &mut std::net::TcpStream) -> bool {
        let read = peer.read(&mut [0]);
        read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn records_leave_together_when_they_are_flushed() {
        let (mut socket, mut peer) = below_tls();
        for record in [b"one", b"two"] {
            assert_eq!(socket.write(record).unwrap(), 3);
            assert!(is_nothing(&mut peer) && !socket.is_flushed());
        }
        socket.flush().unwrap();
        assert!(socket.is_flushed());
        peer.set_nonblocking(false).unwrap();
        let mut came = [0; 6];
        peer.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"onetwo");
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to end")]
    #[test]
    fn no_more_is_gathered_than_is_allowed_and_what_was_taken_is_not_lost() {
        let (mut socket, mut peer) = below_tls();
        let mut taken = Vec::new();
        for nth in 0_u32.. {
            let record = vec![nth as u8; 16_401];
            match socket.write(&record) {
                Ok(written) => taken.extend_from_slice(&record[..written]),
                Err(e) => {
                    assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
            assert!(socket.behind.as_ref().unwrap().len() <= BEHIND);
        }
        peer.set_nonblocking(false).unwrap();
        let reader = thread::spawn(move || {
            let mut came = Vec::new();
            peer.read_to_end(&mut came).unwrap();
            came
        });
        let began = std::time::Instant::now();
        while let Err(e) = socket.flush() {
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
            assert!(began.elapsed() < Duration::from_secs(20), "nothing leaves");
            // As an event would.
            socket.ready.writable = true;
            thread::yield_now();
        }
        drop(socket);
        assert!(reader.join().unwrap() == taken);
    }
}
