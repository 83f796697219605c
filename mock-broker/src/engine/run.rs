//! The script: which rules fire, and what their actions do.

use super::conn::Phase;
use super::session::{Entry, Refused};
use super::{Engine, Output, Pending, Timer};
use crate::http::Response;
use crate::script::{
    Action, BeatAction, Corrupt, Direction, ErrorAction, Order, Origin, RawAs, Shape, ShapeAction,
    Stage, Trigger,
};
use crate::transcript::{Note, What};
use crate::wire::Frame;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What may fire a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Stage(Stage),
    Recv(&'a Frame),
    Send(&'a Frame),
    FramesIn(u64),
    FramesOut(u64),
    /// Before and after.
    BytesOut(u64, u64),
    TokenExpired,
    Overlap,
}

/// What triggered a run, and thus what takes place at its end.
#[derive(Debug)]
pub(super) enum Cx {
    None,
    Upgrade {
        subprotocol: Option<Option<String>>,
        bad_accept: bool,
    },
    Recv(Frame),
    /// A frame about to leave, and the Close that follows it.
    Send {
        frame: Frame,
        then: Option<(u16, String)>,
    },
    Expiry,
    Overlap {
        frame: Frame,
        identity: Option<String>,
    },
}

/// Damage that is done to a frame on its way out.
#[derive(Clone, Debug)]
pub(super) enum Mangle {
    Corrupt(Corrupt),
    Pad { headers: usize, body: usize },
}

/// A list of actions under way.
#[derive(Debug)]
pub(super) struct Run {
    conn: u64,
    cx: Cx,
    actions: VecDeque<Action>,
    /// What triggered it took place, or will not.
    done: bool,
    rebind: bool,
    copies: u32,
    mangles: Vec<Mangle>,
    cut: Option<usize>,
}

impl Run {
    pub(super) fn new(conn: u64, cx: Cx, actions: VecDeque<Action>) -> Self {
        Self {
            conn,
            cx,
            actions,
            done: false,
            rebind: false,
            copies: 1,
            mangles: Vec::new(),
            cut: None,
        }
    }

    fn frame_mut(&mut self) -> Option<&mut Frame> {
        match &mut self.cx {
            Cx::Recv(frame) | Cx::Send { frame, .. } => Some(frame),
            Cx::None | Cx::Upgrade { .. } | Cx::Expiry | Cx::Overlap { .. } => None,
        }
    }
}

impl Engine {
    /// The actions of all rules that an event fires, in order.
    pub(super) fn fire(&mut self, conn: u64, event: Event<'_>) -> VecDeque<Action> {
        let mut actions = VecDeque::new();
        let rules = Arc::clone(&self.rules);
        for (i, rule) in rules.iter().enumerate() {
            if rule.conns.has(conn) && self.is_meant(i, &rule.trigger, conn, event) {
                self.pull(i, &mut actions);
            }
        }
        actions
    }

    fn is_meant(&mut self, i: usize, trigger: &Trigger, conn: u64, event: Event<'_>) -> bool {
        match (trigger, event) {
            (Trigger::Stage(a), Event::Stage(b)) => *a == b,
            (Trigger::Recv(t), Event::Recv(frame)) | (Trigger::Send(t), Event::Send(frame)) => {
                if !t.fits(frame) {
                    return false;
                }
                let now = self.now;
                let Some(c) = self.conns.get_mut(&conn) else {
                    return false;
                };
                let count = c.counts.entry(i).or_default();
                *count += 1;
                t.is_due(*count, c.connected_at.map(|at| now - at))
            }
            (Trigger::FramesIn(n), Event::FramesIn(m))
            | (Trigger::FramesOut(n), Event::FramesOut(m)) => *n == m,
            (Trigger::BytesOut(n), Event::BytesOut(before, after)) => before < *n && *n <= after,
            (Trigger::TokenExpired, Event::TokenExpired) | (Trigger::Overlap, Event::Overlap) => {
                true
            }
            _ => false,
        }
    }

    /// Fires one rule, if its `times` and its `p` let it.
    fn pull(&mut self, i: usize, actions: &mut VecDeque<Action>) {
        let rule = &self.rules[i];
        if rule.times.is_some_and(|most| self.fired[i] >= most) || !self.rng.chance(rule.p) {
            return;
        }
        self.fired[i] += 1;
        let nth = self.fired[i];
        let rules = Arc::clone(&self.rules);
        self.flatten(&rules[i].actions, nth, actions);
    }

    /// Resolves `seq` and `pick`.
    fn flatten(&mut self, from: &[Action], nth: u64, to: &mut VecDeque<Action>) {
        for action in from {
            let list = if let Action::Seq(lists) = action {
                lists.get(usize::try_from(nth - 1).unwrap_or(usize::MAX))
            } else if let Action::Pick(lists) = action {
                let last = (lists.len() as u64).saturating_sub(1);
                lists.get(self.rng.between(0, last) as usize)
            } else {
                to.push_back(action.clone());
                None
            };
            if let Some(list) = list {
                self.flatten(list, nth, to);
            }
        }
    }

    /// Fires a rule without an event of its own for one connection.
    fn fire_rule(&mut self, i: usize, conn: u64) {
        let mut actions = VecDeque::new();
        self.pull(i, &mut actions);
        self.run(Run::new(conn, Cx::None, actions));
    }

    pub(super) fn on_signal(&mut self, name: &str) {
        self.record(0, What::Signal(name.to_owned()));
        let rules = Arc::clone(&self.rules);
        for (i, rule) in rules.iter().enumerate() {
            if matches!(&rule.trigger, Trigger::Signal(s) if s == name) {
                self.fire_on_open(i, 0);
            }
        }
    }

    /// Fires a rule on each open connection that it is for; on none at all if
    /// there is none and it is for any.
    fn fire_on_open(&mut self, i: usize, fallback: u64) {
        let rules = Arc::clone(&self.rules);
        let conns = &rules[i].conns;
        let open = self.conns.iter().filter(|(_, c)| c.phase == Phase::Open);
        let meant: Vec<u64> = open.map(|(n, _)| *n).filter(|n| conns.has(*n)).collect();
        if meant.is_empty() && conns.has(fallback) {
            self.fire_rule(i, fallback);
        }
        for conn in meant {
            self.fire_rule(i, conn);
        }
    }

    pub(super) fn fire_pending(&mut self, conn: u64, pending: Pending) {
        match pending {
            Pending::Mark(name) => {
                let rules = Arc::clone(&self.rules);
                for (i, rule) in rules.iter().enumerate() {
                    if !matches!(&rule.trigger, Trigger::Mark(m) if *m == name) {
                        continue;
                    }
                    // A rule for any connection follows the one that set the
                    // mark; a rule for certain ones means those.
                    if rule.conns == crate::script::Conns::Any {
                        self.fire_rule(i, conn);
                    } else {
                        self.fire_on_open(i, 0);
                    }
                }
            }
            Pending::FramesOut(n) => {
                let actions = self.fire(conn, Event::FramesOut(n));
                self.run(Run::new(conn, Cx::None, actions));
            }
            Pending::BytesOut(before, after) => {
                let actions = self.fire(conn, Event::BytesOut(before, after));
                self.run(Run::new(conn, Cx::None, actions));
            }
            Pending::Stage(stage) => {
                let actions = self.fire(conn, Event::Stage(stage));
                self.run(Run::new(conn, Cx::None, actions));
            }
        }
    }

    /// Arms the timers of the rules that count from the engine's start.
    pub(super) fn arm_start_rules(&mut self) {
        self.arm_rules(0, Origin::Start);
    }

    /// Arms the timers of the rules that count from something that happened
    /// to a connection just now.
    pub(super) fn arm_rules(&mut self, conn: u64, origin: Origin) {
        let rules = Arc::clone(&self.rules);
        for (i, rule) in rules.iter().enumerate() {
            let every = matches!(rule.trigger, Trigger::Every(_)) && origin == Origin::Connected;
            let after = matches!(rule.trigger, Trigger::After { of, .. } if of == origin);
            let (Trigger::After { span, .. } | Trigger::Every(span)) = rule.trigger else {
                continue;
            };
            if (every || after) && (origin == Origin::Start || rule.conns.has(conn)) {
                let at = self.now + span.pick(&mut self.rng);
                self.arm(at, Timer::Rule { conn, rule: i });
            }
        }
    }

    pub(super) fn rule_due(&mut self, conn: u64, rule: usize) {
        let alive = self
            .conns
            .get(&conn)
            .is_some_and(|c| c.phase != Phase::Over);
        if conn != 0 && !alive {
            return;
        }
        if conn == 0 {
            self.fire_on_open(rule, 0);
            return;
        }
        self.fire_rule(rule, conn);
        if let Trigger::Every(span) = self.rules[rule].trigger {
            let pause = span.pick(&mut self.rng).max(Duration::from_millis(1));
            self.arm(self.now + pause, Timer::Rule { conn, rule });
        }
    }

    /// Does the actions of a run until the end or the next `delay`.
    pub(super) fn run(&mut self, mut run: Run) {
        while let Some(action) = run.actions.pop_front() {
            if let Action::Delay(span) = action {
                let pause = span.pick(&mut self.rng);
                self.fault(run.conn, format!("delay {pause:?}"));
                self.arm(self.now + pause, Timer::Resume(Box::new(run)));
                return;
            }
            self.act(&mut run, action);
        }
        if !run.done {
            self.take_place(&mut run);
        }
        if let Cx::Send {
            then: Some((code, reason)),
            ..
        } = run.cx
        {
            self.shut_close(run.conn, code, &reason);
        }
    }

    /// What triggered the run takes place.
    fn take_place(&mut self, run: &mut Run) {
        run.done = true;
        let conn = run.conn;
        match &run.cx {
            Cx::None => {}
            Cx::Upgrade {
                subprotocol,
                bad_accept,
            } => {
                self.accept(conn, subprotocol.clone(), *bad_accept);
            }
            Cx::Recv(frame) => {
                for _ in 0..run.copies {
                    self.process(conn, frame.clone(), run.rebind);
                }
            }
            Cx::Send { frame, .. } => {
                for _ in 0..run.copies {
                    self.transmit(conn, frame, &run.mangles, run.cut.take());
                }
            }
            Cx::Expiry => self.expiry_default(conn),
            Cx::Overlap { frame, .. } if run.rebind => {
                if let Err(refused) = self.connect(conn, frame, Entry::Rebind) {
                    self.refuse(conn, self.receipt_of(frame), refused, Some(frame));
                }
            }
            Cx::Overlap { frame, identity } => {
                self.overlap_default(conn, frame, identity.as_deref());
            }
        }
    }

    fn act(&mut self, run: &mut Run, action: Action) {
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
                    c.shapes = super::conn::Shapes::default();
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
            Action::Hang | Action::TlsStall => {
                self.fault(conn, "hang");
                run.done = true;
                self.outputs.push_back(Output::Stall { conn });
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
        let how = super::Plan::default();
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
