//! What became of a case, whichever side it was asked of.

use crate::grade::{Ending, Grade};
use crate::requirement::Requirement;
use crate::wire::log::Entry;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// Who is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
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
    pub(crate) grade: Grade,
    /// In words; empty if there is nothing to say.
    pub(crate) observed: String,
    pub(crate) took: Duration,
    /// How each connection ended.
    pub(crate) endings: Vec<Ending>,
    pub(crate) log: Vec<Entry>,
}
