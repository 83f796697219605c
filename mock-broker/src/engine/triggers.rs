//! Triggers: which of them an event, a condition or a timer sets off.

use super::conn::{Gathered, Phase};
use super::run::{Cx, Event, Run};
use super::{Engine, Pending, Timer};
use crate::script::{Conns, Origin, Rule, Trigger};
use crate::transcript::{What, plain_number};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Which kinds of triggers there are at all: most scenarios have few.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watches {
    pub(super) recv: bool,
    pub(super) send: bool,
    pub(super) frames_out: bool,
    pub(super) bytes_out: bool,
    pub(super) beats: bool,
    /// Several conditions without an event.
    pub(super) gatherings: bool,
}

impl Watches {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let has = |f: fn(&Trigger) -> bool| rules.iter().any(|r| r.trigger.parts().iter().any(f));
        Self {
            recv: has(|t| matches!(t, Trigger::Recv(_) | Trigger::FramesIn(_))),
            send: has(|t| matches!(t, Trigger::Send(_))),
            frames_out: has(|t| matches!(t, Trigger::FramesOut(_))),
            bytes_out: has(|t| matches!(t, Trigger::BytesOut(_))),
            beats: has(|t| matches!(t, Trigger::BeatDue)),
            gatherings: rules.iter().any(|r| r.trigger.is_gathering()),
        }
    }
}

/// Conditions that hold for every connection.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    signals: BTreeSet<String>,
    marks: BTreeSet<String>,
    /// What belongs to no connection.
    pub(super) gathered: Gathered,
}

/// Whether an event is what a part of a trigger waits for.
fn happens(part: &Trigger, event: Event<'_>) -> bool {
    match (part, event) {
        (Trigger::Stage(a), Event::Stage(b)) => *a == b,
        (Trigger::Recv(t), Event::Recv(frame)) | (Trigger::Send(t), Event::Send(frame)) => {
            t.fits(frame)
        }
        (Trigger::FramesIn(n), Event::FramesIn(m))
        | (Trigger::FramesOut(n), Event::FramesOut(m)) => *n == m,
        (Trigger::BytesOut(n), Event::BytesOut(before, after)) => before < *n && *n <= after,
        (Trigger::TokenExpired, Event::TokenExpired)
        | (Trigger::Overlap, Event::Overlap)
        | (Trigger::BeatDue, Event::BeatDue) => true,
        _ => false,
    }
}

impl Engine {
    /// Whether an event fires a rule for a connection.
    pub(super) fn is_meant(&mut self, i: usize, conn: u64, event: Event<'_>) -> bool {
        let rules = Arc::clone(&self.rules);
        let rule = &rules[i];
        if !self.is_in_state(rule, conn) {
            return false;
        }
        if rule.trigger.is_gathering() {
            let counted = matches!(
                event,
                Event::FramesIn(_) | Event::FramesOut(_) | Event::BytesOut(..) | Event::Conditions
            );
            return counted && self.has_gathered(i, conn);
        }
        let parts = rule.trigger.parts();
        let Some(at) = parts.iter().position(|part| happens(part, event)) else {
            return false;
        };
        if !self.others_hold(i, at, conn) {
            return false;
        }
        let (Trigger::Recv(t) | Trigger::Send(t)) = &parts[at] else {
            return true;
        };
        let Some(c) = self.conns.get_mut(&conn) else {
            return false;
        };
        let count = c.counts.entry(i).or_default();
        *count += 1;
        t.is_due(*count)
    }

    fn is_in_state(&self, rule: &Rule, conn: u64) -> bool {
        let Some(state) = &rule.state else {
            return true;
        };
        self.conns.get(&conn).is_some_and(|c| c.is_in(state))
    }

    /// Whether everything but one part of a trigger holds.
    fn others_hold(&self, i: usize, but: usize, conn: u64) -> bool {
        let parts = self.rules[i].trigger.parts().iter().enumerate();
        parts
            .filter(|(n, _)| *n != but)
            .all(|(n, part)| self.holds((i, n), part, conn))
    }

