//! One WebSocket message on the wire: whole, in fragments, dripped, cut short.

use crate::engine::Plan;
use crate::script::Between;
use crate::script::units::pieces;
use crate::ws::{Opcode, write_frame, write_spoilt};
use std::sync::Arc;
use std::time::Duration;

/// What a connection writes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// Octets, and how many of them are written already.
    Octets(Vec<u8>, usize),
    /// The same, of octets that other connections write too.
    Shared(Arc<Vec<u8>>, usize),
    /// Octets of which a few at a time are written, with a pause after each
    /// piece.
    Drip {
        /// All of them.
        octets: Vec<u8>,
        /// How many are written already.
        done: usize,
        /// The length of a piece.
        piece: usize,
        /// The pause.
        gap: Duration,
    },
    /// The end of what is written.
    Fin,
    /// The end of everything.
    Rst,
}

impl Chunk {
    pub(crate) fn octets(octets: Vec<u8>) -> Self {
        Self::Octets(octets, 0)
    }

    /// How long the pauses take that are still to come.
    pub(crate) fn pauses(&self) -> Duration {
        match self {
            Self::Drip {
                octets,
                done,
                piece,
                gap,
            } => {
                let pieces = (octets.len() - done).div_ceil(*piece);
                gap.saturating_mul(u32::try_from(pieces).unwrap_or(u32::MAX))
            }
            Self::Octets(..) | Self::Shared(..) | Self::Fin | Self::Rst => Duration::ZERO,
        }
    }
}

/// Lays a message out as its plan says.
pub(crate) fn lay(octets: &[u8], binary: bool, plan: &Plan) -> Vec<Chunk> {
    let mut wire = Vec::with_capacity(octets.len() + 16);
    let offsets = plan
        .cut
        .as_ref()
        .map(|cut| cut.offsets(octets.len()))
        .unwrap_or_default();
    let parts = pieces(octets, &offsets);
    for (i, part) in parts.iter().enumerate() {
        let opcode = match (i, binary) {
            (0, true) => Opcode::Binary,
            (0, false) => Opcode::Text,
            (_, _) => Opcode::Continuation,
        };
        let last = i + 1 == parts.len();
        let mut first = if last { 0x80 } else { 0 };
        first |= match plan.opcode.filter(|_| i == 0) {
            Some(bits) => bits & 0x0f,
            None => opcode.bits(),
        };
        first |= match plan.rsv {
            Some(1) => 0x40,
            Some(2) => 0x20,
            Some(3) => 0x10,
            Some(_) | None => 0,
        };
        write_spoilt(first, plan.mask, part, &mut wire);
        match plan.between.filter(|_| !last) {
            Some(Between::Ping) => write_frame(true, Opcode::Ping, b"between", &mut wire),
            Some(Between::Pong) => write_frame(true, Opcode::Pong, b"between", &mut wire),
            Some(Between::Empty) => write_frame(false, Opcode::Continuation, b"", &mut wire),
            None => {}
        }
    }
    pour(wire, plan)
}

/// Octets on the wire: whole, dripped, cut short.
pub(crate) fn pour(mut wire: Vec<u8>, plan: &Plan) -> Vec<Chunk> {
    if let Some(n) = plan.truncate {
        wire.truncate(n);
    }
    let mut chunks = Vec::new();
    chunks.push(match plan.drip {
        Some((piece, gap)) => Chunk::Drip {
            octets: wire,
            done: 0,
            piece: piece.max(1),
            gap,
        },
        None => Chunk::octets(wire),
    });
    if plan.truncate.is_some() {
        chunks.push(Chunk::Fin);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Cut;

    #[test]
    fn a_plain_message_is_one_frame() {
        let chunks = lay(b"ab", false, &Plan::default());
        assert_eq!(chunks, [Chunk::octets(b"\x81\x02ab".to_vec())]);
    }

    #[test]
    fn fragments_have_pings_between_but_not_after() {
        let plan = Plan {
            cut: Some(Cut::At(vec![1])),
            between: Some(Between::Ping),
            ..Plan::default()
        };
        let chunks = lay(b"ab", true, &plan);
        assert_eq!(
            chunks,
            [Chunk::octets(b"\x02\x01a\x89\x07between\x80\x01b".to_vec())]
        );
    }

    #[test]
    fn a_cut_message_ends_in_fin() {
        let gap = Duration::from_millis(5);
        let plan = Plan {
            drip: Some((2, gap)),
            truncate: Some(3),
            ..Plan::default()
        };
        let chunks = lay(b"abcdef", false, &plan);
        let dripped = Chunk::Drip {
            octets: b"\x81\x06a".to_vec(),
            done: 0,
            piece: 2,
            gap,
        };
        assert_eq!(dripped.pauses(), 2 * gap);
        let expected = [dripped, Chunk::Fin];
        assert_eq!(chunks, expected);
    }

    #[test]
    fn heads_are_damaged_as_told() {
        let plan = Plan {
            cut: Some(Cut::At(vec![1])),
            between: Some(Between::Pong),
            rsv: Some(1),
            opcode: Some(3),
            mask: Some([1, 2, 3, 4]),
            ..Plan::default()
        };
        let wire = b"\x43\x81\x01\x02\x03\x04`\x8a\x07between\xc0\x81\x01\x02\x03\x04c";
        assert_eq!(lay(b"ab", false, &plan), [Chunk::octets(wire.to_vec())]);
    }
}
