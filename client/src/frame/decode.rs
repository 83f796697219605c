//! Cuts frames out of a stream of octets.

use std::{collections::VecDeque, mem};

use bytes::BytesMut;

use super::{
    DecodeError, Frame, Layout, Piece, Version,
    expect::Expected,
    scan::{Fault, Scan},
};

/// What a peer may send at most (STOMP 1.2 §Size Limits).
///
/// A limit holds as soon as it is exceeded: a frame that has no end is refused
/// before it is all there, and so is a content-length that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Octets of one frame, its NUL not counted. 64 MiB by default, never more
    /// than 4 GiB.
    pub frame: usize,
    /// Header lines of one frame. 1000 by default.
    pub headers: usize,
    /// Octets of command and headers, line ends included. 256 KiB by default.
    pub header_octets: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            frame: 64 << 20,
            headers: 1000,
            header_octets: 256 << 10,
        }
    }
}

/// An incremental decoder: octets in pieces of any size in, whole frames out.
///
/// A frame need not fit the pieces: STOMP is a stream of octets, even where
/// WebSocket messages carry it. A frame that lies within one piece is a slice
/// of it, without a copy; only the frame at a seam is copied, once.
///
/// Lines may end in LF or CR LF. Between frames any number of line ends may
/// stand (heart-beats are such), and NULs, which some brokers beat with.
#[derive(Debug)]
pub struct Decoder {
    limits: DecodeLimits,
    version: Version,
    /// The piece that is being read, from where the next frame begins.
    input: Piece,
    /// Pieces that were pushed before `input` was read to its end.
    later: VecDeque<Piece>,
    /// The beginning of a frame that goes on in `input`; of one frame only.
    tail: BytesMut,
    scan: Scan,
    expected: Expected,
    /// Where the present frame begins in the stream.
    offset: u64,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A decoder for STOMP 1.2.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        let limits = DecodeLimits {
            frame: limits.frame.min(LARGEST),
            header_octets: limits.header_octets.min(LARGEST),
            ..limits
        };
        Self {
            limits,
            version: Version::V1_2,
            input: Piece::new(),
            later: VecDeque::new(),
            tail: BytesMut::new(),
            scan: Scan::new(),
            expected: Expected::default(),
            offset: 0,
            failed: None,
        }
    }

    /// The version that was agreed on; holds for the frames that
    /// [`next_frame`](Self::next_frame) has not yet returned.
    ///
    /// It decides the escapes, except in CONNECT and CONNECTED, which have none
    /// in any version (STOMP 1.2 §Value Encoding).
    pub fn set_version(&mut self, version: Version) {
        if self.version != version {
            self.version = version;
            self.expected.forget();
        }
    }

    /// Takes the next octets of the stream, for example one WebSocket message.
    pub fn push(&mut self, octets: impl Into<Piece>) {
        let piece = octets.into();
        if piece.octets().is_empty() || self.failed.is_some() {
            return;
        }
        if self.input.octets().is_empty() {
            self.input = piece;
        } else {
            self.later.push_back(piece);
        }
    }

    /// Passes over a frame that somebody else has read, of so many octets and with one
    /// header. False if something is before it, or if it is too large: it is to be
    /// pushed then.
    pub(crate) fn pass_over(&mut self, octets: usize) -> bool {
        let limits = &self.limits;
        let passes = self.has_nothing()
            && octets <= limits.header_octets.min(limits.frame)
            && limits.headers > 0;
        if passes {
            self.offset += octets as u64;
        }
        passes
    }

    /// The only frame in a piece that holds nothing else, if nothing is before it
    /// and it is easily told: what most are. Any other piece is to be
    /// [pushed](Self::push).
    #[inline]
    pub(crate) fn take(&mut self, piece: Piece) -> Result<Frame, Piece> {
        if !self.has_nothing() {
            return Err(piece);
        }
        match self.expected.meet(piece.octets(), &self.limits) {
            Some((length, layout)) if length == piece.octets().len() => {
                self.offset += length as u64;
                let layout = *layout;
                Ok(Frame { piece, layout })
            }
            Some(_) | None => Err(piece),
        }
    }

    /// Whether what comes next begins a frame, and is to be read.
    #[inline]
    fn has_nothing(&self) -> bool {
        self.input.octets().is_empty()
            && self.later.is_empty()
            && self.tail.is_empty()
            && self.failed.is_none()
    }

    /// The next whole frame; `None` until more is pushed.
    ///
    /// # Errors
    ///
    /// If the octets are not STOMP. The stream is lost then: every later call
    /// returns the same error, until [`reset`](Self::reset).
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        loop {
            if self.input.octets().is_empty() {
                match self.later.pop_front() {
                    Some(next) => self.input = next,
                    None => return Ok(None),
                }
            }
            let frame = if self.tail.is_empty() {
                self.slice()
            } else {
                self.join()
            };
            match frame {
                Ok(None) => {}
                Ok(whole) => return Ok(whole),
                Err(fault) => return Err(self.fail(fault)),
            }
        }
    }

    /// Whether a frame has begun and not ended.
    ///
    /// Its answer changes with [`push`](Self::push),
    /// [`next_frame`](Self::next_frame) and [`reset`](Self::reset).
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        let mut pieces = self.later.iter().chain([&self.input]);
        !self.tail.is_empty() || pieces.any(|p| between_frames(p.octets()) < p.octets().len())
    }

    /// The octets that were pushed and have not become frames.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let later: usize = self.later.iter().map(|p| p.octets().len()).sum();
        self.tail.len() + self.input.octets().len() + later
    }

    /// Forgets everything but the limits, for a new stream.
    pub fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Reads a frame within `input`. What begins there and does not end there
    /// is moved to `tail`.
    fn slice(&mut self) -> Result<Option<Frame>, Fault> {
        self.skip(between_frames(self.input.octets()));
        let octets = self.input.octets();
        if octets.is_empty() {
            self.input = Piece::new();
            return Ok(None);
        }
        let met = match self.expected.meet(octets, &self.limits) {
            Some((length, layout)) => Some((length, *layout)),
            None => self.walk()?,
        };
        let octets = self.input.octets();
        if let Some((length, layout)) = met {
            let piece = if length == octets.len() {
                // All of it: nothing here is to keep its block alive.
                mem::replace(&mut self.input, Piece::new())
            } else {
                self.input.split_to(length)
            };
            return Ok(Some(self.finish(piece, layout)));
        }
        self.tail = BytesMut::with_capacity(self.capacity(octets.len()));
        self.tail.extend_from_slice(octets);
        self.input = Piece::new();
        Ok(None)
    }

    /// Reads line by line what `input` begins with: the length of a frame, with its
    /// NUL, and what is where in it.
    fn walk(&mut self) -> Result<Option<(usize, Layout)>, Fault> {
        let (octets, text) = (self.input.octets(), self.input.is_text());
        let end = self
            .scan
            .advance(octets, text, self.version, &self.limits)?;
        let Some(end) = end else { return Ok(None) };
        let layout = mem::replace(&mut self.scan, Scan::new()).layout();
        self.expected.learn(octets, layout);
        Ok(Some((end + 1, layout)))
    }

    /// Moves octets from `input` to `tail` until the frame there is whole, and
    /// none of what follows it.
    fn join(&mut self) -> Result<Option<Frame>, Fault> {
        let mut whole = None;
        while whole.is_none() && !self.input.octets().is_empty() {
            let have = self.tail.len();
            let input = self.input.octets();
            let more = self.scan.wanted(have, input, &self.limits);
            if have + more > self.tail.capacity() {
                self.tail.reserve(self.capacity(have + more) - have);
            }
            self.tail.extend_from_slice(&input[..more]);
            self.input.advance(more);
            let end = self
                .scan
                .advance(&self.tail, false, self.version, &self.limits)?;
            if let Some(end) = end {
                let mut octets = mem::take(&mut self.tail);
                octets.truncate(end + 1);
                let layout = mem::replace(&mut self.scan, Scan::new()).layout();
                whole = Some(self.finish(octets.freeze().into(), layout));
            }
        }
        if self.input.octets().is_empty() {
            // It would keep its block from being read into again.
            self.input = Piece::new();
        }
        Ok(whole)
    }

    fn finish(&mut self, piece: Piece, layout: Layout) -> Frame {
        self.offset += piece.octets().len() as u64;
        Frame { piece, layout }
    }

    fn skip(&mut self, octets: usize) {
        self.input.advance(octets);
        self.offset += octets as u64;
    }

    /// Room for `least` octets, and for the whole frame if its size is known
    /// and modest: a peer's word alone does not make us allocate much.
    fn capacity(&self, least: usize) -> usize {
        let whole = self.scan.size().unwrap_or(0).min(TRUSTED);
        whole.max(least)
    }

    fn fail(&mut self, fault: Fault) -> DecodeError {
        let frame: &[u8] = if self.tail.is_empty() {
            self.input.octets()
        } else {
            &self.tail
        };
        let e = DecodeError::new(fault.kind, self.offset + fault.at as u64, frame);
        self.tail = BytesMut::new();
        self.input = Piece::new();
        self.later.clear();
        self.failed = Some(e.clone());
        e
    }
}

