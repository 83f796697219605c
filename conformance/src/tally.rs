//! How often a rule that all traffic is held against was tried, and how it was
//! first broken.

use crate::finding::{Finding, Side};
use crate::grade::{Grade, Outcome};
use crate::profile::Profile;
use crate::requirement;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) seen: u64,
    pub(crate) broken: Option<Outcome>,
}

/// Tallies by the requirement's id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies(BTreeMap<&'static str, Tally>);

impl Tallies {
    /// The rule was tried once more.
    pub(crate) fn rule(&mut self, id: &'static str, holds: bool, how: impl FnOnce() -> Outcome) {
        let tally = self.0.entry(id).or_default();
        tally.seen += 1;
        if !holds && tally.broken.is_none() {
            tally.broken = Some(how());
        }
    }

    pub(crate) fn add(&mut self, new: Self) {
        for (id, tally) in new.0 {
            let sum = self.0.entry(id).or_default();
            sum.seen += tally.seen;
            if sum.broken.is_none() {
                sum.broken = tally.broken;
            }
        }
    }

    /// The verdict on a rule.
    pub(crate) fn finding(&self, id: &'static str, side: Side, profile: Profile) -> Finding {
        let requirement = requirement::by_id(id).expect("a test looks every id up");
        let graded = match self.0.get(id) {
            None => (Grade::Info, "nothing of the kind was seen".to_owned()),
            Some(tally) => match tally.broken.clone() {
                None => (Grade::Ok, String::new()),
                Some(broken) => profile.grade(broken, requirement),
            },
        };
        Finding::new(format!("{id}/passive"), side, requirement, graded)
    }
}
