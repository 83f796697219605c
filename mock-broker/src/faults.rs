//! One WebSocket message on the wire: whole, in fragments, dripped, cut short.

use crate::engine::Plan;
use crate::script::Between;
use crate::script::units::pieces;
use crate::ws::{Opcode, write_frame};
use std::time::Duration;

/// What a connection writes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// Octets, and how many of them are written already.
    Octets(Vec<u8>, usize),
    /// Nothing for a while.
    Pause(Duration),
    /// The end of what is written.
    Fin,
    /// The end of everything.
    Rst,
}

impl Chunk {
    pub(crate) fn octets(octets: Vec<u8>) -> Self {
        Self::Octets(octets, 0)
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
        write_frame(last, opcode, part, &mut wire);
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
    match plan.drip {
        Some((bytes, gap)) => {
            for piece in wire.chunks(bytes.max(1)) {
                chunks.push(Chunk::octets(piece.to_vec()));
                chunks.push(Chunk::Pause(gap));
            }
        }
        None => chunks.push(Chunk::octets(wire)),
    }
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
        let expected = [
            Chunk::octets(b"\x81\x06".to_vec()),
            Chunk::Pause(gap),
            Chunk::octets(b"a".to_vec()),
            Chunk::Pause(gap),
            Chunk::Fin,
        ];
        assert_eq!(chunks, expected);
    }
}
