//! WebSocket frames, as a client reads them.
//!
//! tungstenite fills its buffer with zeros before every read and walks through
//! three layers for each message; here a message is cut out of what was read,
//! and that is all.

use std::{
    io::{self, Read},
    str::{self, Utf8Error},
};

use bytes::{Bytes, BytesMut};
use tungstenite::{
    Error,
    error::{CapacityError, ProtocolError},
    protocol::{
        CloseFrame,
        frame::coding::{Control, Data, OpCode},
    },
};

use crate::frame::Piece;

/// What a peer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// A whole message, TEXT or BINARY; TEXT is UTF-8.
    Message(Piece),
    Ping(Bytes),
    Pong,
    Close(Option<CloseFrame>),
}

/// Cuts messages out of the octets of a connection (RFC 6455 §5).
///
/// A message in one frame is a slice of the block that it was read into; the
/// block is used again once nobody keeps any of it. Fragments are joined, which
/// copies each octet once.
#[derive(Debug)]
pub(super) struct Incoming {
    /// What was read, and behind it room that was zeroed when it was made.
    block: BytesMut,
    /// How much of the block was read.
    have: usize,
    /// How much room a new block gets: as much as lately came at once.
    room: usize,
    /// Whether a read has filled all its room since the block was made.
    filled: bool,
    /// A message that goes on, and whether it is text.
    joined: Option<(Data, BytesMut)>,
    /// The largest message.
    limit: usize,
}

/// The head of a frame.
struct Head {
    last: bool,
    opcode: OpCode,
    /// Where the payload begins and ends.
    start: usize,
    end: usize,
}

/// Room for reading: little for a connection that hardly says anything, and
/// enough to make a system call worth while for one that says much.
const LEAST_ROOM: usize = 4 << 10;
const MOST_ROOM: usize = 64 << 10;
/// Less room than this is not worth a read.
const TOO_LITTLE: usize = 2 << 10;
/// So much is reserved at once for a frame whose head promises it.
const TRUSTED: usize = 1 << 20;

impl Incoming {
    /// Begins with octets that have been read already.
    pub(super) fn new(read: &[u8], limit: usize) -> Self {
        Self {
            have: read.len(),
            block: read.into(),
            room: LEAST_ROOM,
            filled: false,
            joined: None,
            limit,
        }
    }

    /// Whether the next read needs another block, or this one anew.
    pub(super) fn is_full(&self) -> bool {
        let room = self.block.len() - self.have;
        match self.frame_end() {
            None => room < TOO_LITTLE,
            Some(end) => {
                end > self.block.len() && (room < TOO_LITTLE || self.block.len() < TRUSTED)
            }
        }
    }

    /// Reads once. `Ok(0)` is the end.
    pub(super) fn read(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.is_full() {
            self.make_room();
        }
        let room = &mut self.block[self.have..];
        let read = stream.read(room)?;
        if read == room.len() {
            self.room = (self.room * 2).min(MOST_ROOM);
            self.filled = true;
        }
        self.have += read;
        Ok(read)
    }

    /// The next thing that has come whole; `None` until more is read.
    pub(super) fn next(&mut self) -> Result<Option<Said>, Error> {
        loop {
            let Some(head) = head(&self.block[..self.have], self.limit)? else {
                return Ok(None);
            };
            check(&head)?;
            if head.end > self.have {
                return Ok(None);
            }
            self.have -= head.end;
            let payload = self.block.split_to(head.end);
            let said = match head.opcode {
                OpCode::Control(control) => Some(control_frame(control, payload, head.start)?),
                OpCode::Data(data) => self
                    .data_frame(data, head.last, payload, head.start)?
                    .map(Said::Message),
            };
            if said.is_some() {
                return Ok(said);
            }
        }
    }

    /// Where the frame under way ends, if that is known.
    fn frame_end(&self) -> Option<usize> {
        let head = head(&self.block[..self.have], self.limit).ok()??;
        Some(head.end)
    }

    /// Makes room in the same block, if nobody keeps any of it.
    fn make_room(&mut self) {
        if !std::mem::take(&mut self.filled) {
            self.room = (self.room / 2).max(LEAST_ROOM);
        }
        // A peer's word alone does not make us take much memory.
        let missing = self.frame_end().unwrap_or(0).saturating_sub(self.have);
        let room = missing.min(TRUSTED.max(self.have)).max(self.room);
        self.block.truncate(self.have);
        self.block.reserve(room);
        self.block.resize(self.have + room, 0);
    }

