//! The account of every message: what was promised of it, and what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use hobnail::{Error, Event, Stage};
use hobnail_mock_broker::{Entry, Note, What};

/// Longer than anything waits in the broker's socket for a client that reads: so
/// much older than the moment may be what is heard last.
const SLACK: Duration = Duration::from_secs(5);

/// Where messages go.
pub(crate) const ACKED: [&str; 3] = ["/queue/acked-1", "/queue/acked-2", "/queue/acked-3"];
pub(crate) const AUTO: &str = "/queue/auto";
pub(crate) const TOPIC: &str = "/topic/events";

/// What its publisher knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The broker said RECEIPT.
    Confirmed,
    /// The call failed, and the frame may have left.
    Doubtful,
    /// The call failed and said that the frame never left.
    NeverLeft,
}

impl Fate {
    pub(crate) fn of(result: &Result<(), Error>) -> Self {
        match result {
            Ok(()) => Self::Confirmed,
            Err(Error::Suspended | Error::Misuse(_)) => Self::NeverLeft,
            Err(Error::Timeout(Stage::Outbox | Stage::Suspended)) => Self::NeverLeft,
            Err(_) => Self::Doubtful,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    destination: &'static str,
    fate: Fate,
}

#[derive(Default)]
pub(crate) struct Books(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    /// By the id of the message, which is its publisher's and a number.
    sent: BTreeMap<String, Sent>,
    /// Transactions that ended without a RECEIPT of their COMMIT: all or none.
    doubtful_transactions: Vec<Vec<String>>,
    /// How often each came, by its id.
    received: BTreeMap<String, u32>,
    /// By subscription: the broker's ids of the messages that came.
    heard: BTreeMap<&'static str, BTreeSet<String>>,
    gaps: BTreeMap<String, Vec<(SystemTime, SystemTime)>>,
    connections: u64,
    suspensions: u64,
    rotations: u64,
    conflicts: u64,
    wrong: Vec<String>,
    /// The clients are being closed: how that ends is theirs.
    closing: bool,
}

impl Books {
    pub(crate) fn closing(&self) {
        self.pages().closing = true;
    }

    pub(crate) fn sent(&self, id: String, destination: &'static str, fate: Fate) {
        self.pages().sent.insert(id, Sent { destination, fate });
    }

    pub(crate) fn transaction(&self, ids: Vec<String>, destination: &'static str, fate: Fate) {
        let mut pages = self.pages();
        for id in &ids {
            pages.sent.insert(id.clone(), Sent { destination, fate });
        }
        if fate != Fate::Confirmed {
            pages.doubtful_transactions.push(ids);
        }
    }

    pub(crate) fn received(&self, subscription: &'static str, id: &str, no: &str) {
        let mut pages = self.pages();
        *pages.received.entry(id.to_owned()).or_default() += 1;
        let heard = pages.heard.entry(subscription).or_default();
        heard.insert(no.to_owned());
    }

    pub(crate) fn event(&self, who: &str, event: &Event) {
        let mut pages = self.pages();
        if let Event::Connected(_) = event {
            pages.connections += 1;
        } else if let Event::Suspended = event {
            pages.suspensions += 1;
        } else if let Event::Rotating = event {
            pages.rotations += 1;
        } else if let Event::Conflict { .. } = event {
            pages.conflicts += 1;
        } else if let (Event::Closed { cause: Some(e) }, false) = (event, pages.closing) {
            pages.wrong.push(format!("{who} gave up: {e}"));
        } else if let Event::Gap {
            subscription,
            since,
            until,
        } = event
        {
            let gaps = pages.gaps.entry(subscription.clone()).or_default();
            gaps.push((*since, *until));
        }
    }

    pub(crate) fn wrong(&self, text: String) {
        self.pages().wrong.push(text);
    }

    /// Confirmed messages of queues that keep what is not acknowledged, and have
    /// not arrived.
    pub(crate) fn missing(&self) -> Vec<String> {
        let pages = self.pages();
        let kept = pages.sent.iter().filter(|(id, sent)| {
            sent.fate == Fate::Confirmed
                && ACKED.contains(&sent.destination)
                && !pages.received.contains_key(*id)
        });
        kept.map(|(id, _)| id.clone()).collect()
    }

    /// The end of a round: holds the books against what the broker saw.
    pub(crate) fn close(&self, name: &'static str, began: SystemTime, seen: &[Entry]) -> Sum {
        let missing = self.missing();
        let mut pages = self.pages();
        let mut sum = pages.sum(name);
        sum.violations.append(&mut pages.wrong);
        sum.lost += missing.len() as u64;
        for id in missing {
            sum.violations.push(format!("{id} was confirmed and lost"));
        }
        pages.check_never_left(&mut sum);
        pages.check_transactions(seen, &mut sum);
        pages.check_order(seen, &mut sum);
        pages.check_unacknowledged(began, seen, &mut sum);
        let rebound = |e: &&Entry| matches!(&e.what, What::Note(Note::ConnectWhileLive { other }) if *other == e.conn);
        for entry in seen.iter().filter(rebound) {
            let text = format!("a CONNECT left on live session {}", entry.conn);
            sum.violations.push(text);
        }
        sum
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn sum(&self, name: &'static str) -> Sum {
        let fates = |fate: Fate| self.sent.values().filter(|s| s.fate == fate).count() as u64;
        Sum {
            name,
            rounds: 1,
            confirmed: fates(Fate::Confirmed),
            doubtful: fates(Fate::Doubtful),
            never_left: fates(Fate::NeverLeft),
            received: self.received.len() as u64,
            duplicates: self.received.values().map(|n| u64::from(n - 1)).sum(),
            connections: self.connections,
            suspensions: self.suspensions,
            rotations: self.rotations,
            conflicts: self.conflicts,
            ..Sum::default()
        }
    }

    fn check_never_left(&self, sum: &mut Sum) {
        let never = self.sent.iter().filter(|(_, s)| s.fate == Fate::NeverLeft);
        for (id, _) in never.filter(|(id, _)| self.received.contains_key(*id)) {
            let text = format!("{id} arrived, of which it was said that it never left");
            sum.violations.push(text);
        }
    }

    /// All of a transaction or none, unless the broker answered one of its frames
    /// with an ERROR while the COMMIT was under way already, and committed the rest.
    fn check_transactions(&self, seen: &[Entry], sum: &mut Sum) {
        for ids in &self.doubtful_transactions {
            let (here, gone): (Vec<_>, Vec<_>) =
                ids.iter().partition(|id| self.received.contains_key(*id));
            if !here.is_empty() && !gone.iter().all(|id| was_refused(seen, id)) {
                let text = format!("{here:?} arrived of the transaction {ids:?}");
                sum.violations.push(text);
            }
        }
    }

    /// What one publisher sends leaves in its order over each connection, what is
    /// sent again before what is new; and anew after a new token was accepted.
    fn check_order(&self, seen: &[Entry], sum: &mut Sum) {
        let mut last: BTreeMap<(u64, &str), u64> = BTreeMap::new();
        for entry in seen {
            let Some(frame) = entry.received() else {
                continue;
            };
            if frame.command == "CONNECT" {
                last.retain(|(conn, _), _| *conn != entry.conn);
            }
            let id = frame.header("id").filter(|_| frame.command == "SEND");
            let Some((publisher, n)) = id.and_then(|id| id.split_once('-')) else {
                continue;
            };
            let n = n.parse().unwrap_or_default();
            let last = last.entry((entry.conn, publisher)).or_default();
            if n <= *last {
                sum.violations.push(format!(
                    "connection {}: {publisher}-{n} came after {publisher}-{last}",
                    entry.conn
                ));
            }
            *last = n;
        }
    }

    /// What is not acknowledged may be lost with a connection, but only the end
    /// of what was sent over it, and a Gap must tell.
    fn check_unacknowledged(&self, began: SystemTime, seen: &[Entry], sum: &mut Sum) {
        for (subscription, destination) in [("auto", AUTO), ("events", TOPIC)] {
            let nothing = BTreeSet::new();
            let heard = self.heard.get(subscription).unwrap_or(&nothing);
            let mut by_connection: BTreeMap<u64, Vec<(&str, &str, Duration)>> = BTreeMap::new();
            let mut delivered = BTreeSet::new();
            for entry in seen {
                let Some(frame) = entry.sent().filter(|f| {
                    f.command == "MESSAGE" && f.header("subscription") == Some(subscription)
                }) else {
                    continue;
                };
                let (no, id) = (frame.header("message-id"), frame.header("id"));
                let (no, id) = (no.unwrap_or_default(), id.unwrap_or_default());
                delivered.insert(id);
                let list = by_connection.entry(entry.conn).or_default();
                if list.last().is_none_or(|(last, ..)| *last != no) {
                    list.push((no, id, entry.at));
                }
            }
            // The broker may take two connections for live, of which one is dead: what
            // it sent over both says nothing about either.
            let mut ways: BTreeMap<&str, u32> = BTreeMap::new();
            for (no, ..) in by_connection.values().flatten() {
                *ways.entry(no).or_default() += 1;
            }
            for (conn, mut list) in by_connection {
                list.retain(|(no, ..)| ways.get(no) == Some(&1));
                let first = list.iter().position(|(no, ..)| !heard.contains(*no));
                let Some(first) = first else { continue };
                let lost = &list[first..];
                if let Some((_, id, _)) = lost.iter().find(|(no, ..)| heard.contains(*no)) {
                    sum.violations.push(format!(
                        "{subscription}, connection {conn}: {} is missing, and {id} came after it",
                        list[first].1
                    ));
                }
                sum.explained += lost.len() as u64;
                for (_, id, at) in lost {
                    self.expect_gap(subscription, id, began + *at, sum);
                }
            }
            // What the broker never sent to the subscription.
            for entry in seen {
                let Some(frame) = entry.received().filter(|f| {
                    f.command == "SEND" && f.header("destination") == Some(destination)
                }) else {
                    continue;
                };
                let id = frame.header("id").unwrap_or_default();
                let confirmed = self.sent.get(id);
                let confirmed = confirmed.is_some_and(|s| s.fate == Fate::Confirmed);
                if !confirmed || delivered.contains(id) || self.received.contains_key(id) {
                    continue;
                }
                // A topic had no subscriber; a queue gave it to a session that was
                // suspended then, and died with it.
                sum.explained += 1;
                self.expect_gap(subscription, id, began + entry.at, sum);
            }
        }
    }

    fn expect_gap(&self, subscription: &str, id: &str, at: SystemTime, sum: &mut Sum) {
        let gaps = self.gaps.get(subscription).into_iter().flatten();
        let mut told = gaps.filter(|(since, until)| *since <= at + SLACK && at <= *until + SLACK);
        if told.next().is_none() {
            sum.lost += 1;
            let text = format!("{id} did not reach {subscription}, and no gap was told");
            sum.violations.push(text);
        }
    }
}

/// Whether the scenario answered this SEND with an ERROR.
fn was_refused(seen: &[Entry], id: &str) -> bool {
    let is_it = |entry: &&Entry| {
        let frame = entry.received().filter(|f| f.command == "SEND");
        frame.is_some_and(|f| f.header("id") == Some(id))
    };
    let mut rest = seen.iter().skip_while(|entry| !is_it(entry));
    let Some(sent) = rest.next() else {
        return false;
    };
    let next = rest.find(|entry| entry.conn == sent.conn);
    matches!(next.map(|e| &e.what), Some(What::Fault(words)) if words.starts_with("error"))
}

/// What a round came to, or all of them.
#[derive(Default)]
pub(crate) struct Sum {
    name: &'static str,
    rounds: u64,
    confirmed: u64,
    doubtful: u64,
    never_left: u64,
    received: u64,
    duplicates: u64,
    explained: u64,
    lost: u64,
    connections: u64,
    suspensions: u64,
    rotations: u64,
    conflicts: u64,
    pub(crate) violations: Vec<String>,
}

impl Sum {
    pub(crate) fn head() -> String {
        format!(
            "{:>7} {:<6}{:>10}{:>10}{:>10}{:>10}{:>11}{:>10}{:>6}{:>9}{:>9}{:>9}{:>6}",
            "seed",
            "road",
            "confirmed",
            "doubtful",
            "unsent",
            "received",
            "duplicates",
            "explained",
            "lost",
            "sessions",
            "401",
            "rotated",
            "409",
        )
    }

    pub(crate) fn row(&self, seed: u64) -> String {
        self.line(&seed.to_string())
    }

    pub(crate) fn row_of_all(&self) -> String {
        self.line("all")
    }

    fn line(&self, first: &str) -> String {
        format!(
            "{first:>7} {:<6}{:>10}{:>10}{:>10}{:>10}{:>11}{:>10}{:>6}{:>9}{:>9}{:>9}{:>6}",
            self.name,
            self.confirmed,
            self.doubtful,
            self.never_left,
            self.received,
            self.duplicates,
            self.explained,
            self.lost,
            self.connections,
            self.suspensions,
            self.rotations,
            self.conflicts,
        )
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.confirmed += other.confirmed;
        self.doubtful += other.doubtful;
        self.never_left += other.never_left;
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.explained += other.explained;
        self.lost += other.lost;
        self.connections += other.connections;
        self.suspensions += other.suspensions;
        self.rotations += other.rotations;
        self.conflicts += other.conflicts;
    }
}
