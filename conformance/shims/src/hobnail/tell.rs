//! What is told: one line at a time, from whichever thread.

use data_encoding::BASE64;
use hobnail::{Error, LinkError, Message};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct Teller {
    /// Messages told so far; the n-th is what `msg` n means.
    messages: Mutex<Vec<Message>>,
}

impl Teller {
    pub(crate) fn line(&self, line: &Value) {
        let mut out = std::io::stdout().lock();
        // Nobody is left to be told that nobody listens.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    pub(crate) fn ok(&self, id: u64) {
        self.line(&json!({"id": id, "ok": true}));
    }

    pub(crate) fn err(&self, id: u64, kind: &str, text: &str) {
        self.line(&json!({"id": id, "err": {"kind": kind, "text": text}}));
    }

    pub(crate) fn unsupported(&self, id: u64) {
        self.line(&json!({"id": id, "unsupported": true}));
    }

    pub(crate) fn message(&self, sub: &str, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let headers: Vec<_> = message.headers().map(|(n, v)| json!([n, v])).collect();
        let line = json!({
            "ev": "message",
            "msg": messages.len() + 1,
            "sub": sub,
            "headers": headers,
            "body_b64": BASE64.encode(message.body()),
            "text": message.text().ok(),
        });
        messages.push(message);
        // Under the lock, so that numbers come in order.
        self.line(&line);
    }

    pub(crate) fn taken(&self, n: u64) -> Option<Message> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(n.checked_sub(1)?).ok()?;
        messages.get(at).cloned()
    }

    /// A call that had been taken failed later.
    pub(crate) fn failed(&self, id: u64, receipt: Option<&str>, error: &Error) {
        let timed_out = matches!(error, Error::Timeout(hobnail::Stage::Receipt));
        if let (true, Some(receipt)) = (timed_out, receipt) {
            return self.line(&json!({"ev": "receipt_timeout", "receipt": receipt}));
        }
        self.line(&json!({
            "ev": "op_failed",
            "id": id,
            "receipt": receipt,
            "kind": kind(error),
            "text": error.to_string(),
        }));
    }

    /// Why a connection ended, or never came to be.
    pub(crate) fn trouble(&self, error: &Error) {
        if let Some(event) = trouble(error) {
            self.line(&event);
        }
    }
}

/// The `error` or `heartbeat_lost` of it; the end of a connection alone is none.
fn trouble(error: &Error) -> Option<Value> {
    let text = error.to_string();
    let plain = |kind: &str| Some(json!({"ev": "error", "kind": kind, "text": text}));
    match error {
        Error::Broker(e) => {
            let frame = e.frame();
            let headers: Vec<_> = frame.headers().map(|(n, v)| json!([n, v])).collect();
            Some(json!({
                "ev": "error",
                "kind": "stomp",
                "headers": headers,
                "body_b64": BASE64.encode(frame.body()),
                "code": e.code(),
                "text": text,
            }))
        }
        Error::Link(e) => match &**e {
            LinkError::Closed { .. } | LinkError::Lost(_) => None,
            LinkError::Silent { .. } => Some(json!({"ev": "heartbeat_lost", "text": text})),
            LinkError::Refused(refusal) => Some(json!({
                "ev": "error",
                "kind": if matches!(refusal.status, 401 | 403) { "auth" } else { "transport" },
                "http_status": refusal.status,
                "http_body_b64": BASE64.encode(&refusal.body),
                "text": text,
            })),
            _ => plain(kind(error)),
        },
        Error::Lost => None,
        _ => plain(kind(error)),
    }
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Broker(_) => "stomp",
        Error::Protocol(_) => "protocol",
        Error::Auth(_) => "auth",
        Error::Timeout(_) => "timeout",
        Error::Link(e) => match &**e {
            LinkError::Timeout { .. } => "timeout",
            LinkError::Handshake(_) | LinkError::WebSocket(_) | LinkError::InvalidUtf8 => {
                "protocol"
            }
            _ => "transport",
        },
        Error::Closed | Error::Lost => "closed",
        _ => "usage",
    }
}

/// Code, reason, and whether Close frames went both ways.
pub(crate) fn closing(error: Option<&Error>) -> (u16, String, bool) {
    if let Some(Error::Link(e)) = error {
        if let LinkError::Closed { code, reason } = &**e {
            return (*code, reason.clone(), true);
        }
    }
    (1006, String::new(), false)
}
