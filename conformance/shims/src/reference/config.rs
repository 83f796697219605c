//! The fields of `connect`.

use crate::stomp::Version;
use serde_json::Value;
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) url: String,
    /// In rising order.
    pub(crate) accept: Vec<Version>,
    pub(crate) host: String,
    pub(crate) login: Option<String>,
    pub(crate) passcode: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    /// What is sent, and what is wanted, in milliseconds.
    pub(crate) beats: (u64, u64),
    pub(crate) limit: Duration,
    pub(crate) receipt_limit: Duration,
    /// The first and the longest delay.
    pub(crate) reconnect: Option<(Duration, Duration)>,
}

impl Config {
    pub(crate) fn of(command: &Value) -> Result<Self, String> {
        let url = command["url"].as_str().ok_or("connect needs a url")?;
        let text = |field: &str| command[field].as_str().map(str::to_owned);
        let ms = |value: &Value| value.as_u64().map(Duration::from_millis);
        let limit = ms(&command["timeout_ms"]).unwrap_or(Duration::from_secs(10));
        let mut accept = vec![Version::V10, Version::V11, Version::V12];
        if let Some(names) = command["accept"].as_array() {
            accept.retain(|v| names.iter().any(|name| name == v.name()));
        }
        let after = url.split("://").nth(1).unwrap_or_default();
        let host = after.split(['/', ':']).next().unwrap_or_default();
        let again = &command["reconnect"];
        let delays = (
            ms(&again["initial_ms"]).unwrap_or(Duration::from_secs(5)),
            ms(&again["max_ms"]).unwrap_or(Duration::from_secs(60)),
        );
        Ok(Self {
            url: url.to_owned(),
            accept,
            host: text("host").unwrap_or_else(|| host.to_owned()),
            login: text("login"),
            passcode: text("passcode"),
            headers: pairs(&command["headers"]),
            beats: (
                command["heartbeat"][0].as_u64().unwrap_or(0),
                command["heartbeat"][1].as_u64().unwrap_or(0),
            ),
            limit,
            receipt_limit: ms(&command["receipt_timeout_ms"]).unwrap_or(limit),
            reconnect: (again["enabled"] == true).then_some(delays),
        })
    }
}

/// Headers as the protocol writes them: an object, or a list of pairs.
pub(crate) fn pairs(headers: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    };
    if let Some(map) = headers.as_object() {
        return map.iter().map(|(n, v)| (n.clone(), text(v))).collect();
    }
    let list = headers.as_array().into_iter().flatten();
    list.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}
