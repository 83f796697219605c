//! A subscription in the making.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Established, Subscription};
#[cfg(feature = "spill")]
use crate::config::Overflow;
use crate::{
    clock,
    config::{Priority, QueueLimits},
    core::{AckMode, Command, Dedupe, Key, Subscribe},
    error::{Error, Misuse},
    mailbox::Mailbox,
    message::Message,
    port::Port,
    queue::Queue,
    sink::Sink,
};

/// A subscription in the making (STOMP 1.2 §SUBSCRIBE).
#[must_use = "nothing is subscribed to before the last call"]
pub struct SubscribeRequest<'a> {
    port: Port<'a>,
    destination: Cow<'a, str>,
    id: Option<Cow<'a, str>>,
    ack: AckMode,
    headers: Vec<(String, String)>,
    makers: Vec<(String, Box<dyn Fn() -> String + Send + Sync>)>,
    limits: Option<QueueLimits>,
    priority: Priority,
    prefetch: Option<u32>,
    dedupe: Option<Dedupe>,
    broad: bool,
    timeout: Option<Duration>,
}

impl<'a> SubscribeRequest<'a> {
    pub(crate) fn new(port: Port<'a>, destination: Cow<'a, str>) -> Self {
        Self {
            port,
            destination,
            id: None,
            ack: AckMode::Auto,
            headers: Vec::new(),
            makers: Vec::new(),
            limits: None,
            priority: Priority::Normal,
            prefetch: None,
            dedupe: None,
            broad: false,
            timeout: None,
        }
    }

