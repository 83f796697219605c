//! What a shim may say, and when: each command answered once and in order, each
//! connection attempt told by the book. A shim that breaks it cannot be believed.

use super::world::Answer;
use serde_json::Value;
use std::collections::VecDeque;

/// What the judge knows of the shim's account so far.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Commands without an answer: id and verb.
    open: VecDeque<(u64, String)>,
    last: u64,
    life: Life,
    /// `error` or `heartbeat_lost` of this attempt.
    told: bool,
    asked_to_disconnect: bool,
    reauth: bool,
    messages: u64,
}

/// Of a connection, as the shim tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    /// Nobody has asked for one.
    #[default]
    Idle,
    /// `connect` was given, or `reconnecting` told.
    Trying,
    Live,
    /// `disconnected` was told.
    Parting,
    /// `closed` was told, with `will_reconnect`.
    Waiting,
}

/// What a line of the shim is.
#[derive(Debug)]
pub(crate) enum Said {
    Answer(u64, Answer),
    Event(String),
    /// An answer to something that was no command.
    Complaint,
}

impl Order {
    /// A command is about to be given.
    pub(crate) fn command(&mut self, id: u64, verb: &str, fields: &Value) {
        self.open.push_back((id, verb.to_owned()));
        self.last = id;
        match verb {
            "connect" => {
                self.reauth = fields["reauth"].as_str().is_some_and(|r| r != "none");
                if self.life == Life::Idle {
                    self.life = Life::Trying;
                    self.told = false;
                    self.asked_to_disconnect = false;
                }
            }
            "disconnect" => self.asked_to_disconnect = true,
            _ => {}
        }
    }

    /// The oldest command without an answer.
    pub(crate) fn unanswered(&self) -> Option<&str> {
        self.open.front().map(|(_, verb)| verb.as_str())
    }

    /// Nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.life == Life::Idle && self.open.is_empty()
    }

    /// Takes a line; what is wrong with it, in words.
    pub(crate) fn line(&mut self, line: &Value) -> Result<Said, String> {
        let Value::Object(fields) = line else {
            return Err("a line that is no JSON object".to_owned());
        };
        if let Some(name) = fields.get("ev") {
            let name = name.as_str().ok_or("\"ev\" that is no string")?;
            self.event(name, line)?;
            return Ok(Said::Event(name.to_owned()));
        }
        match fields.get("id") {
            Some(Value::Null) => Ok(Said::Complaint),
            Some(id) => {
                let id = id.as_u64().ok_or("\"id\" that is no number")?;
                self.answer(id, line)
            }
            None => Err("a line with neither \"id\" nor \"ev\"".to_owned()),
        }
    }

    fn answer(&mut self, id: u64, line: &Value) -> Result<Said, String> {
        match self.open.front() {
            Some((wanted, verb)) if *wanted == id => {
                let verb = verb.clone();
                self.open.pop_front();
                let answer = one_answer(line).ok_or_else(|| {
                    format!(
                        "the answer to command {id} ({verb}) is none of ok, err and unsupported"
                    )
                })?;
                if verb == "connect" && !matches!(answer, Answer::Ok(_)) {
                    self.life = Life::Idle;
                }
                Ok(Said::Answer(id, answer))
            }
            Some((wanted, verb)) if self.open.iter().any(|(open, _)| *open == id) => Err(format!(
                "command {id} is answered before command {wanted} ({verb})"
            )),
            _ if id <= self.last && id > 0 => Err(format!("command {id} is answered twice")),
            _ => Err(format!("an answer to command {id}, which was never given")),
        }
    }

    fn event(&mut self, name: &str, line: &Value) -> Result<(), String> {
        match name {
            "connected" => self.connected(),
            "error" | "heartbeat_lost" => self.trouble(name),
            "disconnected" => self.disconnected(line),
            "closed" => self.closed(line),
            "reconnecting" => self.reconnecting(line),
            "message" => self.message(line),
            "receipt" | "receipt_timeout" => match line["receipt"].is_string() {
                true => Ok(()),
                false => Err(format!("{name} does not say of which receipt")),
            },
            "op_failed" => match line["kind"].is_string() {
                true => Ok(()),
                false => Err("op_failed without a kind".to_owned()),
            },
            "unhandled" | "log" => Ok(()),
            other => Err(format!("no event is called \"{other}\"")),
        }
    }

    fn connected(&mut self) -> Result<(), String> {
        match self.life {
            Life::Trying => self.life = Life::Live,
            Life::Live if self.reauth => {}
            Life::Live | Life::Parting => return Err("connected told twice".to_owned()),
            Life::Idle | Life::Waiting => {
                return Err("connected, and no attempt was under way".to_owned());
            }
        }
        Ok(())
    }

    fn trouble(&mut self, name: &str) -> Result<(), String> {
        match self.life {
            Life::Trying | Life::Live | Life::Parting => {}
            Life::Idle | Life::Waiting => {
                return Err(format!("{name}, and there is no connection"));
            }
        }
        // With reauthentication a session survives its ERROR.
        if self.told && !self.reauth {
            return Err(format!("{name}, after another of the same connection"));
        }
        self.told = true;
        Ok(())
    }

    fn disconnected(&mut self, line: &Value) -> Result<(), String> {
        if !self.asked_to_disconnect {
            return Err("disconnected, and nobody asked for that".to_owned());
        }
        if !line["graceful"].is_boolean() {
            return Err("disconnected does not say whether it was graceful".to_owned());
        }
        if self.life == Life::Parting {
            return Err("disconnected told twice".to_owned());
        }
        if self.life != Life::Idle {
            self.life = Life::Parting;
        }
        self.asked_to_disconnect = false;
        Ok(())
    }

    fn closed(&mut self, line: &Value) -> Result<(), String> {
        let (Some(_), Some(_), Some(again)) = (
            line["code"].as_u64(),
            line["clean"].as_bool(),
            line["will_reconnect"].as_bool(),
        ) else {
            return Err("closed without code, clean or will_reconnect".to_owned());
        };
        match self.life {
            Life::Trying | Life::Live | Life::Parting => {}
            Life::Idle | Life::Waiting => {
                return Err("closed, and there is no connection".to_owned());
            }
        }
        self.life = if again { Life::Waiting } else { Life::Idle };
        Ok(())
    }

    fn reconnecting(&mut self, line: &Value) -> Result<(), String> {
        if self.life != Life::Waiting {
            return Err("reconnecting, and no closed promised it".to_owned());
        }
        if line["attempt"].as_u64().is_none_or(|n| n == 0) {
            return Err("reconnecting without the attempt's number".to_owned());
        }
        self.life = Life::Trying;
        self.told = false;
        Ok(())
    }

    fn message(&mut self, line: &Value) -> Result<(), String> {
        self.messages += 1;
        let wanted = self.messages;
        let pairs = line["headers"].as_array();
        let paired = |p: &Value| p[0].is_string() && p[1].is_string();
        if !pairs.is_some_and(|pairs| pairs.iter().all(paired)) {
            return Err("message whose headers are no list of pairs".to_owned());
        }
        let body = line["body_b64"].as_str();
        if body.is_none_or(|b| data_encoding::BASE64.decode(b.as_bytes()).is_err()) {
            return Err("message whose body_b64 is no base64".to_owned());
        }
        match line.get("msg").and_then(Value::as_u64) {
            Some(n) if n == wanted => Ok(()),
            Some(n) => Err(format!("message {n}, after {} others", wanted - 1)),
            None => Err("message without its number".to_owned()),
        }
    }
}

