//! The clock of a connection attempt.

use std::time::{Duration, Instant};

use crate::{
    config::Config,
    error::{LinkError, Stage},
};

/// The deadline of the stage that is under way, and the one over all of them.
#[derive(Debug)]
pub(super) struct Deadline {
    pub(super) stage: Stage,
    limit: Duration,
    until: Instant,
    overall_limit: Duration,
    overall_until: Instant,
}

impl Deadline {
    pub(super) fn new(now: Instant, stage: Stage, config: &Config) -> Self {
        let overall_limit = config.timeouts.overall;
        let mut deadline = Self {
            stage,
            limit: overall_limit,
            until: now,
            overall_limit,
            overall_until: later(now, overall_limit),
        };
        deadline.enter(now, stage, config);
        deadline
    }

    pub(super) fn enter(&mut self, now: Instant, stage: Stage, config: &Config) {
        let timeouts = &config.timeouts;
        self.stage = stage;
        self.limit = match stage {
            Stage::Resolve => timeouts.resolve,
            Stage::Connect => timeouts.connect,
            Stage::Tunnel => timeouts.tunnel,
            Stage::Tls => timeouts.tls,
            Stage::Upgrade => timeouts.upgrade,
            Stage::Open
            | Stage::Live
            | Stage::Token
            | Stage::Outbox
            | Stage::Receipt
            | Stage::Reply
            | Stage::Headers
            | Stage::Suspended
            | Stage::Close => timeouts.overall,
        };
        self.until = later(now, self.limit);
    }

    pub(super) fn next(&self) -> Instant {
        self.until.min(self.overall_until)
    }

    pub(super) fn check(&self, now: Instant) -> Result<(), LinkError> {
        let limit = if now >= self.until {
            self.limit
        } else if now >= self.overall_until {
            self.overall_limit
        } else {
            return Ok(());
        };
        Err(LinkError::Timeout {
            stage: self.stage,
            limit,
        })
    }
}

/// A limit without end is ten years.
fn later(now: Instant, limit: Duration) -> Instant {
    const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
    now + limit.min(TEN_YEARS)
}
