//! What is wrong with a scenario file, and what of it could never do anything.

mod dead;
mod names;

use crate::json::{Node, place};
use crate::script::{Action, Assertion, Scenario, Seen, parse};

/// Something that [`lint`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// How bad it is.
    pub level: Level,
    /// What it is, with the nearest known word for a misspelt one.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file is played, but a part of it can never do anything.
    Warning,
}

impl Level {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Everything that is wrong with a scenario file, in the order of the text.
/// Warnings are looked for only in a file without errors.
///
/// ```
/// use hobnail_mock_broker::lint::{Level, lint};
///
/// let found = lint(r#"{"rules":[{"on":{"mark":"gone"},"do":["fin"]}]}"#);
/// assert_eq!(found[0].level, Level::Warning);
/// assert!(found[0].message.contains("no action sets the mark `gone`"));
/// ```
pub fn lint(text: &str) -> Vec<Finding> {
    let root = match parse::json(text) {
        Ok(root) => root,
        Err(error) => return vec![error.into()],
    };
    let mut errors = parse::errors(text, &root);
    if !errors.is_empty() {
        errors.sort_by_key(|error| (error.line, error.column));
        return errors.into_iter().map(Into::into).collect();
    }
    let scenario = match Scenario::from_json(text) {
        Ok(scenario) => scenario,
        Err(error) => return vec![error.into()],
    };
    let mut look = Look {
        scenario: &scenario,
        root: &root,
        found: Vec::new(),
    };
    look.names();
    look.rules();
    look.http();
    look.assertions();
    look.found.sort();
    look.found.dedup();
    let warn = |(at, message): (usize, String)| {
        let (line, column) = place(text, at);
        Finding {
            line,
            column,
            level: Level::Warning,
            message,
        }
    };
    look.found.into_iter().map(warn).collect()
}

impl From<parse::ScenarioError> for Finding {
    fn from(error: parse::ScenarioError) -> Self {
        Self {
            line: error.line,
            column: error.column,
            level: Level::Error,
            message: error.message,
        }
    }
}

/// A scenario beside its text.
struct Look<'a> {
    scenario: &'a Scenario,
    root: &'a Node<'a>,
    found: Vec<(usize, String)>,
}

impl<'a> Look<'a> {
    fn warn(&mut self, node: &Node<'_>, message: impl Into<String>) {
        self.found.push((node.from, message.into()));
    }

    fn items(&self, key: &str) -> &'a [Node<'a>] {
        self.root.get(key).map_or(&[], Node::items)
    }

    /// Each action of the rules and of the http rules, with its place.
    fn actions(&self) -> Vec<(&'a Action, &'a Node<'a>)> {
        let mut all = Vec::new();
        for (rule, node) in self.scenario.rules.iter().zip(self.items("rules")) {
            list(&rule.actions, node.get("do"), &mut all);
        }
        for (rule, node) in self.scenario.http.iter().zip(self.items("http")) {
            match (node.get("seq"), rule.actions.first()) {
                (Some(seq), Some(Action::Seq(lists))) => lists_of(lists, seq, &mut all),
                (Some(_) | None, _) => list(&rule.actions, node.get("do"), &mut all),
            }
        }
        all
    }

    /// Everything that assertions look for, with its place and its assertion.
    fn sights(&self) -> Vec<(&'a Assertion, &'a Seen, &'a Node<'a>)> {
        let mut all = Vec::new();
        for (assertion, node) in self.scenario.expect.iter().zip(self.items("expect")) {
            let anchors = [("after", &assertion.after), ("before", &assertion.before)];
            for (key, seen) in anchors {
                all.extend(
                    seen.as_ref()
                        .zip(node.get(key))
                        .map(|(s, n)| (assertion, s, n)),
                );
            }
            let Some(claim) = node.get(assertion.claim.word()) else {
                continue;
            };
            let nodes = if claim.items().is_empty() {
                std::slice::from_ref(claim)
            } else {
                claim.items()
            };
            all.extend(
                assertion
                    .claim
                    .seen()
                    .iter()
                    .zip(nodes)
                    .map(|(s, n)| (assertion, s, n)),
            );
        }
        all
    }
}

fn list<'a>(
    actions: &'a [Action],
    node: Option<&'a Node<'a>>,
    all: &mut Vec<(&'a Action, &'a Node<'a>)>,
) {
    for (action, node) in actions.iter().zip(node.map_or(&[][..], Node::items)) {
        all.push((action, node));
        if let Action::Seq(lists) | Action::Pick(lists) = action {
            if let Some(inner) = node.get("seq").or_else(|| node.get("pick")) {
                lists_of(lists, inner, all);
            }
        }
    }
}

fn lists_of<'a>(
    lists: &'a [Vec<Action>],
    node: &'a Node<'a>,
    all: &mut Vec<(&'a Action, &'a Node<'a>)>,
) {
    for (actions, node) in lists.iter().zip(node.items()) {
        list(actions, Some(node), all);
    }
}
