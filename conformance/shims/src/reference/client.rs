//! What the client knows, and what it does when it is told to.

use crate::config::{Config, pairs};
use crate::session;
use crate::stomp::{Frame, Version};
use crate::{bug, tell, ws};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Client(Mutex<State>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) stream: Option<TcpStream>,
    /// A Close has left.
    pub(crate) shut: bool,
    /// The number of the connection.
    pub(crate) epoch: u64,
    pub(crate) version: Option<Version>,
    pub(crate) config: Option<Config>,
    /// DISCONNECT has left; by when its RECEIPT must come, and whether it did.
    pub(crate) parting: Option<Parting>,
    pub(crate) sent: Option<Instant>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) taken: Vec<Taken>,
    transactions: Vec<(String, String)>,
    numbers: u64,
}

pub(crate) struct Parting {
    pub(crate) receipt: String,
    pub(crate) by: Instant,
    pub(crate) graceful: bool,
}

#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) label: String,
    pub(crate) id: String,
    pub(crate) dest: String,
    pub(crate) ack: Option<String>,
    headers: Vec<(String, String)>,
}

/// A frame whose RECEIPT is awaited.
pub(crate) struct Pending {
    pub(crate) receipt: String,
    pub(crate) id: u64,
    pub(crate) by: Instant,
}

/// A message that was told.
pub(crate) struct Taken {
    pub(crate) epoch: u64,
    pub(crate) mode: String,
    pub(crate) ack: Option<String>,
    pub(crate) message_id: String,
    pub(crate) subscription: String,
}

impl Subscription {
    pub(crate) fn frame(&self) -> Frame {
        let mut frame = Frame::new("SUBSCRIBE")
            .with("id", &self.id)
            .with("destination", &self.dest);
        if let Some(ack) = &self.ack {
            frame = frame.with("ack", ack);
        }
        frame.headers.extend(self.headers.clone());
        frame
    }
}

impl State {
    pub(crate) fn is_live(&self) -> bool {
        self.version.is_some()
    }

    /// One frame leaves.
    pub(crate) fn write(&mut self, frame: &Frame) {
        let octets = frame.encode(self.version.unwrap_or(Version::V12));
        self.octets(&octets);
    }

