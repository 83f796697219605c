//! One pass over the octets of one frame, which may stop and go on anywhere.

use std::str;

use memchr::memchr;

use super::{
    Command, DecodeErrorKind, DecodeLimits, Layout, LengthFault, Limit, Value, Version,
    command::LONGEST_LINE,
    escape::{Escapes, Presence},
    headers::trim_cr,
};

/// How far a frame has been read. No octet is looked at twice, however small
/// the pieces are in which they come.
#[derive(Debug)]
pub(super) struct Scan {
    stage: Stage,
    /// What is looked for does not occur before this offset.
    scanned: usize,
    /// Where the unfinished line begins.
    line: usize,
    /// Header lines so far.
    count: usize,
    content_length: Option<usize>,
    layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Command,
    Headers,
    /// The body ends at the first NUL.
    BodyToNul,
    /// The body ends at this offset, whatever it holds.
    BodyTo(usize),
}

/// What is wrong, at which offset into the frame.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: DecodeErrorKind,
    pub(super) at: usize,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Command,
            scanned: 0,
            line: 0,
            count: 0,
            content_length: None,
            layout: Layout {
                headers: 0,
                body: 0,
                subscription: Value::default(),
                destination: Value::default(),
                message_id: Value::default(),
                command: Command::Error,
                version: Version::V1_2,
                escapes: Escapes::None,
            },
        }
    }

    /// Reads on in a frame of which `octets` have arrived, known to be `text` or
    /// not. `Some(end)` when it is whole: its NUL stands at `end`.
    pub(super) fn advance(
        &mut self,
        octets: &[u8],
        text: bool,
        version: Version,
        limits: &DecodeLimits,
    ) -> Result<Option<usize>, Fault> {
        loop {
            match self.stage {
                Stage::Command | Stage::Headers => {
                    let Some(end) = self.head(octets, limits)? else {
                        return Ok(None);
                    };
                    let head = &octets[..end];
                    if !text {
                        check_text(head)?;
                    }
                    self.end_headers(head, version, limits)?;
                }
                Stage::BodyToNul => return self.find_nul(octets, limits),
                Stage::BodyTo(end) => {
                    return match octets.get(end) {
                        None => Ok(None),
                        Some(0) => Ok(Some(end)),
                        Some(&found) => Err(Fault {
                            kind: DecodeErrorKind::ContentLength(LengthFault::NoNulAfterBody {
                                found,
                            }),
                            at: end,
                        }),
                    };
                }
            }
        }
    }

    /// How many octets of `input`, which follows what was scanned, bring the
    /// frame forward: never more than belong to it.
    pub(super) fn wanted(&self, have: usize, input: &[u8], limits: &DecodeLimits) -> usize {
        let (found, most) = match self.stage {
            Stage::Command | Stage::Headers => (memchr(b'\n', input), limits.header_octets),
            Stage::BodyToNul => (memchr(0, input), limits.frame),
            Stage::BodyTo(end) => (Some(end - have), limits.frame),
        };
        let wanted = found.map_or(input.len(), |at| at + 1);
        // One octet beyond a limit is enough to see that it is exceeded.
        wanted.min((most + 1).saturating_sub(have)).min(input.len())
    }

    /// The octets the frame will have with its NUL, if that is known.
    pub(super) fn size(&self) -> Option<usize> {
        match self.stage {
            Stage::BodyTo(end) => Some(end + 1),
            Stage::Command | Stage::Headers | Stage::BodyToNul => None,
        }
    }

    /// Where the parts are, once [`advance`](Self::advance) found the end.
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Reads lines up to the blank one; returns where that ends, and leaves off
    /// behind it.
    fn head(&mut self, octets: &[u8], limits: &DecodeLimits) -> Result<Option<usize>, Fault> {
        let most = limits.header_octets.min(limits.frame);
        let head = &octets[..octets.len().min(most)];
        while self.scanned < head.len() {
            let (mut low, length) = match head[self.scanned..].first_chunk() {
                Some(block) => (up_to_line_feed(block), BLOCK),
                None => padded(&head[self.scanned..]),
            };
            while low != 0 {
                let end = self.scanned + low.trailing_zeros() as usize;
                low &= low - 1;
                match head[end] {
                    b'\n' => {}
                    0 => return Err(self.bad_end(head, end, limits)),
                    _ => continue,
                }
                if self.take_line(head, end, limits)? {
                    self.scanned = end + 1;
                    return Ok(Some(end));
                }
            }
            self.scanned += length;
        }
        // One octet beyond a limit is enough to see that it is exceeded.
        self.check_head(octets.len().min(most + 1), limits)
            .map(|()| None)
    }

    /// Takes the line that ends at `end`. Whether it is the blank one.
    #[inline]
    fn take_line(
        &mut self,
        octets: &[u8],
        end: usize,
        limits: &DecodeLimits,
    ) -> Result<bool, Fault> {
        let at = self.line;
        let line = trim_cr(&octets[at..end]);
        self.line = end + 1;
        if self.stage == Stage::Command {
            if end > LONGEST_LINE {
                return Err(fault(DecodeErrorKind::UnknownCommand, 0));
            }
            self.take_command(line)?;
            self.layout.headers = offset(end + 1);
        } else if line.is_empty() {
            return Ok(true);
        } else {
            self.take_header(line, at, limits)?;
        }
        Ok(false)
    }

    /// Whether a head of so many octets may still go on.
    fn check_head(&self, octets: usize, limits: &DecodeLimits) -> Result<(), Fault> {
        if self.stage == Stage::Command && octets > LONGEST_LINE {
            return Err(fault(DecodeErrorKind::UnknownCommand, 0));
        }
        if octets > limits.header_octets {
            return Err(too_large(Limit::HeaderOctets, limits.header_octets));
        }
        if octets > limits.frame {
            return Err(too_large(Limit::Frame, limits.frame));
        }
        Ok(())
    }

    /// What is wrong with a line that ends with NUL, or beyond a limit.
    #[cold]
    fn bad_end(&mut self, octets: &[u8], end: usize, limits: &DecodeLimits) -> Fault {
        if self.stage == Stage::Command && end > LONGEST_LINE {
            return fault(DecodeErrorKind::UnknownCommand, 0);
        }
        let taken = match self.stage {
            Stage::Command if octets[end] == 0 => self.take_command(&octets[self.line..end]),
            Stage::Command | Stage::Headers | Stage::BodyToNul | Stage::BodyTo(_) => Ok(()),
        };
        let bad = self.check_head(end + 1, limits).and(taken);
        bad.err()
            .unwrap_or(fault(DecodeErrorKind::NulInHeader, end))
    }

    fn take_command(&mut self, line: &[u8]) -> Result<(), Fault> {
        let command = Command::from_octets(line);
        self.layout.command = command.ok_or(fault(DecodeErrorKind::UnknownCommand, 0))?;
        self.stage = Stage::Headers;
        Ok(())
    }

    /// The name ends at the first colon; the rest is the value, colons and
    /// blanks included. Of repeated headers the first counts.
    #[inline]
    fn take_header(&mut self, line: &[u8], at: usize, limits: &DecodeLimits) -> Result<(), Fault> {
        if self.count == limits.headers {
            return Err(Fault {
                at,
                ..too_large(Limit::Headers, limits.headers)
            });
        }
        self.count += 1;
        // The names that most messages have need no search for the colon.
        let layout = &mut self.layout;
        match line {
            [b's', ..] if line.starts_with(b"subscription:") => {
                layout.subscription.note(at, line, b"subscription:".len());
            }
            [b'd', ..] if line.starts_with(b"destination:") => {
                layout.destination.note(at, line, b"destination:".len());
            }
            [b'm', ..] if line.starts_with(b"message-id:") => {
                layout.message_id.note(at, line, b"message-id:".len());
            }
            [b'c', ..] if line.starts_with(b"content-length:") => {
                self.take_length(line, at, limits)?;
            }
            [b'c', ..] if line.starts_with(b"content-type:") => {}
            [b't', ..] if line.starts_with(b"timestamp:") => {}
            [b'p', ..] if line.starts_with(b"priority:") => {}
            [b':', ..] => return Err(fault(DecodeErrorKind::EmptyHeaderName, at)),
            _ if memchr(b':', line).is_some() => {}
            _ => return Err(fault(DecodeErrorKind::HeaderWithoutColon, at)),
        }
        Ok(())
    }

    fn take_length(&mut self, line: &[u8], at: usize, limits: &DecodeLimits) -> Result<(), Fault> {
        if self.content_length.is_none() {
            let name = b"content-length:".len();
            let length = content_length(&line[name..], limits.frame);
            self.content_length = Some(length.map_err(|kind| fault(kind, at + name))?);
        }
        Ok(())
    }

    /// The blank line ends at `head.len()`: what concerns the headers as a
    /// whole is checked here, once.
    fn end_headers(
        &mut self,
        head: &[u8],
        version: Version,
        limits: &DecodeLimits,
    ) -> Result<(), Fault> {
        let headers = self.layout.headers as usize;
        let escapes = Escapes::of_frame(self.layout.command, version);
        self.layout.version = version;
        self.layout.escapes = match escapes.check(&head[headers..]) {
            Ok(Presence::Present) => escapes,
            Ok(Presence::Absent) => Escapes::None,
            Err(bad) => {
                let kind = DecodeErrorKind::BadEscape { octet: bad.letter };
                return Err(fault(kind, headers + bad.at));
            }
        };
        let body = head.len() + 1;
        self.layout.body = offset(body);
        self.stage = match self.content_length {
            None => Stage::BodyToNul,
            Some(length) if has_room(body, length, limits) => Stage::BodyTo(body + length),
            Some(_) => return Err(too_large(Limit::Frame, limits.frame)),
        };
        Ok(())
    }

    fn find_nul(&mut self, octets: &[u8], limits: &DecodeLimits) -> Result<Option<usize>, Fault> {
        let found = memchr(0, &octets[self.scanned..]).map(|at| self.scanned + at);
        if found.unwrap_or(octets.len()) > limits.frame {
            return Err(too_large(Limit::Frame, limits.frame));
        }
        self.scanned = octets.len();
        Ok(found)
    }
}

