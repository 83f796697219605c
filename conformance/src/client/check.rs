//! A shim, verb by verb: before its client is judged it must be able to speak.

use super::conn::Conn;
use super::driver::Driver;
use super::lab::{Lab, SECOND};
use super::runner::Settings;
use super::world::{Answer, World};
use crate::grade::Outcome;
use serde_json::{Value, json};

/// Tries every verb of a shim once and tells of each; what is wrong with it, in words.
pub(crate) fn check(settings: &Settings, told: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    let world = World::new(false);
    let shim = settings.start(&world, settings.span(5))?;
    let lab = Lab::new("shim-check", &world, shim, settings.scale);
    let mut check = Check {
        lab: lab.map_err(|error| format!("the judge cannot listen: {error}"))?,
        told,
    };
    let done = check.session().map_err(Outcome::words);
    let fault = {
        let state = world.lock();
        state.fault.clone().or_else(|| state.died.clone())
    };
    if let Some(words) = fault {
        return Err(words);
    }
    done?;
    let Check { lab, told } = check;
    if let Driver::Shim(shim) = lab.close() {
        shim.leave(settings.span(1))?;
    }
    told("exit", "ok");
    Ok(())
}

struct Check<'a> {
    lab: Lab,
    told: &'a mut dyn FnMut(&str, &str),
}

impl Check<'_> {
    /// Gives a command; whether it was taken.
    fn verb(&mut self, verb: &str, fields: Value) -> Result<bool, Outcome> {
        let (words, taken) = match self.lab.tell(verb, fields)? {
            Answer::Ok(_) => ("ok".to_owned(), true),
            Answer::Err { kind, text } => (format!("refused: {kind} ({text})"), false),
            Answer::Unsupported => ("unsupported".to_owned(), false),
        };
        (self.told)(verb, &words);
        Ok(taken)
    }

    /// A verb without which no case can run.
    fn must(&mut self, verb: &str, fields: Value) -> Result<(), Outcome> {
        match self.verb(verb, fields)? {
            true => Ok(()),
            false => Err(Outcome::Violated(format!("{verb} must be possible here"))),
        }
    }

    fn event(&mut self, name: &str) -> Result<(), Outcome> {
        self.lab.expect(name)?;
        (self.told)(&format!("event {name}"), "ok");
        Ok(())
    }

    fn connect(&mut self) -> Result<Conn, Outcome> {
        let fields = self
            .lab
            .connect_fields(json!({"login": "u", "passcode": "p"}));
        self.must("connect", fields)?;
        let (conn, _) = self.lab.greeted()?;
        conn.connected("version:1.2\nsession:s\n");
        self.event("connected")?;
        Ok(conn)
    }

    fn session(&mut self) -> Result<(), Outcome> {
        self.must("wait", json!({"ms": 10}))?;
        let conn = self.connect()?;
        let subscription = json!({"sub": "A", "dest": "/a", "ack": "client-individual"});
        self.must("subscribe", subscription)?;
        let subscribe = conn.expect("SUBSCRIBE")?;
        let sub = super::conn::written(&subscribe, "id")?;
        for n in 1..=2 {
            conn.send(format!(
                "MESSAGE\nsubscription:{sub}\nmessage-id:{n}\ndestination:/a\nack:A{n}\n\nhi\0"
            ));
            self.event("message")?;
        }
        self.must("send", json!({"dest": "/a", "text": "x"}))?;
        conn.expect("SEND")?;
        let receipts = self.lab.hello().has("receipts");
        if receipts && self.verb("send", json!({"dest": "/a", "text": "x", "receipt": "r1"}))? {
            conn.expect("SEND")?;
            self.event("receipt")?;
        }
        self.verb("ack", json!({"msg": 1}))?;
        self.verb("nack", json!({"msg": 2}))?;
        for end in ["commit", "abort_tx"] {
            if self.verb("begin", json!({ "tx": end }))? {
                self.verb("send", json!({"dest": "/a", "text": "x", "tx": end}))?;
                self.verb(end, json!({ "tx": end }))?;
            }
        }
        self.verb("unsubscribe", json!({"sub": "A"}))?;
        self.verb("pause_reading", json!({}))?;
        self.verb("resume_reading", json!({}))?;
        self.verb("set_token", json!({"value": "t2"}))?;
        self.verb("stats", json!({}))?;
        self.must("disconnect", json!({"timeout_ms": 5000}))?;
        self.event("disconnected")?;
        self.event("closed")?;
        self.connect()?;
        if self.verb("abort", json!({}))? {
            let closed = self.lab.expect("closed")?;
            if closed.number("code") != Some(1006) {
                let words = format!("after abort closed must be 1006: {}", closed.fields);
                return Err(Outcome::Violated(words));
            }
        } else {
            self.verb("disconnect", json!({"timeout_ms": 5000}))?;
            self.lab.expect("closed")?;
        }
        self.lab.world.pass(SECOND / 10);
        Ok(())
    }
}
