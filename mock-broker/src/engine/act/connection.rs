//! What befalls a connection as a whole.

use crate::engine::conn::Phase;
use crate::engine::run::{Cx, Run};
use crate::engine::{Engine, Output, Timer};
use crate::http::Response;
use crate::script::{BeatAction, Direction};
use std::time::Duration;

impl Engine {
    pub(super) fn act_blackhole(
        &mut self,
        conn: u64,
        direction: Direction,
        span: Option<Duration>,
    ) {
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase != Phase::Over) else {
            return;
        };
        c.hole = Some(direction);
        c.hole_generation += 1;
        let generation = c.hole_generation;
        self.fault(conn, format!("blackhole {direction:?} for {span:?}"));
        self.outputs
            .push_back(Output::Blackhole { conn, direction });
        if let Some(span) = span {
            self.arm(self.now + span, Timer::Heal { conn, generation });
        }
    }

    pub(in crate::engine) fn heal(&mut self, conn: u64, generation: u64) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        if c.phase == Phase::Over || c.hole_generation != generation {
            return;
        }
        c.hole = None;
        c.beats.last_in = now;
        self.fault(conn, "heal");
        self.outputs.push_back(Output::Heal { conn });
    }

    pub(super) fn act_http(&mut self, run: &mut Run, response: Response) {
        if matches!(run.cx, Cx::Upgrade { .. } | Cx::Plain) && !run.done {
            run.done = true;
            self.fault(run.conn, format!("http {}", response.status));
            self.answer(run.conn, response);
        }
    }

    pub(super) fn act_beat(&mut self, conn: u64, beat: BeatAction) {
        self.fault(conn, format!("heart-beat {beat:?}"));
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        match beat {
            BeatAction::Stop => c.beats.stopped = true,
            BeatAction::Start => c.beats.stopped = false,
            BeatAction::Late(factor) => c.beats.factor = factor,
            BeatAction::Jitter(span) => c.beats.jitter = Some(span),
            BeatAction::As(octets) => c.beats.octets = octets,
        }
        self.rearm_beats(conn);
    }

    pub(super) fn act_kick(&mut self, run: &Run) {
        let session = self.conns.get(&run.conn).and_then(|c| c.session.as_ref());
        let identity = match &run.cx {
            Cx::Overlap { identity, .. } => identity.clone(),
            Cx::None
            | Cx::Upgrade { .. }
            | Cx::Plain
            | Cx::Recv(_)
            | Cx::Send { .. }
            | Cx::Expiry => session.and_then(|s| s.identity.clone()),
        };
        while let Some(other) = self.other_session(run.conn, identity.as_deref()) {
            self.fault(other, "kick");
            self.shut_fin(other);
        }
    }
}
