//! What befalls a connection as a whole.

use crate::engine::conn::Phase;
use crate::engine::run::{Cx, Run};
use crate::engine::{Engine, Output, Pending, Timer};
use crate::http::Response;
use crate::script::{BeatAction, Direction, Garbage, RawAs, Span};
use std::time::Duration;

/// Heart-beats at a time at most.
const MOST_BEATS: u32 = 1000;
/// Octets of garbage at most.
const MOST_GARBAGE: usize = 16 << 20;

/// What a reverse proxy says when the broker behind it is gone.
const PAGE_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

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
        let number = c.holes.open(direction);
        self.fault(conn, format!("blackhole {direction:?} for {span:?}"));
        self.show_holes(conn);
        if let Some(span) = span {
            self.arm(self.now.saturating_add(span), Timer::Heal { conn, number });
        }
    }

    pub(in crate::engine) fn heal(&mut self, conn: u64, number: u64) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase != Phase::Over) else {
            return;
        };
        if !c.holes.close(number) {
            return;
        }
        if !c.holes.is_deaf() {
            c.beats.last_in = now;
        }
        self.fault(conn, "heal");
        self.show_holes(conn);
    }

    fn show_holes(&mut self, conn: u64) {
        let direction = self.conns.get(&conn).and_then(|c| c.holes.direction());
        self.outputs.push_back(match direction {
            Some(direction) => Output::Blackhole { conn, direction },
            None => Output::Heal { conn },
        });
    }

    pub(super) fn act_http(&mut self, run: &mut Run, mut response: Response) {
        if matches!(run.cx, Cx::Upgrade { .. } | Cx::Plain) && !run.done {
            run.done = true;
            self.fault(run.conn, format!("http {}", response.status));
            self.fill(run.conn, &mut response);
            self.answer(run.conn, response);
        }
    }

    pub(super) fn act_beat(&mut self, conn: u64, beat: BeatAction) {
        self.fault(conn, format!("heart-beat {beat:?}"));
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        if let Some(relay) = &mut c.relay {
            relay.own_beats = beat != BeatAction::Start;
        }
        match beat {
            BeatAction::Stop => c.beats.stopped = true,
            BeatAction::Start => c.beats.stopped = false,
            BeatAction::Late(factor) => c.beats.factor = factor,
            // A single number is the most, and not the very one.
            BeatAction::Jitter(Span { min, max }) if min == max => {
                c.beats.jitter = Some((Duration::ZERO..=max).into());
            }
            BeatAction::Jitter(span) => c.beats.jitter = Some(span),
            BeatAction::As(octets) => (c.beats.octets, c.beats.burst) = (octets, 1),
            BeatAction::Burst(n) => c.beats.burst = n.clamp(1, MOST_BEATS),
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
            | Cx::Expiry
            | Cx::Beat => session.and_then(|s| s.identity.clone()),
        };
        while let Some(other) = self.other_session(run.conn, identity.as_deref()) {
            self.fault(other, "kick");
            self.shut_fin(other);
        }
    }

    pub(super) fn act_garbage(&mut self, run: &mut Run, what: Garbage) {
        let conn = run.conn;
        match what {
            Garbage::Html502 if matches!(run.cx, Cx::Upgrade { .. }) => {
                let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
                let body = PAGE_502.as_bytes().to_vec();
                let status = 502;
                self.act_http(
                    run,
                    Response {
                        status,
                        headers,
                        body,
                    },
                );
            }
            Garbage::Html502 => self.act_raw(conn, PAGE_502.as_bytes().to_vec(), RawAs::Text),
            Garbage::Random(n) => {
                let octets = self.die(conn).octets(n.min(MOST_GARBAGE));
                self.act_raw(conn, octets, RawAs::Stream);
            }
            Garbage::HttpInStream => {
                let page = PAGE_502;
                let answer = format!(
                    "HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Type: text/html\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{page}",
                    page.len()
                );
                self.act_raw(conn, answer.into_bytes(), RawAs::Stream);
            }
        }
    }

    pub(super) fn act_silence(&mut self, conn: u64, dest: String, span: Option<Duration>) {
        self.fault(conn, format!("silence {dest} for {span:?}"));
        let until = span.map(|s| self.now.saturating_add(s));
        match self.conns.get_mut(&conn) {
            Some(c) => c.silences.add(dest, until),
            None if conn == 0 => self.silences.add(dest, until),
            None => {}
        }
    }

    pub(super) fn act_goto(&mut self, conn: u64, state: &str) {
        if let Some(c) = self.conns.get_mut(&conn) {
            c.state = Some(state.into());
            self.fault(conn, format!("goto {state}"));
            if self.watches.gatherings {
                self.triggers.push_back((conn, Pending::Conditions));
            }
        }
    }
}
