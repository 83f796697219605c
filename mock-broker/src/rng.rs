//! Seeded randomness: the same seed gives the same run.

/// xorshift64*, seeded through one round of splitmix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)) | 1)
    }

    /// One of many streams of a seed: what is drawn from one does not depend on
    /// how much was drawn from another.
    pub(crate) fn stream(seed: u64, of: u64, kind: u64) -> Self {
        let mut place = Self::new(of ^ kind.rotate_left(32));
        Self::new(seed ^ place.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low) {
            None | Some(0) => low,
            Some(u64::MAX) => self.next(),
            Some(span) => low + self.next() % (span + 1),
        }
    }

    /// So many octets.
    pub(crate) fn octets(&mut self, n: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(n + 8);
        while out.len() < n {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(n);
        out
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        // 53 bits are what an f64 holds exactly.
        p >= 1.0 || ((self.next() >> 11) as f64) < p * (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_ranges_hold() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        for _ in 0..1000 {
            let x = a.between(10, 20);
            assert_eq!(x, b.between(10, 20));
            assert!((10..=20).contains(&x));
        }
        assert_eq!(a.between(5, 5), 5);
        assert!(a.chance(1.0) && !a.chance(0.0));
    }

    #[test]
    fn streams_of_a_seed_are_their_own() {
        let mut firsts = std::collections::BTreeSet::new();
        for seed in 0..4 {
            for of in 0..50 {
                for kind in 0..50 {
                    firsts.insert(Rng::stream(seed, of, kind).next());
                }
            }
        }
        assert_eq!(firsts.len(), 4 * 50 * 50);
    }
}