    fn data_frame(
        &mut self,
        data: Data,
        last: bool,
        mut frame: BytesMut,
        start: usize,
    ) -> Result<Option<Piece>, Error> {
        let (data, octets) = match (data, self.joined.take()) {
            (Data::Continue, None) => return Err(ProtocolError::UnexpectedContinueFrame.into()),
            (Data::Continue, Some((data, mut joined))) => {
                let payload = &frame[start..];
                check_size(joined.len().saturating_add(payload.len()), self.limit)?;
                joined.extend_from_slice(payload);
                (data, joined)
            }
            (data, Some(_)) => return Err(ProtocolError::ExpectedFragment(data).into()),
            (data, None) if last => {
                bytes::Buf::advance(&mut frame, start);
                (data, frame)
            }
            (data, None) => (data, BytesMut::from(&frame[start..])),
        };
        if !last {
            self.joined = Some((data, octets));
            return Ok(None);
        }
        let octets = octets.freeze();
        Ok(Some(match data {
            Data::Text => Piece::text(octets).map_err(not_text)?,
            Data::Binary | Data::Continue | Data::Reserved(_) => octets.into(),
        }))
    }
}

fn control_frame(control: Control, mut frame: BytesMut, start: usize) -> Result<Said, Error> {
    bytes::Buf::advance(&mut frame, start);
    match control {
        Control::Ping => Ok(Said::Ping(frame.freeze())),
        Control::Pong => Ok(Said::Pong),
        Control::Close => match &frame[..] {
            [] => Ok(Said::Close(None)),
            [_] => Err(ProtocolError::InvalidCloseSequence.into()),
            [high, low, reason @ ..] => {
                let reason = str::from_utf8(reason).map_err(not_text)?.into();
                let code = u16::from_be_bytes([*high, *low]).into();
                Ok(Said::Close(Some(CloseFrame { code, reason })))
            }
        },
        Control::Reserved(n) => Err(ProtocolError::UnknownControlFrameType(n).into()),
    }
}

/// Reads the head of a frame; `None` if it is not all there.
fn head(octets: &[u8], limit: usize) -> Result<Option<Head>, Error> {
    let (first, second, length, start) = match octets {
        [a, b, c, d, ..] if b & LENGTH == 126 => {
            let length = u16::from_be_bytes([*c, *d]);
            (*a, *b, u64::from(length), 4)
        }
        [a, b, c, d, e, f, g, h, i, j, ..] if b & LENGTH == 127 => {
            let length = u64::from_be_bytes([*c, *d, *e, *f, *g, *h, *i, *j]);
            (*a, *b, length, 10)
        }
        [a, b, ..] if b & LENGTH < 126 => (*a, *b, u64::from(b & LENGTH), 2),
        _ => return Ok(None),
    };
    let opcode = OpCode::from(first & OPCODE);
    if let OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) = opcode {
        return Err(ProtocolError::InvalidOpcode(first & OPCODE).into());
    }
    // No extension was agreed on that would give them a meaning.
    if first & RESERVED != 0 {
        return Err(ProtocolError::NonZeroReservedBits.into());
    }
    if second & MASKED != 0 {
        return Err(ProtocolError::MaskedFrameFromServer.into());
    }
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    check_size(size, limit)?;
    Ok(Some(Head {
        last: first & FIN != 0,
        opcode,
        start,
        end: start + size,
    }))
}

/// Control frames are short and whole (RFC 6455 §5.5).
fn check(head: &Head) -> Result<(), Error> {
    if let OpCode::Control(_) = head.opcode {
        if !head.last {
            return Err(ProtocolError::FragmentedControlFrame.into());
        }
        if head.end - head.start > 125 {
            return Err(ProtocolError::ControlFrameTooBig.into());
        }
    }
    Ok(())
}

fn check_size(size: usize, max_size: usize) -> Result<(), Error> {
    if size > max_size {
        return Err(CapacityError::MessageTooLong { size, max_size }.into());
    }
    Ok(())
}

fn not_text(e: Utf8Error) -> Error {
    Error::Utf8(e.to_string())
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;

#[cfg(test)]
mod tests;
