//! One client, from `connect` to its last `closed`. What blocks has a thread of
//! its own.

use crate::call::{Call, acknowledge, publish};
use crate::connect::{Asked, Tokens, pairs};
use crate::tell::{Teller, closing};
use hobnail::{AckMode, Client, Event, Handle, Subscription};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub(crate) struct Session {
    shared: Arc<Shared>,
    token: Arc<Tokens>,
    /// By label: how to reach the thread that owns it.
    subscriptions: HashMap<String, Sender<Unsubscribe>>,
    transactions: HashMap<String, Sender<Call>>,
    /// Labels given so far, for those who ask for none.
    labels: u64,
}

struct Shared {
    teller: Arc<Teller>,
    handle: Mutex<Option<Handle>>,
    disconnecting: AtomicBool,
}

struct Unsubscribe {
    id: u64,
    receipt: Option<String>,
    headers: Vec<(String, String)>,
}

impl Shared {
    fn handle(&self) -> MutexGuard<'_, Option<Handle>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Connects on a thread of its own.
    pub(crate) fn begin(asked: Asked, teller: Arc<Teller>) -> Self {
        let shared = Arc::new(Shared {
            teller,
            handle: Mutex::new(None),
            disconnecting: AtomicBool::new(false),
        });
        let runs = Arc::clone(&shared);
        thread::spawn(move || run(asked.config, &runs));
        Self {
            shared,
            token: asked.token,
            subscriptions: HashMap::new(),
            transactions: HashMap::new(),
            labels: 0,
        }
    }

    pub(crate) fn obey(&mut self, id: u64, verb: &str, command: &Value) {
        let teller = Arc::clone(&self.shared.teller);
        if verb == "set_token" {
            self.token
                .set(command["value"].as_str().unwrap_or_default());
            return teller.ok(id);
        }
        let Some(handle) = self.shared.handle().clone() else {
            return teller.err(id, "usage", "not connected");
        };
        match verb {
            "disconnect" => self.disconnect(id, command, handle),
            "subscribe" => self.subscribe(id, command, handle),
            "unsubscribe" => self.unsubscribe(id, command),
            "begin" => self.transact(id, command, handle),
            _ => match Call::of(id, verb, command, &teller) {
                Ok(call) => match call.tx.clone() {
                    Some(tx) => self.within(&tx, call),
                    None if verb == "send" => publish(&handle, call, &teller),
                    None => acknowledge(&call, &teller),
                },
                Err(refusal) => refusal.tell(id, &teller),
            },
        }
    }

    fn label(&mut self, given: &Value, kind: &str) -> String {
        self.labels += 1;
        match given.as_str() {
            Some(label) => label.to_owned(),
            None => format!("{kind}{}", self.labels),
        }
    }

    fn disconnect(&self, id: u64, command: &Value, handle: Handle) {
        let teller = &self.shared.teller;
        if !command["headers"].is_null() {
            return teller.unsupported(id);
        }
        teller.ok(id);
        self.shared.disconnecting.store(true, Ordering::SeqCst);
        // What became of it is told by the client's last event.
        thread::spawn(move || handle.close());
    }

    fn subscribe(&mut self, id: u64, command: &Value, handle: Handle) {
        let teller = Arc::clone(&self.shared.teller);
        let label = self.label(&command["sub"], "sub");
        let receipt = receipt_label(id, &command["receipt"]);
        let mode = match command["ack"].as_str() {
            None | Some("auto") => AckMode::Auto,
            Some("client") => AckMode::Client,
            Some("client-individual") => AckMode::ClientIndividual,
            Some(other) => return teller.err(id, "usage", &format!("no ack mode {other}")),
        };
        let headers = match pairs(&command["headers"]) {
            Ok(headers) => headers,
            Err(text) => return teller.err(id, "usage", &text),
        };
        let dest = command["dest"].as_str().unwrap_or_default().to_owned();
        let wire_id = command["sub"].as_str().map(str::to_owned);
        teller.line(&json!({"id": id, "ok": true, "sub": label, "receipt": receipt}));
        let (sender, orders) = channel();
        self.subscriptions.insert(label.clone(), sender);
        thread::spawn(move || {
            let mut request = handle.subscription(dest).ack(mode).allow_broad();
            if let Some(id) = wire_id {
                request = request.id(id);
            }
            for (name, value) in headers {
                request = request.header(name, value);
            }
            match request.subscribe() {
                Ok(subscription) => {
                    confirm(&teller, receipt.as_deref());
                    serve(subscription, &label, &orders, &teller);
                }
                Err(error) => teller.failed(id, receipt.as_deref(), &error),
            }
        });
    }

