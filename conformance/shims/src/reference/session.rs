//! Connections, one after the other: each is dialled, served and told the end of.

use crate::client::{Client, Taken, forget};
use crate::config::Config;
use crate::stomp::{Decoder, Frame, Version};
use crate::ws::{self, Heard, Reader, Refused};
use crate::{bug, tell};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// How a connection ended.
struct End {
    /// The `error` or `heartbeat_lost` to be told.
    trouble: Option<Value>,
    /// The call that an ERROR is about.
    blamed: Option<String>,
    code: u16,
    reason: String,
    clean: bool,
}

impl End {
    fn lost(trouble: Option<Value>) -> Self {
        Self {
            trouble,
            blamed: None,
            code: 1006,
            reason: String::new(),
            clean: false,
        }
    }

    fn error(kind: &str, text: impl std::fmt::Display) -> Self {
        let text = text.to_string();
        Self::lost(Some(json!({"ev": "error", "kind": kind, "text": text})))
    }
}

pub(crate) fn run(client: &Client, config: &Config) {
    let mut attempt = 0;
    loop {
        let end = Session::new(client, config).run(&mut attempt);
        let (again, graceful) = {
            let mut state = client.lock();
            if let Some(trouble) = &end.trouble {
                tell(trouble);
            }
            for pending in forget(&mut state) {
                let blamed = end.blamed.as_ref().is_none_or(|b| *b == pending.receipt);
                let stomp = end.trouble.as_ref().is_some_and(|t| t["kind"] == "stomp");
                tell(&json!({
                    "ev": "op_failed",
                    "id": pending.id,
                    "receipt": pending.receipt,
                    "kind": if blamed && stomp { "stomp" } else { "closed" },
                }));
            }
            let parted = state.parting.take();
            let again = config.reconnect.filter(|_| parted.is_none());
            (again, parted.map(|p| p.graceful))
        };
        if let Some(graceful) = graceful {
            tell(&json!({"ev": "disconnected", "graceful": graceful}));
        }
        tell(&json!({
            "ev": "closed",
            "code": end.code,
            "reason": end.reason,
            "clean": end.clean,
            "will_reconnect": again.is_some(),
        }));
        let Some((initial, max)) = again else {
            return;
        };
        attempt += 1;
        let full = initial.saturating_mul(1 << (attempt - 1).min(16)).min(max);
        // Between 80 and 120 hundredths of it.
        let share = 0.8 + 0.4 * (ws::random() % 1000) as f64 / 1000.0;
        let delay = match bug::is("reconnects-at-once") {
            true => Duration::ZERO,
            false => full.mul_f64(share),
        };
        tell(&json!({"ev": "reconnecting", "attempt": attempt, "delay_ms": delay.as_millis()}));
        std::thread::sleep(delay);
    }
}

struct Session<'a> {
    client: &'a Client,
    config: &'a Config,
    reader: Reader,
    decoder: Decoder,
    /// CONNECTED must be here by then.
    by: Instant,
    heard: Instant,
    beats_out: Option<Duration>,
    beats_in: Option<Duration>,
    /// Our Close has left: the peer's must come by then.
    closing: Option<Instant>,
    trouble: Option<Value>,
}

impl<'a> Session<'a> {
    fn new(client: &'a Client, config: &'a Config) -> Self {
        Self {
            client,
            config,
            reader: Reader::default(),
            decoder: Decoder::default(),
            by: Instant::now() + config.limit,
            heard: Instant::now(),
            beats_out: None,
            beats_in: None,
            closing: None,
            trouble: None,
        }
    }

