//! hobnail behind `stomp-conformance-shim/1`: reads commands from stdin, calls the
//! library, and tells on stdout what became of it. It decides nothing.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of enums that may grow a shim names what it tells apart"
)]

mod call;
mod connect;
mod session;
mod tell;

use connect::Asked;
use serde_json::{Value, json};
use session::Session;
use std::io::BufRead;
use std::sync::Arc;
use tell::Teller;

fn main() {
    let teller = Arc::new(Teller::default());
    let mut shim = Shim {
        teller: Arc::clone(&teller),
        session: None,
    };
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else {
            return;
        };
        let command: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        if command["hello"].is_string() {
            teller.line(&hello());
            continue;
        }
        let (Some(id), Some(verb)) = (command["id"].as_u64(), command["do"].as_str()) else {
            teller.line(&json!({"id": null, "err": {"kind": "usage", "text": "no command"}}));
            continue;
        };
        if verb == "exit" {
            teller.ok(id);
            return;
        }
        shim.obey(id, verb, &command);
    }
}

fn hello() -> Value {
    json!({
        "hello": "stomp-conformance-shim/1",
        "name": "hobnail",
        "version": env!("CARGO_PKG_VERSION"),
        "lang": "rust",
        "caps": ["1.0", "1.1", "1.2", "tx", "nack", "binary", "receipts", "reconnect", "reauth",
                 "tls", "sub-ids"],
    })
}

struct Shim {
    teller: Arc<Teller>,
    session: Option<Session>,
}

impl Shim {
    fn obey(&mut self, id: u64, verb: &str, command: &Value) {
        if verb == "connect" {
            match Asked::of(command) {
                Ok(asked) => {
                    self.teller.ok(id);
                    self.session = Some(Session::begin(asked, Arc::clone(&self.teller)));
                }
                Err(text) => self.teller.err(id, "usage", &text),
            }
            return;
        }
        if verb == "wait" {
            let ms = command["ms"].as_u64().unwrap_or(0);
            std::thread::sleep(std::time::Duration::from_millis(ms));
            return self.teller.ok(id);
        }
        let known = [
            "disconnect",
            "send",
            "subscribe",
            "unsubscribe",
            "ack",
            "nack",
            "begin",
            "commit",
            "abort_tx",
            "set_token",
        ];
        if !known.contains(&verb) {
            return self.teller.unsupported(id);
        }
        match &mut self.session {
            Some(session) => session.obey(id, verb, command),
            None => self.teller.err(id, "usage", "not connected"),
        }
    }
}