    fn holds(&self, at: (usize, usize), part: &Trigger, conn: u64) -> bool {
        let c = self.conns.get(&conn);
        match part {
            Trigger::After { .. } => {
                self.conditions.gathered.met.contains(&at)
                    || c.is_some_and(|c| c.gathered.met.contains(&at))
            }
            Trigger::FramesIn(n) => c.is_some_and(|c| c.frames_in >= *n),
            Trigger::FramesOut(n) => c.is_some_and(|c| c.frames_out >= *n),
            Trigger::BytesOut(n) => c.is_some_and(|c| c.bytes_out >= *n),
            Trigger::Signal(name) => self.conditions.signals.contains(name),
            Trigger::Mark(name) => self.conditions.marks.contains(name),
            Trigger::Stage(_)
            | Trigger::Recv(_)
            | Trigger::Send(_)
            | Trigger::Every { .. }
            | Trigger::Idle(_)
            | Trigger::BeatDue
            | Trigger::TokenExpired
            | Trigger::Overlap
            | Trigger::All(_) => false,
        }
    }

    /// Whether the last of several conditions has come true; said once.
    fn has_gathered(&mut self, i: usize, conn: u64) -> bool {
        let parts = self.rules[i].trigger.parts();
        let all = !parts.is_empty() && self.others_hold(i, parts.len(), conn);
        let c = self.conns.get_mut(&conn).filter(|c| c.phase != Phase::Over);
        all && c.is_some_and(|c| c.gathered.fired.insert(i))
    }

    pub(super) fn on_signal(&mut self, name: &str) {
        self.record(0, What::Signal(name.to_owned()));
        let rules = Arc::clone(&self.rules);
        let is_it = |t: &Trigger| matches!(t, Trigger::Signal(s) if s == name);
        for (i, rule) in rules.iter().enumerate() {
            if is_it(&rule.trigger) {
                self.fire_on_open(i, 0);
            } else if rule.trigger.parts().iter().any(is_it) {
                self.conditions.signals.insert(name.to_owned());
                self.look_at_conditions();
            }
        }
    }

    /// Fires what waits for a mark, or counts from it.
    fn on_mark(&mut self, conn: u64, name: &str) {
        self.conditions.marks.insert(name.to_owned());
        // A mark from outside of STOMP is like a signal.
        let outside = plain_number(conn).is_some();
        let conn = if outside { 0 } else { conn };
        let rules = Arc::clone(&self.rules);
        for (i, rule) in rules.iter().enumerate() {
            if !matches!(&rule.trigger, Trigger::Mark(m) if m == name) {
                continue;
            }
            // A rule for any connection follows the one that set the mark; a
            // rule for certain ones means those.
            if outside || rule.conns != Conns::Any {
                self.fire_on_open(i, 0);
            } else if self.is_in_state(rule, conn) {
                self.fire_rule(i, conn);
            }
        }
        self.arm_rules(conn, &Origin::Mark(name.to_owned()));
        self.look_at_conditions();
    }

    /// Something has changed that several rules may wait for.
    fn look_at_conditions(&mut self) {
        if !self.watches.gatherings {
            return;
        }
        if !matches!(self.triggers.back(), Some((0, Pending::Conditions))) {
            self.triggers.push_back((0, Pending::Conditions));
        }
    }

