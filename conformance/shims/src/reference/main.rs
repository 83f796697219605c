//! A small client that obeys every rule, behind `stomp-conformance-shim/1`; or one
//! that breaks exactly one: `reference-shim --bug NAME`. With these the judge is
//! judged. usage: reference-shim [--bug NAME | --list]

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of kinds of errors and of JSON it names those that it tells apart"
)]

mod bug;
mod client;
mod config;
mod session;
mod stomp;
mod ws;

use client::Client;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            bug::ALL.iter().for_each(|name| println!("{name}"));
            return ExitCode::SUCCESS;
        }
        ["--bug", name] if bug::plant(Some(name.to_owned())) => {}
        [] if bug::plant(None) => {}
        _ => {
            eprintln!("usage: reference-shim [--bug NAME | --list]");
            return ExitCode::from(2);
        }
    }
    let client = Arc::new(Client::default());
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else {
            break;
        };
        let command: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        if command["hello"].is_string() {
            tell(&json!({
                "hello": "stomp-conformance-shim/1",
                "name": "reference",
                "version": env!("CARGO_PKG_VERSION"),
                "lang": "rust",
                "caps": ["1.0", "1.1", "1.2", "tx", "nack", "binary", "receipts", "reconnect", "ids"],
            }));
            continue;
        }
        let (Some(id), Some(verb)) = (command["id"].as_u64(), command["do"].as_str()) else {
            tell(&json!({"id": null, "err": {"kind": "usage", "text": "no command"}}));
            continue;
        };
        if verb == "exit" {
            tell(&json!({"id": id, "ok": true}));
            break;
        }
        client.obey(id, verb, &command);
    }
    ExitCode::SUCCESS
}

/// One line on stdout.
fn tell(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
