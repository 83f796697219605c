//! The active region: asked for when no endpoint that is known answers.

use std::time::Instant;

use super::{
    Core, Phase,
    io::{Output, Ticket},
    timers::Once,
};
use crate::{
    config::Endpoint,
    error::{Error, LinkError, RegionError},
    event::Event,
};

impl Core {
    /// Asks the region source if a name could not be resolved or every endpoint
    /// has failed, unless it has been asked already.
    pub(super) fn ask_region(&mut self, now: Instant, cause: &Error) {
        let nameless = matches!(cause, Error::Link(e) if matches!(**e, LinkError::Resolve { .. }));
        let is_lost = nameless || self.endpoints.all_failed();
        if is_lost && self.config.regions.is_some() && self.region.is_none() {
            let ticket = self.next_ticket();
            self.region = Some(ticket);
            let limit = now + self.config.timeouts.token;
            self.timers.arm(Once::Region, limit);
            self.outputs.push_back(Output::NeedRegion(ticket));
        }
    }

    pub(super) fn region(
        &mut self,
        now: Instant,
        ticket: Ticket,
        answer: Result<Endpoint, RegionError>,
    ) {
        if self.region.take_if(|asked| *asked == ticket).is_none() {
            return;
        }
        self.timers.disarm(Once::Region);
        let endpoint = match answer {
            // Credentials that were meant for TLS never leave without it.
            Ok(endpoint) if self.config.endpoint.is_secure() && !endpoint.is_secure() => {
                let text = format!("{endpoint} is not wss, as the first endpoint is");
                return self.region_failed(text);
            }
            Ok(endpoint) => endpoint,
            Err(e) => return self.region_failed(e.text),
        };
        self.tell(Event::Region {
            endpoint: endpoint.to_string(),
        });
        // While an attempt is under way, that one decides; the next failure asks again.
        let may_move = self.phase == Phase::Waiting && self.may_hurry;
        if may_move && self.endpoints.name(now, endpoint) {
            self.timers.arm(Once::Redial, now);
        }
    }

    pub(super) fn region_expired(&mut self) {
        self.region = None;
        let limit = self.config.timeouts.token;
        self.region_failed(format!("no answer within {limit:?}"));
    }

    fn region_failed(&mut self, text: String) {
        let cause = RegionError { text };
        self.tell(Event::RegionFailed { cause });
    }
}
