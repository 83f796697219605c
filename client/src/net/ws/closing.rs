//! How a connection ends, by either side.

use std::{
    io::{self, Read},
    time::Instant,
};

use tungstenite::{
    Error, Utf8Bytes,
    error::ProtocolError,
    protocol::{
        CloseFrame,
        frame::coding::{CloseCode, Control},
    },
};

use super::{ANSWER_PATIENCE, Came, Closing, Ws};
use crate::error::LinkError;

impl Ws {
    pub(in crate::net) fn is_closing(&self) -> bool {
        !matches!(self.closing, Closing::No)
    }

    /// Whether there is more to say: nothing is after a Close.
    pub(super) fn can_write(&self) -> bool {
        matches!(self.closing, Closing::No | Closing::Queued(_))
    }

    /// Sends Close after what is queued.
    pub(in crate::net) fn close(&mut self, code: u16, reason: &str) {
        if self.is_closing() {
            return;
        }
        // A Close frame's body is at most 125 octets, two of them the code.
        let mut cut = reason.len().min(123);
        while !reason.is_char_boundary(cut) {
            cut -= 1;
        }
        self.closing = Closing::Queued(CloseFrame {
            code: code.into(),
            reason: reason[..cut].into(),
        });
        self.fill();
    }

    pub(super) fn send_close(&mut self) {
        if let Closing::Queued(frame) = &self.closing {
            let frame = frame.clone();
            self.closing = Closing::Sent;
            // At once: if the peer's Close is here already, nothing is written later.
            self.write_close(Some(&frame));
            if let Err(e) = self.push() {
                log::trace!("the Close waits: {e}");
            }
        }
    }

    pub(super) fn write_close(&mut self, frame: Option<&CloseFrame>) {
        let mut payload = Vec::new();
        if let Some(frame) = frame {
            payload.extend_from_slice(&u16::from(frame.code).to_be_bytes());
            payload.extend_from_slice(frame.reason.as_bytes());
        }
        // No pong after it.
        self.pong = None;
        self.write_control(Control::Close, &payload);
    }

    /// The peer's Close: the answer to ours, or the beginning of the end.
    pub(super) fn closed(
        &mut self,
        now: Instant,
        frame: Option<CloseFrame>,
    ) -> Result<(), LinkError> {
        let answers = matches!(self.closing, Closing::Sent);
        let frame = match frame {
            Some(frame) if !answers && !frame.code.is_allowed() => Some(CloseFrame {
                code: CloseCode::Protocol,
                reason: Utf8Bytes::from_static("Protocol violation"),
            }),
            frame => frame,
        };
        let told = LinkError::Closed {
            code: frame.as_ref().map_or(1005, |frame| frame.code.into()),
            reason: frame
                .as_ref()
                .map_or_else(String::new, |frame| frame.reason.to_string()),
        };
        if answers && self.wire.is_flushed() {
            return Err(told);
        }
        // No data after a Close (RFC 6455 §5.5.1).
        self.queue.clear();
        if !answers {
            self.write_close(frame.as_ref());
        }
        self.closing = Closing::Answering {
            by: now.checked_add(ANSWER_PATIENCE).unwrap_or(now),
            told,
        };
        Ok(())
    }

    /// Tells of the peer's Close once its answer has left, or cannot leave.
    pub(super) fn answer(&mut self, now: Instant) -> Result<Came, LinkError> {
        let flushed = match self.push() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
            Ok(()) | Err(_) => true,
        };
        // A peer that closed the socket after its Close waits for no answer.
        let gone = !flushed && self.is_gone();
        match &self.closing {
            Closing::Answering { by, told } if flushed || gone || now >= *by => Err(told.clone()),
            Closing::Answering { .. } | Closing::No | Closing::Queued(_) | Closing::Sent => {
                Ok(Came::Nothing)
            }
        }
    }

    /// Reads what a peer says after its Close, to find its end.
    pub(super) fn is_gone(&mut self) -> bool {
        let mut ignored = [0; 512];
        for _ in 0..64 {
            match self.wire.stream.read(&mut ignored) {
                Ok(1..) => {}
                Ok(0) => return true,
                Err(e) => return e.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// The end that an error means. The peer is told, too, if it is its fault.
    pub(super) fn failed(&mut self, e: &Error) -> LinkError {
        match e {
            Error::Utf8(_) => self.farewell(CloseCode::Invalid),
            Error::Capacity(_) => self.farewell(CloseCode::Size),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {}
            Error::Protocol(_) | Error::AttackAttempt => self.farewell(CloseCode::Protocol),
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Io(_)
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => {}
        }
        self.explain(e)
    }

    pub(super) fn explain(&self, e: &Error) -> LinkError {
        match e {
            Error::Utf8(_) => LinkError::InvalidUtf8,
            Error::Capacity(e) => LinkError::WebSocket(format!("{e} (closed with 1009)")),
            Error::ConnectionClosed => LinkError::Closed {
                code: 1005,
                reason: String::new(),
            },
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                LinkError::Lost(match self.wire.stream.socket().broken() {
                    Some(e) => format!("writing failed: {e}"),
                    None => "the peer ended the TCP connection".into(),
                })
            }
            Error::Io(e) => LinkError::Lost(e.to_string()),
            Error::Protocol(_)
            | Error::AttackAttempt
            | Error::AlreadyClosed
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => LinkError::WebSocket(e.to_string()),
        }
    }

    /// Says why we go, if the socket takes it at once.
    pub(super) fn farewell(&mut self, code: CloseCode) {
        if self.can_write() {
            self.write_close(Some(&CloseFrame {
                code,
                reason: Utf8Bytes::from_static(""),
            }));
        }
        if let Err(e) = self.push() {
            log::debug!("no Close could be sent: {e}");
        }
    }
}
