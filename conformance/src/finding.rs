//! What became of a case, whichever side it was asked of.

use crate::grade::{Ending, Grade};
use crate::requirement::Requirement;
use crate::wire::log::Entry;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Who is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Broker,
    Client,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Broker => "broker",
            Self::Client => "client",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) id: String,
    pub(crate) side: Side,
    pub(crate) requirement: &'static Requirement,
    /// As it was judged, whatever is known.
    pub(crate) grade: Grade,
    /// In words; empty if there is nothing to say.
    pub(crate) observed: String,
    pub(crate) took: Duration,
    /// How each connection ended.
    pub(crate) endings: Vec<Ending>,
    pub(crate) log: Vec<Entry>,
    /// The grade of every run, if there was more than one.
    pub(crate) repeats: Vec<Grade>,
    /// Why the grade costs nothing.
    pub(crate) known: Option<Excuse>,
}

/// What is known of a deviation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Excuse {
    pub(crate) reason: String,
    /// Where it is tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issue: Option<String>,
}

impl Finding {
    /// A finding of a case that used no connection and no time.
    pub(crate) fn new(
        id: String,
        side: Side,
        requirement: &'static Requirement,
        (grade, observed): (Grade, String),
    ) -> Self {
        Self {
            id,
            side,
            requirement,
            grade,
            observed,
            took: Duration::ZERO,
            endings: Vec::new(),
            log: Vec::new(),
            repeats: Vec::new(),
            known: None,
        }
    }

    /// The grade that counts.
    pub(crate) fn counted(&self) -> Grade {
        match self.known {
            Some(_) => Grade::Known,
            None => self.grade,
        }
    }

    /// The same case, run once more: grades that differ are FLAKY.
    pub(crate) fn again(&mut self, other: &Self) {
        if self.repeats.is_empty() {
            self.repeats.push(self.grade);
        }
        self.repeats.push(other.grade);
        if self.grade != other.grade && self.grade != Grade::Flaky {
            let (first, second) = (&self.observed, &other.observed);
            self.observed = match (first.is_empty(), second.is_empty()) {
                (true, _) => format!("{}, then {}: {second}", self.grade, other.grade),
                (false, true) => format!("{}: {first}; then {}", self.grade, other.grade),
                (false, false) => {
                    format!("{}: {first}; then {}: {second}", self.grade, other.grade)
                }
            };
            self.grade = Grade::Flaky;
        }
    }
}
