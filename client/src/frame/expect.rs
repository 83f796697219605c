//! Heads that are laid out as one before them.
//!
//! What a subscription delivers differs from head to head in a few values, and
//! seldom in their length. A head that has its lines where one had them that was
//! read line by line need not be read so again.

use std::ops::Range;

use memchr::memchr;

use super::{
    DecodeLimits, Layout,
    headers::trim_cr,
    scan::{content_length, has_room},
};

/// The heads that came last.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// The first is tried first.
    heads: [Option<Head>; 2],
    /// How many more heads were not expected than were, and how many since one of
    /// them was learned, if they are too many.
    surprises: u32,
}

/// A head that has been read, its blank line included.
#[derive(Debug)]
struct Head {
    /// Its octets but for the last.
    chunks: Vec<Chunk>,
    /// The last octets, some of which may stand in the last of `chunks`, too.
    last: Chunk,
    /// How many octets there are.
    length: usize,
    /// Where the value of content-length is.
    content_length: Option<Range<usize>>,
    layout: Layout,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    octets: [u8; CHUNK],
    /// 0xFF where another plain octet may stand, 0 elsewhere.
    free: [u8; CHUNK],
}

impl Expected {
    /// The frame that `octets` begin with, if it is whole and its head laid out as
    /// expected: its length, with its NUL. Otherwise nothing is said about it, least
    /// of all that it is bad.
    #[inline]
    pub(super) fn meet(
        &mut self,
        octets: &[u8],
        limits: &DecodeLimits,
    ) -> Option<(usize, &Layout)> {
        let first = self.heads[0].as_ref()?;
        let length = match first.frame_length(octets, limits) {
            Some(length) => length,
            None => self.meet_other(octets, limits)?,
        };
        self.surprises = self.surprises.saturating_sub(1);
        self.heads[0].as_ref().map(|head| (length, &head.layout))
    }

    #[cold]
    fn meet_other(&mut self, octets: &[u8], limits: &DecodeLimits) -> Option<usize> {
        let length = self.heads[1].as_ref()?.frame_length(octets, limits)?;
        self.heads.swap(0, 1);
        Some(length)
    }

    /// Takes note of a head that was read line by line. That costs nearly as much as
    /// reading it: in a stream where few heads are alike it is seldom done.
    pub(super) fn learn(&mut self, octets: &[u8], layout: Layout) {
        self.surprises += 1;
        if (PATIENCE..2 * PATIENCE).contains(&self.surprises) {
            return;
        }
        self.surprises = self.surprises.min(PATIENCE);
        let head = &octets[..layout.body as usize];
        if (CHUNK..=LONGEST).contains(&head.len()) {
            self.heads.swap(0, 1);
            let room = self.heads[0].take().map(|head| head.chunks);
            self.heads[0] = Some(Head::new(head, layout, room.unwrap_or_default()));
        }
    }

    /// Forgets all heads: what they mean has changed.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Head {
    fn new(head: &[u8], layout: Layout, mut chunks: Vec<Chunk>) -> Self {
        let (free, content_length) = values(head, &layout);
        let chunk = |at: usize| Chunk {
            octets: part(head, at),
            free: part(&free, at),
        };
        let last = head.len() - CHUNK;
        chunks.clear();
        chunks.extend((0..last).step_by(CHUNK).map(chunk));
        Self {
            chunks,
            last: chunk(last),
            length: head.len(),
            content_length,
            layout,
        }
    }

    /// The length of the frame that `octets` begin with, if it is whole and has such a head.
    #[inline]
    fn frame_length(&self, octets: &[u8], limits: &DecodeLimits) -> Option<usize> {
        let (head, rest) = octets.split_at_checked(self.length)?;
        if !self.is_like(head) {
            return None;
        }
        let body = match &self.content_length {
            Some(value) => content_length(head.get(value.clone())?, limits.frame).ok()?,
            None => memchr(0, rest)?,
        };
        let is_whole = has_room(self.length, body, limits) && *rest.get(body)? == 0;
        is_whole.then_some(self.length + body + 1)
    }

    #[inline]
    fn is_like(&self, head: &[u8]) -> bool {
        let mut pairs = head.chunks_exact(CHUNK).zip(&self.chunks);
        pairs.all(|(octets, chunk)| chunk.is_like(octets.first_chunk()))
            && self.last.is_like(head.last_chunk())
    }
}

/// Where another plain octet may stand, and where the value of content-length is.
fn values(head: &[u8], layout: &Layout) -> ([u8; LONGEST], Option<Range<usize>>) {
    let mut free = [0; LONGEST];
    let mut content_length = None;
    let mut at = layout.headers as usize;
    while let Some(length) = memchr(b'\n', &head[at..]) {
        let line = trim_cr(&head[at..at + length]);
        if let Some(colon) = memchr(b':', line) {
            let value = at + colon + 1..at + line.len();
            let octets = head[value.clone()].iter().zip(&head[at + colon..]);
            for (free, (octet, before)) in free[value.clone()].iter_mut().zip(octets) {
                // Another octet could break an escape, or a character.
                let is_free = is_plain(*octet) && *before != b'\\';
                *free = if is_free { 0xFF } else { 0 };
            }
            if line[..colon] == *b"content-length" {
                content_length.get_or_insert(value);
            }
        }
        at += length + 1;
    }
    (free, content_length)
}

