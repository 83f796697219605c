//! A rule, and for which connections it is.

use super::action::Action;
use super::trigger::Trigger;
use std::ops::{RangeFrom, RangeInclusive};

/// One trigger and what it sets off.
///
/// What triggered the rule still takes place at the end of the list, unless
/// the list holds `pass` (then it took place there) or an action that stands
/// in its place: `drop`, `error`, `close`, `fin`, `rst`, `hold`, `http`,
/// `redirect`, `hang`, `tls stall`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// A name for the transcript.
    pub id: Option<String>,
    /// For which connections.
    pub conns: Conns,
    /// Only for connections in this state; `None` means in any. Each one
    /// begins in `"start"`.
    pub state: Option<String>,
    /// When.
    pub trigger: Trigger,
    /// How often at most, over all connections; `None` means without end.
    pub times: Option<u64>,
    /// With which probability.
    pub p: f64,
    /// What is done.
    pub actions: Vec<Action>,
    /// The state into which the connection goes at the end of the list.
    pub goto: Option<String>,
}

impl Rule {
    /// A rule for every connection that does nothing yet.
    pub fn on(trigger: impl Into<Trigger>) -> Self {
        Self {
            id: None,
            conns: Conns::Any,
            state: None,
            trigger: trigger.into(),
            times: None,
            p: 1.0,
            actions: Vec::new(),
            goto: None,
        }
    }

    /// A name for the transcript.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Only for the n-th connection, counted from 1 in the order of accept.
    #[must_use]
    pub fn conn(self, n: u64) -> Self {
        self.conns(n..=n)
    }

    /// Only for these connections.
    #[must_use]
    pub fn conns(mut self, conns: impl Into<Conns>) -> Self {
        self.conns = conns.into();
        self
    }

    /// Only for connections in this state.
    #[must_use]
    pub fn state(mut self, state: &str) -> Self {
        self.state = Some(state.to_owned());
        self
    }

    /// At the end of the list the connection goes into this state.
    #[must_use]
    pub fn goto(mut self, state: &str) -> Self {
        self.goto = Some(state.to_owned());
        self
    }

    /// At most so often, over all connections.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// With this probability.
    #[must_use]
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }

    /// One more thing to do.
    #[must_use]
    pub fn then(mut self, action: impl Into<Action>) -> Self {
        self.actions.push(action.into());
        self
    }
}

/// Which connections; they are counted from 1 in the order of accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conns {
    /// Every one.
    Any,
    /// From the first to the second number, both included.
    Between(u64, u64),
    /// The 1st, 3rd, 5th...
    Odd,
    /// The 2nd, 4th, 6th...
    Even,
}

impl Conns {
    /// Reads `"any"`, `"3"`, `"2+"`, `"1..3"`, `"odd"` or `"even"`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |t: &str| t.parse::<u64>().ok().filter(|n| *n > 0);
        match text {
            "any" => return Some(Self::Any),
            "odd" => return Some(Self::Odd),
            "even" => return Some(Self::Even),
            _ => {}
        }
        if let Some(from) = text.strip_suffix('+') {
            return Some(Self::Between(number(from)?, u64::MAX));
        }
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (number(from)?, number(to)?);
            return (from <= to).then_some(Self::Between(from, to));
        }
        number(text).map(|n| Self::Between(n, n))
    }

    pub(crate) fn has(&self, conn: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Between(from, to) => (*from..=*to).contains(&conn),
            Self::Odd => conn % 2 == 1,
            Self::Even => conn != 0 && conn % 2 == 0,
        }
    }
}

impl std::fmt::Display for Conns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Between(one, other) if one == other => write!(f, "{one}"),
            Self::Between(from, u64::MAX) => write!(f, "{from}+"),
            Self::Between(from, to) => write!(f, "{from}..{to}"),
            Self::Odd => f.write_str("odd"),
            Self::Even => f.write_str("even"),
        }
    }
}

impl From<RangeFrom<u64>> for Conns {
    fn from(range: RangeFrom<u64>) -> Self {
        Self::Between(range.start, u64::MAX)
    }
}

impl From<RangeInclusive<u64>> for Conns {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self::Between(*range.start(), *range.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_selected() {
        let of = |text: &str| {
            let conns = Conns::parse(text)?;
            Some((1..=5).filter(|n| conns.has(*n)).collect::<Vec<u64>>())
        };
        assert_eq!(of("any"), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(of("2"), Some(vec![2]));
        assert_eq!(of("4+"), Some(vec![4, 5]));
        assert_eq!(of("1..3"), Some(vec![1, 2, 3]));
        assert_eq!(of("odd"), Some(vec![1, 3, 5]));
        assert_eq!(of("even"), Some(vec![2, 4]));
        assert_eq!(
            (of("0"), of("x"), of("+"), of(".."), of("3..1")),
            (None, None, None, None, None)
        );
    }
}
