//! The octet streams below WebSocket.

use std::io::{self, Read, Write};

use native_tls::TlsStream;

use super::socket::{SHORT_IS_ALL, Socket};

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

    pub(super) fn tls(mut tls: TlsStream<Socket>) -> Self {
        tls.get_mut().serve_tls();
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

    /// Whether all that was written has left.
    pub(super) fn is_flushed(&self) -> bool {
        self.socket().is_flushed()
    }

    /// Whether a read would give nothing, as far as is known without trying.
    pub(super) fn is_drained(&self) -> bool {
        match &self.transport {
            Transport::Plain(socket) => socket.is_drained(),
            // What TLS has of a record that is not whole gives nothing either.
            Transport::Tls(tls) => {
                SHORT_IS_ALL
                    && tls.get_ref().is_drained()
                    && tls.buffered_read_size().is_ok_and(|octets| octets == 0)
            }
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
            Transport::Tls(tls) => {
                let read = tls.read(buf);
                // TLS may have had something to say itself, and whoever reads may wait
                // for an answer. What does not leave now waits for the socket.
                let socket = tls.get_mut();
                if !socket.is_flushed() {
                    socket.flush().ok();
                }
                read
            }
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
