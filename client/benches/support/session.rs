//! A session of the core in virtual time: nothing but protocol decisions.

#![expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hobnail::{
    AckMode, Client,
    core::{Command, Core, Input, Key, Outgoing, Output, Subscribe, Waiter},
    frame::{Piece, Version},
};

/// As it comes out of a WebSocket message.
pub(crate) fn text(octets: Bytes) -> Piece {
    Piece::text(octets).expect("it is UTF-8")
}

/// A session in virtual time.
pub(crate) struct Session {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) receipts: u64,
}

impl Session {
    /// Connected, with one subscription.
    pub(crate) fn live() -> Self {
        let builder = Client::builder("ws://broker.test/").proxy(None).seed(1);
        let config = Arc::new(builder.build().expect("it can be used"));
        let now = Instant::now();
        let mut session = Self {
            core: Core::new(config, 1, now),
            now,
            receipts: 1 << 32,
        };
        let waiter = Waiter(1);
        let outputs = session.input(Input::Command(Command::Connect { waiter }));
        let Some(Output::Open { ticket, .. }) = outputs.first() else {
            panic!("it does not connect: {outputs:?}");
        };
        session.input(Input::LinkUp(*ticket));
        let answer = "CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0";
        session.input(Input::Message(text(answer.into())));
        let subscribe = Subscribe {
            key: Key(1),
            id: "s-1".into(),
            destination: "/topic/a".into(),
            ack: AckMode::Auto,
            headers: Vec::new(),
            fresh: None,
            dedupe: None,
        };
        let deadline = now + Duration::from_secs(60);
        session.input(Input::Command(Command::Subscribe {
            subscribe,
            waiter,
            deadline,
        }));
        session
    }

    /// What follows from an input; what leaves is gone.
    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        self.core.handle(self.now, input);
        let mut outputs = Vec::new();
        while let Some(output) = self.core.poll() {
            outputs.push(output);
        }
        while let Some(octets) = self.core.poll_transmit(self.now) {
            black_box(octets);
        }
        outputs
    }

    pub(crate) fn publish(&mut self, octets: &Bytes, receipt: Option<u64>) {
        let publish = Command::Publish(Outgoing {
            octets: octets.clone(),
            needs: Version::V1_0,
            receipt,
            waiter: receipt.map_or(Waiter::NONE, Waiter),
            deadline: self.now + Duration::from_secs(30),
            replay: false,
            epoch: None,
            transaction: None,
            replies: None,
        });
        self.core.handle(self.now, Input::Command(publish));
        while let Some(octets) = self.core.poll_transmit(self.now) {
            black_box(octets);
        }
    }
}
