//! The application: calls, and how each of them ended.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};

use super::pair::Pair;
use crate::{
    core::{
        AckMode, Command, Dedupe, Input, Key, Outgoing, Passing, Replies, Reply, Subscribe,
        TransactionStep, Waiter, receipt_text,
    },
    error::Error,
    frame::{self, Encoder, Version},
};

#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) calls: Vec<Call>,
    pub(super) receipts: u64,
    /// Frames that might have taken the short way.
    passed: u64,
    /// What the core is to let leave before anything else.
    pub(super) must_leave: Option<Bytes>,
    keys: u32,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) what: String,
    pub(super) deadline: Option<Duration>,
    pub(super) answer: Option<(Duration, Result<Reply, Error>)>,
}

/// A SEND as it is to be made.
#[derive(Debug, Clone)]
pub(super) struct Send {
    pub(super) destination: String,
    pub(super) body: String,
    pub(super) receipt: bool,
    pub(super) replay: bool,
    pub(super) within: Duration,
    pub(super) transaction: Option<(u64, TransactionStep)>,
    pub(super) replies: Option<Arc<Replies>>,
}

impl Send {
    pub(super) fn new(body: &str) -> Self {
        Self {
            destination: "/queue/a".into(),
            body: body.into(),
            receipt: true,
            replay: false,
            within: Duration::from_secs(30),
            transaction: None,
            replies: None,
        }
    }

    /// A request whose reply is awaited there.
    pub(super) fn asking(self, replies: &Arc<Replies>) -> Self {
        Self {
            replies: Some(Arc::clone(replies)),
            ..self
        }
    }

    pub(super) fn silent(self) -> Self {
        Self {
            receipt: false,
            ..self
        }
    }

    pub(super) fn replay(self) -> Self {
        Self {
            replay: true,
            ..self
        }
    }

    pub(super) fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    pub(super) fn part_of(self, transaction: u64) -> Self {
        Self {
            transaction: Some((transaction, TransactionStep::Within)),
            ..self
        }
    }
}

impl Pair {
    pub(super) fn call(&mut self, what: impl Into<String>, deadline: Option<Duration>) -> Waiter {
        let what = what.into();
        self.note(format!("call: {what}"));
        self.app.calls.push(Call {
            what,
            deadline,
            answer: None,
        });
        Waiter(self.app.calls.len() as u64)
    }

    pub(super) fn answered(&mut self, waiter: Waiter, result: Result<Reply, Error>) {
        let now = self.now;
        let call = &mut self.app.calls[waiter.0 as usize - 1];
        assert!(call.answer.is_none(), "{} was answered twice", call.what);
        call.answer = Some((now, result));
    }

    pub(super) fn answer(&self, waiter: Waiter) -> Option<&Result<Reply, Error>> {
        let call = &self.app.calls[waiter.0 as usize - 1];
        call.answer.as_ref().map(|(_, result)| result)
    }

    /// When the call ended.
    pub(super) fn ended_at(&self, waiter: Waiter) -> Duration {
        self.app.calls[waiter.0 as usize - 1]
            .answer
            .as_ref()
            .expect("an answer")
            .0
    }

