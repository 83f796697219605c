//! Messages as they were published.

use super::delivery::Shared;
use crate::dialect::ContentLength;
use crate::selector::{Fields, Source, Value};
use crate::wire::{Frame, header_octets};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A message as it was published.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) no: u64,
    /// What its consumers are told.
    pub(super) destination: String,
    /// The publisher's own headers.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Octets of headers and body.
    pub(super) octets: usize,
    /// Whether the SEND had a content-length.
    pub(super) measured: bool,
    /// The fields of a JSON body: read at most once, and only for a selector.
    pub(super) fields: OnceLock<Fields>,
    /// What all its deliveries share: made at most once.
    pub(super) shared: OnceLock<Arc<Shared>>,
}

impl Message {
    /// Whether its deliveries have a content-length.
    pub(super) fn is_measured(&self, rule: ContentLength) -> bool {
        match rule {
            ContentLength::Always => true,
            ContentLength::WithBody => !self.body.is_empty(),
            ContentLength::AsSent => self.measured,
        }
    }

    /// What all its deliveries share that differ in nothing else.
    pub(super) fn shared(&self, rule: ContentLength) -> Arc<Shared> {
        let make = || {
            let mut frame = Frame::new("MESSAGE")
                .with("message-id", format!("m-{}", self.no))
                .with("destination", self.destination.as_str());
            frame.headers.extend(self.headers.iter().cloned());
            if self.is_measured(rule) {
                frame = frame.with("content-length", self.body.len().to_string());
            }
            Arc::new(Shared::new(frame.body(self.body.as_slice())))
        };
        Arc::clone(self.shared.get_or_init(make))
    }
}

/// A message on its way, with how often it was delivered.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) message: Arc<Message>,
    pub(super) deliveries: u32,
    /// Its place in its queue, which a redelivery keeps.
    pub(super) place: u64,
}

impl Item {
    pub(super) fn new(mut message: Message) -> Self {
        message.octets = header_octets(&message.headers) + message.body.len();
        Self {
            message: Arc::new(message),
            deliveries: 0,
            place: 0,
        }
    }

    /// Octets of its headers and its body.
    pub(super) fn octets(&self) -> usize {
        self.message.octets
    }
}

impl Source for Message {
    fn value(&self, name: &str) -> Cow<'_, Value> {
        let header = self.headers.iter().find(|(n, _)| n == name);
        if let Some((_, text)) = header {
            return Cow::Owned(Value::Text(text.clone()));
        }
        if name == "destination" {
            return Cow::Owned(Value::Text(self.destination.clone()));
        }
        let fields = self.fields.get_or_init(|| Fields::read(&self.body));
        fields
            .get(name)
            .map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }
}

/// What of a SEND reaches the consumers: everything but what belongs to the
/// frame itself, and nothing that could pass for the broker's own word.
pub(super) fn user_headers(frame: &Frame, leaks: bool) -> Vec<(String, String)> {
    const OWN: [&str; 7] = [
        "destination",
        "content-length",
        "subscription",
        "message-id",
        "ack",
        "redelivered",
        "receipt-id",
    ];
    frame
        .headers
        .iter()
        .filter(|(n, _)| !OWN.contains(&n.as_str()))
        .filter(|(n, _)| leaks || !matches!(n.as_str(), "receipt" | "transaction"))
        .cloned()
        .collect()
}