/// The answer in a line, if there is exactly one.
fn one_answer(line: &Value) -> Option<Answer> {
    let ok = line.get("ok").and_then(Value::as_bool) == Some(true);
    let unsupported = line.get("unsupported").and_then(Value::as_bool) == Some(true);
    let err = line.get("err").and_then(Value::as_object);
    match (ok, err, unsupported) {
        (true, None, false) => Some(Answer::Ok(line.clone())),
        (false, Some(err), false) => Some(Answer::Err {
            kind: err.get("kind")?.as_str()?.to_owned(),
            text: err
                .get("text")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        }),
        (false, None, true) => Some(Answer::Unsupported),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn connected() -> Order {
        let mut order = Order::default();
        order.command(1, "connect", &json!({}));
        order.line(&json!({"id":1,"ok":true})).unwrap();
        order.line(&json!({"ev":"connected"})).unwrap();
        order
    }

    fn wrong(order: &mut Order, line: &Value) -> String {
        order.line(line).unwrap_err()
    }

    #[test]
    fn a_session_told_by_the_book() {
        let mut order = connected();
        order.command(2, "disconnect", &json!({}));
        for line in [
            json!({"ev":"message","msg":1,"headers":[["a","b"]],"body_b64":"aGk=","extra":1}),
            json!({"id":2,"ok":true}),
            json!({"ev":"disconnected","graceful":true}),
            json!({"ev":"closed","code":1000,"clean":true,"will_reconnect":false}),
        ] {
            order.line(&line).unwrap();
        }
        assert_eq!(order.unanswered(), None);
    }

    #[test]
    fn answers_come_once_and_in_order() {
        let mut order = connected();
        let twice = wrong(&mut order, &json!({"id":1,"ok":true}));
        assert_eq!(twice, "command 1 is answered twice");
        let never = wrong(&mut order, &json!({"id":7,"ok":true}));
        assert_eq!(never, "an answer to command 7, which was never given");
        order.command(2, "send", &json!({}));
        order.command(3, "send", &json!({}));
        let early = wrong(&mut order, &json!({"id":3,"ok":true}));
        assert_eq!(early, "command 3 is answered before command 2 (send)");
        let both = wrong(&mut order, &json!({"id":2,"ok":true,"unsupported":true}));
        assert!(both.contains("none of ok, err and unsupported"), "{both}");
    }

    #[test]
    fn lives_are_told_in_order() {
        let closed = json!({"ev":"closed","code":1006,"clean":false,"will_reconnect":false});
        let mut order = connected();
        assert!(order.line(&json!({"ev":"connected"})).is_err());
        assert!(
            order
                .line(&json!({"ev":"disconnected","graceful":true}))
                .is_err()
        );
        assert!(
            order
                .line(&json!({"ev":"reconnecting","attempt":1}))
                .is_err()
        );
        order.line(&json!({"ev":"error","kind":"stomp"})).unwrap();
        assert!(order.line(&json!({"ev":"error","kind":"stomp"})).is_err());
        order.line(&closed).unwrap();
        assert!(order.line(&closed).is_err());
        assert!(order.line(&json!({"ev":"hurrah"})).is_err());
        assert!(order.line(&json!([1])).is_err());
    }

    #[test]
    fn messages_are_counted() {
        let mut order = connected();
        let message = |n| json!({"ev":"message","msg":n,"headers":[],"body_b64":""});
        order.line(&message(1)).unwrap();
        assert_eq!(wrong(&mut order, &message(3)), "message 3, after 1 others");
    }
}
