//! What each action does.

use super::conn::{Phase, Shapes};
use super::run::{Cx, Mangle, Run};
use super::session::Refused;
use super::{Engine, Output, Pending, Plan, Timer};
use crate::http::Response;
use crate::script::{
    Action, BeatAction, Direction, ErrorAction, Order, RawAs, Shape, ShapeAction, TlsFault,
};
use crate::transcript::{Note, What};
use crate::wire::Frame;
use std::time::Duration;

impl Engine {
    pub(super) fn act(&mut self, run: &mut Run, action: Action) {
        let conn = run.conn;
        match action {
            Action::Pass => {
                if !run.done {
                    self.take_place(run);
                }
            }
            Action::Drop => {
                let what = run
                    .frame_mut()
                    .map_or_else(String::new, |f| format!(" {}", f.command));
                self.fault(conn, format!("drop{what}"));
                run.done = true;
            }
            Action::Send(frame) => self.send_scripted(conn, frame),
            Action::Error(error) => self.act_error(run, error),
            Action::Delay(_) | Action::Seq(_) | Action::Pick(_) => {}
            Action::Dup(n) => {
                self.fault(conn, format!("dup {n}"));
                run.copies = n;
            }
            Action::Set(headers) => {
                if let Some(frame) = run.frame_mut() {
                    for (name, value) in headers {
                        frame.set(&name, value);
                    }
                }
            }
            Action::Unset(names) => {
                if let Some(frame) = run.frame_mut() {
                    for name in names {
                        frame.unset(&name);
                    }
                }
            }
            Action::Hold(name) => self.act_hold(run, name),
            Action::Release { name, order } => self.act_release(conn, &name, order),
            Action::Corrupt(corrupt) => {
                self.fault(conn, format!("corrupt {corrupt:?}"));
                run.mangles.push(Mangle::Corrupt(corrupt));
            }
            Action::Pad { headers, body } => {
                self.fault(conn, format!("pad {headers} headers, {body} octets"));
                run.mangles.push(Mangle::Pad { headers, body });
            }
            Action::Raw { octets, ws } => self.act_raw(conn, octets, ws),
            Action::Shape(shape) => self.act_shape(conn, shape),
            Action::Plain => {
                self.flush_join(conn);
                if let Some(c) = self.conns.get_mut(&conn) {
                    c.shapes = Shapes::default();
                }
                self.fault(conn, "plain");
            }
            Action::Close { code, reason } => {
                self.fault(conn, format!("close {code}"));
                run.done = true;
                self.shut_close(conn, code, &reason);
            }
            Action::Fin { after: None } => {
                self.fault(conn, "fin");
                run.done = true;
                self.shut_fin(conn);
            }
            Action::Fin { after: Some(n) } => {
                self.fault(conn, format!("fin after {n} octets"));
                if matches!(run.cx, Cx::Send { .. }) {
                    run.cut = Some(n);
                } else if let Some(c) = self.conns.get_mut(&conn) {
                    c.shapes.cut = Some(n);
                }
            }
            Action::Rst => {
                self.fault(conn, "rst");
                run.done = true;
                self.shut_rst(conn);
            }
            Action::Blackhole { direction, span } => {
                let span = span.map(|s| s.pick(&mut self.rng));
                self.act_blackhole(conn, direction, span);
            }
            Action::Ping(octets) => {
                if self
                    .conns
                    .get(&conn)
                    .is_some_and(|c| c.phase == Phase::Open)
                {
                    self.fault(conn, "ping");
                    self.outputs.push_back(Output::Ping { conn, octets });
                }
            }
            Action::MutePong => {
                self.fault(conn, "mute pong");
                if let Some(c) = self.conns.get_mut(&conn) {
                    c.mute_pong = true;
                }
            }
            Action::Refuse(span) => {
                let span = span.pick(&mut self.rng);
                self.fault(conn, format!("refuse {span:?}"));
                self.refuse_connections(Some(span));
            }
            Action::Http(response) => self.act_http(run, response),
            Action::Redirect(to) => {
                let headers = vec![("Location".to_owned(), to)];
                self.act_http(
                    run,
                    Response {
                        status: 302,
                        headers,
                        body: Vec::new(),
                    },
                );
            }
            Action::Hang | Action::Tls(TlsFault::Stall) => {
                self.fault(conn, "hang");
                run.done = true;
                self.outputs.push_back(Output::Stall { conn });
            }
            Action::Tls(fault) => {
                self.fault(conn, format!("tls {fault:?}"));
                self.outputs.push_back(Output::Tls { conn, fault });
            }
            Action::Subprotocol(name) => {
                if let Cx::Upgrade { subprotocol, .. } = &mut run.cx {
                    *subprotocol = Some(name);
                    self.fault(conn, "subprotocol");
                }
            }
            Action::BadAccept => {
                if let Cx::Upgrade { bad_accept, .. } = &mut run.cx {
                    *bad_accept = true;
                    self.fault(conn, "bad accept");
                }
            }
            Action::Beat(beat) => self.act_beat(conn, beat),
            Action::Rebind => run.rebind = true,
            Action::Kick => self.act_kick(run),
            Action::Expire(name) => {
                self.fault(conn, "expire");
                self.expire_tokens(&name);
            }
            Action::Storm(storm) => self.begin_storm(conn, storm),
            Action::Mark(name) => {
                self.record(conn, What::Mark(name.clone()));
                self.triggers.push_back((conn, Pending::Mark(name)));
            }
            Action::Log(words) => self.record(conn, What::Log(words)),
        }
    }