    /// One WebSocket message leaves: text if it is UTF-8.
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        let text = std::str::from_utf8(octets).is_ok() || bug::is("text-always");
        self.raw(&ws::frame(if text { 1 } else { 2 }, octets));
        self.sent = Some(Instant::now());
    }

    /// Nothing follows a Close (RFC 6455 §5.5.1).
    pub(crate) fn raw(&mut self, octets: &[u8]) {
        if let Some(stream) = self.stream.as_mut().filter(|_| !self.shut) {
            // Whoever reads finds out that it is gone.
            let _ = stream.write_all(octets);
        }
    }

    /// A Close frame leaves.
    pub(crate) fn close(&mut self, body: &[u8]) {
        self.raw(&ws::frame(8, body));
        self.shut = true;
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl Client {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn obey(self: &Arc<Self>, id: u64, verb: &str, command: &Value) {
        match verb {
            "connect" => self.connect(id, command),
            "wait" => {
                let ms = command["ms"].as_u64().unwrap_or(0);
                std::thread::sleep(Duration::from_millis(ms));
                tell(&json!({"id": id, "ok": true}));
            }
            "abort" => {
                if let Some(stream) = self.lock().stream.take() {
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                }
                tell(&json!({"id": id, "ok": true}));
            }
            "disconnect" | "send" | "subscribe" | "unsubscribe" | "ack" | "nack" | "begin"
            | "commit" | "abort_tx" => {
                if let Err(text) = self.frame(id, verb, command) {
                    tell(&json!({"id": id, "err": {"kind": "usage", "text": text}}));
                }
            }
            _ => tell(&json!({"id": id, "unsupported": true})),
        }
    }

    fn connect(self: &Arc<Self>, id: u64, command: &Value) {
        let config = match Config::of(command) {
            Ok(config) => config,
            Err(text) => return tell(&json!({"id": id, "err": {"kind": "usage", "text": text}})),
        };
        {
            let mut state = self.lock();
            state.config = Some(config.clone());
            state.subscriptions.clear();
            state.parting = None;
        }
        tell(&json!({"id": id, "ok": true}));
        let client = Arc::clone(self);
        std::thread::spawn(move || session::run(&client, &config));
    }

    fn frame(&self, id: u64, verb: &str, command: &Value) -> Result<(), String> {
        let mut state = self.lock();
        let early = verb == "subscribe" && bug::is("subscribes-early");
        if !state.is_live() && !early {
            return Err("not connected".to_owned());
        }
        if state.parting.is_some() && !bug::is("frames-after-disconnect") {
            return Err("disconnecting".to_owned());
        }
        let (frame, mut answer) = lay_out(&mut state, verb, command)?;
        let mut frame = frame;
        frame.headers.extend(pairs(&command["headers"]));
        let receipt = match &command["receipt"] {
            Value::String(receipt) => Some(receipt.clone()),
            Value::Bool(true) => Some(format!("receipt-{}", state.number())),
            _ if verb == "disconnect" => Some(format!("bye-{}", state.number())),
            _ => None,
        };
        if let Some(receipt) = receipt {
            let name = match verb {
                "send" if bug::is("receipt-id-on-send") => "receipt-id",
                _ => "receipt",
            };
            frame = frame.with(name, &receipt);
            answer["receipt"] = json!(receipt);
            await_receipt(&mut state, id, verb, command, receipt);
        }
        if !frame.body.is_empty() && frame.get("content-type").is_none() {
            let text = std::str::from_utf8(&frame.body).is_ok();
            let kind = if text {
                "text/plain;charset=utf-8"
            } else {
                "application/octet-stream"
            };
            frame = frame.with("content-type", kind);
        }
        let has_cr = |(name, value): &(String, String)| name.contains('\r') || value.contains('\r');
        if state.version < Some(Version::V12) && frame.headers.iter().any(has_cr) {
            return Err("only 1.2 can say a carriage return".to_owned());
        }
        answer["id"] = json!(id);
        answer["ok"] = json!(true);
        tell(&answer);
        state.write(&frame);
        Ok(())
    }
}

fn await_receipt(state: &mut State, id: u64, verb: &str, command: &Value, receipt: String) {
    let limit = state
        .config
        .as_ref()
        .map(|c| c.receipt_limit)
        .unwrap_or_default();
    if verb == "disconnect" {
        let limit = command["timeout_ms"]
            .as_u64()
            .map_or(limit, Duration::from_millis);
        state.parting = Some(Parting {
            receipt,
            by: Instant::now() + limit,
            graceful: false,
        });
    } else {
        state.pending.push(Pending {
            receipt,
            id,
            by: Instant::now() + limit,
        });
    }
}

/// The frame of a command, and the fields of its answer.
fn lay_out(state: &mut State, verb: &str, command: &Value) -> Result<(Frame, Value), String> {
    let text = |field: &str| command[field].as_str();
    let mut answer = json!({});
    let frame = match verb {
        "send" => {
            let mut frame = Frame::new("SEND").with("destination", text("dest").unwrap_or("/"));
            frame.body = match (text("text"), text("body_b64")) {
                (Some(_), Some(_)) => return Err("both text and body_b64".to_owned()),
                (Some(text), None) => text.as_bytes().to_vec(),
                (None, Some(body)) => BASE64.decode(body.as_bytes()).map_err(|e| e.to_string())?,
                (None, None) => Vec::new(),
            };
            frame
        }
        "subscribe" => {
            let number = state.number();
            let label = text("sub").map_or_else(|| format!("s{number}"), str::to_owned);
            answer["sub"] = json!(label);
            let subscription = Subscription {
                id: match bug::is("same-subscription-ids") {
                    true => "0".to_owned(),
                    false => label.clone(),
                },
                label,
                dest: text("dest").unwrap_or_default().to_owned(),
                ack: text("ack").map(str::to_owned),
                headers: pairs(&command["headers"]),
            };
            let mut bare = subscription.clone();
            // They follow with those of every verb.
            bare.headers.clear();
            state.subscriptions.push(subscription);
            bare.frame()
        }
        "unsubscribe" => {
            let label = text("sub").unwrap_or_default();
            let at = state.subscriptions.iter().position(|s| s.label == label);
            let gone = state
                .subscriptions
                .remove(at.ok_or("no such subscription")?);
            Frame::new("UNSUBSCRIBE").with("id", &gone.id)
        }
        "ack" | "nack" => acknowledge(state, verb, command)?,
        "begin" => {
            let number = state.number();
            let label = text("tx").map_or_else(|| format!("t{number}"), str::to_owned);
            let id = match bug::is("same-transaction-ids") {
                true => "t".to_owned(),
                false => label.clone(),
            };
            answer["tx"] = json!(label);
            state.transactions.push((label, id.clone()));
            Frame::new("BEGIN").with("transaction", &id)
        }
        "commit" | "abort_tx" => {
            let id = transaction(state, command)?.ok_or("no transaction is named")?;
            state.transactions.retain(|(_, other)| *other != id);
            let name = if verb == "commit" { "COMMIT" } else { "ABORT" };
            return Ok((Frame::new(name).with("transaction", &id), answer));
        }
        _ => Frame::new("DISCONNECT"),
    };
    match transaction(state, command)? {
        Some(id) if verb != "begin" => Ok((frame.with("transaction", &id), answer)),
        Some(_) | None => Ok((frame, answer)),
    }
}

/// The id of the transaction that a command names.
fn transaction(state: &State, command: &Value) -> Result<Option<String>, String> {
    let Some(label) = command["tx"].as_str() else {
        return Ok(None);
    };
    let found = state.transactions.iter().find(|(l, _)| l == label);
    found
        .map(|(_, id)| Some(id.clone()))
        .ok_or_else(|| "no such transaction".to_owned())
}

fn acknowledge(state: &State, verb: &str, command: &Value) -> Result<Frame, String> {
    let n = command["msg"].as_u64().unwrap_or(0);
    let at = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
    let message = state.taken.get(at).ok_or("no such message")?;
    if message.epoch != state.epoch && !bug::is("acks-old-connections") {
        return Err("its connection is gone".to_owned());
    }
    if message.mode == "auto" {
        return Err("its subscription acknowledges by itself".to_owned());
    }
    let frame = Frame::new(if verb == "ack" { "ACK" } else { "NACK" });
    Ok(match state.version {
        Some(Version::V12) | None => match &message.ack {
            Some(_) | None if bug::is("acks-by-message-id") => {
                frame.with("id", &message.message_id)
            }
            Some(ack) => frame.with("id", ack),
            None => return Err("it has no ack header".to_owned()),
        },
        Some(Version::V11) => frame
            .with("message-id", &message.message_id)
            .with("subscription", &message.subscription),
        Some(Version::V10) if verb == "nack" => return Err("1.0 has no NACK".to_owned()),
        Some(Version::V10) => frame.with("message-id", &message.message_id),
    })
}

/// A connection is gone, and with it what was bound to it.
pub(crate) fn forget(state: &mut State) -> Vec<Pending> {
    state.stream = None;
    state.version = None;
    state.transactions.clear();
    std::mem::take(&mut state.pending)
}
