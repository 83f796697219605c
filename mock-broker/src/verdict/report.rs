//! The report at the end of a run.

use super::{Outcome, Verdict};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What a run came to. Its `Display` is for people, one line a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// How many WebSocket connections were asked for.
    pub clients: u64,
    /// What `fail` actions said.
    pub fails: Vec<String>,
    /// What became of each assertion, in their order.
    pub verdicts: Vec<Verdict>,
    /// How long the run was.
    #[serde(skip)]
    pub took: Duration,
}

impl Report {
    /// The exit status of a run in which an assertion failed.
    pub const FAILED: u8 = 1;
    /// The exit status of a run that came to nothing.
    pub const NOTHING: u8 = 4;

    /// Whether a client came and all assertions hold.
    pub fn is_ok(&self) -> bool {
        self.exit_code() == 0
    }

    /// 0: a client came and all hold. 1: one failed or is inconclusive, or a
    /// `fail` action fired. 4: none failed, but no client came or one was not
    /// reached: nothing run is never success.
    pub fn exit_code(&self) -> u8 {
        let any = |outcome| self.verdicts.iter().any(|v| v.outcome == outcome);
        if any(Outcome::Failed) || any(Outcome::Inconclusive) || !self.fails.is_empty() {
            Self::FAILED
        } else if self.clients == 0 || any(Outcome::NotReached) {
            Self::NOTHING
        } else {
            0
        }
    }

    /// Ends a test unless all is well.
    ///
    /// # Panics
    /// With the whole report, unless [`Report::is_ok`].
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.is_ok(), "{self}");
    }

    /// The report as JSON: `{"v":1,"exit":…,"ms":…}` and the fields of this
    /// type.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = json.as_object_mut() {
            let ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
            object.insert("v".to_owned(), 1.into());
            object.insert("exit".to_owned(), self.exit_code().into());
            object.insert("ms".to_owned(), ms.into());
        }
        json
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.verdicts {
            let Verdict {
                id,
                asked,
                outcome,
                words,
            } = verdict;
            writeln!(f, "{:<12} {id}: {asked}", outcome.word())?;
            writeln!(f, "{:<12}   {words}", "")?;
        }
        for fail in &self.fails {
            writeln!(f, "{:<12} {fail}", Outcome::Failed.word())?;
        }
        let count = |o| self.verdicts.iter().filter(|v| v.outcome == o).count();
        write!(
            f,
            "RESULT held={} failed={} not-reached={} inconclusive={} clients={} exit={}",
            count(Outcome::Held),
            count(Outcome::Failed) + self.fails.len(),
            count(Outcome::NotReached),
            count(Outcome::Inconclusive),
            self.clients,
            self.exit_code()
        )
    }
}
