//! `connect`, as settings of the library.

use hobnail::auth::{Token, TokenReason};
use hobnail::config::{Backoff, Timeouts, TlsOptions};
use hobnail::dialect::Reauth;
use hobnail::{AuthError, Client, Config, Dialect};
use serde_json::Value;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub(crate) struct Asked {
    pub(crate) config: Config,
    pub(crate) token: Arc<Tokens>,
}

/// The passcode of the next CONNECT, as `set_token` gives it.
#[derive(Default)]
pub(crate) struct Tokens {
    now: Mutex<(String, u64)>,
    changed: Condvar,
}

impl Tokens {
    pub(crate) fn set(&self, value: &str) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = (value.to_owned(), now.1 + 1);
        self.changed.notify_all();
    }

    /// The token, or after a refusal the next one.
    fn fetch(&self, reason: TokenReason, within: Duration) -> Result<Token, AuthError> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = now.1;
        let refused = reason == TokenReason::Refused;
        let waited = self
            .changed
            .wait_timeout_while(now, within, |now| refused && now.1 == seen);
        let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(AuthError {
                text: "no other token was set".into(),
                fatal: true,
            });
        }
        Ok(Token::new(now.0.clone()))
    }
}

impl Asked {
    pub(crate) fn of(command: &Value) -> Result<Self, String> {
        let url = command["url"].as_str().ok_or("connect needs a url")?;
        let ms = |field: &str| command[field].as_u64().map(Duration::from_millis);
        let limit = ms("timeout_ms").unwrap_or(Duration::from_secs(10));
        let reconnect = &command["reconnect"];
        let mut builder = Client::builder(url)
            .proxy(None)
            .reconnect(reconnect["enabled"].as_bool().unwrap_or(false))
            .timeouts(Timeouts {
                connect: limit,
                upgrade: limit,
                open: limit,
                overall: limit,
                token: limit,
                close: limit,
                call: ms("receipt_timeout_ms").unwrap_or(limit),
                ..Timeouts::default()
            });
        if let Some(versions) = command["accept"].as_array() {
            let has = |version: &str| versions.iter().any(|v| v == version);
            if !has("1.1") || !has("1.2") {
                return Err("1.1 and 1.2 are always offered".to_owned());
            }
            builder = builder.allow_1_0(has("1.0"));
        }
        if let Some(host) = command["host"].as_str() {
            builder = builder.virtual_host(host);
        }
        if let Some([out, back]) = command["heartbeat"].as_array().map(Vec::as_slice) {
            let ms = |v: &Value| Duration::from_millis(v.as_u64().unwrap_or(0));
            builder = builder.heart_beat(ms(out), ms(back));
        }
        let ms = |field: &str| reconnect[field].as_u64().map(Duration::from_millis);
        let backoff = Backoff::default();
        builder = builder.backoff(Backoff {
            initial: ms("initial_ms").unwrap_or(backoff.initial),
            max: ms("max_ms").unwrap_or(backoff.max),
            ..backoff
        });
        for (name, value) in pairs(&command["headers"])? {
            builder = builder.connect_header(name, value);
        }
        for (name, value) in pairs(&command["ws_headers"])? {
            builder = builder.upgrade_header(name, value);
        }
        if let Some(path) = command["tls_ca"].as_str() {
            let pem = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
            builder = builder.tls_root(pem);
        }
        if command["tls_insecure"] == true {
            builder = builder.tls(TlsOptions {
                danger_accept_invalid_certs: true,
                ..TlsOptions::default()
            });
        }
        let token = Arc::new(Tokens::default());
        let passcode = command["passcode"].as_str();
        token.set(passcode.unwrap_or_default());
        builder = match command["reauth"].as_str() {
            Some(how @ ("redial" | "in-band")) => {
                let tokens = Arc::clone(&token);
                let reauth = match how {
                    "redial" => Reauth::Redial,
                    _ => Reauth::InBand,
                };
                builder
                    .dialect(Dialect::STOMP.with_reauth(reauth))
                    .token_source(move |reason| tokens.fetch(reason, limit))
            }
            _ => match (command["login"].as_str(), passcode) {
                (None, None) => builder,
                (login, passcode) => {
                    builder.login(login.unwrap_or_default(), passcode.unwrap_or_default())
                }
            },
        };
        let config = builder.build().map_err(|e| e.to_string())?;
        Ok(Self { config, token })
    }
}

/// Headers as the protocol writes them: an object, or a list of pairs.
pub(crate) fn pairs(headers: &Value) -> Result<Vec<(String, String)>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("a header that is neither text nor number".to_owned()),
    };
    match headers {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => map.iter().map(|(n, v)| Ok((n.clone(), text(v)?))).collect(),
        Value::Array(list) => list
            .iter()
            .map(|pair| Ok((text(&pair[0])?, text(&pair[1])?)))
            .collect(),
        _ => Err("headers that are neither an object nor a list".to_owned()),
    }
}
