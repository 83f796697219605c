//! Octets as they are, and how frames are laid on the wire.

use crate::engine::conn::{Conn, Phase};
use crate::engine::{Engine, Output, Plan};
use crate::script::{RawAs, Shape, ShapeAction};
use std::time::Duration;

impl Engine {
    pub(super) fn act_raw(&mut self, conn: u64, octets: Vec<u8>, ws: RawAs) {
        // The TCP stream is there before the WebSocket.
        let able = |c: &Conn| match c.phase {
            Phase::Open => true,
            Phase::Tcp | Phase::Upgrade | Phase::Plain => ws == RawAs::Stream,
            Phase::Over => false,
        };
        if !self.conns.get(&conn).is_some_and(able) {
            return;
        }
        self.active(conn);
        self.fault(conn, format!("raw [{} octets]", octets.len()));
        self.flush_join(conn);
        let binary = ws == RawAs::Binary;
        let how = Plan::default();
        self.outputs.push_back(match ws {
            RawAs::Stream => Output::Stream { conn, octets },
            RawAs::Text | RawAs::Binary => Output::Message {
                conn,
                octets,
                binary,
                how,
            },
        });
    }

    pub(super) fn act_shape(&mut self, conn: u64, action: ShapeAction) {
        self.fault(conn, format!("{:?}", action.shape));
        let joins = matches!(action.shape, Shape::Join { .. });
        if joins {
            self.flush_join(conn);
        }
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let next = action.next;
        match action.shape {
            Shape::Split(cut) => c.shapes.split.set(cut, next),
            Shape::Frag { cut, between } => c.shapes.frag.set((cut, between), next),
            Shape::Join { frames, within } => c.shapes.join.set((frames, within), next),
            Shape::Type(kind) => c.shapes.kind.set(kind, next),
            Shape::Rate(octets) => c.shapes.drip.set(paced(octets), next),
            Shape::Ws(fault) => c.shapes.head.set(fault, next),
            Shape::Drip { bytes, gap } => c.shapes.drip.set((bytes.max(1), gap), next),
        }
    }
}

/// A rate as pieces and pauses: fifty of them a second, or single octets.
fn paced(octets: u64) -> (usize, Duration) {
    let octets = octets.max(1);
    let piece = (octets / 50).max(1);
    let gap = Duration::from_nanos(piece.saturating_mul(1_000_000_000) / octets);
    (usize::try_from(piece).unwrap_or(usize::MAX), gap)
}
