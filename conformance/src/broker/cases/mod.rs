//! What is asked of a broker, one file per area of the requirement list.

mod acks;
mod bodies;
mod connects;
mod dialects;
mod encoding;
mod errors;
mod frames;
mod headers;
mod heartbeats;
mod limits;
mod messages;
mod older;
mod receipts;
mod sends;
mod subscriptions;
mod transactions;
mod versions;
mod websocket;
mod ws_stomp;

use super::lab::Lab;
use super::peer::Peer;
use crate::case;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::show;
use crate::wire::stomp::Frame;
use std::time::Duration;

/// One question to a broker.
pub(crate) type Case = case::Case<Lab>;

const fn case(requirement: &'static str, run: fn(&mut Lab) -> Verdict) -> Case {
    Case::new(requirement, "", run)
}

const fn variant(
    requirement: &'static str,
    variant: &'static str,
    run: fn(&mut Lab) -> Verdict,
) -> Case {
    Case::new(requirement, variant, run)
}

/// All of them, in the order of the list.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas = [
        frames::CASES,
        encoding::CASES,
        bodies::CASES,
        headers::CASES,
        limits::CASES,
        connects::CASES,
        versions::CASES,
        heartbeats::CASES,
        sends::CASES,
        subscriptions::CASES,
        acks::CASES,
        transactions::CASES,
        messages::CASES,
        receipts::CASES,
        errors::CASES,
        older::CASES,
        websocket::CASES,
        ws_stomp::CASES,
        dialects::CASES,
    ];
    areas.into_iter().flatten().collect()
}

/// The rules that all traffic is held against.
pub(crate) const PASSIVE: &[&str] = &[
    "S12-FRM-001",
    "S12-ENC-015",
    "S12-BDY-002",
    "S12-HDR-004",
    "S12-HDR-005",
    "S12-HDR-011",
    "S12-HDR-012",
    "S12-CON-018",
    "S12-ERR-003",
    "S12-ERR-007",
    "S12-MSG-001",
    "S12-MSG-003",
    "S12-MSG-004",
    "WS-FRM-003",
    "WS-FRM-005",
    "WS-FRM-007",
    "WS-FRM-012",
    "WS-CTL-004",
    "WS-CLS-001",
    "WS-CLS-002",
    "WS-TXT-001",
];

const SECOND: Duration = Duration::from_secs(1);

/// The SEND with `receipt:r1` is processed: a RECEIPT says so or, where the
/// broker gives none, a consumer.
fn accepts(lab: &mut Lab, frame: &str) -> Verdict {
    if !lab.caps.receipts {
        return lab.pass(frame).map(|_| Outcome::Ok);
    }
    let mut peer = lab.connect()?;
    peer.send(lab.fill(frame));
    peer.receipt("r1")?;
    Ok(Outcome::Ok)
}

/// The broker must not take this frame: an ERROR says so. How the connection
/// ends then is judged elsewhere.
fn refuses(lab: &mut Lab, frame: &str) -> Verdict {
    let mut peer = lab.connect()?;
    peer.send(lab.fill(frame));
    refused(&mut peer)
}

fn refused(peer: &mut Peer) -> Verdict {
    let refusal = peer.refusal();
    match (&refusal.error, &refusal.receipt) {
        (_, Some(receipt)) => violated(format!("expected ERROR, got {receipt}")),
        (Some(_), None) => Ok(Outcome::Ok),
        (None, None) if refusal.closed.is_some() => {
            Ok(Outcome::NonStrict("closed without an ERROR".to_owned()))
        }
        (None, None) => violated("expected ERROR, got nothing"),
    }
}

/// What the broker does is for it to choose; it is written down. Only a broker
/// that is gone afterwards fails.
fn recorded(lab: &mut Lab, frame: &str) -> Verdict {
    let mut peer = lab.connect()?;
    peer.send(lab.fill(frame));
    Ok(Outcome::Info(reaction(&mut peer)))
}

/// The same of several frames, each in a message of its own.
fn recorded_each(lab: &mut Lab, frames: &str) -> Verdict {
    let mut peer = lab.connect()?;
    peer.send_each(&lab.fill(frames));
    Ok(Outcome::Info(reaction(&mut peer)))
}

/// What happens next, in words.
fn reaction(peer: &mut Peer) -> String {
    let due = peer.reply_due();
    match peer.any(due) {
        Some(frame) if frame.command == "ERROR" => {
            let end = if peer.ends_within(SECOND * 2) {
                "closed"
            } else {
                "left open"
            };
            format!("{frame}; {end}")
        }
        Some(frame) => format!("{frame}"),
        None if peer.is_gone() => "closed without an ERROR".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// A header of a SEND reaches the consumer with this value.
fn carries(lab: &mut Lab, line: &str, name: &str, value: &str) -> Verdict {
    let message = lab.pass(&format!("SEND\ndestination:{{dest}}\n{line}\n\nx\0"))?;
    has(&message, name, value)
}

fn has(message: &Frame, name: &str, value: &str) -> Verdict {
    match message.header(name) {
        Some(got) if got == value => Ok(Outcome::Ok),
        Some(got) => violated(format!(
            "expected {} = \"{}\", got \"{}\"",
            show::octets(name.as_bytes()),
            show::octets(value.as_bytes()),
            show::octets(got.as_bytes())
        )),
        None => violated(format!(
            "expected a header {}, got {message}",
            show::octets(name.as_bytes())
        )),
    }
}

fn body_is(message: &Frame, body: &[u8]) -> Verdict {
    if message.body == body {
        return Ok(Outcome::Ok);
    }
    violated(format!(
        "expected the body \"{}\", got \"{}\"",
        show::octets(body),
        show::octets(&message.body)
    ))
}

/// The `ack` of a MESSAGE, as it must stand in ACK and NACK.
fn ack_of(message: &Frame) -> Result<String, Outcome> {
    let ack = message.header("ack").filter(|a| !a.is_empty());
    let ack =
        ack.ok_or_else(|| Outcome::Inconclusive(format!("MESSAGE without ack: {message}")))?;
    Ok(crate::wire::stomp::encode(ack))
}

/// The bodies of these messages, in order.
fn bodies(messages: &[Frame]) -> Vec<String> {
    messages.iter().map(|m| show::octets(&m.body)).collect()
}

#[test]
fn every_id_is_in_the_list_and_once() {
    case::check(&all(), PASSIVE);
}
