//! Marks, states and holds: what is asked for must be made somewhere.

use super::Look;
use crate::json::{Node, Value};
use crate::script::units::{glob, nearest};
use crate::script::{Action, END, Origin, START, Sight, Trigger};
use std::collections::BTreeSet;

impl<'a> Look<'a> {
    pub(super) fn names(&mut self) {
        self.marks();
        self.states();
        self.holds();
        self.ids();
    }

    fn marks(&mut self) {
        let actions = self.actions();
        let marks: BTreeSet<&str> = actions
            .iter()
            .filter_map(|(action, _)| {
                if let Action::Mark(name) = action {
                    Some(name.as_str())
                } else {
                    None
                }
            })
            .collect();
        let lines: Vec<&str> = actions
            .iter()
            .filter_map(|(action, _)| {
                if let Action::Log(line) = action {
                    Some(line.as_str())
                } else {
                    None
                }
            })
            .collect();
        let mut asked: Vec<(&str, &Node<'_>)> = Vec::new();
        for (rule, node) in self.scenario.rules.iter().zip(self.items("rules")) {
            let Some(on) = node.get("on") else { continue };
            for part in rule.trigger.parts() {
                if let Trigger::Mark(name) = part {
                    asked.push((name, on.get("mark").unwrap_or(on)));
                } else if let Some((_, Origin::Mark(name))) = part.origin() {
                    asked.push((name, on.get("of").unwrap_or(on)));
                }
            }
        }
        for (_, seen, node) in self.sights() {
            if seen.sight == Sight::Mark {
                asked.push((&seen.pattern, node.get("mark").unwrap_or(node)));
            }
            // A line in which something is filled in may be any.
            let may_fit = |line: &&str| line.contains('{') || glob(&seen.pattern, line);
            let own = seen.pattern.starts_with("scenario reloaded");
            if seen.sight == Sight::Log && !own && !lines.iter().any(may_fit) {
                let at = node.get("log").unwrap_or(node);
                self.warn(at, format!("no action writes the line `{}`", seen.pattern));
            }
        }
        for (name, node) in asked {
            if !marks.iter().any(|mark| glob(name, mark)) {
                let near = match nearest(name, marks.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("only `POST /control/mark/{name}` could"),
                };
                self.warn(node, format!("no action sets the mark `{name}`, {near}"));
            }
        }
    }

    /// Where a `goto` leads, from which state (`None`: from any), and where it
    /// stands.
    fn gotos(&self) -> Vec<(Option<&'a str>, &'a str, &'a Node<'a>)> {
        let mut all = Vec::new();
        for (rule, node) in self.scenario.rules.iter().zip(self.items("rules")) {
            let from = rule.state.as_deref();
            all.extend(
                rule.goto
                    .as_deref()
                    .zip(node.get("goto"))
                    .map(|(to, n)| (from, to, n)),
            );
            let mut actions = Vec::new();
            super::list(&rule.actions, node.get("do"), &mut actions);
            for (action, node) in actions {
                if let Action::Goto(to) = action {
                    all.push((from, to.as_str(), node.get("goto").unwrap_or(node)));
                }
            }
        }
        all
    }

    fn states(&mut self) {
        let gotos = self.gotos();
        let mut reached = BTreeSet::from([START]);
        let mut before = 0;
        while before != reached.len() {
            before = reached.len();
            let leads = |from: &Option<&str>| from.is_none_or(|state| reached.contains(state));
            let next: Vec<&str> = gotos
                .iter()
                .filter(|(from, _, _)| leads(from))
                .map(|(_, to, _)| *to)
                .collect();
            reached.extend(next);
        }
        let targets: BTreeSet<&str> = gotos.iter().map(|(_, to, _)| *to).chain([START]).collect();
        let mut lived_in = BTreeSet::from([START, END]);
        for (rule, node) in self.scenario.rules.iter().zip(self.items("rules")) {
            let Some((state, at)) = rule.state.as_deref().zip(node.get("state")) else {
                continue;
            };
            lived_in.insert(state);
            if !targets.contains(state) {
                let near = hint(state, &targets);
                self.warn(at, format!("no `goto` leads to the state `{state}`{near}"));
            } else if !reached.contains(state) {
                let message = format!("only what is never reached leads to the state `{state}`");
                self.warn(at, message);
            }
        }
        for (_, to, node) in gotos {
            if !lived_in.contains(to) {
                let near = hint(to, &lived_in);
                let message =
                    format!("no rule lives in the state `{to}`{near}; `{END}` needs none");
                self.warn(node, message);
            }
        }
    }

    fn holds(&mut self) {
        let actions = self.actions();
        let held: BTreeSet<&str> = actions
            .iter()
            .filter_map(|(action, _)| {
                if let Action::Hold(name) = action {
                    Some(name.as_str())
                } else {
                    None
                }
            })
            .collect();
        for (action, node) in actions {
            if let Action::Release { name, .. } = action {
                if !held.contains(name.as_str()) {
                    let at = node.get("release").unwrap_or(node);
                    let near = hint(name, &held);
                    self.warn(at, format!("nothing is held under the name `{name}`{near}"));
                }
            }
        }
    }

    fn ids(&mut self) {
        for key in ["rules", "http", "expect"] {
            let mut seen = BTreeSet::new();
            for node in self.items(key) {
                let Some(at) = node.get("id") else { continue };
                if let Value::Text(id) = &at.value {
                    if !seen.insert(id.to_string()) {
                        self.warn(at, format!("another one has the id `{id}`, too"));
                    }
                }
            }
        }
    }
}

fn hint(word: &str, known: &BTreeSet<&str>) -> String {
    let near = nearest(word, known.iter().copied());
    near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
}
