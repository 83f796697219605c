//! Runs the cases of a client, some at once, each with a shim and a port of its
//! own, and grades what they find.

use super::cases::{self, Case};
use super::door::Door;
use super::driver::Driver;
use super::echo::{self, Echo};
use super::lab::Lab;
use super::passive;
use super::shim::{Hello, NOT_IMPLEMENTABLE, Shim};
use super::world::{Answer, World};
use crate::finding::{Finding, Side};
use crate::grade::Outcome;
use crate::order;
use crate::profile::Profile;
use crate::requirement::{self, Requirement};
use crate::tally::Tallies;
use serde_json::json;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How the client is reached.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    /// The shim's program and its arguments.
    Shim(Vec<String>),
    /// Where a program asks for its cases.
    Echo(Arc<Door>),
}

/// How a client is run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) reach: Reach,
    /// All times are stretched by it.
    pub(crate) scale: f64,
    /// One process for many cases.
    pub(crate) reuse: bool,
}

/// What a run found, and whether the shim can be believed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) findings: Vec<Finding>,
    /// How the shim first broke its protocol, and in which case.
    pub(crate) fault: Option<String>,
}

impl Settings {
    pub(crate) fn span(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds).mul_f64(self.scale)
    }

    pub(crate) fn start(&self, world: &Arc<World>, greets: Duration) -> Result<Driver, String> {
        match &self.reach {
            Reach::Shim(command) => Shim::start(command, world, greets).map(Driver::Shim),
            Reach::Echo(door) => {
                let echo = Echo::new(door);
                match echo.comes_back(self.span(10)) {
                    true => Ok(Driver::Echo(echo)),
                    false => Err("the program asks for no case".to_owned()),
                }
            }
        }
    }

    fn is_echo(&self) -> bool {
        matches!(self.reach, Reach::Echo(_))
    }
}

/// Who is there. A shim must say what it cannot do.
pub(crate) fn probe(settings: &Settings) -> Result<Hello, String> {
    let world = World::new(settings.is_echo());
    let mut shim = match settings.start(&world, settings.span(5))? {
        Driver::Shim(shim) => shim,
        Driver::Echo(echo) => return Ok(echo.hello),
    };
    let id = shim.command("x-canary", &json!({}));
    let answer = shim.answer(id, settings.span(5));
    let broken = {
        let state = world.lock();
        state.fault.clone().or_else(|| state.died.clone())
    };
    match (answer, broken) {
        (_, Some(words)) => return Err(words),
        (Some(Answer::Unsupported), None) => {}
        (Some(_), None) => {
            return Err(
                "the shim claims to do x-canary, which nobody can: its \"unsupported\" does not work"
                    .to_owned(),
            );
        }
        (None, None) => return Err("the shim does not answer x-canary".to_owned()),
    }
    let hello = shim.hello.clone();
    if let Err(words) = shim.leave(settings.span(5)) {
        return Err(format!("exit: {words}"));
    }
    Ok(hello)
}

/// What is to run, and how.
pub(crate) struct Plan<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) hello: &'a Hello,
    pub(crate) cases: &'a [&'static Case],
    /// Rules that all traffic is held against.
    pub(crate) passive: &'a [&'static str],
    pub(crate) profile: Profile,
    /// Cases at once.
    pub(crate) jobs: usize,
    /// Of the order.
    pub(crate) seed: Option<u64>,
}

/// Runs the cases, and tells of each when it is done. Who is told may end the run.
pub(crate) fn run(plan: &Plan<'_>, told: impl Fn(&mut Finding) -> ControlFlow<()> + Sync) -> Run {
    let cases = plan.cases;
    let mut order: Vec<usize> = (0..cases.len()).collect();
    if let Some(seed) = plan.seed {
        order::shuffle(&mut order, seed);
    }
    order.sort_by_key(|&at| !cases[at].slow);
    let next = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Judged)>> = Mutex::default();
    // A program asks for one case after the other.
    let jobs = match plan.settings.is_echo() {
        true => 1,
        false => plan.jobs.clamp(1, 64),
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut kept = None;
                while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut judged = judge(plan, cases[at], &mut kept);
                    let gone = plan.settings.is_echo() && judged.fault.is_some();
                    if told(&mut judged.finding).is_break() || gone {
                        over.store(true, Ordering::Relaxed);
                    }
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((at, judged));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let (mut findings, mut tallies, mut fault) = (Vec::new(), Tallies::default(), None);
    for (at, judged) in done {
        findings.push(judged.finding);
        tallies.add(judged.tallies);
        fault = fault.or(judged.fault.map(|words| format!("{}: {words}", cases[at])));
    }
    for id in plan.passive {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let mut finding = tallies.finding(id, Side::Client, plan.profile);
        if told(&mut finding).is_break() {
            over.store(true, Ordering::Relaxed);
        }
        findings.push(finding);
    }
    Run { findings, fault }
}