impl Chunk {
    #[inline]
    fn is_like(&self, octets: Option<&[u8; CHUNK]>) -> bool {
        octets.is_some_and(|octets| *octets == self.octets || self.is_almost(octets))
    }

    /// Whether only free octets differ, and are plain. No branches, so that it can
    /// be done for all at once.
    #[inline]
    fn is_almost(&self, octets: &[u8; CHUNK]) -> bool {
        let mut bad = 0;
        for ((new, old), free) in octets.iter().zip(&self.octets).zip(&self.free) {
            let may_differ = if is_plain(*new) { *free } else { 0 };
            bad |= (new ^ old) & !may_differ;
        }
        bad == 0
    }
}

/// One that ends no line, is part of no escape, and is a character.
#[inline]
const fn is_plain(octet: u8) -> bool {
    octet >= b' ' && octet.is_ascii() && octet != b'\\'
}

fn part(octets: &[u8], at: usize) -> [u8; CHUNK] {
    let mut part = [0; CHUNK];
    part.copy_from_slice(&octets[at..at + CHUNK]);
    part
}

/// A shorter head is none that comes often.
const CHUNK: usize = 16;
/// Longer heads are not expected.
const LONGEST: usize = 1 << 10;
/// After so many surprises only every so manieth head is learned.
const PATIENCE: u32 = 16;

#[cfg(test)]
mod tests {
    use super::super::{Version, scan::Scan};
    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits {
        frame: 1_000,
        headers: 10,
        header_octets: 1_000,
    };

    fn read(expected: &mut Expected, octets: &[u8]) {
        let mut scan = Scan::new();
        let end = scan.advance(octets, false, Version::V1_2, &LIMITS);
        assert_eq!(end.unwrap(), Some(octets.len() - 1));
        expected.learn(octets, scan.layout());
    }

    fn message(id: &str, body: &str) -> String {
        let length = body.len();
        format!("MESSAGE\nsubscription:1\nmessage-id:{id}\ncontent-length:{length}\n\n{body}\0")
    }

    #[test]
    fn a_head_is_met_that_differs_in_plain_octets_of_values() {
        let mut expected = Expected::default();
        assert!(
            expected
                .meet(message("a-1", "one").as_bytes(), &LIMITS)
                .is_none()
        );
        read(&mut expected, message("a-1", "one").as_bytes());
        for (id, body) in [
            ("a-1", "one"),
            ("b:2", "three"),
            ("~ ~", ""),
            ("a-1", "\0\0\0"),
        ] {
            let wire = message(id, body);
            let met = expected.meet(wire.as_bytes(), &LIMITS).expect(id);
            assert_eq!(met.0, wire.len());
            assert_eq!(met.1.body as usize, wire.len() - 1 - body.len());
        }
        for id in ["a-10", "a-", "a\n1", "a\\n", "\u{e4}1", "a:\r", "a:\0"] {
            let wire = message(id, "one");
            assert!(expected.meet(wire.as_bytes(), &LIMITS).is_none(), "{id:?}");
        }
    }

    #[test]
    fn nothing_is_met_that_is_not_whole() {
        let mut expected = Expected::default();
        let wire = message("a-1", "one");
        read(&mut expected, wire.as_bytes());
        for end in 0..wire.len() {
            assert!(expected.meet(&wire.as_bytes()[..end], &LIMITS).is_none());
        }
        assert!(expected.meet(wire.as_bytes(), &LIMITS).is_some());
    }

    #[test]
    fn two_kinds_of_heads_may_alternate() {
        let mut expected = Expected::default();
        let receipt = |id: u32| format!("RECEIPT\nreceipt-id:{id}\n\n\0");
        read(&mut expected, message("a-1", "one").as_bytes());
        read(&mut expected, receipt(10).as_bytes());
        for id in 11..99 {
            let message = message("a-1", "one");
            assert!(expected.meet(message.as_bytes(), &LIMITS).is_some());
            assert!(expected.meet(receipt(id).as_bytes(), &LIMITS).is_some());
            assert!(expected.meet(receipt(id).as_bytes(), &LIMITS).is_some());
        }
    }

    #[test]
    fn where_no_head_is_like_another_few_are_learned() {
        let mut expected = Expected::default();
        let wire = |length: usize| message(&"x".repeat(length), "");
        let first = |expected: &Expected| expected.heads[0].as_ref().map(|head| head.length);
        let mut learned = 0;
        for length in 0..16 + 160 {
            let before = first(&expected);
            read(&mut expected, wire(length).as_bytes());
            learned += u32::from(first(&expected) != before);
        }
        assert_eq!(learned, 15 + 10);
        // Where they are alike again, all are learned again.
        for _ in 0..PATIENCE {
            let last = wire(16 + 160 - 1);
            assert!(expected.meet(last.as_bytes(), &LIMITS).is_some());
        }
        for length in 0..3 {
            read(&mut expected, wire(length).as_bytes());
            let met = expected.meet(wire(length).as_bytes(), &LIMITS);
            assert!(met.is_some());
        }
    }
}
