//! One question to a broker or a client.

use crate::grade::Verdict;
use std::fmt;

/// One question, asked in a laboratory `L`.
pub(crate) struct Case<L> {
    /// The requirement's id.
    pub(crate) requirement: &'static str,
    /// What sets it apart from other cases of that requirement; may be empty.
    pub(crate) variant: &'static str,
    /// It takes a while: such ones begin first.
    pub(crate) slow: bool,
    /// It weighs on who is asked: nothing runs beside it.
    pub(crate) alone: bool,
    /// Capabilities without which it cannot be asked, besides those that the
    /// list names.
    pub(crate) needs: &'static [&'static str],
    pub(crate) run: fn(&mut L) -> Verdict,
}

impl<L> Case<L> {
    pub(crate) const fn new(
        requirement: &'static str,
        variant: &'static str,
        run: fn(&mut L) -> Verdict,
    ) -> Self {
        Self {
            requirement,
            variant,
            slow: false,
            alone: false,
            needs: &[],
            run,
        }
    }

    pub(crate) const fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    pub(crate) const fn alone(self) -> Self {
        Self {
            slow: true,
            alone: true,
            ..self
        }
    }

    pub(crate) const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }
}

impl<L> fmt::Display for Case<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.requirement)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

/// Each case is of a requirement of the list, and there once; so is each rule.
#[cfg(test)]
pub(crate) fn check<L>(cases: &[&Case<L>], rules: &[&str]) {
    use crate::requirement;
    let mut ids = std::collections::BTreeSet::new();
    for case in cases {
        assert!(requirement::by_id(case.requirement).is_some(), "{case}");
        assert!(ids.insert(case.to_string()), "{case} is there twice");
    }
    for id in rules {
        assert!(requirement::by_id(id).is_some(), "{id}");
    }
}
