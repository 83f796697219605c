//! Rules for all traffic that brokers and clients are held against alike.

use crate::grade::Outcome;
use crate::tally::Tallies;
use crate::wire::show;
use crate::wire::stomp::Frame;
use crate::wire::ws::{self, WsFrame};

impl Tallies {
    /// The rule was tried once more; the words say how it was broken.
    pub(crate) fn holds(&mut self, id: &'static str, holds: bool, words: impl FnOnce() -> String) {
        self.rule(id, holds, || Outcome::Violated(words()));
    }

    /// What a WebSocket frame is, whoever sends it.
    pub(crate) fn ws(&mut self, frame: &WsFrame, after_close: bool) {
        let name = ws::words(frame);
        self.holds("WS-FRM-005", frame.rsv == 0, || {
            format!("RSV bits without an extension: {name}")
        });
        self.holds("WS-FRM-007", frame.shortest, || {
            "a length that is not in the shortest form".to_owned()
        });
        self.holds("WS-CTL-004", !after_close, || {
            format!("after the Close: {name}")
        });
        if frame.is_control() {
            let fits = frame.fin && frame.payload.len() <= 125;
            self.holds("WS-FRM-012", fits, || {
                "a control frame that is too long or in fragments".to_owned()
            });
        }
        if frame.opcode == ws::CLOSE {
            self.close(&frame.payload);
        }
    }

    fn close(&mut self, body: &[u8]) {
        let reason = body.get(2..).unwrap_or_default();
        let formed = body.len() != 1 && std::str::from_utf8(reason).is_ok();
        self.holds("WS-CLS-002", formed, || {
            format!("a Close with the body {}", show::octets(body))
        });
        let code = body.first_chunk().map(|two| u16::from_be_bytes(*two));
        let legal = !matches!(code, Some(0..=999 | 1005 | 1006 | 1015));
        self.holds("WS-CLS-001", legal, || {
            format!("a Close with {}", code.unwrap_or_default())
        });
    }

    /// Whether a text message is text.
    pub(crate) fn text(&mut self, id: &'static str, opcode: u8, octets: &[u8]) {
        if opcode == ws::TEXT {
            self.holds(id, std::str::from_utf8(octets).is_ok(), || {
                format!("a text message that is no UTF-8: {}", show::octets(octets))
            });
        }
    }

    /// What a frame says of its body. `typed`: a body has to have a type.
    pub(crate) fn describes(&mut self, frame: &Frame, typed: bool) {
        if !frame.body.is_empty() {
            let given = frame.header("content-length");
            let right = given.and_then(|l| l.parse().ok()) == Some(frame.body.len());
            self.holds("S12-HDR-004", right, || {
                format!("no content-length: {frame}")
            });
            if frame.body.contains(&0) {
                self.holds("S12-HDR-005", given.is_some(), || format!("{frame}"));
            }
            if typed {
                let has = frame.header("content-type").is_some();
                self.holds("S12-HDR-011", has, || {
                    format!("a body without content-type: {frame}")
                });
            }
        }
        if let Some(kind) = frame.header("content-type") {
            let mime = kind.split(';').next().unwrap_or_default().trim();
            let formed = mime
                .split_once('/')
                .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
            self.holds("S12-HDR-012", formed, || {
                format!("content-type:{kind} is no MIME type")
            });
        }
    }
}
