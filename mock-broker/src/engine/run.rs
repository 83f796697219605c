//! The script: which rules fire, and how their actions are gone through.

use super::conn::Phase;
use super::session::Entry;
use super::{Engine, Pending, Timer};
use crate::script::{Action, Corrupt, Origin, Stage, Trigger};
use crate::transcript::What;
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
    /// A plain HTTP request.
    Plain,
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
    pub(super) conn: u64,
    pub(super) cx: Cx,
    pub(super) actions: VecDeque<Action>,
    /// What triggered it took place, or will not.
    pub(super) done: bool,
    pub(super) rebind: bool,
    pub(super) copies: u32,
    pub(super) mangles: Vec<Mangle>,
    pub(super) cut: Option<usize>,
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

    pub(super) fn frame_mut(&mut self) -> Option<&mut Frame> {
        match &mut self.cx {
            Cx::Recv(frame) | Cx::Send { frame, .. } => Some(frame),
            Cx::None | Cx::Upgrade { .. } | Cx::Plain | Cx::Expiry | Cx::Overlap { .. } => None,
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
    pub(super) fn flatten(&mut self, from: &[Action], nth: u64, to: &mut VecDeque<Action>) {
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
    pub(super) fn take_place(&mut self, run: &mut Run) {
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
            Cx::Plain => self.serve(conn),
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
}
