//! Runs cases, some at once, and grades what they find.

use super::cases::{self, Case};
use super::lab::Lab;
use super::probe::Caps;
use super::target::Target;
use crate::finding::{Finding, Side};
use crate::grade::Outcome;
use crate::order;
use crate::profile::Profile;
use crate::requirement::{self, Requirement};
use crate::tally::Tallies;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is to run, and how.
pub(crate) struct Plan<'a> {
    pub(crate) target: &'a Arc<Target>,
    pub(crate) caps: &'a Caps,
    pub(crate) cases: &'a [&'static Case],
    /// Rules that all traffic is held against.
    pub(crate) passive: &'a [&'static str],
    pub(crate) profile: Profile,
    pub(crate) jobs: usize,
    /// Of the order.
    pub(crate) seed: Option<u64>,
}

/// Runs the cases, `jobs` at a time, and tells of each when it is done. Who is
/// told may end the run.
pub(crate) fn run(
    plan: &Plan<'_>,
    told: impl Fn(&mut Finding) -> ControlFlow<()> + Sync,
) -> Vec<Finding> {
    let cases = plan.cases;
    let mut order: Vec<usize> = (0..cases.len()).collect();
    if let Some(seed) = plan.seed {
        order::shuffle(&mut order, seed);
    }
    order.sort_by_key(|&at| !cases[at].slow);
    let (alone, together): (Vec<usize>, Vec<usize>) =
        order.into_iter().partition(|&at| cases[at].alone);
    let over = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Finding)>> = Mutex::default();
    let tallies: Mutex<Tallies> = Mutex::default();
    let work = |order: &[usize], jobs: usize| {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let (mut finding, seen) = judge(plan, cases[at]);
                        if told(&mut finding).is_break() {
                            over.store(true, Ordering::Relaxed);
                        }
                        let mut all = tallies.lock().unwrap_or_else(PoisonError::into_inner);
                        all.add(seen);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.push((at, finding));
                    }
                });
            }
        });
    };
    work(&together, plan.jobs.clamp(1, 64));
    work(&alone, 1);
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let mut findings: Vec<Finding> = done.into_iter().map(|(_, finding)| finding).collect();
    let tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    for id in plan.passive {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let mut finding = tallies.finding(id, Side::Broker, plan.profile);
        finding.observed = plan.target.secrets.hide(&finding.observed);
        if told(&mut finding).is_break() {
            over.store(true, Ordering::Relaxed);
        }
        findings.push(finding);
    }
    findings
}

fn required(id: &str) -> &'static Requirement {
    requirement::by_id(id).expect("a test looks every id up")
}

fn judge(plan: &Plan<'_>, case: &'static Case) -> (Finding, Tallies) {
    let (target, caps) = (plan.target, plan.caps);
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
    let (grade, observed) = plan.profile.grade(outcome, requirement);
    let finding = Finding {
        took: began.elapsed(),
        endings: lab.shared.endings(),
        log: lab.shared.log.take(),
        ..Finding::new(
            case.to_string(),
            Side::Broker,
            requirement,
            (grade, target.secrets.hide(&observed)),
        )
    };
    (finding, lab.shared.passive.tallies())
}

/// Whatever a case did, the broker must still take a session. One that is
/// started again by others has a while to come back, so that the next case
/// finds it.
fn after(target: &Arc<Target>, caps: &Caps, outcome: Outcome) -> Outcome {
    let session = || Lab::new(target, caps).connect().map(|_| ());
    let Err(Outcome::Inconclusive(words) | Outcome::Violated(words)) = session() else {
        return outcome;
    };
    let until = Instant::now() + target.scaled(Duration::from_secs(5));
    while Instant::now() < until && session().is_err() {
        std::thread::sleep(Duration::from_millis(100));
    }
    Outcome::Failed(format!(
        "after the case the broker takes no session: {words}"
    ))
}

/// All cases and rules.
pub(crate) fn everything() -> (Vec<&'static Case>, Vec<&'static str>) {
    (cases::all(), cases::PASSIVE.to_vec())
}

/// The ids of all of them.
pub(crate) fn ids() -> Vec<String> {
    let (cases, rules) = everything();
    let rules = rules.iter().map(|id| format!("{id}/passive"));
    cases.iter().map(ToString::to_string).chain(rules).collect()
}
