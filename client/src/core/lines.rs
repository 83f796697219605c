//! The deadlines of calls, in lines: calls of the same patience end in the order in
//! which they are made, so that they need no sorting.

use std::time::Instant;

use super::operations::ReceiptId;
use crate::ledger::Ledger;

/// Lines in which no deadline is before the one ahead of it, as many as there are
/// patiences, and at times another, for callers on several threads may overtake each
/// other between the clock and the lane. What fits into no line has to go elsewhere.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    number: u64,
}

#[derive(Debug, Default)]
struct Line {
    waiting: Ledger<(Instant, ReceiptId)>,
    next: u64,
}

impl Lines {
    /// Lines up a call, if there is a line for it.
    pub(super) fn push(&mut self, deadline: Instant, id: ReceiptId) -> Option<Place> {
        let line = match &self.0[..] {
            [first, ..] if first.last() <= Some(deadline) => 0,
            _ => self.line(deadline)?,
        };
        let Line { waiting, next } = &mut self.0[line];
        let number = *next;
        *next += 1;
        waiting.insert(number, (deadline, id));
        Some(Place { line, number })
    }

    /// The line for such a deadline.
    fn line(&mut self, deadline: Instant) -> Option<usize> {
        // Behind the latest that it may stand behind, so that the other lines stay
        // open for the less patient.
        let lines = self.0.iter().enumerate();
        let line = lines
            .map(|(nth, line)| (line.last(), nth))
            .filter(|(last, _)| *last <= Some(deadline))
            .max();
        match line {
            Some((_, nth)) => Some(nth),
            None if self.0.len() < LINES => {
                self.0.push(Line::default());
                Some(self.0.len() - 1)
            }
            None => None,
        }
    }

    /// Takes a call out, wherever it stands.
    pub(super) fn remove(&mut self, place: Place) {
        if let Some(line) = self.0.get_mut(place.line) {
            line.waiting.remove(place.number);
        }
    }

    /// The first deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.first().map(|(deadline, _)| deadline)
    }

    /// Takes the call whose deadline is first; of equal ones whichever.
    pub(super) fn pop(&mut self) -> Option<ReceiptId> {
        let (_, place) = self.first()?;
        let (_, id) = self.0.get_mut(place.line)?.waiting.remove(place.number)?;
        Some(id)
    }

    fn first(&self) -> Option<(Instant, Place)> {
        let lines = self.0.iter().enumerate();
        lines
            .filter_map(|(line, Line { waiting, .. })| {
                let (number, (deadline, _)) = waiting.first()?;
                Some((*deadline, Place { line, number }))
            })
            .min_by_key(|(deadline, _)| *deadline)
    }
}

impl Line {
    fn last(&self) -> Option<Instant> {
        self.waiting.last().map(|(_, (deadline, _))| *deadline)
    }
}

/// Few programs have more patiences.
const LINES: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    proptest! {
        /// Calls are made while time goes on, confirmed in any order, and expire.
        #[test]
        fn calls_end_in_the_order_of_their_deadlines(
            patiences in prop::collection::vec(1_u64..5_000, 1..12),
            steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..5, 0_u64..200), 0..400),
        ) {
            let start = clock::now();
            let at = |millis| start + Duration::from_millis(millis);
            let (mut lines, mut waiting) = (Lines::default(), Vec::new());
            let mut now = 0;
            for (id, (which, what, passed)) in (0_u64..).zip(steps) {
                match what {
                    0..=2 => {
                        let deadline = at(now + which.get(&patiences));
                        let place = lines.push(deadline, id);
                        prop_assert!(place.is_some() || patiences.len() > LINES);
                        waiting.extend(place.map(|place| (deadline, id, place)));
                    }
                    3 if !waiting.is_empty() => {
                        let (_, _, place) = waiting.remove(which.index(waiting.len()));
                        lines.remove(place);
                        // It is of no use any more.
                        lines.remove(place);
                    }
                    _ => now += passed,
                }
                let first = waiting.iter().map(|(deadline, ..)| *deadline).min();
                prop_assert_eq!(lines.next_deadline(), first);
                while lines.next_deadline().is_some_and(|first| first <= at(now)) {
                    let first = lines.next_deadline();
                    let id = lines.pop();
                    let nth = waiting.iter().position(|w| Some(w.1) == id).unwrap();
                    prop_assert_eq!(Some(waiting.remove(nth).0), first);
                }
            }
            while let Some(id) = lines.pop() {
                waiting.retain(|(_, other, _)| *other != id);
            }
            prop_assert!(waiting.is_empty());
        }
    }

    #[test]
    fn as_many_patiences_as_there_are_lines_never_want_for_one() {
        let (start, mut lines) = (clock::now(), Lines::default());
        for id in 0..10_000 {
            let patience = 1 + id * 7 % LINES as u64;
            let deadline = start + Duration::from_millis(id + 1_000 * patience);
            assert!(lines.push(deadline, id).is_some(), "{id}");
        }
    }

    #[test]
    fn one_that_is_never_confirmed_does_not_make_the_line_behind_it_longer() {
        let (now, mut lines) = (clock::now(), Lines::default());
        lines.push(now, 0);
        for id in 1..100_000 {
            let place = lines.push(now, id).unwrap();
            lines.remove(place);
        }
        assert_eq!(lines.0.len(), 1);
        assert!(lines.0[0].waiting.places() < 200);
        assert_eq!((lines.pop(), lines.pop()), (Some(0), None));
    }
}
