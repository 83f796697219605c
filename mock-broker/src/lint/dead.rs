//! What can never happen: rules that never fire, and assertions about what
//! nobody sends.

use super::Look;
use crate::dialect::HeartBeat;
use crate::json::Node;
use crate::script::units::{glob, nearest};
use crate::script::{
    Action, ConnOf, Conns, Cut, FrameTrigger, HttpRule, Origin, Rule, Shape, ShapeAction, Sight,
    Stage, Trigger, is_command,
};
use crate::transcript::PLAIN;
use crate::wire::Version;
use std::collections::{BTreeMap, BTreeSet};

/// What clients send.
const REQUESTS: [&str; 11] = [
    "CONNECT",
    "STOMP",
    "SEND",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "ACK",
    "NACK",
    "BEGIN",
    "COMMIT",
    "ABORT",
    "DISCONNECT",
];
/// What brokers send.
const ANSWERS: [&str; 4] = ["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"];

impl<'a> Look<'a> {
    pub(super) fn rules(&mut self) {
        if self.scenario.versions.is_empty() {
            let versions = self.root.get("broker").and_then(|n| n.get("versions"));
            self.warn(
                versions.unwrap_or(self.root),
                "no version is accepted: nobody can connect",
            );
        }
        for (rule, node) in self.scenario.rules.iter().zip(self.items("rules")) {
            self.rule(rule, node);
        }
        for (action, node) in self.actions() {
            if is_empty(action) {
                self.warn(node, "an empty list does nothing");
            }
        }
        self.loops();
    }

    fn rule(&mut self, rule: &Rule, node: &'a Node<'a>) {
        let at = |key: &str| node.get(key).unwrap_or(node);
        if rule.times == Some(0) {
            self.warn(at("times"), "the rule never fires: `times` is 0");
        }
        if rule.p == 0.0 {
            self.warn(at("p"), "the rule never fires: `p` is 0");
        }
        if rule.actions.is_empty() && rule.goto.is_none() {
            self.warn(at("do"), "the rule does nothing");
        }
        if never(&rule.conns) {
            self.warn(at("conn"), "no connection has that number");
        }
        for (action, place) in rule.actions.iter().zip(at("do").items()) {
            if let (Action::Seq(lists), Some(times)) = (action, rule.times) {
                let count = lists.len();
                if times > 0 && times < count as u64 {
                    let words = format!(
                        "`seq` has {count} lists, but the rule fires {times} times at most"
                    );
                    self.warn(place, words);
                }
            }
        }
        let on = at("on");
        let parts = rule.trigger.parts();
        for part in parts {
            self.part(part, on, parts.len() == 1);
        }
        let early = parts.iter().find_map(|part| {
            [
                (Stage::Tcp, "tcp"),
                (Stage::Upgrade, "upgrade"),
                (Stage::Open, "open"),
            ]
            .into_iter()
            .find(|(stage, _)| *part == Trigger::Stage(*stage))
        });
        if let Some((_, word)) = early {
            let later = parts.iter().any(|part| {
                let counts = matches!(
                    part,
                    Trigger::FramesIn(1..) | Trigger::FramesOut(1..) | Trigger::BytesOut(1..)
                );
                counts
                    || matches!(
                        part,
                        Trigger::After {
                            of: Origin::Connected,
                            ..
                        }
                    )
            });
            if later {
                let words =
                    format!("the rule never fires: at `{word}` no frame has come or gone yet");
                self.warn(on, words);
            }
        }
    }

    fn part(&mut self, part: &Trigger, on: &'a Node<'a>, alone: bool) {
        let scenario = self.scenario;
        let own = scenario.dialect.heart_beat == HeartBeat::Own;
        let beats =
            scenario.heart_beat.0 > 0 && scenario.versions.iter().any(|v| *v != Version::V1_0);
        let zero = matches!(
            part,
            Trigger::FramesIn(0) | Trigger::FramesOut(0) | Trigger::BytesOut(0)
        );
        if let Trigger::Recv(frame) | Trigger::Send(frame) = part {
            self.frame(frame, on);
        } else if zero && alone {
            self.warn(on, "the rule never fires: 0 is no number that is reached");
        } else if *part == Trigger::TokenExpired && scenario.auth.bearer.is_none() {
            self.warn(
                on,
                "no token ever ends: `broker` has no `auth` with `bearer` or `oauth`",
            );
        } else if *part == Trigger::BeatDue && own && !beats {
            self.warn(
                on,
                "the broker sends no heart-beats: see `heart-beat` and `versions`",
            );
        }
    }

    fn frame(&mut self, frame: &FrameTrigger, on: &'a Node<'a>) {
        let key = if frame.is_outgoing() { "send" } else { "recv" };
        self.command(
            frame.command(),
            frame.is_outgoing(),
            on.get(key).unwrap_or(on),
            true,
        );
        if let (Some(nth), Some(every)) = (frame.number(), frame.period()) {
            if nth % every.max(1) != 0 {
                let words = format!("the rule never fires: {nth} is no multiple of {every}");
                self.warn(on.get("nth").unwrap_or(on), words);
            }
        }
        let headers = frame.headers();
        let literal = |text: &str| !text.contains(['*', '?']);
        for (n, (name, pattern)) in headers.iter().enumerate() {
            let clash = headers[..n].iter().any(|(other, before)| {
                let excluded = literal(pattern) && !glob(before, pattern);
                other == name && (excluded || literal(before) && !glob(pattern, before))
            });
            if clash {
                let words = format!("the rule never fires: `{name}` cannot be both");
                self.warn(on.get("match").unwrap_or(on), words);
            }
        }
    }

