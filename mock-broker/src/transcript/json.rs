//! Entries as JSON, for those who are no Rust program.

use super::{Entry, What, plain_number};
use crate::http::{Headers, shown_path};
use crate::wire::{Frame, mask};
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

impl Entry {
    /// The entry as a JSON object; credentials are masked, as everywhere.
    ///
    /// It has `seq`, `at` (seconds since the broker's start), `conn` (or
    /// `http` for the n-th connection of plain HTTP), `kind`, `text` (the
    /// words of `Display`), and what belongs to its kind: of a frame `command`,
    /// `headers` (pairs in wire order), `size` and `body` (or `body_b64`, if it
    /// is not UTF-8).
    pub fn to_json(&self) -> Value {
        self.to_json_within(usize::MAX)
    }

    /// The same with bodies of at most so many octets; `cut` says that there
    /// is more.
    pub(crate) fn to_json_within(&self, most: usize) -> Value {
        let mut map = Map::new();
        map.insert("seq".to_owned(), json!(self.seq));
        let micros = u64::try_from(self.at.as_micros()).unwrap_or(u64::MAX);
        map.insert("at".to_owned(), json!(micros as f64 / 1e6));
        match plain_number(self.conn) {
            Some(n) => map.insert("http".to_owned(), json!(n)),
            None => map.insert("conn".to_owned(), json!(self.conn)),
        };
        map.insert("text".to_owned(), json!(self.what.to_string()));
        map.insert("kind".to_owned(), json!(self.what.kind()));
        if let Value::Object(more) = details(&self.what, most) {
            map.extend(more);
        }
        Value::Object(map)
    }
}

impl What {
    /// Its kind in one word, for example `recv` or `fault`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Request { .. } => "request",
            Self::Upgrade { .. } => "upgrade",
            Self::Open { .. } => "open",
            Self::Http { .. } => "http",
            Self::Recv(_) => "recv",
            Self::Sent(_) => "sent",
            Self::BeatIn => "beat-in",
            Self::BeatOut => "beat-out",
            Self::Ping(_) => "ping",
            Self::Pong(_) => "pong",
            Self::CloseIn { .. } => "close-in",
            Self::CloseOut { .. } => "close-out",
            Self::Fault(_) => "fault",
            Self::Mark(_) => "mark",
            Self::Log(_) => "log",
            Self::Fail(_) => "fail",
            Self::Signal(_) => "signal",
            Self::Note(_) => "note",
            Self::Listening(_) => "listening",
            Self::Closed(_) => "closed",
        }
    }
}

/// What belongs to the kind.
fn details(what: &What, most: usize) -> Value {
    match what {
        What::Request {
            method,
            path,
            headers,
            body,
            was,
        } => {
            let was = Some(*was).filter(|was| plain_number(*was).is_none());
            json!({"method": method, "path": shown_path(path), "headers": pairs(headers),
                   "size": body.len(), "was": was})
        }
        What::Upgrade { path, headers } => {
            json!({"path": shown_path(path), "headers": pairs(headers)})
        }
        What::Open { subprotocol } => json!({"subprotocol": subprotocol}),
        What::Http { status } => json!({"status": status}),
        What::Recv(frame) | What::Sent(frame) => of_frame(frame, most),
        What::Ping(octets) | What::Pong(octets) => json!({"size": octets.len()}),
        What::CloseIn { code, reason } => json!({"code": code, "reason": reason}),
        What::CloseOut { code, reason } => json!({"code": code, "reason": reason}),
        What::Mark(name) | What::Signal(name) => json!({"name": name}),
        What::Listening(up) => json!({"up": up}),
        What::Tcp
        | What::BeatIn
        | What::BeatOut
        | What::Fault(_)
        | What::Log(_)
        | What::Fail(_)
        | What::Note(_)
        | What::Closed(_) => Value::Null,
    }
}

fn pairs(headers: &Headers) -> Value {
    headers
        .iter()
        .map(|(n, v)| json!([n, mask(n, v)]))
        .collect()
}

fn of_frame(frame: &Frame, most: usize) -> Value {
    let headers: Value = frame
        .headers
        .iter()
        .map(|(n, v)| json!([n, mask(n, v)]))
        .collect();
    let size = frame.body.len();
    let mut value = json!({"command": frame.command, "headers": headers, "size": size});
    let cut = size > most;
    let shown = &frame.body[..size.min(most)];
    // A cut may fall within a character: what is left of it is no body.
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        Err(e) if cut && e.error_len().is_none() => {
            std::str::from_utf8(&shown[..e.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    match text {
        _ if size == 0 => {}
        Some(text) => value["body"] = json!(text),
        None => value["body_b64"] = json!(BASE64.encode(shown)),
    }
    if cut {
        value["cut"] = json!(true);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn entry(what: What) -> Entry {
        Entry {
            seq: 3,
            at: Duration::from_micros(1500),
            conn: 2,
            what,
        }
    }

    #[test]
    fn a_frame_shows_all_but_its_secrets() {
        let frame = Frame::new("CONNECT")
            .with("passcode", "hunter2")
            .with("host", "h")
            .body("ä");
        let json = entry(What::Recv(frame)).to_json();
        assert!(!json.to_string().contains("hunter2"), "{json}");
        assert_eq!(json["headers"], json!([["passcode", "***"], ["host", "h"]]));
        assert_eq!((&json["seq"], &json["at"]), (&json!(3), &json!(0.0015)));
        assert_eq!((&json["body"], &json["size"]), (&json!("ä"), &json!(2)));
    }

    #[test]
    fn bodies_are_cut_between_characters_or_given_as_base64() {
        let of = |body: &[u8]| entry(What::Sent(Frame::new("MESSAGE").body(body)));
        let cut = of("aäb".as_bytes()).to_json_within(2);
        assert_eq!((&cut["body"], &cut["cut"]), (&json!("a"), &json!(true)));
        assert_eq!(of(b"\xff\0").to_json()["body_b64"], json!("/wA="));
        assert_eq!(of(b"").to_json()["body"], Value::Null);
    }
}
