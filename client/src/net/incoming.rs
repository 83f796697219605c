//! WebSocket frames, as a client reads them.
//!
//! tungstenite fills its buffer with zeros before every read and walks through
//! three layers for each message; here a message is cut out of what was read,
//! and that is all.

use std::{
    io::{self, Read},
    mem,
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

use super::blocks::{self, BLOCK, KEPT_LARGE};

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
    /// What was read, and behind it room, whose octets mean nothing.
    block: BytesMut,
    /// How much of the block was read.
    have: usize,
    /// Where it goes when another takes its place.
    kind: Kind,
    /// Whether a frame came that no shared block can hold.
    large: bool,
    /// How much room is wanted: as much as lately came at once.
    room: usize,
    /// Whether a read has filled all its room since the block was made.
    filled: bool,
    /// A message that goes on, and whether it is text.
    joined: Option<(Data, BytesMut)>,
    /// How much of a fragment is still to come, and whether it is the last: a
    /// large one is joined as it comes, so that it need not wait in the block.
    rest: Option<(usize, bool)>,
    /// The largest message.
    limit: usize,
    /// A text that was none, to be told.
    not_text: Option<Utf8Error>,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Made for a few octets, which it is full of.
    Little,
    /// One that connections share.
    Shared,
    /// This connection's own, for which so much was allocated, at least.
    Own(usize),
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
const MOST_ROOM: usize = BLOCK;
/// Less room than this is not worth a read.
const TOO_LITTLE: usize = 2 << 10;
/// The beginning of a frame that is small enough to be copied, rather than keep
/// a block from others.
const LITTLE: usize = 4 << 10;
/// So much is reserved at once for a frame whose head promises it.
const TRUSTED: usize = 1 << 20;

impl Incoming {
    /// Begins with octets that have been read already.
    pub(super) fn new(read: &[u8], limit: usize) -> Self {
        Self {
            have: read.len(),
            block: read.into(),
            kind: Kind::Little,
            large: false,
            room: LEAST_ROOM,
            filled: false,
            joined: None,
            rest: None,
            limit,
            not_text: None,
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
        if read == room.len() || read >= self.room {
            self.room = (self.room * 2).min(MOST_ROOM);
            self.filled = true;
        }
        self.have += read;
        Ok(read)
    }

    /// The next message if it has come whole, in one frame: what most are.
    /// Whatever else there is comes out of [`next`](Self::next).
    #[inline]
    pub(super) fn message(&mut self) -> Option<Piece> {
        let (first, start, length) = match self.block[..self.have] {
            [first, length @ 0..126, ..] => (first, 2, usize::from(length)),
            [first, 126, high, low, ..] => (first, 4, u16::from_be_bytes([high, low]).into()),
            _ => return None,
        };
        let end = start + length;
        let is_one = matches!(first, TEXT | BINARY) && length > 0 && self.joined.is_none();
        if !is_one || end > self.have || length > self.limit {
            return None;
        }
        let octets = self.cut(start, end).freeze();
        if first == BINARY {
            return Some(octets.into());
        }
        let text = Piece::text(octets);
        text.map_err(|e| self.not_text = Some(e)).ok()
    }

    fn skip(&mut self, octets: usize) {
        self.have -= octets;
        bytes::Buf::advance(&mut self.block, octets);
    }

    /// Takes a frame's payload out of the block.
    #[inline]
    fn cut(&mut self, start: usize, end: usize) -> BytesMut {
        self.have -= end;
        let mut payload = self.block.split_to(end);
        bytes::Buf::advance(&mut payload, start);
        payload
    }

    /// The next thing that has come whole; `None` until more is read.
    pub(super) fn next(&mut self) -> Result<Option<Said>, Error> {
        if let Some(e) = self.not_text.take() {
            return Err(not_text(e));
        }
        loop {
            let message = if self.rest.is_some() {
                self.go_on()?
            } else {
                let Some(head) = head(&self.block[..self.have], self.limit)? else {
                    return Ok(None);
                };
                check(&head)?;
                let is_whole = head.end <= self.have;
                match head.opcode {
                    OpCode::Control(_) if !is_whole => return Ok(None),
                    OpCode::Control(control) => {
                        let payload = self.cut(head.start, head.end);
                        return control_frame(control, payload).map(Some);
                    }
                    OpCode::Data(data) if head.last && self.joined.is_none() => {
                        check_order(data, None)?;
                        if !is_whole {
                            return Ok(None);
                        }
                        let payload = self.cut(head.start, head.end);
                        Some(finish(data, payload)?)
                    }
                    OpCode::Data(data) => {
                        self.begin(data, &head)?;
                        self.go_on()?
                    }
                }
            };
            match message {
                Some(message) => return Ok(Some(Said::Message(message))),
                None if self.rest.is_some() => return Ok(None),
                None => {}
            }
        }
    }

    /// Begins with a fragment.
    fn begin(&mut self, data: Data, head: &Head) -> Result<(), Error> {
        let length = head.end - head.start;
        check_order(data, self.joined.as_ref().map(|(data, _)| *data))?;
        let (_, joined) = self
            .joined
            .get_or_insert_with(|| (data, BytesMut::with_capacity(length.min(TRUSTED))));
        check_size(joined.len().saturating_add(length), self.limit)?;
        self.skip(head.start);
        self.rest = Some((length, head.last));
        Ok(())
    }

    /// Joins what has come of a fragment. The message if that was the last of it;
    /// nothing is left of a fragment that is whole.
    fn go_on(&mut self) -> Result<Option<Piece>, Error> {
        let Some(((_, joined), (rest, last))) = self.joined.as_mut().zip(self.rest) else {
            return Ok(None);
        };
        let here = rest.min(self.have);
        joined.extend_from_slice(&self.block[..here]);
        self.skip(here);
        if here < rest {
            self.rest = Some((rest - here, last));
            return Ok(None);
        }
        self.rest = None;
        let whole = self.joined.take_if(|_| last);
        whole.map(|(data, octets)| finish(data, octets)).transpose()
    }

    /// Where the frame under way ends, if that is known.
    fn frame_end(&self) -> Option<usize> {
        if self.rest.is_some() {
            return None;
        }
        let head = head(&self.block[..self.have], self.limit).ok()??;
        Some(head.end)
    }

    /// Makes room in the same block, if nobody keeps any of it.
    fn make_room(&mut self) {
        if !mem::take(&mut self.filled) {
            self.room = (self.room / 2).max(LEAST_ROOM);
        }
        // A peer's word alone does not make us take much memory.
        let missing = self.frame_end().unwrap_or(0).saturating_sub(self.have);
        let missing = missing.min(TRUSTED.max(self.have));
        let room = missing.max(self.room);
        self.block.truncate(self.have);
        let shared = self.kind == Kind::Shared;
        if shared && self.block.try_reclaim(missing.max(BLOCK - self.have)) {
            self.block.resize(BLOCK, 0);
        } else if self.have + missing > BLOCK || self.large {
            self.make_own_room(room);
        } else {
            let block = blocks::take((self.have + room).min(BLOCK));
            self.change_block(block, Kind::Shared);
        }
    }

    /// In a block that it shares with no other connection, from the first frame on
    /// that is larger than those.
    fn make_own_room(&mut self, room: usize) {
        self.large = true;
        let size = self.have + room;
        let own = match self.kind {
            Kind::Shared => None,
            Kind::Little => Some(0),
            Kind::Own(own) => Some(own),
        };
        match own {
            Some(own) if size > KEPT_LARGE || (own >= size && self.block.try_reclaim(room)) => {
                // It grows, if nobody keeps any of it, without being copied.
                self.block.reserve(room);
                self.block.resize(size, 0);
                self.kind = Kind::Own(own.max(size));
            }
            Some(_) | None => {
                let (block, own) = blocks::take_large(size.max(BLOCK));
                self.change_block(block, Kind::Own(own));
            }
        }
    }

    fn change_block(&mut self, mut block: BytesMut, kind: Kind) {
        block[..self.have].copy_from_slice(&self.block);
        let full = mem::replace(&mut self.block, block);
        match mem::replace(&mut self.kind, kind) {
            Kind::Little => {}
            Kind::Shared => blocks::put(full),
            Kind::Own(size) => blocks::put_large(full, size),
        }
    }

    /// Nothing comes for now: other connections may use the rest of the block.
    pub(super) fn rest(&mut self) {
        if self.kind == Kind::Shared && self.have <= LITTLE {
            let begun = self.block[..self.have].into();
            let mut rest = mem::replace(&mut self.block, begun);
            bytes::Buf::advance(&mut rest, self.have);
            blocks::put(rest);
            self.kind = Kind::Little;
        }
    }
}

/// A message whose octets are all there.
fn finish(data: Data, octets: BytesMut) -> Result<Piece, Error> {
    let octets = octets.freeze();
    match data {
        Data::Text => Piece::text(octets).map_err(not_text),
        Data::Binary | Data::Continue | Data::Reserved(_) => Ok(octets.into()),
    }
}

/// Only a message that has begun goes on, and no other begins meanwhile.
fn check_order(data: Data, begun: Option<Data>) -> Result<(), Error> {
    match (data, begun) {
        (Data::Continue, None) => Err(ProtocolError::UnexpectedContinueFrame.into()),
        (Data::Continue, Some(_)) | (_, None) => Ok(()),
        (data, Some(_)) => Err(ProtocolError::ExpectedFragment(data).into()),
    }
}

fn control_frame(control: Control, frame: BytesMut) -> Result<Said, Error> {
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

/// The first octet of a message in one frame.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;

#[cfg(test)]
mod tests;