    pub(super) fn expect_ok(&self, waiter: Waiter) {
        match self.answer(waiter) {
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn expect_err(&self, waiter: Waiter) -> Error {
        match self.answer(waiter) {
            Some(Err(e)) => e.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn is_pending(&self, waiter: Waiter) -> bool {
        self.answer(waiter).is_none()
    }

    pub(super) fn connect(&mut self) -> Waiter {
        let waiter = self.call("connect", None);
        self.input(Input::Command(Command::Connect { waiter }));
        waiter
    }

    pub(super) fn send(&mut self, send: Send) -> Waiter {
        let mut headers = vec![("destination", send.destination.clone())];
        let transaction = send.transaction.map(|(id, _)| format!("tx{id}"));
        headers.extend(transaction.map(|name| ("transaction", name)));
        self.frame(frame::Command::Send, &headers, &send, None)
    }

    pub(super) fn publish(&mut self, body: &str) -> Waiter {
        self.send(Send::new(body))
    }

    pub(super) fn transaction(&mut self, command: frame::Command, id: u64) -> Waiter {
        let step = match command {
            frame::Command::Begin => TransactionStep::Begin,
            _ => TransactionStep::End,
        };
        let send = Send {
            transaction: Some((id, step)),
            ..Send::new("")
        };
        self.frame(command, &[("transaction", format!("tx{id}"))], &send, None)
    }

    pub(super) fn ack(&mut self, id: &str, epoch: u64) -> Waiter {
        let send = Send::new("");
        self.frame(
            frame::Command::Ack,
            &[("id", id.to_owned())],
            &send,
            Some(epoch),
        )
    }

    pub(super) fn frame(
        &mut self,
        command: frame::Command,
        headers: &[(&str, String)],
        send: &Send,
        epoch: Option<u64>,
    ) -> Waiter {
        let mut buffer = BytesMut::new();
        let mut encoder = Encoder::new(&mut buffer, command, Version::V1_2);
        for (name, value) in headers {
            encoder.header(name, value).unwrap();
        }
        self.app.receipts += 1;
        let receipt = send.receipt.then_some(self.app.receipts);
        if let Some(id) = receipt {
            encoder.header("receipt", &receipt_text(id)).unwrap();
            if let Some(replies) = &send.replies {
                let correlation = replies.correlation(id);
                encoder.header("reply-to", &replies.destination).unwrap();
                encoder.header("correlation-id", &correlation).unwrap();
            }
        }
        encoder.finish(send.body.as_bytes()).unwrap();
        let waiter = if send.receipt {
            let what = match send.replies {
                Some(_) => format!("Request {}", send.body),
                None => format!("{command:?} {}", send.body),
            };
            self.call(what, Some(self.now + send.within))
        } else {
            Waiter::NONE
        };
        let outgoing = Outgoing {
            octets: buffer.freeze(),
            needs: Version::V1_0,
            receipt,
            waiter,
            deadline: self.instant() + send.within,
            replay: send.replay,
            epoch,
            transaction: send.transaction,
            replies: send.replies.clone(),
        };
        if command == frame::Command::Send && self.passes(&outgoing) {
            return waiter;
        }
        self.input(Input::Command(Command::Publish(outgoing)));
        waiter
    }

    /// Lets a frame take the short way if it may. By the long way it would leave
    /// at this very moment, too; every other one does.
    fn passes(&mut self, outgoing: &Outgoing) -> bool {
        let plain =
            !outgoing.replay && outgoing.transaction.is_none() && outgoing.replies.is_none();
        let passing = Passing {
            size: outgoing.octets.len(),
            needs: outgoing.needs,
            deadline: outgoing.deadline,
            receipt: outgoing.receipt.map(|id| (id, outgoing.waiter)),
        };
        let now = self.instant();
        if !plain || !self.writable || !self.core.passes(now, &passing) {
            return false;
        }
        self.app.passed += 1;
        if self.app.passed % 2 == 0 {
            self.core.pass(now, &passing);
            self.transmit(outgoing.octets.clone());
            self.settle();
            return true;
        }
        self.app.must_leave = Some(outgoing.octets.clone());
        false
    }

    /// A subscription with an id like its destination's last part.
    pub(super) fn subscribe(&mut self, destination: &str) -> (Key, Waiter) {
        let id = destination
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        self.subscribe_as(&id, destination, AckMode::Auto, Duration::from_secs(30))
    }

    pub(super) fn subscribe_as(
        &mut self,
        id: &str,
        destination: &str,
        ack: AckMode,
        within: Duration,
    ) -> (Key, Waiter) {
        self.app.keys += 1;
        let key = Key(self.app.keys);
        let waiter = self.call(format!("subscribe {id}"), Some(self.now + within));
        self.input(Input::Command(Command::Subscribe {
            subscribe: Subscribe {
                key,
                id: id.to_owned(),
                destination: destination.to_owned(),
                ack,
                headers: Vec::new(),
                fresh: None,
                dedupe: None,
            },
            waiter,
            deadline: self.instant() + within,
        }));
        (key, waiter)
    }

    pub(super) fn subscribe_specially(
        &mut self,
        id: &str,
        fresh: Option<Vec<(String, String)>>,
        dedupe: Option<Dedupe>,
        within: Duration,
    ) -> Key {
        self.app.keys += 1;
        let key = Key(self.app.keys);
        let waiter = self.call(format!("subscribe {id}"), Some(self.now + within));
        self.input(Input::Command(Command::Subscribe {
            subscribe: Subscribe {
                key,
                id: id.to_owned(),
                destination: format!("/topic/{id}"),
                ack: AckMode::Auto,
                headers: Vec::new(),
                fresh,
                dedupe,
            },
            waiter,
            deadline: self.instant() + within,
        }));
        key
    }

    /// A look at how it stands; answered at once, whatever it is.
    pub(super) fn look(&mut self) {
        for kind in ["health", "metrics"] {
            let waiter = self.call(kind, Some(self.now));
            let command = match kind {
                "health" => Command::Health { waiter },
                _ => Command::Metrics { waiter },
            };
            self.input(Input::Command(command));
            assert!(self.answer(waiter).is_some());
        }
    }

    /// A subscription that the broker has confirmed.
    pub(super) fn subscribed(&mut self, destination: &str) -> Key {
        let (key, waiter) = self.subscribe(destination);
        self.until(|p| p.answer(waiter).is_some());
        self.expect_ok(waiter);
        key
    }

    pub(super) fn unsubscribe(&mut self, key: Key) -> Waiter {
        self.unsubscribe_within(key, Duration::from_secs(30))
    }

    pub(super) fn unsubscribe_within(&mut self, key: Key, within: Duration) -> Waiter {
        let waiter = self.call(format!("unsubscribe {key:?}"), Some(self.now + within));
        self.input(Input::Command(Command::Unsubscribe {
            key,
            headers: Vec::new(),
            waiter,
            deadline: self.instant() + within,
        }));
        waiter
    }

    pub(super) fn close(&mut self) -> Waiter {
        self.close_within(Duration::from_secs(5))
    }

    pub(super) fn close_within(&mut self, within: Duration) -> Waiter {
        let waiter = self.call("close", Some(self.now + within));
        self.input(Input::Command(Command::Close {
            waiter,
            deadline: self.instant() + within,
        }));
        waiter
    }
}
