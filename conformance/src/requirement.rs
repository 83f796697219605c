//! The requirement list: what STOMP 1.0 to 1.2, RFC 6455 and the practice of
//! the field ask of a broker and of a client.

use crate::finding::Side;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::LazyLock;

/// How strongly the text asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Level {
    Must,
    Implied,
    Should,
    #[serde(rename = "DE-FACTO")]
    DeFacto,
    May,
    Undefined,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Implied => "IMPLIED",
            Self::Should => "SHOULD",
            Self::DeFacto => "DE-FACTO",
            Self::May => "MAY",
            Self::Undefined => "UNDEFINED",
        })
    }
}

/// What breaking it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Cost {
    #[serde(rename = "FAIL")]
    Fail,
    #[serde(rename = "NON-STRICT")]
    NonStrict,
    #[serde(rename = "INFO")]
    Info,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Requirement {
    pub(crate) id: String,
    pub(crate) level: Level,
    pub(crate) statement: String,
    pub(crate) section: String,
    pub(crate) test_broker: String,
    pub(crate) test_client: String,
    pub(crate) version_diff: String,
    /// Capabilities without which it cannot be tested.
    pub(crate) needs: Vec<String>,
    pub(crate) grade_if_violated: Cost,
}

static ALL: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../requirements.json")).expect("a test parses the list")
});

pub(crate) fn all() -> &'static [Requirement] {
    &ALL
}

/// The rules that no specification has, only a dialect.
static DIALECTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../dialects.json")).expect("a test parses the list")
});

pub(crate) fn by_id(id: &str) -> Option<&'static Requirement> {
    ALL.iter().chain(DIALECTS.iter()).find(|r| r.id == id)
}

impl Requirement {
    /// `S12` of `S12-FRM-001`.
    pub(crate) fn family(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }

    /// The part of the id that names the area: `FRM` of `S12-FRM-001`. Rules
    /// of dialects are one area.
    pub(crate) fn area(&self) -> &str {
        match self.family() {
            "DLX" => "DLX",
            _ => self.id.split('-').nth(1).unwrap_or_default(),
        }
    }

    /// What is asked of a side, in words.
    pub(crate) fn test(&self, side: Side) -> &str {
        match side {
            Side::Broker => &self.test_broker,
            Side::Client => &self.test_client,
        }
    }

    /// Whether there is something to ask of a side.
    pub(crate) fn asks(&self, side: Side) -> bool {
        !self.test(side).starts_with("n/a")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_list_is_whole() {
        assert_eq!(all().len(), 285);
        let ids: BTreeSet<&str> = all().iter().map(|r| r.id.as_str()).collect();
        assert_eq!(ids.len(), 285);
        assert_eq!(DIALECTS.len(), 4);
        assert_eq!(
            all().iter().filter(|r| r.asks(Side::Broker)).count(),
            245 - all()
                .iter()
                .filter(|r| r.test_broker.starts_with("n/a ("))
                .count()
        );
    }
}