impl Value {
    /// Of repeated headers the first counts. A line begins at `at`, its value
    /// after the name.
    #[inline]
    fn note(&mut self, at: usize, line: &[u8], name: usize) {
        if self.at == 0 {
            let place = (at + name).try_into();
            if let (Ok(at), Ok(length)) = (place, (line.len() - name).try_into()) {
                *self = Self { at, length };
            }
        }
    }
}

fn check_text(head: &[u8]) -> Result<(), Fault> {
    if !head.is_ascii() {
        str::from_utf8(head).map_err(|e| fault(DecodeErrorKind::NotUtf8, e.valid_up_to()))?;
    }
    Ok(())
}

pub(super) fn content_length(value: &[u8], limit: usize) -> Result<usize, DecodeErrorKind> {
    if value.is_empty() {
        return Err(DecodeErrorKind::ContentLength(LengthFault::NotANumber));
    }
    let mut length = 0u64;
    for &octet in value {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            return Err(DecodeErrorKind::ContentLength(LengthFault::NotANumber));
        }
        // What is beyond every limit stays there.
        length = length.min(u64::MAX / 16) * 10 + u64::from(digit);
    }
    match usize::try_from(length) {
        Ok(length) if length <= limit => Ok(length),
        Ok(_) | Err(_) => {
            let what = Limit::Frame;
            Err(DecodeErrorKind::TooLarge { what, limit })
        }
    }
}

