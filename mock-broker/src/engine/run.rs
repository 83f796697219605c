//! The script: which rules fire, and how their actions are gone through.

use super::session::Entry;
use super::{Engine, Timer};
use crate::rng::Rng;
use crate::script::{Action, Corrupt, Stage};
use crate::transcript::plain_number;
use crate::wire::Frame;
use std::collections::VecDeque;
use std::sync::Arc;

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
    BeatDue,
    /// A condition has come true.
    Conditions,
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
    Beat,
    Overlap {
        frame: Frame,
        identity: Option<String>,
    },
}

/// Damage that is done to a frame on its way out.
#[derive(Clone, Debug)]
pub(super) enum Mangle {
    Corrupt(Corrupt),
    Pad {
        headers: usize,
        body: usize,
    },
    /// A header as it is on the wire; the transcript shows its template.
    Header(String, String),
    /// The frame as it is on the wire; the transcript shows its template.
    Instead(Box<Frame>),
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
            Cx::None
            | Cx::Upgrade { .. }
            | Cx::Plain
            | Cx::Expiry
            | Cx::Beat
            | Cx::Overlap { .. } => None,
        }
    }
}

/// Resolves `seq` and `pick`.
pub(super) fn flatten(from: &[Action], nth: u64, rng: &mut Rng, to: &mut VecDeque<Action>) {
    for action in from {
        let list = if let Action::Seq(lists) = action {
            lists.get(usize::try_from(nth - 1).unwrap_or(usize::MAX))
        } else if let Action::Pick(lists) = action {
            let last = (lists.len() as u64).saturating_sub(1);
            lists.get(rng.between(0, last) as usize)
        } else {
            to.push_back(action.clone());
            None
        };
        if let Some(list) = list {
            flatten(list, nth, rng, to);
        }
    }
}

impl Engine {
    /// The actions of all rules that an event fires, in order.
    pub(super) fn fire(&mut self, conn: u64, event: Event<'_>) -> VecDeque<Action> {
        let mut actions = VecDeque::new();
        // Plain HTTP has rules of its own.
        if plain_number(conn).is_some() {
            return actions;
        }
        let rules = Arc::clone(&self.rules);
        // Which rules are meant is settled before any of them does something.
        for (i, rule) in rules.iter().enumerate() {
            if rule.conns.has(conn) && self.is_meant(i, conn, event) {
                self.pull(i, conn, &mut actions);
            }
        }
        actions
    }

    /// Fires one rule, if its `times` and its `p` let it.
    fn pull(&mut self, i: usize, conn: u64, actions: &mut VecDeque<Action>) {
        let rules = Arc::clone(&self.rules);
        let rule = &rules[i];
        let over = rule.times.is_some_and(|most| self.fired[i] >= most);
        if over || !self.rule_die(conn, i).chance(rule.p) {
            return;
        }
        self.fired[i] += 1;
        let nth = self.fired[i];
        flatten(&rule.actions, nth, self.rule_die(conn, i), actions);
        actions.extend(rule.goto.clone().map(Action::Goto));
    }

    /// Fires a rule without an event of its own for one connection.
    pub(super) fn fire_rule(&mut self, i: usize, conn: u64) {
        let mut actions = VecDeque::new();
        self.pull(i, conn, &mut actions);
        self.run(Run::new(conn, Cx::None, actions));
    }

    /// Does the actions of a run until the end or the next `delay`.
    pub(super) fn run(&mut self, mut run: Run) {
        while let Some(action) = run.actions.pop_front() {
            if let Action::Delay(span) = action {
                let pause = span.pick(self.die(run.conn));
                if self.may_delay(run.conn) {
                    self.fault(run.conn, format!("delay {pause:?}"));
                    let at = self.now.saturating_add(pause);
                    self.arm(at, Timer::Resume(Box::new(run)));
                    return;
                }
                self.fault(run.conn, "dropped: too much waits in a delay");
                run.actions.clear();
                run.done = true;
            } else {
                self.act(&mut run, action);
            }
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

    /// Goes on after a `delay`.
    pub(super) fn resume(&mut self, run: Run) {
        if let Some(c) = self.conns.get_mut(&run.conn) {
            c.delayed -= 1;
        }
        self.run(run);
    }

    /// Whether one more list may wait; a flood must not pile up.
    fn may_delay(&mut self, conn: u64) -> bool {
        let most = self.scenario.bounds.held;
        match self.conns.get_mut(&conn) {
            Some(c) if c.delayed >= most => false,
            Some(c) => {
                c.delayed += 1;
                true
            }
            None => true,
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
                let frame = &Arc::new(frame.clone());
                for _ in 0..run.copies {
                    self.process(conn, frame, run.rebind);
                }
            }
            Cx::Send { frame, .. } => {
                for _ in 0..run.copies {
                    self.transmit(conn, frame, &run.mangles, run.cut.take());
                }
            }
            Cx::Expiry => self.expiry_default(conn),
            Cx::Plain => self.serve(conn),
            Cx::Beat => self.send_beat(conn),
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