    fn unsubscribe(&mut self, id: u64, command: &Value) {
        let teller = &self.shared.teller;
        let label = command["sub"].as_str().unwrap_or_default();
        let Some(orders) = self.subscriptions.remove(label) else {
            return teller.err(id, "usage", "no such subscription");
        };
        let headers = match pairs(&command["headers"]) {
            Ok(headers) => headers,
            Err(text) => return teller.err(id, "usage", &text),
        };
        let receipt = receipt_label(id, &command["receipt"]);
        teller.line(&json!({"id": id, "ok": true, "receipt": receipt}));
        let order = Unsubscribe {
            id,
            receipt,
            headers,
        };
        // A thread that is gone has told why.
        let _ = orders.send(order);
    }

    fn transact(&mut self, id: u64, command: &Value, handle: Handle) {
        let teller = Arc::clone(&self.shared.teller);
        if !command["receipt"].is_null() || !command["headers"].is_null() {
            return teller.unsupported(id);
        }
        let label = self.label(&command["tx"], "tx");
        teller.line(&json!({"id": id, "ok": true, "tx": label}));
        let (sender, calls) = channel::<Call>();
        self.transactions.insert(label, sender);
        thread::spawn(move || crate::call::transaction(id, &handle, &calls, &teller));
    }

    fn within(&mut self, tx: &str, call: Call) {
        let teller = &self.shared.teller;
        let Some(calls) = self.transactions.get(tx) else {
            return teller.err(call.id, "usage", "no such transaction");
        };
        call.take(teller);
        let ends = call.ends_transaction();
        let _ = calls.send(call);
        if ends {
            self.transactions.remove(tx);
        }
    }
}

/// The receipt's label: as given, or chosen.
pub(crate) fn receipt_label(id: u64, given: &Value) -> Option<String> {
    match given {
        Value::String(label) => Some(label.clone()),
        Value::Bool(true) => Some(format!("receipt-{id}")),
        _ => None,
    }
}

pub(crate) fn confirm(teller: &Teller, receipt: Option<&str>) {
    if let Some(receipt) = receipt {
        teller.line(&json!({"ev": "receipt", "receipt": receipt}));
    }
}

/// Tells of messages until the subscription ends.
fn serve(subscription: Subscription, label: &str, orders: &Receiver<Unsubscribe>, teller: &Teller) {
    loop {
        match orders.recv_timeout(Duration::ZERO) {
            Ok(order) => {
                let headers: Vec<(&str, &str)> = order
                    .headers
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.as_str()))
                    .collect();
                match subscription.unsubscribe_with(&headers) {
                    Ok(()) => confirm(teller, order.receipt.as_deref()),
                    Err(error) => teller.failed(order.id, order.receipt.as_deref(), &error),
                }
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The session is another one now.
            Err(RecvTimeoutError::Disconnected) => return,
        }
        match subscription.recv_timeout(Duration::from_millis(20)) {
            Ok(Some(message)) => teller.message(label, message),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

/// Connects, and tells what happens to the client.
fn run(config: hobnail::Config, shared: &Shared) {
    let teller = &shared.teller;
    let handle = match Client::connect(config).and_then(Client::spawn) {
        Ok(handle) => handle,
        Err(error) => {
            teller.trouble(&error);
            return closed(teller, Some(&error), false);
        }
    };
    let events = handle.events();
    *shared.handle() = Some(handle);
    let (mut attempt, mut told, mut confirmed) = (0, false, true);
    for event in events {
        match event {
            Event::Connected(connected) => {
                (attempt, told) = (0, false);
                let ms = |d: Option<Duration>| d.map_or(0, |d| d.as_millis());
                teller.line(&json!({
                    "ev": "connected",
                    "version": connected.version,
                    "session": connected.session,
                    "server": connected.server,
                    "heartbeat": [ms(connected.beats_out), ms(connected.beats_in)],
                }));
            }
            Event::Unconfirmed => confirmed = false,
            Event::Disconnected { cause, retry_in } => {
                teller.trouble(&cause);
                closed(teller, Some(&cause), retry_in.is_some());
                told = true;
                if let Some(delay) = retry_in {
                    attempt += 1;
                    told = false;
                    teller.line(&json!({
                        "ev": "reconnecting",
                        "attempt": attempt,
                        "delay_ms": delay.as_millis(),
                    }));
                }
            }
            Event::Closed { cause } => {
                *shared.handle() = None;
                if shared.disconnecting.load(Ordering::SeqCst) && !told {
                    let graceful = cause.is_none() && confirmed;
                    teller.line(&json!({"ev": "disconnected", "graceful": graceful}));
                }
                if !told {
                    closed(teller, cause.as_ref(), false);
                }
                return;
            }
            other => teller.line(&json!({"ev": "log", "text": format!("{other:?}")})),
        }
    }
}

fn closed(teller: &Teller, cause: Option<&hobnail::Error>, again: bool) {
    let (code, reason, clean) = match cause {
        None => (1000, String::new(), true),
        Some(cause) => closing(Some(cause)),
    };
    teller.line(&json!({
        "ev": "closed",
        "code": code,
        "reason": reason,
        "clean": clean,
        "will_reconnect": again,
    }));
}
