//! Heart-beats, in both directions.

use super::conn::Phase;
use super::refusal::{Fault, Refused};
use super::run::{Cx, Event, Run};
use super::{Engine, Output, Plan, Timer};
use crate::dialect::HeartBeat;
use crate::transcript::{Note, What};
use std::time::Duration;

/// What one side's `heart-beat` pair and the other's agree on: the larger of
/// what the sender can and the receiver wants, nothing if either is 0.
pub(super) fn agreed(can: u64, wants: u64) -> Option<Duration> {
    (can > 0 && wants > 0).then(|| Duration::from_millis(can.max(wants)))
}

/// What CONNECTED says of heart-beats: the broker's own pair, or what the
/// dialect makes of the client's.
pub(super) fn offered(how: HeartBeat, own: (u64, u64), (can, wants): (u64, u64)) -> (u64, u64) {
    let whole = |ms: u64| {
        if ms == 0 {
            0
        } else {
            (ms / 1000).max(1) * 1000
        }
    };
    let floor = |ms: u64, least: u64| if ms == 0 { 0 } else { ms.max(least) };
    match how {
        HeartBeat::Own => own,
        HeartBeat::Mirrored { seconds: true } => (whole(wants), whole(can)),
        HeartBeat::Mirrored { seconds: false } => (wants, can),
        HeartBeat::Floor(least) => (floor(own.0, least), own.1),
        HeartBeat::None => (0, 0),
    }
}

/// Reads a `heart-beat` header: two plain numbers.
pub(super) fn pair(text: &str) -> Option<(u64, u64)> {
    let (can, wants) = text.split_once(',')?;
    let number = |t: &str| {
        (!t.is_empty() && t.bytes().all(|o| o.is_ascii_digit())).then(|| {
            t.parse()
                .unwrap_or(u64::from(u32::MAX))
                .min(u64::from(u32::MAX))
        })
    };
    Some((number(can)?, number(wants)?))
}

impl Engine {
    /// Any octet is a sign of life.
    pub(super) fn touch(&mut self, conn: u64) {
        let now = self.now;
        if let Some(c) = self.conns.get_mut(&conn) {
            c.beats.last_in = now;
        }
        self.active(conn);
    }

    /// Octets came or are leaving: the connection is not idle.
    pub(super) fn active(&mut self, conn: u64) {
        let now = self.now;
        if let Some(c) = self.conns.get_mut(&conn) {
            c.active = now;
            for (rule, part) in std::mem::take(&mut c.gathered.idle) {
                self.arm_idle(conn, rule, part);
            }
        }
    }

