//! Assertions: what must, may and must not be seen.

use super::sight::{ConnOf, Seen};
use std::time::Duration;

/// One assertion of a scenario, in JSON one object of `"expect":[..]`.
///
/// It looks at the transcript through windows. Each entry that fits `after`
/// opens one (without `after`, the first connection does, once, and is seen
/// itself); an entry that fits `before`, or the end of `within`, closes it; what
/// opens or closes a window is not seen through it.
///
/// ```
/// use hobnail_mock_broker::{Assertion, Scenario, seen};
/// use std::time::Duration;
///
/// let scenario = Scenario::builder()
///     .expect(
///         Assertion::never(seen::recv("SEND"))
///             .after("401")
///             .before(seen::recv("CONNECT"))
///             .why("nothing may be sent while suspended"),
///     )
///     .expect(Assertion::gap(seen::next_conn()).after("409").min(Duration::from_millis(500)))
///     .build();
/// let same = Scenario::from_json(r#"{"expect":[
///     {"never":{"recv":"SEND"},"after":"401","before":{"recv":"CONNECT"},
///      "why":"nothing may be sent while suspended"},
///     {"gap":{"conn":"next"},"after":"409","min":"500ms"}]}"#)?;
/// assert_eq!(scenario, same);
/// # Ok::<(), hobnail_mock_broker::ScenarioError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Assertion {
    /// A name for reports.
    pub id: Option<String>,
    /// What is claimed.
    pub claim: Claim,
    /// What opens a window; `None` is the first connection.
    pub after: Option<Seen>,
    /// What closes it.
    pub before: Option<Seen>,
    /// How long it is open at most.
    pub within: Option<Duration>,
    /// Whether it is no matter if the run never came to it (default false).
    pub optional: bool,
    /// Words that are added when it fails: why this was asked.
    pub why: Option<String>,
}

/// What an assertion claims.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Claim {
    /// It is seen through every window.
    Expect(Seen),
    /// It is seen through none.
    Never(Seen),
    /// How often it is seen through a window.
    Count {
        /// What.
        seen: Seen,
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
        /// In any stretch of so long (`in`): `max` holds for each of them, `min`
        /// for one of them.
        span: Option<Duration>,
    },
    /// How long after what opened the window it is first seen. Without `after`,
    /// how long after the time before.
    Gap {
        /// What.
        seen: Seen,
        /// At least.
        min: Option<Duration>,
        /// At most.
        max: Option<Duration>,
    },
    /// Each is seen only after those before it have been.
    Order(Vec<Seen>),
}

impl Claim {
    /// Everything that this claim looks for.
    pub(crate) fn seen(&self) -> &[Seen] {
        match self {
            Self::Expect(seen)
            | Self::Never(seen)
            | Self::Count { seen, .. }
            | Self::Gap { seen, .. } => std::slice::from_ref(seen),
            Self::Order(list) => list,
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Expect(_) => "expect",
            Self::Never(_) => "never",
            Self::Count { .. } => "count",
            Self::Gap { .. } => "gap",
            Self::Order(_) => "order",
        }
    }
}

impl Assertion {
    /// A claim about the whole run.
    pub fn new(claim: Claim) -> Self {
        Self {
            id: None,
            claim,
            after: None,
            before: None,
            within: None,
            optional: false,
            why: None,
        }
    }

    /// This must be seen.
    pub fn expect(seen: impl Into<Seen>) -> Self {
        Self::new(Claim::Expect(seen.into()))
    }

    /// This must not be seen.
    pub fn never(seen: impl Into<Seen>) -> Self {
        Self::new(Claim::Never(seen.into()))
    }

    /// This must be seen so often: [`at_least`](Self::at_least),
    /// [`at_most`](Self::at_most), [`in_any`](Self::in_any).
    pub fn count(seen: impl Into<Seen>) -> Self {
        Self::new(Claim::Count {
            seen: seen.into(),
            min: None,
            max: None,
            span: None,
        })
    }

    /// This must not be seen sooner than [`min`](Self::min), nor later than
    /// [`max`](Self::max).
    pub fn gap(seen: impl Into<Seen>) -> Self {
        Self::new(Claim::Gap {
            seen: seen.into(),
            min: None,
            max: None,
        })
    }

    /// These must be seen in this order.
    pub fn order(list: impl IntoIterator<Item = Seen>) -> Self {
        Self::new(Claim::Order(list.into_iter().collect()))
    }

    /// A name for reports.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// What opens a window: a mark, or anything that can be seen.
    #[must_use]
    pub fn after(mut self, what: impl Into<Seen>) -> Self {
        self.after = Some(what.into());
        self
    }

    /// What closes it: a mark, or anything that can be seen.
    #[must_use]
    pub fn before(mut self, what: impl Into<Seen>) -> Self {
        self.before = Some(what.into());
        self
    }