    /// The `id` header, kept over reconnects. Default: a number of the client's own.
    ///
    /// An id is taken until the broker has confirmed the end of the subscription
    /// that had it: [`Subscription::unsubscribe`] waits for that, its drop does not.
    pub fn id(mut self, id: impl Into<Cow<'a, str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// How messages are acknowledged. Default: [`AckMode::Auto`].
    pub fn ack(mut self, mode: AckMode) -> Self {
        self.ack = mode;
        self
    }

    /// Which messages the broker is to send, in the broker's own language.
    pub fn selector(self, selector: impl Into<String>) -> Self {
        self.header("selector", selector)
    }

    /// One more header. `id`, `destination`, `ack` and `receipt` are written by
    /// the library.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The bound of the queue, and what happens when it is full. Default:
    /// `Limits::queue`. Not for a [`Client`](crate::Client) that turns its own
    /// reactor: it has one queue for all its subscriptions, bounded by
    /// `Limits::queue`.
    pub fn queue(mut self, limits: QueueLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// One more header whose value is made anew for every SUBSCRIBE: for this one
    /// now, and on a helper thread whenever the subscription is made again on
    /// another connection. What follows that SUBSCRIBE waits for the value, for
    /// `Timeouts::open` at most.
    pub fn header_with(
        mut self,
        name: impl Into<String>,
        value: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        self.makers.push((name.into(), Box::new(value)));
        self
    }

    /// How many messages may be under way without having been acknowledged, as
    /// the dialect says it. Not every dialect has a word for it.
    pub fn prefetch(mut self, messages: u32) -> Self {
        self.prefetch = Some(messages);
        self
    }

    /// What its messages are worth while the session is suspended. Default:
    /// [`Priority::Normal`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Drop a message with the same value of this header (`message-id`, if the
    /// broker keeps that over connections) as one of the last `window`. Values
    /// of more than 1,024 octets are not remembered. Only with
    /// [`AckMode::Auto`]: a message that was not acknowledged comes again on purpose.
    pub fn dedupe(mut self, header: &'static str, window: usize) -> Self {
        self.dedupe = Some(Dedupe { header, window });
        self
    }

    /// Allow a wildcard at the root of a domain without a selector.
    pub fn allow_broad(mut self) -> Self {
        self.broad = true;
        self
    }

    /// How long to wait for a connection and for the RECEIPT. Default: `Timeouts::call`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends SUBSCRIBE and waits for its RECEIPT; `inbox` is where it delivers,
    /// or a queue of its own is made.
    pub(crate) fn establish(
        mut self,
        inbox: Option<Arc<Queue<Message>>>,
    ) -> Result<Established, Error> {
        self.check()?;
        self.settle_prefetch()?;
        let mailbox = Arc::clone(self.port.mailbox());
        let key = mailbox.key();
        let id: Arc<str> = match &self.id {
            Some(id) => (**id).into(),
            None => key.0.to_string().into(),
        };
        let owned = inbox.is_none();
        let limits = self.limits.unwrap_or(mailbox.config.limits.queue);
        let timeout = self.timeout.unwrap_or(mailbox.config.timeouts.call);
        let deadline = clock::after(timeout);
        let queue = match inbox {
            Some(inbox) => inbox,
            None => self.make_queue(key, &id, limits, deadline)?,
        };
        let acknowledges = self.ack != AckMode::Auto;
        let made = self
            .makers
            .iter()
            .map(|(name, make)| (name.clone(), make()));
        let fresh = (!self.makers.is_empty()).then(|| made.collect());
        let sink = Sink::new(
            Arc::clone(&id),
            Arc::clone(&queue),
            acknowledges,
            owned,
            self.priority,
            Arc::new(self.makers),
        );
        let fate = Arc::clone(&sink.fate);
        let subscribe = Subscribe {
            key,
            id: id.to_string(),
            destination: self.destination.into_owned(),
            ack: self.ack,
            headers: self.headers,
            fresh,
            dedupe: self.dedupe,
        };
        let made = Established {
            key,
            id,
            queue,
            owned,
            fate,
        };
        self.port
            .call(timeout, Some((key, sink)), |waiter| Command::Subscribe {
                subscribe,
                waiter,
                deadline,
            })
            .inspect_err(|_| made.abandon(false))?;
        Ok(made)
    }

    /// A queue of its own.
    #[cfg_attr(
        not(feature = "spill"),
        expect(clippy::unnecessary_wraps, reason = "a queue that spills may fail")
    )]
    fn make_queue(
        &self,
        key: Key,
        id: &str,
        limits: QueueLimits,
        deadline: Instant,
    ) -> Result<Arc<Queue<Message>>, Error> {
        let mailbox = self.port.mailbox();
        let producer = Arc::<Mailbox>::clone(mailbox);
        #[cfg(feature = "spill")]
        if limits.overflow == Overflow::Spill {
            self.check_spill()?;
            self.port.check_thread()?;
            let spool = mailbox
                .spool()
                .ok_or(Misuse::Setting("there is no spool"))?;
            return spool.attach(key, id, limits, producer, deadline);
        }
        #[cfg(not(feature = "spill"))]
        let _ = (key, id, deadline);
        Ok(Arc::new(Queue::new(limits, producer)))
    }

    fn check(&self) -> Result<(), Misuse> {
        if self.destination.is_empty() {
            return Err(Misuse::NoDestination);
        }
        let fixed = self.headers.iter().map(|(name, _)| name);
        for name in fixed.chain(self.makers.iter().map(|(name, _)| name)) {
            if RESERVED.contains(&name.as_str()) {
                return Err(Misuse::Header(name.clone()));
            }
        }
        if self.dedupe.is_some() && self.ack != AckMode::Auto {
            return Err(Misuse::Setting("dedupe() is for AckMode::Auto only"));
        }
        let is_selector = |name: &String| name == "selector";
        let selected = self.headers.iter().any(|(name, _)| is_selector(name))
            || self.makers.iter().any(|(name, _)| is_selector(name));
        if !selected && !self.broad && is_broad(&self.destination) {
            return Err(Misuse::BroadSubscription(self.destination.to_string()));
        }
        Ok(())
    }

