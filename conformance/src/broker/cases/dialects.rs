//! DLX: what no specification has, and a contact-centre gateway does.

use super::{Case, SECOND, case, variant};
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::Frame;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    variant("DLX-401-rebind", "", rebind).slow(),
    case("DLX-409", |lab| {
        let identity = lab.target().identity();
        if identity.is_none() {
            return Ok(Outcome::Unimplemented(
                "without --login there is no identity".to_owned(),
            ));
        }
        let credentials = lab.target().credentials_of(&identity);
        let connect = format!("CONNECT\naccept-version:1.2\n{credentials}\n\0");
        let mut first = lab.open()?;
        first.send(&connect);
        lab.connected(&mut first)?;
        let mut second = lab.open()?;
        second.send(&connect);
        let due = second.reply_due();
        match second.any(due) {
            Some(frame) if frame.command == "ERROR" => coded(&frame, 409),
            Some(frame) => violated(format!("expected ERROR 409, got {frame}")),
            None => violated("expected ERROR 409, got nothing"),
        }
    }),
    variant("DLX-NUL-beat", "", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "heart-beat:1000,1000\n")?;
        let agreed = connected.header("heart-beat").unwrap_or("0,0").to_owned();
        let wants = agreed.split_once(',').map(|(_, wants)| wants.to_owned());
        if wants.is_none_or(|wants| wants == "0") {
            return Ok(Outcome::Unimplemented(format!(
                "the broker wants no heart-beats: {agreed}"
            )));
        }
        let sends = connected
            .header("heart-beat")
            .is_some_and(|h| !h.starts_with("0,"));
        peer.bear_nul_beats();
        let before = peer.beats.len();
        for _ in 0..10 {
            peer.until(SECOND / 2, |p| p.is_gone().then_some(()));
            peer.send("\0");
        }
        if peer.is_gone() || peer.close.is_some() {
            let error = peer.pick(Duration::ZERO, |f| f.command == "ERROR");
            let error = error.map_or("without an ERROR".to_owned(), |e| e.to_string());
            return violated(format!("the session ended, {error}"));
        }
        let beats = peer.beats.len() - before;
        match beats >= 3 || !sends {
            true => Ok(Outcome::Info(format!("{beats} beats came back in 5 s"))),
            false => violated(format!(
                "expected beats each {agreed} ms, got {beats} in 5 s"
            )),
        }
    })
    .slow(),
    case("DLX-receipt-id", |lab| {
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt-id:r1\n\nx\0"));
        peer.receipt("r1").map(|_| Outcome::Ok)
    }),
];

/// A token ends; the same socket takes the next one, and the subscription
/// goes on.
fn rebind(lab: &mut Lab) -> Verdict {
    if lab.target().token_cmd.is_none() {
        return Ok(Outcome::Unimplemented(
            "without --token-cmd no token ends".to_owned(),
        ));
    }
    let identity = lab.target().identity();
    let mut peer = lab.open()?;
    peer.send(connect(lab, &identity)?);
    lab.connected(&mut peer).map_err(Outcome::beforehand)?;
    let dest = lab.dest.clone();
    lab.subscribe(&mut peer, "0", &dest, "ack:auto\n")?;
    let life = lab.target().token_life.mul_f64(1.5);
    let error = peer.pick(lab.scaled(life), |f| f.command == "ERROR");
    let Some(error) = error else {
        return violated(format!(
            "expected ERROR 401 within {:.0} s, got nothing",
            life.as_secs_f64()
        ));
    };
    coded(&error, 401)?;
    if peer.ends_within(SECOND) {
        return violated("the connection ended after ERROR 401");
    }
    peer.send(connect(lab, &identity)?);
    lab.connected(&mut peer)?;
    still_delivers(lab, &mut peer)
}

/// CONNECT with a token that nobody used before.
fn connect(lab: &Lab, identity: &Option<String>) -> Result<String, Outcome> {
    let Some(token) = lab.target().fresh_token() else {
        return Err(Outcome::Inconclusive(
            "--token-cmd printed no token".to_owned(),
        ));
    };
    let credentials = lab.target().credentials_with(identity, Some(token));
    Ok(format!("CONNECT\naccept-version:1.2\n{credentials}\n\0"))
}

fn still_delivers(lab: &mut Lab, peer: &mut Peer) -> Verdict {
    peer.send(lab.fill("SEND\ndestination:{dest}\n\nafter\0"));
    match peer.message() {
        Ok(message) => super::body_is(&message, b"after"),
        Err(outcome) => Err(outcome.reworded(|words| format!("after the rebind: {words}"))),
    }
}

/// The code of an ERROR, wherever it stands (DLX-05).
fn coded(error: &Frame, wanted: u16) -> Verdict {
    let wanted = wanted.to_string();
    let named = ["code", "status", "error-code"];
    let in_header = named.iter().any(|n| error.header(n) == Some(&wanted));
    let in_message = error
        .header("message")
        .is_some_and(|m| m.starts_with(&wanted));
    let in_body = memchr::memmem::find(&error.body, wanted.as_bytes()).is_some();
    match in_header || in_message || in_body {
        true => Ok(Outcome::Ok),
        false => violated(format!("expected ERROR {wanted}, got {error}")),
    }
}
