//! Who draws which random numbers.
//!
//! Each connection, each rule on each connection, each storm and the
//! heart-beats of each connection have a stream of their own. So what one draws
//! does not depend on when another does: connections that race each other, and
//! timers that race frames, change nothing in what the seed has in store for
//! each of them.

use super::Engine;
use super::conn::Gathered;
use crate::rng::Rng;

/// The kinds of streams; those of the rules follow.
const CONNECTION: u64 = 0;
const BEATS: u64 = 1;
const STORM: u64 = 2;
const RULES: u64 = 3;

/// The streams of one connection but for its rules'.
#[derive(Debug)]
pub(super) struct Dice {
    /// Of what befalls the connection itself.
    pub(super) own: Rng,
    pub(super) beats: Rng,
}

impl Dice {
    pub(super) fn new(seed: u64, conn: u64) -> Self {
        Self {
            own: Rng::stream(seed, conn, CONNECTION),
            beats: Rng::stream(seed, conn, BEATS),
        }
    }
}

impl Engine {
    /// The stream of a connection, or of what belongs to none.
    pub(super) fn die(&mut self, conn: u64) -> &mut Rng {
        match self.conns.get_mut(&conn) {
            Some(c) => &mut c.dice.own,
            None => &mut self.rng,
        }
    }

    /// The stream of a rule on a connection.
    pub(super) fn rule_die(&mut self, conn: u64, rule: usize) -> &mut Rng {
        let seed = self.scenario.seed;
        let gathered: &mut Gathered = match self.conns.get_mut(&conn) {
            Some(c) => &mut c.gathered,
            None => &mut self.conditions.gathered,
        };
        let first = || Rng::stream(seed, conn, RULES + rule as u64);
        gathered.dice.entry(rule).or_insert_with(first)
    }

    /// The stream of the n-th storm.
    pub(super) fn storm_die(&self, number: u64) -> Rng {
        Rng::stream(self.scenario.seed, number, STORM)
    }
}