    fn open_conns(&self) -> impl Iterator<Item = u64> + '_ {
        let open = self.conns.iter().filter(|(_, c)| c.phase == Phase::Open);
        open.map(|(n, _)| *n)
    }

    /// Fires a rule on each open connection that it is for; on none at all if
    /// there is none and it is for any.
    fn fire_on_open(&mut self, i: usize, part: usize) {
        let rules = Arc::clone(&self.rules);
        let rule = &rules[i];
        let meant: Vec<u64> = self.open_conns().filter(|n| rule.conns.has(*n)).collect();
        let nobody = meant.is_empty() && rule.conns.has(0);
        for conn in meant.into_iter().chain(nobody.then_some(0)) {
            if self.is_in_state(rule, conn) && self.others_hold(i, part, conn) {
                self.fire_rule(i, conn);
            }
        }
    }

    pub(super) fn fire_pending(&mut self, conn: u64, pending: Pending) {
        let event = match pending {
            Pending::Mark(name) => {
                self.on_mark(conn, &name);
                return;
            }
            Pending::FramesOut(n) => Event::FramesOut(n),
            Pending::BytesOut(before, after) => Event::BytesOut(before, after),
            Pending::Stage(stage) => Event::Stage(stage),
            Pending::Conditions if conn == 0 => {
                let open: Vec<u64> = self.open_conns().collect();
                for conn in open {
                    self.fire_pending(conn, Pending::Conditions);
                }
                return;
            }
            Pending::Conditions => Event::Conditions,
        };
        let actions = self.fire(conn, event);
        self.run(Run::new(conn, Cx::None, actions));
    }

    /// Arms the timers of the rules that count from the engine's start.
    pub(super) fn arm_start_rules(&mut self) {
        self.arm_rules(0, &Origin::Start);
    }

    /// Arms the timers of the rules that count from something that happened
    /// to a connection just now.
    pub(super) fn arm_rules(&mut self, conn: u64, origin: &Origin) {
        let rules = Arc::clone(&self.rules);
        for (i, rule) in rules.iter().enumerate() {
            for (n, part) in rule.trigger.parts().iter().enumerate() {
                if matches!(part, Trigger::Idle(_)) && *origin == Origin::Open {
                    if rule.conns.has(conn) {
                        self.arm_idle(conn, i, n);
                    }
                    continue;
                }
                let Some((span, of)) = part.origin() else {
                    continue;
                };
                if of != origin {
                    continue;
                }
                let marked = matches!(origin, Origin::Mark(_));
                if marked && rule.conns != Conns::Any {
                    let open: Vec<u64> = self.open_conns().collect();
                    for conn in open.into_iter().filter(|n| rule.conns.has(*n)) {
                        let span = span.pick(self.rule_die(conn, i));
                        self.arm_rule(conn, (i, n), span);
                    }
                } else if *origin == Origin::Start || rule.conns.has(conn) {
                    let span = span.pick(self.rule_die(conn, i));
                    self.arm_rule(conn, (i, n), span);
                }
            }
        }
    }

    /// Starts one span, unless it is running already.
    fn arm_rule(&mut self, conn: u64, at: (usize, usize), span: Duration) {
        if self.gathered(conn).is_some_and(|g| g.running.insert(at)) {
            let due = self.now.saturating_add(span);
            self.arm(due, Timer::Rule { conn, at });
        }
    }

    fn gathered(&mut self, conn: u64) -> Option<&mut Gathered> {
        if conn == 0 {
            return Some(&mut self.conditions.gathered);
        }
        self.conns.get_mut(&conn).map(|c| &mut c.gathered)
    }

    /// A span of a rule has passed.
    pub(super) fn rule_due(&mut self, conn: u64, (i, part): (usize, usize)) {
        let rules = Arc::clone(&self.rules);
        let rule = &rules[i];
        let trigger = &rule.trigger.parts()[part];
        let Some((span, of)) = trigger.origin() else {
            return;
        };
        let every = matches!(trigger, Trigger::Every { .. });
        if let Some(gathered) = self.gathered(conn) {
            gathered.running.remove(&(i, part));
        }
        let over = |c: &super::conn::Conn| c.phase == Phase::Over;
        if conn != 0 && self.conns.get(&conn).is_none_or(over) {
            // What was to follow a mark follows it, even if that was the end
            // of the connection: the listener can still go down.
            let alone = !every && rule.trigger.parts().len() == 1 && rule.state.is_none();
            if alone && matches!(of, Origin::Mark(_)) {
                self.fire_rule(i, 0);
            }
            return;
        }
        if every || !matches!(rule.trigger, Trigger::All(_)) {
            self.fire_due(conn, i, part);
        } else {
            if let Some(gathered) = self.gathered(conn) {
                gathered.met.insert((i, part));
            }
            self.look_at_conditions();
        }
        if every {
            let pause = span
                .pick(self.rule_die(conn, i))
                .max(Duration::from_millis(1));
            self.arm_rule(conn, (i, part), pause);
        }
    }

    /// Fires a rule by one of its parts, if everything else holds.
    fn fire_due(&mut self, conn: u64, i: usize, part: usize) {
        if conn == 0 {
            self.fire_on_open(i, part);
        } else if self.is_in_state(&self.rules[i], conn) && self.others_hold(i, part, conn) {
            self.fire_rule(i, conn);
        }
    }

    /// Waits for the connection to be idle from its last octet on.
    pub(super) fn arm_idle(&mut self, conn: u64, i: usize, part: usize) {
        let Trigger::Idle(span) = self.rules[i].trigger.parts()[part] else {
            return;
        };
        let span = span
            .pick(self.rule_die(conn, i))
            .max(Duration::from_millis(1));
        let at = (i, part);
        if let Some(c) = self.conns.get(&conn) {
            let due = c.active.saturating_add(span);
            self.arm(due, Timer::Idle { conn, at, span });
        }
    }

    /// Perhaps the connection has been idle for so long.
    pub(super) fn idle_due(&mut self, conn: u64, at: (usize, usize), span: Duration) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        let due = c.active.saturating_add(span);
        if now < due {
            self.arm(due, Timer::Idle { conn, at, span });
            return;
        }
        c.gathered.idle.insert(at);
        self.fire_due(conn, at.0, at.1);
    }
}
