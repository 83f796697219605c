//! A peer that knows no more than RFC 6455: octets on a socket.

use crate::handshake::exchange;
use crate::support::tcp;
use hobnail_mock_broker::MockBroker;
use std::io::{Read, Write};
use std::net::TcpStream;

/// One WebSocket frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WsFrame {
    pub(super) fin: bool,
    /// The reserved bits: 4 is the first of them, 1 the third.
    pub(super) rsv: u8,
    pub(super) opcode: u8,
    pub(super) masked: bool,
    /// Without its mask.
    pub(super) payload: Vec<u8>,
}

pub(super) struct Peer {
    pub(super) tcp: TcpStream,
}

impl Peer {
    /// An open WebSocket.
    pub(super) fn open(broker: &MockBroker) -> Self {
        let mut tcp = tcp(broker);
        exchange(&mut tcp, &[("Sec-WebSocket-Protocol", "v12.stomp")]);
        Self { tcp }
    }

    /// A session; what answers the CONNECT is not read.
    pub(super) fn connect(broker: &MockBroker) -> Self {
        let mut peer = Self::open(broker);
        peer.send("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
        peer
    }

    /// One text message, masked with zeros.
    pub(super) fn send(&mut self, text: &str) {
        self.write(0x81, text.as_bytes());
    }

    pub(super) fn write(&mut self, first: u8, payload: &[u8]) {
        let len = u8::try_from(payload.len()).ok().filter(|n| *n < 126);
        let len = len.expect("a short message");
        let mut wire = vec![first, 0x80 | len, 0, 0, 0, 0];
        wire.extend_from_slice(payload);
        self.tcp.write_all(&wire).expect("written");
    }

    fn octets(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut octets = vec![0; n];
        self.tcp.read_exact(&mut octets).ok()?;
        Some(octets)
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) fn frame(&mut self) -> Option<WsFrame> {
        let head = self.octets(2)?;
        let len = match head[1] & 0x7f {
            126 => {
                let long = self.octets(2)?;
                usize::from(u16::from_be_bytes([long[0], long[1]]))
            }
            127 => {
                let long: [u8; 8] = self.octets(8)?.try_into().ok()?;
                usize::try_from(u64::from_be_bytes(long)).ok()?
            }
            short => usize::from(short),
        };
        let masked = head[1] & 0x80 != 0;
        let mask = if masked { self.octets(4)? } else { vec![0; 4] };
        let mut payload = self.octets(len)?;
        for (octet, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *octet ^= key;
        }
        Some(WsFrame {
            fin: head[0] & 0x80 != 0,
            rsv: head[0] >> 4 & 7,
            opcode: head[0] & 15,
            masked,
            payload,
        })
    }

    /// So many frames.
    pub(super) fn frames(&mut self, n: usize) -> Vec<WsFrame> {
        let frame = |_| self.frame().expect("one more frame");
        (0..n).map(frame).collect()
    }

    /// Everything until the end.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // A reset is an end, too.
        let _ = self.tcp.read_to_end(&mut all);
        all
    }
}