    /// How long a window is open at most.
    #[must_use]
    pub fn within(mut self, span: Duration) -> Self {
        self.within = Some(span);
        self
    }

    /// It is no matter if the run never comes to it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Why this is asked, for the sentence that tells of a failure.
    #[must_use]
    pub fn why(mut self, words: &str) -> Self {
        self.why = Some(words.to_owned());
        self
    }

    /// At least so often; of a `count`.
    #[must_use]
    pub fn at_least(mut self, n: u64) -> Self {
        if let Claim::Count { min, .. } = &mut self.claim {
            *min = Some(n);
        }
        self
    }

    /// At most so often; of a `count`.
    #[must_use]
    pub fn at_most(mut self, n: u64) -> Self {
        if let Claim::Count { max, .. } = &mut self.claim {
            *max = Some(n);
        }
        self
    }

    /// In any stretch of so long (`in` in JSON); of a `count`.
    #[must_use]
    pub fn in_any(mut self, stretch: Duration) -> Self {
        if let Claim::Count { span, .. } = &mut self.claim {
            *span = Some(stretch);
        }
        self
    }

    /// No sooner; of a `gap`.
    #[must_use]
    pub fn min(mut self, pause: Duration) -> Self {
        if let Claim::Gap { min, .. } = &mut self.claim {
            *min = Some(pause);
        }
        self
    }

    /// No later; of a `gap`.
    #[must_use]
    pub fn max(mut self, pause: Duration) -> Self {
        if let Claim::Gap { max, .. } = &mut self.claim {
            *max = Some(pause);
        }
        self
    }

    /// What is asked for, in words.
    pub fn words(&self) -> String {
        let range = |min: Option<String>, max: Option<String>| match (min, max) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, Some(max)) => format!("at most {max}"),
            (None, None) => String::new(),
        };
        let mut words = match &self.claim {
            Claim::Expect(seen) => format!("there is {}", seen.words()),
            Claim::Never(seen) => format!("there is never {}", seen.words()),
            Claim::Count {
                seen,
                min,
                max,
                span,
            } => {
                let times = range(min.map(|n| n.to_string()), max.map(|n| n.to_string()));
                let stretch = span.map_or_else(String::new, |s| format!(" in any {s:?}"));
                format!("{times} times {}{stretch}", seen.words())
            }
            Claim::Gap { seen, min, max } => {
                let pause = range(min.map(|d| format!("{d:?}")), max.map(|d| format!("{d:?}")));
                format!("{pause} pass until {}", seen.words())
            }
            Claim::Order(list) => {
                let list: Vec<String> = list.iter().map(Seen::words).collect();
                list.join(", then ")
            }
        };
        let parts = [
            self.after.as_ref().map(|s| format!(" after {}", s.words())),
            self.before
                .as_ref()
                .map(|s| format!(" before {}", s.words())),
            self.within.map(|w| format!(" within {w:?}")),
        ];
        words.extend(parts.into_iter().flatten());
        words
    }

    /// Refuses what could never be judged.
    pub(super) fn check(&self) -> Result<(), String> {
        let anchors = self.after.iter().chain(&self.before);
        let relative = |s: &&Seen| matches!(s.conn, ConnOf::Next | ConnOf::Same);
        if self.after.iter().any(|s| relative(&s)) {
            return Err("`after` cannot be \"next\" or \"same\": they are told by it".to_owned());
        }
        if anchors.clone().any(|s| s.nth == Some(0))
            || self.claim.seen().iter().any(|s| s.nth == Some(0))
        {
            return Err("`nth` counts from 1".to_owned());
        }
        match &self.claim {
            Claim::Count { seen, .. } | Claim::Gap { seen, .. } if seen.nth.is_some() => {
                Err(format!("`nth` has no meaning in `{}`", self.claim.word()))
            }
            Claim::Count {
                min: None,
                max: None,
                ..
            }
            | Claim::Gap {
                min: None,
                max: None,
                ..
            } => Err(format!("`{}` needs `min` or `max`", self.claim.word())),
            Claim::Count { min, max, .. } if min.zip(*max).is_some_and(|(a, b)| a > b) => {
                Err("`min` is more than `max`".to_owned())
            }
            Claim::Count { min, max, .. } if (*min).max(*max) > Some(1_000_000) => {
                Err("`count` counts to a million at most".to_owned())
            }
            Claim::Gap { min, max, .. } if min.zip(*max).is_some_and(|(a, b)| a > b) => {
                Err("`min` is more than `max`".to_owned())
            }
            Claim::Order(list) if list.len() < 2 => {
                Err("`order` needs two or more things".to_owned())
            }
            Claim::Order(list) if list.iter().any(|s| s.nth.is_some()) => {
                Err("`nth` has no meaning in `order`".to_owned())
            }
            Claim::Expect(_)
            | Claim::Never(_)
            | Claim::Count { .. }
            | Claim::Gap { .. }
            | Claim::Order(_) => Ok(()),
        }
    }
}
