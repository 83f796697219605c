//! Judging while the transcript grows.

use super::window::{End, State, Window, shown};
use super::{Outcome, Report, Verdict};
use crate::script::{Assertion, Scenario};
use crate::transcript::{Entry, Events, What};
use std::sync::Arc;
use std::time::Duration;

/// Windows of one assertion that are open at a time; more are not opened, and
/// the assertion is then inconclusive.
const MOST_WINDOWS: usize = 1000;
/// Words of `fail` that are kept.
const MOST_FAILS: usize = 100;

/// Takes the entries of a transcript in their order and judges what a scenario
/// asserts.
#[derive(Clone, Debug)]
pub struct Judge {
    scenario: Arc<Scenario>,
    cases: Vec<Case>,
    next: u64,
    missed: u64,
    clients: u64,
    fails: Vec<String>,
}

/// One assertion and its windows.
#[derive(Clone, Debug, Default)]
struct Case {
    windows: Vec<Window>,
    opened: u64,
    held: Option<(u64, String)>,
    failed: Option<String>,
    undecided: Option<String>,
    overflow: bool,
}

impl Judge {
    /// Judges what this scenario asserts.
    pub fn new(scenario: Arc<Scenario>) -> Self {
        Self {
            cases: vec![Case::default(); scenario.expect.len()],
            scenario,
            next: 1,
            missed: 0,
            clients: 0,
            fails: Vec::new(),
        }
    }

    /// The number of the entry that is wanted next.
    pub fn wants(&self) -> u64 {
        self.next
    }

    /// Whether any assertion is about frames. If none is, a program that runs
    /// long may pass the frames over, see [`Judge::see_events`].
    pub fn minds_frames(&self) -> bool {
        !self.scenario.expect.is_empty()
    }

    /// Takes the next entries but for the frames among them.
    pub fn see_events(&mut self, events: &Events) {
        self.missed += events.first.saturating_sub(self.next);
        for entry in &events.entries {
            self.next = self.next.max(entry.seq);
            self.see(entry);
        }
        self.next = self.next.max(events.next);
    }

    /// Takes the next entry; those that were seen already are passed over.
    pub fn see(&mut self, entry: &Entry) {
        if entry.seq < self.next {
            return;
        }
        self.missed += entry.seq - self.next;
        self.next = entry.seq + 1;
        if matches!(entry.what, What::Upgrade { .. }) {
            self.clients += 1;
        }
        if matches!(entry.what, What::Fail(_)) && self.fails.len() < MOST_FAILS {
            self.fails.push(shown(entry));
        }
        let scenario = Arc::clone(&self.scenario);
        for (case, assertion) in self.cases.iter_mut().zip(&scenario.expect) {
            case.see(assertion, entry);
        }
    }

    /// The time has come so far without another entry.
    pub fn tick(&mut self, now: Duration) {
        let scenario = Arc::clone(&self.scenario);
        for (case, assertion) in self.cases.iter_mut().zip(&scenario.expect) {
            case.expire(assertion, now);
        }
    }

    /// Whether nothing that still comes can change a verdict for the better:
    /// all that must be seen was, or something failed.
    pub fn is_decided(&self) -> bool {
        let mut cases = self.cases.iter();
        !self.cases.is_empty()
            && cases.all(|c| c.failed.is_some() || (c.held.is_some() && c.windows.is_empty()))
    }

    /// What holds if the run ends now.
    pub fn report(&self, now: Duration) -> Report {
        let mut last = self.clone();
        last.tick(now);
        let scenario = Arc::clone(&self.scenario);
        let mut verdicts = Vec::with_capacity(last.cases.len());
        for (i, (case, assertion)) in last.cases.iter_mut().zip(&scenario.expect).enumerate() {
            case.finish(assertion);
            verdicts.push(case.verdict(i, assertion, last.missed));
        }
        Report {
            scenario: scenario.name.clone(),
            seed: scenario.seed,
            clients: last.clients,
            fails: last.fails,
            verdicts,
            took: now,
        }
    }
}