    /// A command that nobody sends. `strict`: in that direction either.
    fn command(&mut self, pattern: &str, outgoing: bool, node: &Node<'_>, strict: bool) {
        let made = self.actions().iter().any(|(action, _)| {
            matches!(action, Action::Send(frame) if is_command(pattern, &frame.command))
        });
        let (own, others): (&[&str], &[&str]) = if outgoing {
            (&ANSWERS, &REQUESTS)
        } else {
            (&REQUESTS, &ANSWERS)
        };
        let fits = |words: &[&str]| words.iter().any(|word| is_command(pattern, word));
        let only_old = self.scenario.versions == [Version::V1_0];
        if fits(own) {
            if !outgoing && only_old && pattern == "NACK" {
                self.warn(node, "STOMP 1.0, the only accepted version, has no NACK");
            }
        } else if outgoing && made {
        } else if fits(others) {
            if strict {
                let words = if outgoing {
                    format!("`{pattern}` is sent by clients: `recv`, not `send`")
                } else {
                    format!("`{pattern}` is sent by brokers: `send`, not `recv`")
                };
                self.warn(node, words);
            }
        } else {
            let near = nearest(pattern, own.iter().copied());
            let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            self.warn(node, format!("`{pattern}` is no command of STOMP{near}"));
        }
    }

    /// Rules that set the mark by which they fire, at once and without end.
    fn loops(&mut self) {
        let mut leads: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for rule in &self.scenario.rules {
            let (Trigger::Mark(from), None) = (&rule.trigger, rule.times) else {
                continue;
            };
            let at_once = rule
                .actions
                .iter()
                .take_while(|a| !matches!(a, Action::Delay(_)));
            for action in at_once {
                if let Action::Mark(to) = action {
                    leads.entry(from).or_default().insert(to);
                }
            }
        }
        for (rule, node) in self.scenario.rules.iter().zip(self.items("rules")) {
            let Trigger::Mark(start) = &rule.trigger else {
                continue;
            };
            let mut reached = BTreeSet::new();
            let mut next = vec![start.as_str()];
            while let Some(mark) = next.pop() {
                for to in leads.get(mark).into_iter().flatten() {
                    if reached.insert(*to) {
                        next.push(to);
                    }
                }
            }
            if rule.times.is_none() && reached.contains(start.as_str()) {
                let words = format!(
                    "the mark `{start}` sets itself again at once, without end; `delay` or `times` bound it"
                );
                self.warn(node.get("on").unwrap_or(node), words);
            }
        }
    }

    pub(super) fn http(&mut self) {
        let rules = &self.scenario.http;
        for (n, (rule, node)) in rules.iter().zip(self.items("http")).enumerate() {
            if rule.times == Some(0) {
                self.warn(
                    node,
                    "the rule never fires: it has no lists, or `times` is 0",
                );
            }
            if rules[..n].iter().any(|before| hides(before, rule)) {
                let at = node.get("on").unwrap_or(node);
                self.warn(
                    at,
                    "the rule never fires: one before it takes all of these requests",
                );
            }
        }
    }

    pub(super) fn assertions(&mut self) {
        for (assertion, seen, node) in self.sights() {
            if let ConnOf::Of(conns) = &seen.conn {
                if never(conns) {
                    self.warn(
                        node.get("conn").unwrap_or(node),
                        "no connection has that number",
                    );
                }
            }
            let (outgoing, key) = if seen.sight == Sight::Recv {
                (false, "recv")
            } else if seen.sight == Sight::Send {
                (true, "send")
            } else {
                continue;
            };
            // That a client never sends MESSAGE may well be asked.
            let strict =
                assertion.claim.word() != "never" || !assertion.claim.seen().contains(seen);
            self.command(
                &seen.pattern,
                outgoing,
                node.get(key).unwrap_or(node),
                strict,
            );
        }
        for (assertion, node) in self.scenario.expect.iter().zip(self.items("expect")) {
            if assertion.within.is_some_and(|span| span.is_zero()) {
                let at = node.get("within").unwrap_or(node);
                self.warn(at, "nothing is seen through a window of no time");
            }
        }
    }
}

/// Whether it has a list, and that is empty.
fn is_empty(action: &Action) -> bool {
    if let Action::Seq(lists) | Action::Pick(lists) = action {
        return lists.is_empty();
    }
    if let Action::Unset(headers) = action {
        return headers.is_empty();
    }
    let Action::Shape(ShapeAction { shape, .. }) = action else {
        return false;
    };
    matches!(shape,
        Shape::Split(Cut::At(at)) | Shape::Frag { cut: Cut::At(at), .. } if at.is_empty())
}

fn never(conns: &Conns) -> bool {
    matches!(conns, Conns::Between(from, _) if *from >= PLAIN)
}

/// Whether an http rule leaves nothing for a later one.
fn hides(before: &HttpRule, rule: &HttpRule) -> bool {
    let method = before.method == rule.method || before.method == "*";
    let path = before.path == rule.path
        || !rule.path.contains(['*', '?']) && glob(&before.path, &rule.path);
    before.times.is_none() && method && path
}
