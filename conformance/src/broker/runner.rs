//! Runs cases, some at once, and grades what they find.

use super::cases::{self, Case};
use super::lab::Lab;
use super::passive::Tally;
use super::probe::Caps;
use super::target::Target;
use crate::finding::{Finding, Side};
use crate::grade::{Grade, Outcome};
use crate::requirement::{self, Requirement};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Runs these cases, `jobs` at a time, and tells of each when it is done.
pub(crate) fn run(
    target: &Arc<Target>,
    caps: &Caps,
    cases: &[&'static Case],
    passive: &[&'static str],
    jobs: usize,
    told: impl Fn(&Finding) + Sync,
) -> Vec<Finding> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|&at| !cases[at].slow);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Finding)>> = Mutex::default();
    let tallies: Mutex<BTreeMap<&'static str, Tally>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, 64) {
            scope.spawn(|| {
                while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (finding, seen) = judge(target, caps, cases[at]);
                    told(&finding);
                    merge(
                        &mut tallies.lock().unwrap_or_else(PoisonError::into_inner),
                        seen,
                    );
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((at, finding));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let mut findings: Vec<Finding> = done.into_iter().map(|(_, finding)| finding).collect();
    let tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    for id in passive {
        let finding = seen(id, tallies.get(id));
        told(&finding);
        findings.push(finding);
    }
    findings
}

fn merge(all: &mut BTreeMap<&'static str, Tally>, new: BTreeMap<&'static str, Tally>) {
    for (id, tally) in new {
        let sum = all.entry(id).or_default();
        sum.seen += tally.seen;
        if sum.broken.is_none() {
            sum.broken = tally.broken;
        }
    }
}

/// The verdict on a rule that all traffic was held against.
fn seen(id: &'static str, tally: Option<&Tally>) -> Finding {
    let requirement = required(id);
    let (grade, observed) = match tally {
        None => (Grade::Info, "nothing of the kind was seen".to_owned()),
        Some(tally) => match tally.broken.clone() {
            None => (Grade::Ok, String::new()),
            Some(broken) => broken.graded(requirement.grade_if_violated),
        },
    };
    Finding {
        id: format!("{id}/passive"),
        side: Side::Broker,
        requirement,
        grade,
        observed,
        took: Duration::ZERO,
        endings: Vec::new(),
        log: Vec::new(),
    }
}

fn required(id: &str) -> &'static Requirement {
    requirement::by_id(id).expect("a test looks every id up")
}

fn judge(
    target: &Arc<Target>,
    caps: &Caps,
    case: &'static Case,
) -> (Finding, BTreeMap<&'static str, Tally>) {
    let requirement = required(case.requirement);
    let began = Instant::now();
    let mut lab = Lab::new(target, caps);
    let missing = requirement.needs.iter().find(|need| !caps.has(need));
    let outcome = match missing {
        Some(need) => Outcome::Unimplemented(format!("needs {need}")),
        None => {
            // A case that panics is the judge's fault, never the broker's.
            let run = catch_unwind(AssertUnwindSafe(|| (case.run)(&mut lab)));
            match run {
                Ok(Ok(outcome) | Err(outcome)) => outcome,
                Err(_) => Outcome::Inconclusive("the case itself is wrong: it panicked".to_owned()),
            }
        }
    };
    let outcome = if matches!(outcome, Outcome::Inconclusive(_)) {
        outcome
    } else {
        after(target, caps, outcome)
    };
    let (grade, observed) = outcome.graded(requirement.grade_if_violated);
    let finding = Finding {
        id: case.to_string(),
        side: Side::Broker,
        requirement,
        grade,
        observed,
        took: began.elapsed(),
        endings: lab.shared.endings(),
        log: lab.shared.log.take(),
    };
    (finding, lab.shared.passive.tallies())
}

/// Whatever a case did, the broker must still take a session.
fn after(target: &Arc<Target>, caps: &Caps, outcome: Outcome) -> Outcome {
    match Lab::new(target, caps).connect() {
        Ok(_) => outcome,
        Err(Outcome::Inconclusive(words) | Outcome::Violated(words)) => Outcome::Failed(format!(
            "after the case the broker takes no session: {words}"
        )),
        Err(_) => outcome,
    }
}

/// All cases and rules.
pub(crate) fn everything() -> (Vec<&'static Case>, Vec<&'static str>) {
    (cases::all(), cases::PASSIVE.to_vec())
}