struct Judged {
    finding: Finding,
    tallies: Tallies,
    fault: Option<String>,
}

/// What a client needs of what the list says that brokers and clients need.
fn needs(requirement: &Requirement) -> impl Iterator<Item = &str> {
    requirement
        .needs
        .iter()
        .filter_map(|need| match need.as_str() {
            "tx" | "nack" | "binary" => Some(need.as_str()),
            "v1.0" => Some("1.0"),
            _ => None,
        })
}

fn judge(plan: &Plan<'_>, case: &'static Case, kept: &mut Option<Driver>) -> Judged {
    let (settings, hello) = (plan.settings, plan.hello);
    let requirement = requirement::by_id(case.requirement).expect("a test looks every id up");
    let began = Instant::now();
    let world = World::new(settings.is_echo());
    let missing = needs(requirement)
        .chain(case.needs.iter().copied())
        .find(|need| !hello.has(need));
    let askable = !settings.is_echo() || echo::mode(&case.to_string()).is_some();
    let missing = missing.or((!askable).then_some("a shim"));
    // That it greets is known; when many start at once each takes long.
    let start = || settings.start(&world, settings.span(30));
    let (outcome, fault) = match missing {
        Some(need) => (Outcome::Unimplemented(format!("needs {need}")), None),
        None => match kept.take().map_or_else(start, Ok) {
            Ok(driver) => {
                driver.turn_to(&world);
                play(settings, case, driver, &world, kept)
            }
            Err(words) => (Outcome::Inconclusive(words.clone()), Some(words)),
        },
    };
    let graded = plan.profile.grade(outcome, requirement);
    Judged {
        finding: Finding {
            took: began.elapsed(),
            endings: world.endings(),
            log: world.log.take(),
            ..Finding::new(case.to_string(), Side::Client, requirement, graded)
        },
        tallies: world.passive.tallies(),
        fault,
    }
}

/// Plays one case; what it found, and how the shim broke its protocol.
fn play(
    settings: &Settings,
    case: &'static Case,
    driver: Driver,
    world: &Arc<World>,
    kept: &mut Option<Driver>,
) -> (Outcome, Option<String>) {
    let mut lab = match Lab::new(&case.to_string(), world, driver, settings.scale) {
        Ok(lab) => lab,
        Err(error) => {
            let words = format!("the judge cannot listen: {error}");
            return (Outcome::Inconclusive(words.clone()), Some(words));
        }
    };
    // A case that panics is the judge's fault, never the client's.
    let outcome = match catch_unwind(AssertUnwindSafe(|| (case.run)(&mut lab))) {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::Inconclusive("the case itself is wrong: it panicked".to_owned()),
    };
    let mut driver = lab.close();
    let (fault, died) = {
        let state = world.lock();
        (state.fault.clone(), state.died.clone())
    };
    if let Some(died) = died {
        // Its last word counts more than anything else.
        return match driver.status() {
            Some(NOT_IMPLEMENTABLE) => {
                let words = "the shim cannot do this case".to_owned();
                (Outcome::Unimplemented(words), None)
            }
            status => {
                let code = status.map_or("by a signal".to_owned(), |code| format!("with {code}"));
                (
                    Outcome::Failed(format!("the client died {code}: {died}")),
                    None,
                )
            }
        };
    }
    if let Some(fault) = fault {
        return (
            Outcome::Inconclusive(format!("the shim: {fault}")),
            Some(fault),
        );
    }
    match driver {
        Driver::Shim(shim) if settings.reuse && shim.is_idle(settings.span(1)) => {
            *kept = Some(Driver::Shim(shim));
        }
        Driver::Shim(shim) => {
            if let Err(words) = shim.leave(settings.span(1)) {
                log::debug!("{case}: exit: {words}");
            }
        }
        Driver::Echo(echo) if echo.comes_back(settings.span(10)) => {}
        Driver::Echo(_) => {
            let words = "its connection is closed, and the program asks for no other case";
            return (Outcome::Failed(words.to_owned()), Some(words.to_owned()));
        }
    }
    (outcome, None)
}

/// The ids of all cases and rules.
pub(crate) fn ids() -> Vec<String> {
    let rules = passive::RULES.iter().map(|id| format!("{id}/passive"));
    let cases = cases::all();
    cases.iter().map(ToString::to_string).chain(rules).collect()
}
