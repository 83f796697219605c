//! What is kept under numbers that are given out one after the other.

use std::collections::VecDeque;

/// A map whose keys are inserted nearly in their order and removed nearly in that
/// order, too: then all that is done to it is O(1), and else O(log n), but for
/// insertions far from the end.
#[derive(Debug)]
pub(crate) struct Ledger<T, N = u64> {
    /// In the order of the numbers. What is removed stays until it is first or last,
    /// or one of too many.
    entries: VecDeque<(N, Option<T>)>,
    live: usize,
}

impl<T, N> Default for Ledger<T, N> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            live: 0,
        }
    }
}

impl<T, N: Copy + Ord + Into<u64>> Ledger<T, N> {
    /// Enters a value, instead of what had this number.
    pub(crate) fn insert(&mut self, number: N, value: T) {
        if self.entries.back().is_none_or(|(last, _)| *last < number) {
            self.entries.push_back((number, Some(value)));
            self.live += 1;
            return;
        }
        match self.find(number) {
            Ok(at) => {
                let before = self.entries[at].1.replace(value);
                self.live += usize::from(before.is_none());
            }
            Err(at) => {
                self.entries.insert(at, (number, Some(value)));
                self.live += 1;
            }
        }
    }

    pub(crate) fn remove(&mut self, number: N) -> Option<T> {
        let value = match self.entries.front() {
            // Mostly it is the first, and that is never one that was removed.
            Some((first, _)) if *first == number => {
                let (_, value) = self.entries.pop_front()?;
                while matches!(self.entries.front(), Some((_, None))) {
                    self.entries.pop_front();
                }
                value?
            }
            Some(_) | None => {
                let at = self.find(number).ok()?;
                let value = self.entries[at].1.take()?;
                while matches!(self.entries.back(), Some((_, None))) {
                    self.entries.pop_back();
                }
                value
            }
        };
        self.live -= 1;
        if self.entries.len() > 2 * self.live + SLACK {
            self.entries.retain(|(_, value)| value.is_some());
        }
        Some(value)
    }

    pub(crate) fn get(&self, number: N) -> Option<&T> {
        let at = self.find(number).ok()?;
        self.entries[at].1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: N) -> Option<&mut T> {
        let at = self.find(number).ok()?;
        self.entries[at].1.as_mut()
    }

    pub(crate) fn first(&self) -> Option<(N, &T)> {
        let (number, value) = self.entries.front()?;
        Some((*number, value.as_ref()?))
    }

    pub(crate) fn last(&self) -> Option<(N, &T)> {
        let (number, value) = self.entries.back()?;
        Some((*number, value.as_ref()?))
    }

    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// In the order of the numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (N, &T)> {
        let entries = self.entries.iter();
        entries.filter_map(|(number, value)| Some((*number, value.as_ref()?)))
    }

    /// In the order of the numbers.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (N, &mut T)> {
        let entries = self.entries.iter_mut();
        entries.filter_map(|(number, value)| Some((*number, value.as_mut()?)))
    }

    /// In the order of the numbers.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// In the order of the numbers.
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().filter_map(|(_, value)| value)
    }

    /// Where a number is, or would be. Mostly none is missing from the first on.
    fn find(&self, number: N) -> Result<usize, usize> {
        let first = self.entries.front().map_or(0, |(first, _)| (*first).into());
        let ahead = number.into().wrapping_sub(first);
        let guess = usize::try_from(ahead).unwrap_or(usize::MAX);
        match self.entries.get(guess) {
            Some((found, _)) if *found == number => Ok(guess),
            Some(_) | None => self
                .entries
                .binary_search_by_key(&number, |(found, _)| *found),
        }
    }
}

/// Removed entries that are borne though few others are there.
const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0_u64..200, 0_u8..4), 0..600)) {
            let (mut ledger, mut map) = (Ledger::<usize>::default(), BTreeMap::new());
            for (nth, (number, what)) in steps.into_iter().enumerate() {
                // Most are new and come in order.
                let number = if number < 150 { nth as u64 } else { number };
                match what {
                    0 | 1 => {
                        ledger.insert(number, nth);
                        map.insert(number, nth);
                    }
                    2 => {
                        let first = map.keys().next().copied().unwrap_or(number);
                        prop_assert_eq!(ledger.remove(first), map.remove(&first));
                    }
                    _ => prop_assert_eq!(ledger.remove(number), map.remove(&number)),
                }
                prop_assert_eq!(ledger.get(number), map.get(&number));
                prop_assert_eq!(ledger.get_mut(number), map.get_mut(&number));
                prop_assert_eq!(ledger.len(), map.len());
                let pair = |(number, value): (&u64, &usize)| (*number, *value);
                let ends = (ledger.first(), ledger.last());
                prop_assert_eq!(ends.0.map(|(n, v)| (n, *v)), map.first_key_value().map(pair));
                prop_assert_eq!(ends.1.map(|(n, v)| (n, *v)), map.last_key_value().map(pair));
                prop_assert!(ledger.entries.len() <= 2 * map.len() + SLACK);
            }
            prop_assert!(ledger.iter().eq(map.iter().map(|(number, value)| (*number, value))));
            prop_assert!(ledger.values_mut().eq(map.values_mut()));
            prop_assert!(ledger.into_values().eq(map.into_values()));
        }
    }

    #[test]
    fn one_that_stays_does_not_keep_the_places_of_all_that_follow() {
        let mut ledger = Ledger::<()>::default();
        for number in 0..1_000_000 {
            ledger.insert(number, ());
            if number > 1 {
                ledger.remove(number - 1);
            }
        }
        assert_eq!(ledger.len(), 2);
        assert!(ledger.entries.len() <= 4 + SLACK);
    }
}
