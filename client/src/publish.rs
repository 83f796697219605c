//! SEND: frames that the calling thread writes.

mod few;
mod head;
mod memory;
mod pending;

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Serialize;

use few::Few;
use head::{FIRST, Head};
pub use pending::Pending;

use crate::{
    clock,
    core::{
        Command, Outgoing, Passing, Replies, Reply, TransactionStep, Waiter, receipt_headers,
        transaction_text,
    },
    error::{Error, Misuse},
    frame::{self, Encoder, Version},
    mailbox::Mailbox,
    port::{Leave, Port},
    post::Post,
    run::Letter,
    slot::Slot,
};

/// A SEND in the making (STOMP 1.2 §SEND).
#[must_use = "nothing leaves before publish() is called"]
pub struct Publish<'a> {
    port: Port<'a>,
    destination: Cow<'a, str>,
    headers: Few<'a>,
    body: Cow<'a, [u8]>,
    receipt: bool,
    replay: bool,
    buffered: bool,
    timeout: Option<Duration>,
    transaction: Option<u64>,
    replies: Option<Arc<Replies>>,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(port: Port<'a>, destination: Cow<'a, str>, transaction: Option<u64>) -> Self {
        Self {
            port,
            destination,
            headers: Few::default(),
            body: Cow::Borrowed(b""),
            receipt: false,
            replay: false,
            buffered: false,
            timeout: None,
            transaction,
            replies: None,
        }
    }

    /// One more header. `destination`, `receipt`, `transaction` and
    /// `content-length` are written by the library.
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push(name.into(), value.into());
        self
    }

    /// The body.
    pub fn body(mut self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.body = Cow::Borrowed(body.as_ref());
        self
    }

    /// The body as text, with `content-type:text/plain;charset=utf-8`. Text of
    /// another type is a [`body`](Self::body) with a header.
    pub fn text(self, text: &'a str) -> Self {
        self.body(text)
            .header("content-type", "text/plain;charset=utf-8")
    }

    /// A value as JSON, with `content-type:application/json`.
    ///
    /// # Errors
    /// If the value cannot be written as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.body = Cow::Owned(serde_json::to_vec(value)?);
        Ok(self.header("content-type", "application/json"))
    }

    /// Ask for a RECEIPT: [`publish`](Self::publish) returns when it came.
    pub fn receipt(mut self) -> Self {
        self.receipt = true;
        self
    }

    /// Let the frame leave again on the next connection if this one ends before
    /// the RECEIPT came: at least once instead of at most once. Implies
    /// [`receipt`](Self::receipt); not for frames of a transaction, which ends
    /// with its connection.
    pub fn replay(mut self) -> Self {
        self.receipt = true;
        self.replay = true;
        self
    }

    /// Let the frame leave with the next turn of the reactor, together with
    /// others, instead of at once: when 64 KiB have gathered, or when the client is
    /// turned by [`recv`](crate::Client::recv), [`turn`](crate::Client::turn),
    /// [`confirm`](crate::Client::confirm) or any other call that waits. That holds
    /// for [`begin`](Self::begin), too: no RECEIPT comes before the frame has left,
    /// and the time for it runs. Has no effect through a
    /// [`Handle`](crate::Handle), whose reactor does that anyway.
    pub fn buffered(mut self) -> Self {
        self.buffered = true;
        self
    }

    /// How long the frame may wait to leave and for its RECEIPT. Default:
    /// `Timeouts::call`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Hands the frame over. Without a receipt it returns once the frame has left or
    /// is in the outbox, with one when the broker has confirmed. A broker that is
    /// slower than a caller who drives the client holds it up for 10 ms, before
    /// frames pile up in the outbox.
    ///
    /// Through a [`Handle`](crate::Handle) a frame without a receipt that comes in a
    /// dense stream, 32 frames and more at a time, may wait up to a millisecond for
    /// others before it leaves, until 64 KiB are there; it leaves at once if somebody
    /// makes a call that waits. Where frames come one by one, none waits.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the frame cannot be written, [`Error::Timeout`]
    /// with the stage it was in, [`Error::Broker`] if the broker answered with an
    /// ERROR, [`Error::Lost`] if the connection ended before the RECEIPT,
    /// [`Error::Closed`] after the end.
    pub fn publish(mut self) -> Result<(), Error> {
        match self.hand_over(true)? {
            Some((_, slot)) => self.port.wait(&slot, self.patience()).map(drop),
            None => Ok(()),
        }
    }

    /// Hands the frame over if that needs no waiting, neither for a new token nor
    /// for room in the outbox. With a receipt it then returns when the broker has
    /// confirmed, like [`publish`](Self::publish).
    ///
    /// Without a connection the frame waits in the outbox as always.
    ///
    /// # Errors
    /// [`Error::Suspended`] while the session waits for a new token,
    /// [`Error::Timeout`] with [`Stage::Outbox`](crate::Stage::Outbox) if there is
    /// no room; else as [`publish`](Self::publish).
    pub fn try_publish(mut self) -> Result<(), Error> {
        if self.port.is_suspended() {
            return Err(Error::Suspended);
        }
        match self.hand_over(false)? {
            Some((_, slot)) => self.port.wait(&slot, self.patience()).map(drop),
            None => Ok(()),
        }
    }

    /// Hands the frame over with a receipt and does not wait for it: for many
    /// frames in flight at once.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), but for what only the broker's answer can tell.
    pub fn begin(mut self) -> Result<Pending, Error> {
        self.receipt = true;
        self.start().map(|(_, pending)| pending)
    }

    /// Hands the frame over as a request. Returns its receipt id, too.
    pub(crate) fn ask(&mut self) -> Result<(u64, Pending), Error> {
        if self.transaction.is_some() {
            let text = "a request in a transaction would wait for its own COMMIT";
            return Err(Misuse::Setting(text).into());
        }
        self.replies = Some(replies(self.port.mailbox()));
        self.receipt = true;
        self.start()
    }

    pub(crate) fn wait(&mut self, pending: &Pending) -> Result<Reply, Error> {
        self.port.wait(pending.slot(), pending.timeout())
    }

    fn start(&mut self) -> Result<(u64, Pending), Error> {
        let timeout = self.patience();
        let (id, slot) = self
            .hand_over(true)?
            .ok_or(Misuse::Setting("no receipt was asked for"))?;
        let user = self.port.user();
        Ok((id, Pending::new(slot, timeout, user)))
    }

    fn patience(&self) -> Duration {
        self.timeout
            .unwrap_or(self.port.mailbox().config.timeouts.call)
    }

    /// Hands the frame over: at once if nothing keeps it back, else when there is
    /// room for it, which is waited for or not. Returns its receipt id, and where
    /// the answer will appear, if it asks for one.
    fn hand_over(&mut self, wait: bool) -> Result<Option<(u64, Arc<Slot>)>, Error> {
        if self.destination.is_empty() {
            return Err(Misuse::NoDestination.into());
        }
        if self.receipt {
            self.port.check_thread()?;
        }
        // Of all calls in one row of numbers: who waits for a RECEIPT has the receipt's.
        let asked = self
            .receipt
            .then(|| (self.port.mailbox().number(), Slot::new()));
        let receipt = asked.as_ref().map(|(id, _)| *id);
        let slot = asked.as_ref().map(|(_, slot)| slot);
        let mut head = Head::last();
        let needs = self.write(&mut head, receipt)?;
        let now = self.port.now(self.buffered && !self.receipt);
        let mut frame = Passing {
            size: head.octets.len() + self.body.len() + 1,
            needs,
            deadline: clock::later(now, self.patience()),
            receipt: receipt.map(|id| (id, Waiter(id))),
        };
        let plain = !self.replay && self.transaction.is_none() && self.replies.is_none();
        let letter = Letter {
            frame: &frame,
            head: &head.octets,
            body: &self.body,
            slot,
        };
        let leave = Leave {
            wait,
            buffered: self.buffered,
        };
        if plain && self.port.pass(now, &letter, leave)? {
            head.keep();
        } else {
            let octets = memory::frame(&[&head.octets, &self.body, b"\0"]);
            head.keep();
            let now = clock::now();
            frame.deadline = clock::later(now, self.patience());
            let until = if wait { frame.deadline } else { now };
            self.post(now, until, &frame, octets, slot)?;
        }
        Ok(asked)
    }

    fn post(
        &mut self,
        now: Instant,
        until: Instant,
        frame: &Passing,
        octets: Bytes,
        slot: Option<&Arc<Slot>>,
    ) -> Result<(), Error> {
        let publish = Command::Publish(Outgoing {
            replay: self.replay && self.transaction.is_none(),
            transaction: self.transaction.map(|id| (id, TransactionStep::Within)),
            replies: self.replies.clone(),
            ..Outgoing::of(frame, octets)
        });
        let now = self.port.make_room(now, until, frame.size)?;
        match slot {
            None => self.port.post(now, until, publish, self.buffered),
            Some(slot) => {
                self.port.ask(now, until, Post::asking(publish, slot))?;
                self.port.gather(now, frame.size, self.buffered)
            }
        }
    }

    /// Writes all that comes before the body. Returns the oldest version in which
    /// the frame means what it should.
    fn write(&self, head: &mut Head, receipt: Option<u64>) -> Result<Version, Error> {
        let plain = self.transaction.is_none() && self.replies.is_none() && receipt.is_none();
        let is_same = self.replies.is_none() && head.begins_with(&self.destination, &self.headers);
        if is_same && plain && head.fits(self.body.len()) {
            return Ok(Version::V1_0);
        }
        let mut lasting = None;
        let mut frame = if is_same {
            head.cut();
            Encoder::resume(&mut head.octets, frame::Command::Send, Version::V1_2)
        } else {
            head.clear();
            let mut frame = Encoder::new(&mut head.octets, frame::Command::Send, Version::V1_2);
            frame.known_header(FIRST, &self.destination)?;
            for (name, value) in self.headers.iter() {
                let asks = self.replies.is_some();
                if RESERVED.contains(&&**name) || (asks && ASKING.contains(&&**name)) {
                    return Err(Misuse::Header(name.to_string()).into());
                }
                frame.header(name, value)?;
            }
            lasting = frame.unescaped();
            frame
        };
        if let Some(id) = self.transaction {
            frame.header("transaction", &transaction_text(id))?;
        }
        if let (Some(replies), Some(id)) = (&self.replies, receipt) {
            frame.header("reply-to", &replies.destination)?;
            frame.header("correlation-id", &replies.correlation(id))?;
        }
        if let Some(id) = receipt {
            let dialect = self.port.mailbox().config.dialect;
            receipt_headers(&mut frame, dialect, id);
        }
        let needs = frame.finish_head(self.body.len())?;
        if let Some(octets) = lasting {
            head.lasts(octets, &self.destination, &self.headers);
        }
        if plain {
            head.is_plain(self.body.len());
        }
        Ok(needs)
    }
}

/// Without the values of headers and without the body, which are the application's.
impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Publish")
            .field("destination", &self.destination)
            .field("headers", &names)
            .field("body", &format_args!("{} octets", self.body.len()))
            .field("receipt", &self.receipt)
            .field("replay", &self.replay)
            .field("timeout", &self.timeout)
            .field("transaction", &self.transaction)
            .finish_non_exhaustive()
    }
}

/// Where the replies to a client's requests come.
fn replies(mailbox: &Mailbox) -> Arc<Replies> {
    let replies = mailbox.replies.get_or_init(|| {
        let random = RandomState::new();
        let (high, low) = (random.hash_one(0), random.hash_one(1));
        let name = format!("replies-{high:016x}{low:016x}");
        Arc::new(Replies::new(&mailbox.config, name))
    });
    Arc::clone(replies)
}

/// Headers that a request has anyway.
const ASKING: &[&str] = &["reply-to", "correlation-id"];
const RESERVED: &[&str] = &["destination", "receipt", "transaction", "content-length"];