/// How many of the first octets belong to no frame.
fn between_frames(octets: &[u8]) -> usize {
    let is_frame = |octet: &u8| !matches!(octet, b'\n' | b'\r' | 0);
    octets.iter().position(is_frame).unwrap_or(octets.len())
}

/// Offsets into a frame are of 32 bits.
const LARGEST: usize = u32::MAX as usize - 1;

/// So much is reserved at once for a frame whose content-length promises it.
const TRUSTED: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn decoder() -> Decoder {
        Decoder::new(DecodeLimits::default())
    }

    #[test]
    fn what_is_taken_at_once_is_what_would_be_read_with_care() {
        let sample = b"MESSAGE\nsubscription:1\nmessage-id:m\\c10\ncontent-length:3\n\nabc\0";
        let piece = |octets: &[u8]| Piece::from(Bytes::copy_from_slice(octets));
        let mut taken = 0;
        for (at, octet) in (0..sample.len()).flat_map(|at| (0..=255).map(move |o| (at, o))) {
            let mut expecting = decoder();
            expecting.push(piece(sample));
            expecting.next_frame().unwrap();
            let mut octets = *sample;
            octets[at] = octet;
            let Ok(frame) = expecting.take(piece(&octets)) else {
                continue;
            };
            taken += 1;
            let mut careful = decoder();
            careful.push(piece(&octets));
            let read = careful.next_frame().unwrap().unwrap();
            let headers = |frame: &Frame| format!("{:?}", frame.headers().collect::<Vec<_>>());
            assert_eq!(frame.command(), read.command(), "{at} {octet}");
            assert_eq!(headers(&frame), headers(&read), "{at} {octet}");
            assert_eq!(frame.body(), read.body(), "{at} {octet}");
            assert!(careful.next_frame().unwrap().is_none());
        }
        // At the least: as it is, and with any octet in the body.
        assert!(taken > sample.len() + 3 * 255, "{taken}");
    }

    #[test]
    fn nothing_is_taken_or_passed_over_behind_what_is_not_whole() {
        let sample = b"RECEIPT\nreceipt-id:1\n\n\0";
        for cut in 1..sample.len() {
            let mut decoder = decoder();
            decoder.push(Bytes::from_static(sample));
            decoder.next_frame().unwrap();
            decoder.push(Bytes::from_static(&sample[..cut]));
            decoder.next_frame().unwrap();
            assert!(!decoder.pass_over(sample.len()), "{cut}");
            assert!(decoder.take(Bytes::from_static(sample).into()).is_err());
        }
    }
}
