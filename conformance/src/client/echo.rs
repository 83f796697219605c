//! The echo convention: a program without a shim, judged by what it does on the
//! wire. It sends back what it is sent, so a SEND of it tells what it understood.

use super::conn::Conn;
use super::door::Door;
use super::shim::Hello;
use super::world::{Answer, Event, World};
use crate::wire::stomp::{self, Frame};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the program subscribes to, and where it sends.
const IN: &str = "/conf/in";
const OUT: &str = "/conf/out";
/// A SEND that the case asked for, not one that tells what came.
const ASKED: &str = "conf-send";

/// Cases that such a program can be asked: what they look at shows on the wire.
#[rustfmt::skip]
const ASKABLE: &[&str] = &[
    "S12-FRM-002", "S12-FRM-003", "S12-FRM-005", "S12-FRM-007", "S12-FRM-008", "S12-FRM-009",
    "S12-FRM-010", "S12-FRM-011", "S12-FRM-012", "S12-FRM-013", "S12-FRM-014", "S12-FRM-015",
    "S12-FRM-015/not-utf-8", "S12-FRM-017", "S12-FRM-018", "S12-FRM-019", "S12-FRM-020/octets",
    "S12-FRM-020/every-cut", "S12-FRM-021", "S12-FRM-022",
    "S12-ENC-001", "S12-ENC-002", "S12-ENC-003", "S12-ENC-004", "S12-ENC-005",
    "S12-ENC-006/t", "S12-ENC-006/in-a-name", "S12-ENC-006/capital-n", "S12-ENC-007",
    "S12-ENC-007/cut", "S12-ENC-008", "S12-ENC-008/in-a-name", "S12-ENC-010", "S12-ENC-013",
    "S12-ENC-014", "S12-ENC-016", "S12-ENC-017", "S12-ENC-018",
    "S12-BDY-003", "S12-HDR-001/connected", "S12-HDR-002", "S12-HDR-003", "S12-HDR-004",
    "S12-HDR-005", "S12-HDR-006/send", "S12-HDR-006/message", "S12-HDR-007", "S12-HDR-008",
    "S12-HDR-009", "S12-HDR-010/letters", "S12-HDR-010/negative", "S12-HDR-010/signed",
    "S12-HDR-010/padded", "S12-HDR-010/overflow", "S12-HDR-013", "S12-HDR-016",
    "S12-HDR-020", "S12-HDR-021", "S12-HDR-022", "S12-HDR-023/connected", "S12-HDR-023/message",
    "S12-LIM-004/headers", "S12-LIM-004/line", "S12-LIM-004/body",
    "S12-CON-001", "S12-CON-006", "S12-CON-007", "S12-CON-010", "S12-CON-012", "S12-CON-018",
    "S12-MSG-009", "S12-MSG-009/bursts", "S12-SRV-003/foo", "S12-SRV-003/send",
    "S12-SND-004", "S12-SND-007/send", "S12-SND-007/message", "S12-SND-008/message",
    "S12-SND-008/send", "S12-SUB-005", "S12-SUB-007/auto", "S12-UNS-001", "S12-UNS-004",
    "S12-ACM-001", "SWS-END-002",
    "WS-HSK-001", "WS-HSK-002/wrong-accept", "WS-HSK-002/no-accept", "WS-HSK-002/no-upgrade",
    "WS-HSK-002/no-connection", "WS-HSK-003", "WS-HSK-005", "WS-HSK-009", "WS-FRM-001",
    "WS-FRM-004", "WS-FRM-005/rsv1", "WS-FRM-005/rsv2", "WS-FRM-005/rsv3", "WS-FRM-006/3",
    "WS-FRM-006/B", "WS-FRM-007", "WS-FRM-008/every-cut", "WS-FRM-008/octets", "WS-FRM-009",
    "WS-FRM-010/interleaved", "WS-FRM-010/no-start", "WS-FRM-011", "WS-FRM-012/long",
    "WS-FRM-012/fragmented", "WS-CTL-001", "WS-CTL-001/before-connected", "WS-CTL-001/busy",
    "WS-CTL-002", "WS-TXT-001", "WS-TXT-002", "WS-TXT-003",
    "WS-CLS-001/1005", "WS-CLS-001/1006", "WS-CLS-001/1015", "WS-CLS-001/999", "WS-CLS-001/0",
    "WS-CLS-002/one-octet", "WS-CLS-002/reason",
    "SWS-SUB-001", "SWS-SUB-002", "SWS-SUB-003", "SWS-TYP-001", "SWS-TYP-002", "SWS-TYP-003",
    "SWS-MAP-001", "SWS-MAP-002", "SWS-MAP-003", "SWS-MAP-004/between", "SWS-MAP-004/inside",
    "SWS-MAP-005", "SWS-EXT-001",
];

/// The same in another ack mode than auto.
const ACKNOWLEDGED: &[(&str, &str)] = &[
    ("S12-SUB-007/client", "client"),
    ("S12-SUB-007/client-individual", "client-individual"),
    ("S12-ACK-001", "client-individual"),
    ("S12-ACK-005", "client-individual"),
];

/// The ack mode in which a case can be asked; none, if only a shim can be.
pub(crate) fn mode(case: &str) -> Option<&'static str> {
    let other = ACKNOWLEDGED.iter().find(|(id, _)| *id == case);
    let auto = || ASKABLE.contains(&case).then_some("auto");
    other.map(|(_, mode)| *mode).or_else(auto)
}

/// One case of such a program.
#[derive(Debug)]
pub(crate) struct Echo {
    door: Arc<Door>,
    pub(crate) hello: Hello,
    sent: u64,
}