    #[cfg(feature = "spill")]
    fn check_spill(&self) -> Result<(), Misuse> {
        let fault = |text| Err(Misuse::Setting(text));
        if self.id.is_none() {
            return fault("Overflow::Spill needs an id(): what lies on disk is found again by it");
        }
        if self.ack != AckMode::Auto {
            return fault("Overflow::Spill is for AckMode::Auto only: the broker keeps the others");
        }
        if self.priority == Priority::Expendable {
            return fault("Priority::Expendable drops what Overflow::Spill is to keep");
        }
        Ok(())
    }

    fn settle_prefetch(&mut self) -> Result<(), Misuse> {
        if let Some(messages) = self.prefetch {
            let header = self.port.mailbox().config.dialect.prefetch_header;
            let header = header.ok_or(Misuse::Setting("the dialect has no word for prefetch()"))?;
            self.headers.push((header.to_owned(), messages.to_string()));
        }
        Ok(())
    }
}

impl SubscribeRequest<'_> {
    /// Subscribes; returns when the broker has confirmed, with a queue of the
    /// subscription's own.
    ///
    /// # Errors
    /// [`Error::Broker`] if the broker refused, [`Error::Timeout`] if it did not
    /// answer (the subscription does not exist then), [`Error::Misuse`] for an id
    /// that is taken, a destination that covers a whole domain, or a
    /// [`queue`](Self::queue) where there can be none.
    pub fn subscribe(self) -> Result<Subscription, Error> {
        match &self.port {
            Port::Handle(handle) => {
                let handle = (*handle).clone();
                let made = self.establish(None)?;
                Ok(Subscription { made, handle })
            }
            Port::Client(_) if self.limits.is_some() => Err(Misuse::SharedQueue.into()),
            Port::Client(client) => {
                let (inbox, handle) = (client.inbox(), client.handle());
                let made = self.establish(Some(inbox))?;
                Ok(Subscription { made, handle })
            }
        }
    }
}

/// Without the values of headers, which are the application's.
impl fmt::Debug for SubscribeRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("SubscribeRequest")
            .field("destination", &self.destination)
            .field("id", &self.id)
            .field("ack", &self.ack)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

const RESERVED: &[&str] = &["id", "destination", "ack", "receipt", "content-length"];

/// A wildcard for everything below the root of a domain, or below the root of
/// all: behind the domain's name nothing but wildcards, one of them for any depth.
fn is_broad(destination: &str) -> bool {
    let wild = |token: &&str| matches!(*token, "*" | "**" | ">" | "#");
    let deep = |token: &&str| matches!(*token, "**" | ">" | "#");
    let steps = |c: char| c == '/' || (c == '.' && !destination.contains('/'));
    let mut segments = destination
        .split(steps)
        .filter(|s| !s.is_empty())
        .peekable();
    // An exchange's name belongs to the domain.
    let domain = match segments.peek() {
        Some(&"exchange") => 2,
        Some(first) if wild(first) => 0,
        Some(_) | None => 1,
    };
    let rest: Vec<_> = segments.skip(domain).flat_map(|s| s.split('.')).collect();
    rest.iter().all(wild) && rest.iter().any(deep)
}

#[cfg(test)]
mod tests {
    use super::is_broad;

    #[test]
    fn only_a_wildcard_at_the_root_of_a_domain_is_broad() {
        for broad in [
            "/events/**",
            "/topic/>",
            "#",
            "/**",
            "/topic/#",
            "events/**",
            "/events/**/",
            "/topic/*.#",
            "/topic/*/>",
            "/exchange/amq.topic/#",
            "/exchange/events/#",
            "events.>",
        ] {
            assert!(is_broad(broad), "{broad}");
        }
        for fine in [
            "/events/queue/**",
            "/topic/a",
            "/topic/a.#",
            "/topic/*",
            "/topic/#.ring",
            "/exchange/events/calls.#",
            "events.calls.>",
            "/queue/x",
            "/",
        ] {
            assert!(!is_broad(fine), "{fine}");
        }
    }
}
