//! Octets as they are, and how frames are laid on the wire.

use crate::engine::conn::Phase;
use crate::engine::{Engine, Output, Plan};
use crate::script::{RawAs, Shape, ShapeAction};

impl Engine {
    pub(super) fn act_raw(&mut self, conn: u64, octets: Vec<u8>, ws: RawAs) {
        if !self
            .conns
            .get(&conn)
            .is_some_and(|c| c.phase == Phase::Open)
        {
            return;
        }
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
            Shape::Drip { bytes, gap } => c.shapes.drip.set((bytes.max(1), gap), next),
        }
    }
}
