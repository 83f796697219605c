//! Calls that put one frame on the wire: SEND, ACK, NACK, and what happens within
//! a transaction.

use crate::connect::pairs;
use crate::session::{confirm, receipt_label};
use crate::tell::Teller;
use data_encoding::BASE64;
use hobnail::{Error, Handle, Message, Publish, Transaction};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;

pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) tx: Option<String>,
    receipt: Option<String>,
    what: What,
}

enum What {
    Send {
        dest: String,
        headers: Vec<(String, String)>,
        body: Body,
    },
    Ack(Message),
    Nack(Message),
    Commit,
    Abort,
}

enum Body {
    Text(String),
    Octets(Vec<u8>),
}

/// Why a call is not even tried.
pub(crate) enum Refusal {
    Usage(String),
    Unsupported,
}

impl Refusal {
    pub(crate) fn tell(&self, id: u64, teller: &Teller) {
        match self {
            Self::Usage(text) => teller.err(id, "usage", text),
            Self::Unsupported => teller.unsupported(id),
        }
    }
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::Usage(text)
    }
}

impl Call {
    pub(crate) fn of(
        id: u64,
        verb: &str,
        command: &Value,
        teller: &Teller,
    ) -> Result<Self, Refusal> {
        let has = |field: &str| !command[field].is_null();
        // The library has no way to say it on these frames.
        if verb != "send" && (has("headers") || (has("receipt") && matches!(verb, "ack" | "nack")))
        {
            return Err(Refusal::Unsupported);
        }
        let message = || {
            let n = command["msg"].as_u64().unwrap_or(0);
            let gone = || Refusal::Usage(format!("there was no message {n}"));
            teller.taken(n).ok_or_else(gone)
        };
        let what = match verb {
            "send" => What::Send {
                dest: command["dest"].as_str().unwrap_or_default().to_owned(),
                headers: pairs(&command["headers"])?,
                body: body(command)?,
            },
            "ack" => What::Ack(message()?),
            "nack" => What::Nack(message()?),
            "commit" => What::Commit,
            _ => What::Abort,
        };
        Ok(Self {
            id,
            tx: command["tx"].as_str().map(str::to_owned),
            receipt: receipt_label(id, &command["receipt"]),
            what,
        })
    }

    /// The library will be called.
    pub(crate) fn take(&self, teller: &Teller) {
        teller.line(&json!({"id": self.id, "ok": true, "receipt": self.receipt}));
    }

    pub(crate) fn ends_transaction(&self) -> bool {
        matches!(self.what, What::Commit | What::Abort)
    }
}

fn body(command: &Value) -> Result<Body, String> {
    match (command["text"].as_str(), command["body_b64"].as_str()) {
        (Some(_), Some(_)) => Err("both text and body_b64".to_owned()),
        (Some(text), None) => Ok(Body::Text(text.to_owned())),
        (None, Some(body)) => match BASE64.decode(body.as_bytes()) {
            Ok(octets) => Ok(Body::Octets(octets)),
            Err(error) => Err(error.to_string()),
        },
        (None, None) => Ok(Body::Octets(Vec::new())),
    }
}

/// Puts headers and body on a SEND, each by the library's own way.
fn fill<'a>(
    mut publish: Publish<'a>,
    headers: &'a [(String, String)],
    body: &'a Body,
) -> Publish<'a> {
    let mut typed = false;
    for (name, value) in headers {
        typed |= name == "content-type";
        publish = publish.header(name.clone(), value.clone());
    }
    match body {
        Body::Text(text) if !typed => publish.text(text),
        Body::Text(text) => publish.body(text),
        Body::Octets(octets) => publish.body(octets),
    }
}

/// A SEND outside of transactions.
pub(crate) fn publish(handle: &Handle, call: Call, teller: &Arc<Teller>) {
    let What::Send { dest, .. } = &call.what else {
        return teller.err(call.id, "usage", "a transaction is needed");
    };
    send(handle.send(dest.clone()), &call, teller);
}

/// `ok` comes before anything that the frame causes, and after the library has
/// looked at it: so the SEND is laid out first and leaves then.
fn send<'a>(publish: Publish<'a>, call: &'a Call, teller: &Arc<Teller>) {
    let What::Send { headers, body, .. } = &call.what else {
        return;
    };
    let publish = fill(publish, headers, body);
    call.take(teller);
    if call.receipt.is_none() {
        if let Err(error) = publish.publish() {
            teller.failed(call.id, None, &error);
        }
        return;
    }
    match publish.begin() {
        Ok(pending) => {
            let (id, receipt) = (call.id, call.receipt.clone());
            let teller = Arc::clone(teller);
            thread::spawn(move || match pending.wait() {
                Ok(()) => confirm(&teller, receipt.as_deref()),
                Err(error) => teller.failed(id, receipt.as_deref(), &error),
            });
        }
        Err(error) => teller.failed(call.id, call.receipt.as_deref(), &error),
    }
}

/// ACK and NACK outside of transactions: what the library refuses is refused.
pub(crate) fn acknowledge(call: &Call, teller: &Teller) {
    let done = match &call.what {
        What::Ack(message) => message.ack(),
        What::Nack(message) => message.nack(),
        What::Send { .. } | What::Commit | What::Abort => {
            return teller.err(call.id, "usage", "a transaction is needed");
        }
    };
    match done {
        Ok(()) => teller.ok(call.id),
        Err(error) => teller.err(call.id, "usage", &error.to_string()),
    }
}

/// One transaction, on the thread that owns it.
pub(crate) fn transaction(id: u64, handle: &Handle, calls: &Receiver<Call>, teller: &Arc<Teller>) {
    let mut transaction = match handle.transaction() {
        Ok(transaction) => transaction,
        Err(error) => return teller.failed(id, None, &error),
    };
    for call in calls {
        if call.ends_transaction() {
            let done = end(transaction, &call.what);
            return match done {
                Ok(()) => confirm(teller, call.receipt.as_deref()),
                Err(error) => teller.failed(call.id, call.receipt.as_deref(), &error),
            };
        }
        let id = call.id;
        let done = match &call.what {
            What::Ack(message) => transaction.ack(message),
            What::Nack(message) => transaction.nack(message),
            What::Send { dest, .. } => {
                within(transaction.send(dest.clone()), &call, teller);
                continue;
            }
            What::Commit | What::Abort => continue,
        };
        if let Err(error) = done {
            teller.failed(id, None, &error);
        }
    }
}

fn end(transaction: Transaction<'_>, how: &What) -> Result<(), Error> {
    match how {
        What::Commit => transaction.commit(),
        _ => transaction.abort(),
    }
}

/// A SEND within a transaction; it has been answered.
fn within<'a>(mut publish: Publish<'a>, call: &'a Call, teller: &Teller) {
    let What::Send { headers, body, .. } = &call.what else {
        return;
    };
    publish = fill(publish, headers, body);
    if call.receipt.is_some() {
        publish = publish.receipt();
    }
    match publish.publish() {
        Ok(()) => confirm(teller, call.receipt.as_deref()),
        Err(error) => teller.failed(call.id, call.receipt.as_deref(), &error),
    }
}
