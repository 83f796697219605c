//! Octets that wait to be written.

/// A queue of octets in one piece, whose memory is used again.
#[derive(Debug, Default)]
pub(super) struct Outbuf {
    /// All of it may be written over, so that whoever adds to it need not append.
    memory: Vec<u8>,
    /// Where what waits begins and ends.
    start: usize,
    end: usize,
}

impl Outbuf {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What waits.
    pub(super) fn octets(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// The first octets have been written.
    pub(super) fn consume(&mut self, octets: usize) {
        self.start += octets;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Adds octets, to be written over: what they are is left over from before.
    pub(super) fn add(&mut self, octets: usize) -> &mut [u8] {
        if self.memory.len() - self.end < octets {
            self.make_room(octets);
        }
        let new = self.end..self.end + octets;
        self.end += octets;
        &mut self.memory[new]
    }

    #[cold]
    fn make_room(&mut self, octets: usize) {
        // Not for little: what waits would have to move each time.
        if self.start >= self.len() {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.len());
        }
        let least = self.end + octets;
        if self.memory.len() < least {
            self.memory.resize(least.max(2 * self.memory.len()), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_added_is_what_waits_until_it_is_consumed(
            steps in prop::collection::vec((any::<bool>(), 0_usize..300), 0..200),
        ) {
            let (mut out, mut oracle) = (Outbuf::default(), Vec::new());
            let mut most = 0;
            for (nth, (adds, octets)) in steps.into_iter().enumerate() {
                if adds {
                    let new = vec![nth as u8; octets];
                    out.add(octets).copy_from_slice(&new);
                    oracle.extend(new);
                } else {
                    let octets = octets.min(oracle.len());
                    out.consume(octets);
                    oracle.drain(..octets);
                }
                most = most.max(oracle.len());
                prop_assert_eq!(out.octets(), &oracle[..]);
                prop_assert_eq!(out.len(), oracle.len());
                prop_assert!(out.memory.len() <= 4 * (most + 300));
            }
        }
    }
}