    fn act_error(&mut self, run: &mut Run, error: ErrorAction) {
        let conn = run.conn;
        run.done = true;
        let ends = |a: &Action| {
            matches!(
                a,
                Action::Close { .. } | Action::Fin { after: None } | Action::Rst
            )
        };
        let close = error.close.unwrap_or_else(|| !run.actions.iter().any(ends));
        let words = || {
            error
                .code
                .map_or_else(|| "scripted error".to_owned(), code_words)
        };
        let mut frame = Frame::new("ERROR").with("message", error.message.unwrap_or_else(words));
        if let Some(code) = error.code {
            frame = frame.with("code", code.to_string());
        }
        if let Cx::Recv(cause) | Cx::Overlap { frame: cause, .. } = &run.cx {
            if let Some(receipt) = self.receipt_of(cause) {
                frame = frame.with("receipt-id", receipt);
            }
        }
        for (name, value) in error.headers {
            frame.set(&name, value);
        }
        frame.body = error.body;
        self.fault(conn, format!("error {}", error.code.unwrap_or_default()));
        self.send_scripted(conn, frame);
        if close {
            let code = if error.code.is_some() { 1008 } else { 1002 };
            self.shut_close(conn, code, "");
        } else if error.code == Some(401) {
            self.suspend(conn);
        }
    }

    fn act_hold(&mut self, run: &mut Run, name: String) {
        let most = self.scenario.bounds.held;
        let (Cx::Send { frame, .. }, Some(c)) = (&run.cx, self.conns.get_mut(&run.conn)) else {
            return;
        };
        run.done = true;
        let held = c.held.entry(name).or_default();
        if held.len() < most {
            held.push(frame.clone());
            self.fault(run.conn, format!("hold {}", frame.command));
        } else {
            let subscription = frame.header("subscription").unwrap_or_default().to_owned();
            self.record(run.conn, What::Note(Note::Dropped { subscription }));
        }
    }

    fn act_release(&mut self, conn: u64, name: &str, order: Order) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let held = c.held.remove(name).unwrap_or_default();
        self.fault(conn, format!("release {} frames", held.len()));
        let mut slots: Vec<Option<Frame>> = held.into_iter().map(Some).collect();
        let mut positions: Vec<usize> = match order {
            Order::AsHeld => Vec::new(),
            Order::Positions(positions) => positions,
            Order::Reverse => (0..slots.len()).rev().collect(),
            Order::Shuffle => {
                let mut all: Vec<usize> = (0..slots.len()).collect();
                for i in (1..all.len()).rev() {
                    all.swap(i, self.rng.between(0, i as u64) as usize);
                }
                all
            }
        };
        positions.extend(0..slots.len());
        for i in positions {
            if let Some(frame) = slots.get_mut(i).and_then(Option::take) {
                self.transmit(conn, &frame, &[], None);
            }
        }
    }

    fn act_raw(&mut self, conn: u64, octets: Vec<u8>, ws: RawAs) {
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

    fn act_shape(&mut self, conn: u64, action: ShapeAction) {
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

    fn act_blackhole(&mut self, conn: u64, direction: Direction, span: Option<Duration>) {
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

    pub(super) fn heal(&mut self, conn: u64, generation: u64) {
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

    fn act_http(&mut self, run: &mut Run, response: Response) {
        if matches!(run.cx, Cx::Upgrade { .. }) && !run.done {
            run.done = true;
            self.fault(run.conn, format!("http {}", response.status));
            self.answer(run.conn, response);
        }
    }

    fn act_beat(&mut self, conn: u64, beat: BeatAction) {
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

    fn act_kick(&mut self, run: &Run) {
        let session = self.conns.get(&run.conn).and_then(|c| c.session.as_ref());
        let identity = match &run.cx {
            Cx::Overlap { identity, .. } => identity.clone(),
            Cx::None | Cx::Upgrade { .. } | Cx::Recv(_) | Cx::Send { .. } | Cx::Expiry => {
                session.and_then(|s| s.identity.clone())
            }
        };
        while let Some(other) = self.other_session(run.conn, identity.as_deref()) {
            self.fault(other, "kick");
            self.shut_fin(other);
        }
    }

    /// A frame of the script goes out without asking the rules again.
    fn send_scripted(&mut self, conn: u64, mut frame: Frame) {
        if !frame.body.is_empty() && frame.header("content-length").is_none() {
            frame.set("content-length", frame.body.len().to_string());
        }
        self.transmit(conn, &frame, &[], None);
    }
}

/// Words for an ERROR that the script gives only a code.
fn code_words(code: u16) -> String {
    match code {
        401 => "401 token expired".to_owned(),
        409 => "409 already connected".to_owned(),
        other => Refused::coded(other, "scripted error").message,
    }
}
