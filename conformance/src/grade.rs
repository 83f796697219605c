//! What a case found, on two axes: how the peer behaved, and how the
//! connection ended.

use crate::requirement::Cost;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a case saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// One of those that the text allows.
    Ok,
    /// The rule was broken; the requirement says what that costs.
    Violated(String),
    /// Broken in a way that the text forbids outright, whatever the rule costs.
    Failed(String),
    /// It works, in a way that the text discourages.
    NonStrict(String),
    /// The text is silent; what was seen.
    Info(String),
    /// The peer cannot do it, and need not.
    Unimplemented(String),
    /// The case did not come as far as the question.
    Inconclusive(String),
}

/// A case reads like a dialogue: `?` ends it with what went wrong.
pub(crate) type Verdict = Result<Outcome, Outcome>;

/// The rule was broken.
pub(crate) fn violated<T>(words: impl Into<String>) -> Result<T, Outcome> {
    Err(Outcome::Violated(words.into()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub(crate) enum Grade {
    Failed,
    Flaky,
    Inconclusive,
    NonStrict,
    Known,
    Unimplemented,
    Info,
    Ok,
}

impl Grade {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Flaky => "FLAKY",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NonStrict => "NON-STRICT",
            Self::Known => "KNOWN",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Info => "INFO",
            Self::Ok => "OK",
        }
    }

    /// Whether a person wants to see the dialogue.
    pub(crate) fn is_worth_a_look(self) -> bool {
        self.weight() > 0
    }

    /// How bad it is, to tell a regression from a fix.
    pub(crate) fn weight(self) -> u8 {
        match self {
            Self::Ok | Self::Info | Self::Unimplemented => 0,
            Self::Known | Self::NonStrict => 1,
            Self::Inconclusive => 2,
            Self::Flaky => 3,
            Self::Failed => 4,
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Outcome {
    /// A broken rule, told in other words; anything else stays.
    pub(crate) fn reworded(self, words: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Violated(why) => Self::Violated(words(why)),
            Self::Ok
            | Self::Failed(_)
            | Self::NonStrict(_)
            | Self::Info(_)
            | Self::Unimplemented(_)
            | Self::Inconclusive(_) => self,
        }
    }

    /// What went wrong was not yet the question of the case.
    pub(crate) fn beforehand(self) -> Self {
        match self {
            Self::Violated(why) => Self::Inconclusive(why),
            Self::Ok
            | Self::Failed(_)
            | Self::NonStrict(_)
            | Self::Info(_)
            | Self::Unimplemented(_)
            | Self::Inconclusive(_) => self,
        }
    }

    /// What it says, whatever it is.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Ok => String::new(),
            Self::Violated(words)
            | Self::Failed(words)
            | Self::NonStrict(words)
            | Self::Info(words)
            | Self::Unimplemented(words)
            | Self::Inconclusive(words) => words,
        }
    }

    /// The grade, and what was seen in words.
    pub(crate) fn graded(self, cost: Cost) -> (Grade, String) {
        match self {
            Self::Ok => (Grade::Ok, String::new()),
            Self::Violated(words) => match cost {
                Cost::Fail => (Grade::Failed, words),
                Cost::NonStrict => (Grade::NonStrict, words),
                Cost::Info => (Grade::Info, words),
            },
            Self::Failed(words) => (Grade::Failed, words),
            Self::NonStrict(words) => (Grade::NonStrict, words),
            Self::Info(words) => (Grade::Info, words),
            Self::Unimplemented(words) => (Grade::Unimplemented, words),
            Self::Inconclusive(words) => (Grade::Inconclusive, words),
        }
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE", tag = "how", content = "code")]
pub(crate) enum Ending {
    /// Close frames went both ways.
    Clean,
    /// A Close without a code.
    ClosedNoCode,
    /// A Close with a code that means trouble.
    WrongCode(u16),
    /// The stream ended without a Close.
    Dropped,
    /// TCP was reset.
    Reset,
    /// The case was over first, and the judge closed.
    ByHarness,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("CLEAN"),
            Self::ClosedNoCode => f.write_str("CLOSED-NO-CODE"),
            Self::WrongCode(code) => write!(f, "WRONG-CODE({code})"),
            Self::Dropped => f.write_str("DROPPED"),
            Self::Reset => f.write_str("RESET"),
            Self::ByHarness => f.write_str("BY-HARNESS"),
        }
    }
}