    /// Starts the timers after a negotiation; older ones are stale.
    pub(super) fn start_beats(
        &mut self,
        conn: u64,
        out: Option<Duration>,
        incoming: Option<Duration>,
    ) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let beats = &mut c.beats;
        beats.generation += 1;
        beats.out = out;
        // A margin for the network: part of the interval, but at least a while.
        let dialect = &self.scenario.dialect;
        let margin = |i: Duration| {
            let part = Duration::try_from_secs_f64(i.as_secs_f64() * dialect.tolerance);
            i + part.unwrap_or(i).max(dialect.grace)
        };
        beats.tolerance = incoming.map(margin).or(dialect.idle);
        (beats.last_in, beats.last_out) = (now, now);
        let (generation, tolerance) = (beats.generation, beats.tolerance);
        if let Some(tolerance) = tolerance {
            self.arm(now + tolerance, Timer::BeatIn { conn, generation });
        }
        self.arm_beat(conn);
    }

    /// Arms the timer of the broker's own heart-beat.
    fn arm_beat(&mut self, conn: u64) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let beats = &c.beats;
        let Some(interval) = beats.out else { return };
        let jitter = beats
            .jitter
            .map_or(Duration::ZERO, |span| span.pick(&mut c.dice.beats));
        let pause =
            Duration::try_from_secs_f64(interval.as_secs_f64() * beats.factor).unwrap_or(interval);
        let at = beats.last_out.saturating_add(pause).saturating_add(jitter);
        let generation = beats.generation;
        self.arm(at.max(self.now), Timer::BeatOut { conn, generation });
    }

    /// After a change of the manner, the timer is armed anew.
    pub(super) fn rearm_beats(&mut self, conn: u64) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        c.beats.generation += 1;
        let (generation, tolerance) = (c.beats.generation, c.beats.tolerance);
        let last_in = c.beats.last_in;
        if let Some(tolerance) = tolerance {
            self.arm(
                (last_in + tolerance).max(self.now),
                Timer::BeatIn { conn, generation },
            );
        }
        self.arm_beat(conn);
    }

    pub(super) fn beat_out(&mut self, conn: u64, generation: u64) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        if c.phase != Phase::Open || c.beats.generation != generation || c.session.is_none() {
            return;
        }
        // The upstream beats for itself, unless the script does.
        if c.relay.as_ref().is_some_and(|r| !r.own_beats) {
            return;
        }
        let Some(interval) = c.beats.out else { return };
        // Whatever was sent meanwhile was a beat too.
        let pause = interval.as_secs_f64() * c.beats.factor;
        let due = Duration::try_from_secs_f64(pause).unwrap_or(interval) <= now - c.beats.last_out;
        if due {
            c.beats.last_out = now;
            if !c.beats.stopped {
                if self.watches.beats {
                    let actions = self.fire(conn, Event::BeatDue);
                    self.run(Run::new(conn, Cx::Beat, actions));
                } else {
                    self.send_beat(conn);
                }
            }
        }
        self.arm_beat(conn);
    }

    /// One heart-beat of the broker, or as many as the script wants at a time.
    pub(super) fn send_beat(&mut self, conn: u64) {
        let Some(c) = self.conns.get(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        let (octets, burst) = (c.beats.octets.clone(), c.beats.burst);
        self.active(conn);
        for _ in 0..burst {
            self.record(conn, What::BeatOut);
            self.outputs.push_back(Output::Message {
                conn,
                octets: octets.clone(),
                binary: false,
                how: Plan::default(),
            });
        }
    }

    pub(super) fn beat_in(&mut self, conn: u64, generation: u64) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        if c.phase != Phase::Open || c.beats.generation != generation || c.session.is_none() {
            return;
        }
        let Some(tolerance) = c.beats.tolerance else {
            return;
        };
        if c.holes.is_deaf() || c.is_suspended() {
            // Nothing can be heard, or nothing is expected: no reason to end.
            c.beats.last_in = now;
        }
        let silent = now.saturating_sub(c.beats.last_in);
        if silent < tolerance {
            let at = c.beats.last_in + tolerance;
            self.arm(at, Timer::BeatIn { conn, generation });
            return;
        }
        self.record(conn, What::Note(Note::HeartBeatLost { silent }));
        let words = format!("no heart-beat for {} ms", silent.as_millis());
        self.refuse(conn, None, Refused::new(words).of(Fault::Silence), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_number_wins_and_zero_is_never() {
        assert_eq!(agreed(1000, 500), Some(Duration::from_secs(1)));
        assert_eq!(agreed(500, 1000), Some(Duration::from_secs(1)));
        assert_eq!(agreed(0, 1000), None);
        assert_eq!(agreed(1000, 0), None);
    }

    #[test]
    fn only_two_plain_numbers_are_a_pair() {
        assert_eq!(pair("0,1000"), Some((0, 1000)));
        assert_eq!(
            pair("2147483648,9999999999"),
            Some((2_147_483_648, u64::from(u32::MAX)))
        );
        for bad in ["abc", "1", "1,2,3", "-1,0", "1.5,0", "1000, 1000", ",", ""] {
            assert_eq!(pair(bad), None, "{bad:?}");
        }
    }
}
