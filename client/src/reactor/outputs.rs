//! What the core asks for, done.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{LINK, Reactor};
use crate::{
    clock,
    config::Credentials,
    core::{Command, Input, Output, Phase, Reply, Waiter},
    delivery::News,
    error::Error,
    event::Event,
    health::Stall,
    net::Link,
};

impl Reactor {
    pub(super) fn take_news(&mut self, now: Instant) {
        while let Some(news) = self.delivery.news() {
            match news {
                News::Dropped(messages) => self.core.dropped(messages),
                News::Event(event) => self.tell(event),
                News::Drained(waiter) => self.reply(waiter, Ok(Reply::Drained)),
                News::Failed(key) => {
                    let unsubscribe = Command::Unsubscribe {
                        key,
                        headers: Vec::new(),
                        waiter: Waiter::NONE,
                        deadline: now + self.config.timeouts.call,
                    };
                    // What the core has to say is taken up by the drain under way.
                    self.core.handle(now, Input::Command(unsubscribe));
                }
            }
        }
    }

    pub(super) fn perform(&mut self, now: Instant, output: Output) {
        // Whoever learns of the end, from whatever it is, finds that it has come.
        if self.core.phase() == Phase::Closed {
            self.refuse_posts();
        }
        match output {
            Output::Deliver { key, epoch, frame } => {
                let mut one = VecDeque::from([(key, frame)]);
                self.delivery.deliver(now, epoch, &mut one);
                self.take_news(now);
            }
            Output::Reply(waiter, Ok(Reply::Drained)) => {
                self.delivery.drained(waiter);
                self.take_news(now);
            }
            Output::Reply(waiter, result) => self.reply(waiter, result),
            Output::Event(event) => {
                if let Event::Closed { cause } = &event {
                    self.mailbox.set_cause(cause.clone());
                    self.closing(now);
                }
                self.tell(event);
            }
            Output::Ended(key, cause) => {
                self.delivery.ended(key, cause);
                self.take_news(now);
            }
            Output::Open { endpoint, ticket } => {
                log::debug!("connecting to {endpoint}");
                let registry = self.poll.registry();
                let config = Arc::clone(&self.config);
                let link = Link::open(config, endpoint, &self.tls, registry, LINK, now);
                self.link = Some((ticket, link));
                self.more = true;
            }
            Output::Close { code } => {
                if let Some((_, link)) = &mut self.link {
                    link.close(now, code, "");
                    self.more = true;
                }
            }
            Output::Abort => {
                self.link = None;
                self.mailbox.set_epoch(0);
            }
            Output::NeedRegion(ticket) => {
                if let Some(regions) = &self.config.regions {
                    self.offload.region(&self.mailbox, ticket, regions.clone());
                }
            }
            Output::Remember(endpoint) => {
                if let Some(file) = &self.config.remember {
                    self.offload.remember(file.clone(), endpoint.to_string());
                }
            }
            Output::NeedToken(ticket, reason) => {
                if let Credentials::Token { source, .. } = &self.config.credentials {
                    self.offload
                        .token(&self.mailbox, ticket, reason, Arc::clone(source));
                }
            }
            Output::NeedHeaders(ticket, key) => {
                let makers = self.delivery.sink(key).map(|sink| Arc::clone(&sink.makers));
                self.offload
                    .headers(&self.mailbox, ticket, key, makers.unwrap_or_default());
            }
            Output::Gap {
                subscription,
                since,
                until,
            } => {
                let [since, until] = clock::wall(now, [since, until]);
                self.tell(Event::Gap {
                    subscription,
                    since,
                    until,
                });
            }
        }
    }

    pub(super) fn reply(&mut self, waiter: Waiter, mut result: Result<Reply, Error>) {
        match &mut result {
            Ok(Reply::Metrics(metrics)) => {
                metrics.queues = self.delivery.depths();
            }
            Ok(Reply::Health(health)) if health.connected && self.delivery.is_paused() => {
                health.stalls.push(Stall::Paused);
            }
            Ok(Reply::Health(_) | Reply::Message { .. } | Reply::Done | Reply::Drained)
            | Err(_) => {}
        }
        self.answer(waiter, result);
    }

    pub(super) fn answer(&mut self, waiter: Waiter, result: Result<Reply, Error>) {
        if let Some(slot) = self.waiters.remove(waiter.0) {
            if slot.place(result) {
                self.answered.push(slot);
            }
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        let last = matches!(event, Event::Closed { .. });
        log::info!("{event:?}");
        self.events.push(event, false);
        if last {
            self.end();
        }
    }
}