impl Echo {
    pub(crate) fn new(door: &Arc<Door>) -> Self {
        let caps = ["1.2", "binary"].map(str::to_owned).to_vec();
        let hello = Hello {
            name: door.agent().unwrap_or_else(|| "a program".to_owned()),
            caps,
            ..Hello::default()
        };
        Self {
            door: Arc::clone(door),
            hello,
            sent: 0,
        }
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.door.ip()
    }

    /// Whether the program asks for another case.
    pub(crate) fn comes_back(&self, within: Duration) -> bool {
        self.door.is_visited(within)
    }

    /// A command as the convention can give it.
    pub(crate) fn tell(
        &mut self,
        world: &Arc<World>,
        verb: &str,
        fields: &Value,
        within: Duration,
    ) -> Option<Answer> {
        let only = |known: &[&str]| {
            let all = fields.as_object().into_iter().flatten();
            all.map(|(name, _)| name.as_str())
                .all(|name| known.contains(&name))
        };
        let done = match verb {
            "connect"
                if only(&[
                    "url",
                    "host",
                    "heartbeat",
                    "timeout_ms",
                    "login",
                    "passcode",
                ]) =>
            {
                if !self.connect(world, fields, within) {
                    return None;
                }
                true
            }
            // It has done so, or does it without being told.
            "subscribe" => only(&["sub", "dest", "ack"]),
            "ack" => true,
            "wait" => {
                let ms = fields["ms"].as_u64().unwrap_or(0);
                world.pass(Duration::from_millis(ms));
                true
            }
            "send" if only(&["dest", "text", "body_b64", "headers"]) => {
                self.send(world, fields, within)
            }
            "unsubscribe" if only(&["sub"]) => {
                self.message(world, "conf-do:unsubscribe\n", &[], within)
            }
            "disconnect" => self.message(world, "conf-do:disconnect\n", &[], within),
            _ => false,
        };
        Some(match done {
            true => Answer::Ok(json!({})),
            false => Answer::Unsupported,
        })
    }

    fn connect(&self, world: &Arc<World>, fields: &Value, within: Duration) -> bool {
        let url = fields["url"].as_str().unwrap_or_default();
        let rest = url.split_once("127.0.0.1").map_or("", |(_, rest)| rest);
        let case = rest.split_once("/c/").map_or("", |(_, case)| case);
        let ack = mode(case).unwrap_or("auto");
        self.door.hand(world, within, |host| {
            json!({
                "case": case,
                "url": format!("ws://{host}{rest}?ack={ack}"),
                "login": fields["login"],
                "passcode": fields["passcode"],
            })
        })
    }

    /// Lets the program send this: it is sent what it shall send.
    fn send(&mut self, world: &Arc<World>, fields: &Value, within: Duration) -> bool {
        let mut lines = String::new();
        for (name, value) in fields["headers"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            match name.as_str() {
                // What kind of body it is, is for the program to say.
                "content-type" => {}
                _ if name.starts_with("conf-") => {
                    let (name, value) = (stomp::encode(name), stomp::encode(value));
                    lines.push_str(&format!("{name}:{value}\n"));
                }
                _ => return false,
            }
        }
        let body = match (fields["text"].as_str(), fields["body_b64"].as_str()) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(octets)) => BASE64.decode(octets.as_bytes()).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        self.message(world, &lines, &body, within)
    }

    fn message(&mut self, world: &Arc<World>, lines: &str, body: &[u8], within: Duration) -> bool {
        self.sent += 1;
        let subscribed = world.until(within, |state| {
            let wire = state.wires.last()?;
            Some((state.wires.len() - 1, wire.sub.clone()?))
        });
        let Some((at, sub)) = subscribed else {
            return false;
        };
        let head = format!(
            "MESSAGE\nsubscription:{sub}\nmessage-id:{n}\ndestination:{IN}\n{ASKED}:{n}\n{lines}\
             content-length:{}\n\n",
            body.len(),
            n = self.sent,
        );
        let octets = [head.as_bytes(), body, b"\0"].concat();
        Conn::new(world, at, within).send(octets);
        true
    }
}

/// What a frame tells of what the program has understood, if it was not asked for.
pub(crate) fn told(frame: &Frame) -> Option<Event> {
    let event = |name: &str, fields| Event {
        name: name.to_owned(),
        fields,
    };
    match frame.command.as_str() {
        "SUBSCRIBE" => Some(event("connected", json!({ "echo": true }))),
        "SEND" if frame.header("destination") == Some(OUT) && frame.header(ASKED).is_none() => {
            let conf = |(name, _): &&(String, String)| name.starts_with("conf-");
            let headers: Vec<Value> = frame
                .headers
                .iter()
                .filter(conf)
                .map(|(name, value)| json!([name, value]))
                .collect();
            Some(event(
                "message",
                json!({
                    "echo": true,
                    "sub": "A",
                    "headers": headers,
                    "body_b64": BASE64.encode(&frame.body),
                    "text": std::str::from_utf8(&frame.body).ok(),
                }),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::cases;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_that_can_be_asked_exists() {
        let all: BTreeSet<String> = cases::all().iter().map(ToString::to_string).collect();
        let named = ASKABLE.iter().chain(ACKNOWLEDGED.iter().map(|(id, _)| id));
        let named: Vec<&str> = named.copied().collect();
        for id in &named {
            assert!(all.contains(*id), "{id}");
        }
        let once: BTreeSet<&str> = named.iter().copied().collect();
        assert_eq!(once.len(), named.len(), "one is named twice");
    }
}
