//! One window of one assertion: from what opens it to what closes it.

use crate::script::{Assertion, Claim, ConnOf, Seen};
use crate::transcript::{Entry, What, plain_number};
use std::collections::VecDeque;
use std::time::Duration;

/// Entries are shown so far and no further.
const SHOWN: usize = 200;

/// What a window has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is still open.
    Open,
    /// The claim holds through this window.
    Held(String),
    /// It does not.
    Failed(String),
    /// It ended before anything that the claim is about was seen.
    Undecided(String),
}

#[derive(Clone, Debug)]
pub(super) struct Window {
    opened: Duration,
    /// Its place in words: "after mark 401 (entry 48, 2.013 s, connection 1)".
    place: String,
    conn: u64,
    next: Option<u64>,
    seen: u64,
    /// When those of a `count` with `in` were seen.
    recent: VecDeque<Duration>,
    /// The most that were seen in one stretch.
    most: u64,
    last: Option<Duration>,
    stage: usize,
    pub(super) state: State,
}

impl Window {
    pub(super) fn open(by: &Entry, whole: bool) -> Self {
        let place = if whole {
            "in the run".to_owned()
        } else {
            format!("after {}", shown(by))
        };
        Self {
            opened: by.at,
            place,
            conn: by.conn,
            next: None,
            seen: 0,
            recent: VecDeque::new(),
            most: 0,
            last: None,
            stage: 0,
            state: State::Open,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn opened(&self) -> Duration {
        self.opened
    }

    /// When its time is over.
    pub(super) fn deadline(&self, assertion: &Assertion) -> Option<Duration> {
        let latest = if let Claim::Gap { max, .. } = &assertion.claim {
            // A gap that is too long is known as soon as it is.
            max.map(|max| self.last.unwrap_or(self.opened) + max)
        } else {
            None
        };
        let within = assertion.within.map(|w| self.opened.saturating_add(w));
        [within, latest].into_iter().flatten().min()
    }

    /// An entry is seen through the window.
    pub(super) fn see(&mut self, assertion: &Assertion, entry: &Entry) {
        // Plain HTTP, for a token or a region's health, is no next connection.
        if let What::Request { was, .. } = &entry.what {
            self.next = self.next.filter(|next| next != was);
        }
        let stomp = plain_number(entry.conn).is_none();
        if entry.what == What::Tcp && stomp && self.next.is_none() && entry.conn != self.conn {
            self.next = Some(entry.conn);
        }
        match &assertion.claim {
            Claim::Expect(what) => {
                if self.is(what, entry) {
                    self.seen += 1;
                    if self.seen >= what.nth.unwrap_or(1) {
                        self.state = State::Held(format!("{}: {}", self.place, shown(entry)));
                    }
                }
            }
            Claim::Never(what) => {
                if self.is(what, entry) {
                    self.seen += 1;
                    if what.nth.is_none_or(|n| n == self.seen) {
                        self.state = State::Failed(format!("{} came {}", self.place, shown(entry)));
                    }
                }
            }
            Claim::Count {
                seen, max, span, ..
            } => {
                if self.is(seen, entry) {
                    self.count(entry, *max, *span);
                }
            }
            Claim::Gap { seen, min, max } => {
                if self.is(seen, entry) {
                    self.gap(assertion, entry, *min, *max);
                }
            }
            Claim::Order(list) => self.order(list, entry),
        }
    }

    fn count(&mut self, entry: &Entry, max: Option<u64>, span: Option<Duration>) {
        self.seen += 1;
        if let Some(span) = span {
            self.recent.push_back(entry.at);
            while self.recent.front().is_some_and(|&at| at + span < entry.at) {
                self.recent.pop_front();
            }
            self.most = self.most.max(self.recent.len() as u64);
        } else {
            self.most = self.seen;
        }
        if max.is_some_and(|max| self.most > max) {
            let stretch = span.map_or_else(String::new, |s| format!(" within {s:?}"));
            self.state = State::Failed(format!(
                "{} it was seen {} times{stretch}, the last time as {}",
                self.place,
                self.most,
                shown(entry)
            ));
        }
    }

    fn gap(
        &mut self,
        assertion: &Assertion,
        entry: &Entry,
        min: Option<Duration>,
        max: Option<Duration>,
    ) {
        let each = assertion.after.is_none();
        // Without `after` a gap lies between one and the next.
        let from = if each { self.last } else { Some(self.opened) };
        self.last = Some(entry.at);
        self.seen += 1;
        let Some(from) = from else { return };
        let gap = entry.at.saturating_sub(from);
        let told = format!("{} {gap:.3?} passed until {}", self.place, shown(entry));
        self.most += 1;
        if min.is_some_and(|min| gap < min) || max.is_some_and(|max| gap > max) {
            self.state = State::Failed(told);
        } else if !each {
            self.state = State::Held(told);
        }
    }

    fn order(&mut self, list: &[Seen], entry: &Entry) {
        let Some(due) = list.get(self.stage) else {
            return;
        };
        if self.is(due, entry) {
            self.stage += 1;
            if self.stage == list.len() {
                self.state = State::Held(format!("{}: the last was {}", self.place, shown(entry)));
            }
            return;
        }
        let early = list.iter().skip(self.stage + 1).any(|s| self.is(s, entry));
        if early && !list[..self.stage].iter().any(|s| self.is(s, entry)) {
            self.state = State::Failed(format!(
                "{} came {} before {}",
                self.place,
                shown(entry),
                due.words()
            ));
        }
    }

    /// The window ends: `why` says by what.
    pub(super) fn close(&mut self, assertion: &Assertion, why: &End) {
        let place = &self.place;
        self.state = match &assertion.claim {
            Claim::Expect(what) => {
                let told = format!("{place} there was no {}{why}", what.words());
                match why {
                    // The time was not over: what is missing might have come.
                    End::Run if assertion.within.is_some() => State::Undecided(told),
                    End::Run | End::Before(_) | End::Time(_) => State::Failed(told),
                }
            }
            Claim::Never(_) => State::Held(format!("{place} it was not seen{why}")),
            Claim::Count { min, .. } => {
                let told = format!("{place} it was seen {} times{why}", self.most);
                if min.is_some_and(|min| self.most < min) {
                    State::Failed(told)
                } else {
                    State::Held(told)
                }
            }
            Claim::Gap { max, .. } => {
                let told = format!("{place} the next one did not come{why}");
                match why {
                    End::Time(_) if max.is_some() => State::Failed(told),
                    _ if self.most > 0 => {
                        State::Held(format!("{place} {} gaps were as asked", self.most))
                    }
                    End::Run | End::Before(_) | End::Time(_) => State::Undecided(told),
                }
            }
            Claim::Order(list) => State::Undecided(format!(
                "{place} only {} of {} were seen{why}",
                self.stage,
                list.len()
            )),
        };
    }

    fn is(&self, what: &Seen, entry: &Entry) -> bool {
        let there = match &what.conn {
            ConnOf::Of(conns) => conns.has(entry.conn),
            ConnOf::Next => self.next == Some(entry.conn),
            ConnOf::Same => self.conn == entry.conn,
        };
        there && what.fits(entry)
    }
}

/// What ended a window.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The entry that `before` waited for.
    Before(String),
    /// Its time.
    Time(Duration),
    /// The run.
    Run,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Before(what) => write!(f, " before {what}"),
            Self::Time(span) => write!(f, " within {span:?}"),
            Self::Run => f.write_str(" until the end of the run"),
        }
    }
}

/// An entry in short, secrets masked.
pub(super) fn shown(entry: &Entry) -> String {
    let what = entry.what.to_string();
    let what: String = match what.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &what[..end]),
        None => what,
    };
    let place = if entry.conn == 0 {
        String::new()
    } else {
        format!(", connection {}", entry.conn)
    };
    format!(
        "`{what}` (entry {}, {:.3} s{place})",
        entry.seq,
        entry.at.as_secs_f64()
    )
}
