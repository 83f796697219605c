//! Messages as they were published.

use crate::dialect::ContentLength;
use crate::selector::{Fields, Source, Value};
use crate::transcript::{pack, packed_size};
use crate::wire::{Decimal, Frame, Version, encode_header, header_octets, is_text};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A message as it was published.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) no: u64,
    /// What its consumers are told, if it is not where it was sent.
    pub(super) told: Option<String>,
    /// The publisher's own headers.
    pub(super) headers: Vec<(String, String)>,
    /// The SEND: its body is the message's.
    pub(super) source: Arc<Frame>,
    /// Octets of headers and body.
    pub(super) octets: usize,
    /// Whether its deliveries have a content-length.
    pub(super) measured: bool,
    /// The fields of a JSON body: read at most once, and only for a selector.
    pub(super) fields: OnceLock<Fields>,
    /// Whether its body is text.
    pub(super) text: OnceLock<bool>,
    /// What all its deliveries share on the wire behind the `subscription`
    /// header, for each version.
    pub(super) tails: [OnceLock<Arc<Vec<u8>>>; 3],
}

/// Whether deliveries have a content-length.
pub(super) fn is_measured(frame: &Frame, rule: ContentLength) -> bool {
    match rule {
        ContentLength::Always => true,
        ContentLength::WithBody => !frame.body.is_empty(),
        ContentLength::AsSent => frame.header("content-length").is_some(),
    }
}

impl Message {
    pub(super) fn body(&self) -> &[u8] {
        &self.source.body
    }

    /// What its consumers are told.
    pub(super) fn destination(&self) -> &str {
        let sent = || self.source.header("destination").unwrap_or_default();
        self.told.as_deref().unwrap_or_else(sent)
    }

    pub(super) fn is_text(&self) -> bool {
        *self.text.get_or_init(|| is_text(self.body()))
    }

    /// The `message-id` of its deliveries.
    fn id(&self) -> Decimal {
        Decimal::after(*b"m-", self.no)
    }

    /// What all its deliveries share, for the transcript.
    pub(super) fn pack(&self, command: &str, out: &mut Vec<u8>) {
        let id = self.id();
        let length = Decimal::new(self.body().len() as u64);
        let own = [
            (&b"message-id"[..], id.octets()),
            (b"destination", self.destination().as_bytes()),
        ];
        let user = self.headers.iter();
        let user = user.map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        let length = self
            .measured
            .then(|| (&b"content-length"[..], length.octets()));
        let headers = own.into_iter().chain(user).chain(length);
        pack(command, headers, self.body(), out);
    }

    /// How many octets [`Message::pack`] writes at most without the command.
    pub(super) fn packed_size(&self) -> usize {
        let own = 100 + self.destination().len();
        packed_size(self.octets + own, self.headers.len() + 3)
    }

    /// The same on the wire: made at most once for each version.
    pub(super) fn tail(&self, version: Version) -> &Arc<Vec<u8>> {
        let which = match version {
            Version::V1_0 => 0,
            Version::V1_1 => 1,
            Version::V1_2 => 2,
        };
        self.tails[which].get_or_init(|| Arc::new(self.written(version)))
    }

    fn written(&self, version: Version) -> Vec<u8> {
        let lines = self.headers.len() * 2 + self.destination().len() + 80;
        let mut out = Vec::with_capacity(self.octets + lines);
        out.extend_from_slice(b"message-id:");
        out.extend_from_slice(self.id().octets());
        out.push(b'\n');
        encode_header("destination", self.destination(), version, &mut out);
        for (name, value) in &self.headers {
            encode_header(name, value, version, &mut out);
        }
        if self.measured {
            out.extend_from_slice(b"content-length:");
            let length = Decimal::new(self.body().len() as u64);
            out.extend_from_slice(length.octets());
            out.push(b'\n');
        }
        out.push(b'\n');
        out.extend_from_slice(self.body());
        out.push(0);
        out
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
        message.octets = header_octets(&message.headers) + message.body().len();
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
            return Cow::Owned(Value::Text(self.destination().to_owned()));
        }
        let fields = self.fields.get_or_init(|| Fields::read(self.body()));
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
