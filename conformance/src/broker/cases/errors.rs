//! S12-ERR: how a broker refuses.

use super::{Case, SECOND, case, variant};
use crate::broker::lab::Lab;
use crate::broker::peer::Refusal;
use crate::grade::{Outcome, violated};

/// A SEND that no broker can take.
const BAD: &str = "SEND\nreceipt:r1\n\nx\0";

pub(super) const CASES: &[Case] = &[
    case("S12-ERR-001", |lab| {
        Ok(Outcome::Info(refusal(lab, BAD)?.words()))
    }),
    variant("S12-ERR-002", "send", |lab| {
        refusal(lab, BAD)?.whole().map(|()| Outcome::Ok)
    }),
    variant("S12-ERR-002", "escape", |lab| {
        refusal(lab, "SEND\ndestination:{dest}\nk:\\t\n\nx\0")?
            .whole()
            .map(|()| Outcome::Ok)
    }),
    variant("S12-ERR-002", "command", |lab| {
        let refusal = refusal(lab, "FOO\n\n\0")?;
        // Such a frame may be ignored; whoever says ERROR must close.
        if refusal.error.is_none() {
            Ok(Outcome::Ok)
        } else {
            refusal.whole().map(|()| Outcome::Ok)
        }
    }),
    variant("S12-ERR-002", "version", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("9.9", ""));
        peer.refusal().whole().map(|()| Outcome::Ok)
    }),
    case("S12-ERR-003", |lab| match refusal(lab, BAD)?.error {
        Some(error) => match error.header("message") {
            Some(message) if !message.is_empty() => Ok(Outcome::Ok),
            Some(_) | None => violated(format!("no message header: {error}")),
        },
        None => violated("no ERROR"),
    }),
    case("S12-ERR-004", |lab| {
        let error = refusal(lab, BAD)?.error;
        Ok(Outcome::Info(error.map_or("no ERROR".to_owned(), |e| {
            format!("a body of {} octets", e.body.len())
        })))
    }),
    case("S12-ERR-005", |lab| match refusal(lab, BAD)?.error {
        Some(error) => super::has(&error, "receipt-id", "r1"),
        None => violated("no ERROR"),
    }),
    case("S12-ERR-006", |lab| {
        let error = refusal(lab, "SEND\nreceipt:r1\nconf-quote:me\n\nx\0")?.error;
        let Some(error) = error else {
            return violated("no ERROR");
        };
        let quoted = ["conf-quote", "SEND", "r1"]
            .into_iter()
            .filter(|word| memchr::memmem::find(&error.octets, word.as_bytes()).is_some());
        let quoted: Vec<&str> = quoted.collect();
        if quoted.is_empty() {
            violated(format!("nothing of the frame is in {error}"))
        } else {
            Ok(Outcome::Ok)
        }
    }),
    case("S12-ERR-007", |lab| {
        let topic = lab.topic.clone();
        let mut peer = lab.consumer_of(&topic, "")?;
        let mut other = lab.connect()?;
        peer.send(BAD);
        for _ in 0..20 {
            other.send(lab.fill("SEND\ndestination:{topic}\n\nx\0"));
        }
        let due = lab.scaled(SECOND * 2);
        if peer.pick(due, |f| f.command == "ERROR").is_none() {
            return Ok(Outcome::Inconclusive("no ERROR came".to_owned()));
        }
        peer.rest();
        match peer.any(lab.scaled(SECOND)) {
            Some(frame) => violated(format!("{frame} after ERROR")),
            None => Ok(Outcome::Ok),
        }
    }),
];

fn refusal(lab: &mut Lab, frame: &str) -> Result<Refusal, Outcome> {
    let mut peer = lab.connect()?;
    peer.send(lab.fill(frame));
    Ok(peer.refusal())
}
