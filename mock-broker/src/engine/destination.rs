//! What a destination stands for: a queue, a topic, a queue of one's own.

use super::Engine;
use super::hub::{AckMode, Target, Wish};
use super::refusal::Refused;
use crate::dialect::Naming;
use crate::script::units::glob;

/// Names that begin so are temporary queues: private to their session, and
/// gone with it.
const TEMPORARY: &str = "/temp-queue/";
/// What others are told of a temporary queue, so that they can answer.
const REMOTE: &str = "/remote-temp-queue/";
/// The same with RabbitMQ.
const REPLY: &str = "/reply-queue/";

impl Engine {
    /// Where a SEND goes, and which destination its consumers are told, if it is
    /// another.
    pub(super) fn send_target(
        &mut self,
        conn: u64,
        destination: &str,
    ) -> Result<(Target, Option<String>), Refused> {
        let forbidden = &self.scenario.forbidden.send;
        if forbidden.iter().any(|p| glob(p, destination)) {
            return Err(Refused::coded(403, "sending there is forbidden"));
        }
        let naming = self.scenario.dialect.naming;
        if naming == Naming::Topics {
            return Ok((Target::Topic(destination.to_owned()), None));
        }
        if destination.starts_with(TEMPORARY) && naming == Naming::Free {
            let key = self.temporary(conn, destination)?;
            return Ok((Target::Queue(key), None));
        }
        if destination.starts_with(REMOTE) || destination.starts_with(REPLY) {
            let owner = self.temps.get(destination);
            let (_, alias) = owner.ok_or_else(|| Refused::new("no such temporary queue"))?;
            let told = Some(alias.clone());
            return Ok((Target::Queue(destination.to_owned()), told));
        }
        Ok((self.named(destination)?, None))
    }

    /// What a SUBSCRIBE is for.
    pub(super) fn subscribe_target(
        &mut self,
        conn: u64,
        destination: &str,
    ) -> Result<Target, Refused> {
        let forbidden = &self.scenario.forbidden.subscribe;
        if forbidden.iter().any(|p| glob(p, destination)) {
            return Err(Refused::coded(403, "subscribing there is forbidden"));
        }
        let naming = self.scenario.dialect.naming;
        if naming != Naming::Topics
            && (destination.starts_with(REMOTE) || destination.starts_with(REPLY))
        {
            return Err(Refused::new("a temporary queue belongs to another session"));
        }
        let target = if destination.starts_with(TEMPORARY) && naming == Naming::Free {
            Target::Queue(self.temporary(conn, destination)?)
        } else {
            self.named(destination)?
        };
        match &target {
            Target::Queue(name) if self.hub.topics.is_pattern(name) => {
                Err(Refused::new("a queue has one name and no pattern"))
            }
            Target::Queue(name) if !self.hub.has_room(name, 0, 0) => {
                Err(Refused::new("too many queues"))
            }
            Target::Topic(name) if self.hub.topics.is_too_deep(name) => {
                Err(Refused::new("the pattern has too many segments"))
            }
            Target::Queue(_) | Target::Topic(_) => Ok(target),
        }
    }

    fn named(&self, destination: &str) -> Result<Target, Refused> {
        let name = destination.to_owned();
        match self.scenario.dialect.naming {
            Naming::Topics => Ok(Target::Topic(name)),
            Naming::Free => {
                let queue = ["/queue/", "/amq/queue/"];
                Ok(if queue.iter().any(|p| name.starts_with(p)) {
                    Target::Queue(name)
                } else {
                    Target::Topic(name)
                })
            }
            Naming::Rabbit => rabbit(destination),
        }
    }

    /// The key of a session's own temporary queue, which is made if need be.
    fn temporary(&mut self, conn: u64, alias: &str) -> Result<String, Refused> {
        let most = self.scenario.bounds.subscriptions;
        let c = self.conns.get_mut(&conn);
        let Some((dice, session)) = c.and_then(|c| Some((&mut c.dice, c.session.as_mut()?))) else {
            return Err(Refused::new("a temporary queue needs a session"));
        };
        if let Some(key) = session.temps.get(alias) {
            return Ok(key.clone());
        }
        if session.temps.len() >= most {
            return Err(Refused::new("too many temporary queues"));
        }
        let name = alias.strip_prefix(TEMPORARY).unwrap_or(alias);
        let rabbit = self.scenario.dialect.naming == Naming::Rabbit;
        let (key, shown) = if rabbit {
            let key = format!("{REPLY}amq.gen-{:016x}", dice.own.next());
            (key.clone(), key)
        } else {
            (format!("{REMOTE}{}/{name}", session.id), alias.to_owned())
        };
        session.temps.insert(alias.to_owned(), key.clone());
        if rabbit {
            // The asker is subscribed without a SUBSCRIBE, by an id that it
            // never gave.
            let no = self.hub.subscribe(Wish {
                conn,
                id: Some(alias.to_owned()),
                target: Target::Queue(key.clone()),
                ack: AckMode::Auto,
                prefetch: usize::MAX,
                selector: None,
            });
            session.subs.insert(alias.to_owned(), no);
        }
        self.temps.insert(key.clone(), (conn, shown));
        Ok(key)
    }

    /// A `reply-to` that names a temporary queue is told to others by its key.
    pub(super) fn own_reply_to(
        &mut self,
        conn: u64,
        headers: &mut [(String, String)],
    ) -> Result<(), Refused> {
        if self.scenario.dialect.naming == Naming::Topics {
            return Ok(());
        }
        for (name, value) in headers {
            if name == "reply-to" && value.starts_with(TEMPORARY) {
                *value = self.temporary(conn, value)?;
            }
        }
        Ok(())
    }
}

/// RabbitMQ's names: a type and one segment; without a slash, a queue.
fn rabbit(destination: &str) -> Result<Target, Refused> {
    let Some(rest) = destination.strip_prefix('/') else {
        return Ok(Target::Queue(format!("/amq/queue/{destination}")));
    };
    let one = |name: &str| !name.is_empty() && !name.contains('/');
    let bad = || Refused::new("the destination is not of the form /type/name");
    if let Some(name) = rest.strip_prefix("queue/") {
        // Both name the same queue; /queue/ also makes it.
        return one(name)
            .then(|| Target::Queue(format!("/amq/queue/{name}")))
            .ok_or_else(bad);
    }
    if let Some(name) = rest.strip_prefix("amq/queue/") {
        return one(name)
            .then(|| Target::Queue(destination.to_owned()))
            .ok_or_else(bad);
    }
    if let Some(name) = rest.strip_prefix("topic/") {
        return one(name)
            .then(|| Target::Topic(destination.to_owned()))
            .ok_or_else(bad);
    }
    if rest.starts_with("exchange/") {
        return Ok(Target::Topic(destination.to_owned()));
    }
    Err(Refused::new(
        "unknown destination, expected /topic/, /queue/, /exchange/ or /amq/queue/",
    ))
}