/// Whether a frame may have so large a body, which begins there.
pub(super) const fn has_room(body: usize, length: usize, limits: &DecodeLimits) -> bool {
    length <= limits.frame - body
}

fn fault(kind: DecodeErrorKind, at: usize) -> Fault {
    Fault { kind, at }
}

fn too_large(what: Limit, limit: usize) -> Fault {
    fault(DecodeErrorKind::TooLarge { what, limit }, limit)
}

/// Which octets of a block are not above LF, as bits.
#[inline]
fn up_to_line_feed(block: &[u8; BLOCK]) -> u64 {
    let mut bits = 0;
    for word in block.chunks_exact(WORD) {
        let word = word
            .first_chunk()
            .map_or(0, |word| u64::from_le_bytes(*word));
        // The top bit of each octet that is above.
        let above = ((word & !TOP) + EACH * u64::from(0x7F - b'\n')) | word;
        // Those of the others, side by side at the top.
        let low = ((!above & TOP) >> 7).wrapping_mul(GATHER) & HIGHEST;
        bits = bits >> WORD | low;
    }
    bits
}

/// The same for the last octets of all, and how many there are.
fn padded(octets: &[u8]) -> (u64, usize) {
    let mut block = [b' '; BLOCK];
    block[..octets.len()].copy_from_slice(octets);
    (up_to_line_feed(&block), octets.len())
}

/// As many octets as a word has bits.
const BLOCK: usize = 64;
const WORD: usize = size_of::<u64>();
const EACH: u64 = 0x0101_0101_0101_0101;
const TOP: u64 = EACH * 0x80;
/// Brings the lowest bits of eight octets together in the highest octet.
const GATHER: u64 = 0x0102_0408_1020_4080;
const HIGHEST: u64 = 0xFF << (u64::BITS - 8);

/// Offsets are within the limit on a frame, which fits.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
