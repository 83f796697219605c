//! Many messages: the load that a rule can let loose.

use super::events::{event, kind_of};
use super::{Engine, Timer};
use crate::rng::Rng;
use crate::script::Storm;
use crate::transcript::{Note, What};
use crate::wire::Frame;
use std::sync::Arc;
use std::time::Duration;

/// The finest step of a storm; faster ones send several messages per step.
const STEP: Duration = Duration::from_millis(1);
/// So many messages at most per step, if the loop was held up.
const MOST: u64 = 10_000;

/// Storms at a time at most: a rule may let one loose for each MESSAGE.
const MOST_GALES: usize = 64;

/// So many octets at most per step, over all who might get them: a storm
/// falls behind its rate rather than fill the memory.
const MOST_OCTETS: usize = 16 << 20;

/// A storm that blows.
#[derive(Debug)]
pub(super) struct Gale {
    storm: Storm,
    rng: Rng,
    began: Duration,
    total: u64,
    sent: u64,
}

impl Engine {
    pub(super) fn begin_storm(&mut self, conn: u64, storm: Storm) {
        if self.gales >= MOST_GALES {
            self.fault(conn, format!("no storm: {MOST_GALES} are blowing"));
            return;
        }
        self.gales += 1;
        self.storms += 1;
        let mut rng = self.storm_die(self.storms);
        let span = storm.span.pick(&mut rng);
        let Storm {
            dest, rate, burst, ..
        } = &storm;
        self.fault(
            conn,
            format!("storm {dest} {rate}/s for {span:?} burst {burst}"),
        );
        let total = (storm.rate * span.as_secs_f64()).round().max(0.0) as u64;
        self.blow(Gale {
            storm,
            rng,
            began: self.now,
            total,
            sent: 0,
        });
    }

    /// One step: what is due by now is published.
    pub(super) fn blow(&mut self, mut gale: Gale) {
        let burst = u64::from(gale.storm.burst.max(1));
        let elapsed = (self.now - gale.began).as_secs_f64();
        // The small addend keeps rounding from losing a message per step.
        let bursts = (elapsed * gale.storm.rate / burst as f64 + 1e-6) as u64 + 1;
        let due = bursts
            .saturating_mul(burst)
            .min(gale.total)
            .min(gale.sent + MOST);
        let mut octets = 0;
        while gale.sent < due && octets < MOST_OCTETS {
            gale.sent += 1;
            let frame = Arc::new(gust(&mut gale));
            let readers = self.hub.subs.len().max(1);
            octets = octets.saturating_add(frame.body.len().saturating_mul(readers));
            if let Err(refused) = self.publish(0, &frame) {
                self.record(
                    0,
                    What::Note(Note::Refused {
                        message: refused.words,
                    }),
                );
                self.gales -= 1;
                return;
            }
        }
        if gale.sent >= gale.total {
            self.gales -= 1;
        } else {
            let next = (gale.sent / burst) as f64 * burst as f64 / gale.storm.rate;
            let at = gale.began + Duration::try_from_secs_f64(next).unwrap_or(STEP);
            self.arm(at.max(self.now + STEP), Timer::Storm(Box::new(gale)));
        }
    }
}

/// One message: an event if one lives there, or else its number, and a
/// body of the wanted size.
fn gust(gale: &mut Gale) -> Frame {
    let Storm {
        dest,
        size,
        kind,
        rate,
        ..
    } = &gale.storm;
    let size = size.pick(&mut gale.rng);
    let seq = gale.sent.to_string();
    let Some(kind) = kind.or_else(|| kind_of(dest)) else {
        let head = format!("{{\"seq\":{seq},\"pad\":\"");
        let json = head.len() + 2 <= size;
        let (kind, body) = if json {
            let pad = "x".repeat(size - head.len() - 2);
            ("application/json", format!("{head}{pad}\"}}"))
        } else {
            ("text/plain", "x".repeat(size))
        };
        return Frame::new("SEND")
            .with("destination", dest.as_str())
            .with("content-type", kind)
            .with("seq", seq)
            .body(body);
    };
    // The clock of its events is the storm's own: its bodies repeat.
    let age = Duration::try_from_secs_f64((gale.sent - 1) as f64 / rate).unwrap_or_default();
    let event = event(kind, gale.sent, age, size, &mut gale.rng);
    let dest = match dest.strip_suffix("/*") {
        Some(domain) => format!("{domain}/{}", event.id),
        None => dest.clone(),
    };
    Frame::new("SEND")
        .with("destination", dest)
        .with("content-type", "application/json")
        .with("event-type", event.name)
        .with("seq", seq)
        .body(event.body)
}
