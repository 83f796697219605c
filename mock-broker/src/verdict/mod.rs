//! What became of the assertions of a scenario, in words.

mod judge;
mod report;
mod window;

pub use judge::Judge;
pub use report::Report;

use serde::Serialize;

/// What became of one assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Its `id`, or else its word and its place, such as `never-2`.
    pub id: String,
    /// What it asks for, in words.
    pub asked: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was seen, in words; secrets are masked.
    pub words: String,
}

/// What can become of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Held,
    /// It does not hold.
    Failed,
    /// The run never came to what it is about, or ended before it was decided.
    NotReached,
    /// Entries that it might be about are gone from the transcript.
    Inconclusive,
}

impl Outcome {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "FAILED",
            Self::NotReached => "not reached",
            Self::Inconclusive => "inconclusive",
        }
    }
}
