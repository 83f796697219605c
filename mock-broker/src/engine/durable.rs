//! Durable subscriptions: a queue that a topic fills, for one subscriber that
//! comes and goes.

use super::Engine;
use super::hub::Target;
use super::message::Item;
use super::refusal::Refused;
use crate::dialect::Durable;
use crate::selector::Selector;
use crate::wire::Frame;

/// What fills the queue of a durable subscription.
#[derive(Debug)]
pub(super) struct Binding {
    topic: String,
    selector: Option<Selector>,
    no: u64,
}

impl Engine {
    /// The key of the durable subscription that a SUBSCRIBE or UNSUBSCRIBE is
    /// about, if it is about one.
    fn durable_key(&self, conn: u64, frame: &Frame) -> Result<Option<String>, Refused> {
        let name = match self.scenario.dialect.durable {
            Durable::None => None,
            Durable::Header => frame
                .header("id")
                .filter(|_| frame.header("durable") == Some("true")),
            Durable::Named => frame.header("activemq.subscriptionName"),
        };
        let Some(name) = name else { return Ok(None) };
        let session = self.conns.get(&conn).and_then(|c| c.session.as_ref());
        let owner = session.and_then(|s| s.client.as_ref().or(s.identity.as_ref()));
        let owner = owner.ok_or_else(|| {
            Refused::new("a durable subscription needs a `client-id` or a `login` in CONNECT")
        })?;
        Ok(Some(format!("durable {owner:?} {name:?}")))
    }

    /// Turns the topic of a SUBSCRIBE into the queue of its durable
    /// subscription, which is made if need be.
    pub(super) fn durably(
        &mut self,
        conn: u64,
        frame: &Frame,
        target: Target,
        selector: &mut Option<Selector>,
    ) -> Result<Target, Refused> {
        let Some(key) = self.durable_key(conn, frame)? else {
            return Ok(target);
        };
        let Target::Topic(topic) = target else {
            return Ok(target);
        };
        if !self.hub.has_room(&key, 0, 0) || self.durables.len() >= self.scenario.bounds.queues {
            return Err(Refused::new("too many queues"));
        }
        let selector = selector.take();
        let same = |b: &Binding| b.topic == topic && b.selector == selector;
        if !self.durables.get(&key).is_some_and(same) {
            // Another topic or selector is another subscription.
            self.forget_durable(&key);
            let no = self.hub.number();
            self.hub.topics.insert(&topic, no);
            self.bound.insert(no, key.clone());
            let binding = Binding {
                topic,
                selector,
                no,
            };
            self.durables.insert(key.clone(), binding);
        }
        Ok(Target::Queue(key))
    }

    /// Puts a topic's message into the queue of a durable subscription, if
    /// that is what `no` is; what does not fit is lost.
    pub(super) fn keep_durably(&mut self, no: u64, item: &Item) -> bool {
        let Some(key) = self.bound.get(&no) else {
            return false;
        };
        let selector = self.durables.get(key).and_then(|b| b.selector.as_ref());
        let wanted = selector.is_none_or(|s| s.wants(&*item.message));
        if wanted && self.hub.has_room(key, 1, item.octets()) {
            self.hub.enqueue(key, item.clone());
        }
        true
    }

    /// UNSUBSCRIBE may end the durable subscription itself.
    pub(super) fn end_durable(&mut self, conn: u64, frame: &Frame) -> Result<bool, Refused> {
        let Some(key) = self.durable_key(conn, frame)? else {
            return Ok(false);
        };
        if self.durables.contains_key(&key) && self.hub.has_consumers(&key) {
            return Err(Refused::new("the durable subscription is in use"));
        }
        self.forget_durable(&key);
        Ok(true)
    }

    fn forget_durable(&mut self, key: &str) {
        if let Some(binding) = self.durables.remove(key) {
            self.bound.remove(&binding.no);
            self.hub.topics.remove(&binding.topic, binding.no);
            self.hub.delete_queue(key);
        }
    }
}