    fn run(&mut self, attempt: &mut u32) -> End {
        let subprotocols: Vec<&str> = match bug::is("subprotocol-unregistered") {
            true => vec!["stomp"],
            false => self.config.accept.iter().map(|v| subprotocol(*v)).collect(),
        };
        let (mut stream, early) = match ws::open(&self.config.url, &subprotocols, self.by) {
            Ok(opened) => opened,
            Err(refused) => return not_opened(refused),
        };
        // Each turn looks at the clock, too.
        let _ = stream.set_read_timeout(Some(Duration::from_millis(10)));
        {
            let mut state = self.client.lock();
            state.stream = stream.try_clone().ok();
            state.shut = false;
            state.epoch += 1;
            if bug::is("subscribes-early") {
                let early: Vec<Frame> = state.subscriptions.iter().map(|s| s.frame()).collect();
                early.iter().for_each(|frame| state.write(frame));
            }
            state.write(&self.connect_frame());
        }
        self.heard = Instant::now();
        self.reader.feed(&early);
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Err(end) = self.take(attempt).and_then(|()| self.tick()) {
                return end;
            }
            match stream.read(&mut buffer) {
                Ok(0) => return self.ended(),
                Ok(n) => {
                    self.heard = Instant::now();
                    self.reader.feed(&buffer[..n]);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    _ => return self.ended(),
                },
            }
        }
    }

    /// The stream ended without a Close.
    fn ended(&mut self) -> End {
        let mut end = End::lost(self.trouble.take());
        if bug::is("fin-is-1000") {
            (end.code, end.clean) = (1000, true);
        }
        end
    }

    fn connect_frame(&self) -> Frame {
        let versions: Vec<&str> = self.config.accept.iter().map(|v| v.name()).collect();
        let (out, back) = self.config.beats;
        let mut frame = Frame::new("CONNECT").with("accept-version", &versions.join(","));
        if !bug::is("host-missing") {
            frame = frame.with("host", &self.config.host);
        }
        frame = frame.with("heart-beat", &format!("{out},{back}"));
        if let Some(login) = &self.config.login {
            frame = frame.with("login", login);
        }
        if let Some(passcode) = &self.config.passcode {
            frame = frame.with("passcode", passcode);
        }
        frame.headers.extend(self.config.headers.clone());
        frame
    }

    /// What the reader has.
    fn take(&mut self, attempt: &mut u32) -> Result<(), End> {
        loop {
            match self.reader.next() {
                Ok(None) => return Ok(()),
                Ok(Some(Heard::Ping(data))) => {
                    if !bug::is("answers-no-ping") {
                        self.client.lock().raw(&ws::frame(10, &data));
                    }
                }
                Ok(Some(Heard::Pong)) => {}
                Ok(Some(Heard::Close(code, reason))) => self.closed(code, reason)?,
                Ok(Some(Heard::Message(octets))) => self.message(&octets, attempt)?,
                Err(why) => return Err(self.give_up(1002, &why)),
            }
        }
    }

    fn closed(&mut self, code: Option<u16>, reason: String) -> Result<(), End> {
        if bug::is("answers-no-close") {
            return Ok(());
        }
        if self.closing.is_none() {
            let body = code.map(u16::to_be_bytes);
            let body: &[u8] = body.as_ref().map_or(&[], |b| b);
            self.client.lock().close(body);
        }
        Err(End {
            trouble: self.trouble.take(),
            blamed: None,
            code: code.unwrap_or(1005),
            reason,
            clean: true,
        })
    }

    /// The peer broke a protocol.
    fn give_up(&self, code: u16, why: &str) -> End {
        self.client.lock().close(&code.to_be_bytes());
        End::error("protocol", why)
    }

    fn message(&mut self, octets: &[u8], attempt: &mut u32) -> Result<(), End> {
        self.decoder.feed(octets);
        loop {
            let version = self.client.lock().version.unwrap_or(Version::V12);
            match self.decoder.next(version) {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => self.frame(frame, attempt)?,
                Err(why) => return Err(self.give_up(1002, &why)),
            }
        }
    }

    fn frame(&mut self, frame: Frame, attempt: &mut u32) -> Result<(), End> {
        let live = self.client.lock().is_live();
        match frame.command.as_str() {
            "CONNECTED" if !live => {
                self.connected(&frame)?;
                *attempt = 0;
                Ok(())
            }
            "ERROR" => self.error(&frame),
            "RECEIPT" if live => {
                self.receipt(&frame);
                Ok(())
            }
            "MESSAGE" if live => {
                self.deliver(&frame);
                Ok(())
            }
            other => Err(self.give_up(1002, &format!("{other} is out of place"))),
        }
    }

    fn connected(&mut self, frame: &Frame) -> Result<(), End> {
        let version = match frame.get("version") {
            None => Some(Version::V10),
            Some(name) => Version::named(name),
        };
        let offered = version.filter(|v| self.config.accept.contains(v));
        let version = match offered {
            Some(version) => version,
            None if bug::is("any-version") => Version::V12,
            None => return Err(self.give_up(1002, "a version that was not offered")),
        };
        let pair = frame.get("heart-beat").unwrap_or("0,0");
        let pair = pair.split_once(',').map(|(a, b)| (a.parse(), b.parse()));
        let Some((Ok(mut sx), Ok(mut sy))) = pair else {
            return Err(self.give_up(1002, "a heart-beat header that is none"));
        };
        if version == Version::V10 {
            (sx, sy) = (0, 0);
        }
        if bug::is("swaps-heart-beats") {
            (sx, sy) = (sy, sx);
        }
        let (cx, cy) = self.config.beats;
        let agreed = |a: u64, b: u64| (a > 0 && b > 0).then(|| Duration::from_millis(a.max(b)));
        self.beats_out = agreed(cx, sy);
        self.beats_in = agreed(cy, sx);
        if bug::is("min-heart-beat") {
            self.beats_in = self.beats_in.map(|_| Duration::from_millis(cy.min(sx)));
        }
        let ms = |d: Option<Duration>| d.map_or(0, |d| d.as_millis());
        let mut state = self.client.lock();
        state.version = Some(version);
        let again: Vec<Frame> = state.subscriptions.iter().map(|s| s.frame()).collect();
        tell(&json!({
            "ev": "connected",
            "version": version.name(),
            "session": frame.get("session"),
            "server": frame.get("server"),
            "heartbeat": [ms(self.beats_out), ms(self.beats_in)],
        }));
        if !bug::is("subscribes-early") {
            again.iter().for_each(|frame| state.write(frame));
        }
        Ok(())
    }

    fn error(&mut self, frame: &Frame) -> Result<(), End> {
        let headers: Vec<Value> = frame.headers.iter().map(|(n, v)| json!([n, v])).collect();
        let trouble = json!({
            "ev": "error",
            "kind": "stomp",
            "headers": headers,
            "body_b64": BASE64.encode(&frame.body),
            "code": frame.get("code").and_then(|c| c.parse::<u16>().ok()),
        });
        if bug::is("error-is-ignored") {
            tell(&trouble);
            return Ok(());
        }
        if bug::is("resends-connect") && frame.get("code") == Some("401") {
            tell(&trouble);
            self.client.lock().write(&self.connect_frame());
            return Ok(());
        }
        self.client.lock().close(&1000_u16.to_be_bytes());
        Err(End {
            blamed: frame.get("receipt-id").map(str::to_owned),
            ..End::lost(Some(trouble))
        })
    }

    fn receipt(&mut self, frame: &Frame) {
        let id = frame.get("receipt-id");
        let mut state = self.client.lock();
        if let Some(parting) = state
            .parting
            .as_mut()
            .filter(|p| Some(p.receipt.as_str()) == id)
        {
            parting.graceful = true;
            drop(state);
            return self.close();
        }
        let at = match bug::is("any-receipt") {
            true => (!state.pending.is_empty()).then_some(0),
            false => state
                .pending
                .iter()
                .position(|p| Some(p.receipt.as_str()) == id),
        };
        match at {
            Some(at) => {
                let receipt = state.pending.remove(at).receipt;
                tell(&json!({"ev": "receipt", "receipt": receipt}));
            }
            None => unhandled(frame),
        }
    }

    fn close(&mut self) {
        if self.closing.is_none() {
            self.closing = Some(Instant::now() + Duration::from_secs(2));
            self.client.lock().close(&1000_u16.to_be_bytes());
        }
    }

    fn deliver(&mut self, frame: &Frame) {
        let mut state = self.client.lock();
        let id = frame.get("subscription");
        let found = state
            .subscriptions
            .iter()
            .find(|s| match (state.version, id) {
                (Some(Version::V10), None) => Some(s.dest.as_str()) == frame.get("destination"),
                (_, id) => id == Some(s.id.as_str()),
            });
        let found = match bug::is("routes-to-anyone") {
            true => state.subscriptions.first(),
            false => found,
        };
        let Some(subscription) = found.cloned() else {
            return unhandled(frame);
        };
        let header = |name: &str| frame.get(name).unwrap_or_default().to_owned();
        let epoch = state.epoch;
        state.taken.push(Taken {
            epoch,
            mode: subscription.ack.unwrap_or_else(|| "auto".to_owned()),
            ack: frame.get("ack").map(str::to_owned),
            message_id: header("message-id"),
            subscription: subscription.id,
        });
        let headers: Vec<Value> = frame.headers.iter().map(|(n, v)| json!([n, v])).collect();
        tell(&json!({
            "ev": "message",
            "msg": state.taken.len(),
            "sub": subscription.label,
            "headers": headers,
            "body_b64": BASE64.encode(&frame.body),
            "text": std::str::from_utf8(&frame.body).ok(),
        }));
    }

    /// What is due.
    fn tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let mut state = self.client.lock();
        if state.stream.is_none() {
            return Err(End::lost(None));
        }
        if !state.is_live() && now >= self.by {
            return Err(End::error("timeout", "no CONNECTED"));
        }
        if self.closing.is_some_and(|by| now >= by) {
            return Err(End::lost(self.trouble.take()));
        }
        let early = bug::is("beats-before-connected") && !state.is_live();
        let every = match early && self.config.beats.0 > 0 {
            true => Some(Duration::from_millis(self.config.beats.0)),
            false => self.beats_out,
        };
        if let Some(every) = every.filter(|_| !bug::is("beats-never")) {
            let share = if bug::is("beats-late") { 6.0 } else { 0.7 };
            let due = state
                .sent
                .is_none_or(|sent| now.duration_since(sent) >= every.mul_f64(share));
            if due && self.closing.is_none() {
                state.octets(b"\n");
            }
        }
        if let Some(every) = self.beats_in {
            let silent = now.duration_since(self.heard);
            if silent > (every * 2).max(every + Duration::from_secs(1)) {
                return Err(End::lost(Some(json!({"ev": "heartbeat_lost"}))));
            }
        }
        let (late, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut state.pending)
            .into_iter()
            .partition(|p| now >= p.by);
        state.pending = waiting;
        for pending in late {
            tell(&json!({"ev": "receipt_timeout", "receipt": pending.receipt}));
        }
        let overdue = state.parting.as_ref().is_some_and(|p| now >= p.by);
        drop(state);
        if overdue && !bug::is("hangs-on-close") {
            self.close();
        }
        Ok(())
    }
}

fn subprotocol(version: Version) -> &'static str {
    match version {
        Version::V10 => "v10.stomp",
        Version::V11 => "v11.stomp",
        Version::V12 => "v12.stomp",
    }
}

fn unhandled(frame: &Frame) {
    let headers: Vec<Value> = frame.headers.iter().map(|(n, v)| json!([n, v])).collect();
    tell(&json!({"ev": "unhandled", "command": frame.command, "headers": headers}));
}

fn not_opened(refused: Refused) -> End {
    match refused {
        Refused::Io(error) => End::error("transport", error),
        Refused::Timeout => End::error("timeout", "no answer to the upgrade"),
        Refused::Protocol(why) => End::error("protocol", why),
        Refused::Status(status, body) => End::lost(Some(json!({
            "ev": "error",
            "kind": if matches!(status, 401 | 403) { "auth" } else { "transport" },
            "http_status": status,
            "http_body_b64": BASE64.encode(&body),
        }))),
    }
}