impl Case {
    fn see(&mut self, assertion: &Assertion, entry: &Entry) {
        self.expire(assertion, entry.at);
        let opens = match &assertion.after {
            Some(what) => what.fits_anywhere(entry),
            None => self.opened == 0 && entry.what == What::Tcp,
        };
        let whole = assertion.after.is_none();
        let ends = assertion
            .before
            .as_ref()
            .is_some_and(|what| what.fits_anywhere(entry));
        // Whoever opens a window is not seen through it, but for the very
        // first connection.
        if opens && whole {
            self.open(entry, whole);
        }
        for window in &mut self.windows {
            if ends {
                window.close(assertion, &End::Before(shown(entry)));
            } else {
                window.see(assertion, entry);
            }
        }
        if opens && !whole {
            self.opened += 1;
            let nth = assertion.after.as_ref().and_then(|what| what.nth);
            if nth.is_none_or(|n| n == self.opened) {
                self.open(entry, whole);
            }
        }
        self.sweep();
    }

    fn open(&mut self, by: &Entry, whole: bool) {
        self.opened += u64::from(whole);
        if self.windows.len() == MOST_WINDOWS {
            self.overflow = true;
        } else {
            self.windows.push(Window::open(by, whole));
        }
    }

    fn expire(&mut self, assertion: &Assertion, now: Duration) {
        for window in &mut self.windows {
            if let Some(end) = window.deadline(assertion).filter(|&end| end < now) {
                let span = end.saturating_sub(window.opened());
                window.close(assertion, &End::Time(span));
            }
        }
        self.sweep();
    }

    fn finish(&mut self, assertion: &Assertion) {
        for window in &mut self.windows {
            window.close(assertion, &End::Run);
        }
        self.sweep();
    }

    /// Keeps what the closed windows came to.
    fn sweep(&mut self) {
        let (open, closed) = std::mem::take(&mut self.windows)
            .into_iter()
            .partition(Window::is_open);
        self.windows = open;
        for window in closed {
            match window.state {
                State::Open => {}
                State::Held(words) => {
                    let (n, _) = self.held.take().unwrap_or_default();
                    self.held = Some((n + 1, words));
                }
                State::Failed(words) => {
                    self.failed.get_or_insert(words);
                }
                State::Undecided(words) => self.undecided = Some(words),
            }
        }
    }

    fn verdict(&self, place: usize, assertion: &Assertion, missed: u64) -> Verdict {
        let why = assertion
            .why
            .as_deref()
            .map_or_else(String::new, |w| format!(": {w}"));
        let (outcome, words) = if let Some(words) = &self.failed {
            (Outcome::Failed, format!("{words}{why}"))
        } else if missed > 0 {
            let words = format!("{missed} entries were dropped before they were judged");
            (Outcome::Inconclusive, words)
        } else if self.overflow {
            let words = format!("more than {MOST_WINDOWS} windows were open at a time");
            (Outcome::Inconclusive, words)
        } else if let Some((n, words)) = &self.held {
            let times = if *n > 1 {
                format!("{n} times, at last ")
            } else {
                String::new()
            };
            (Outcome::Held, format!("{times}{words}"))
        } else if let Some(words) = &self.undecided {
            (Outcome::NotReached, words.clone())
        } else {
            let words = match &assertion.after {
                Some(what) => format!("the run never came to {}", what.words()),
                None => "no client came".to_owned(),
            };
            (Outcome::NotReached, words)
        };
        // What need not be reached holds.
        let outcome = match outcome {
            Outcome::NotReached if assertion.optional => Outcome::Held,
            Outcome::NotReached | Outcome::Held | Outcome::Failed | Outcome::Inconclusive => {
                outcome
            }
        };
        let id = assertion.id.clone();
        Verdict {
            id: id.unwrap_or_else(|| format!("{}-{}", assertion.claim.word(), place + 1)),
            asked: assertion.words(),
            outcome,
            words,
        }
    }
}
