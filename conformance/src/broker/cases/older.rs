//! S11, S10: sessions of the older versions.

use super::{Case, SECOND, body_is, case, has, reaction, refused, variant};
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::grade::{Outcome, violated};
use crate::wire::stomp::{Frame, Version};

pub(super) const CASES: &[Case] = &[
    case("S11-FRM-001", |lab| {
        let mut peer = of_1_1(lab)?;
        peer.send(lab.fill("SEND\r\ndestination:{dest}\r\nreceipt:r1\r\n\r\nx\0"));
        let words = reaction(&mut peer);
        if words.starts_with("RECEIPT") && !words.contains("r1\\r") {
            return Ok(Outcome::Info(
                "a CR LF is taken as an EOL in 1.1".to_owned(),
            ));
        }
        Ok(Outcome::Ok)
    }),
    case("S11-ENC-001", |lab| {
        let mut peer = of_1_1(lab)?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nk:a\\rb\nreceipt:r1\n\nx\0"));
        refused(&mut peer)
    }),
    case("S11-CON-001", |lab| {
        require(lab.caps.v1_1, "1.1")?;
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.1", "").replacen("CONNECT", "STOMP", 1));
        let connected = lab.connected(&mut peer)?;
        has(&connected, "version", "1.1")
    }),
    case("S11-VER-001", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("9.9", ""));
        match peer.refusal().error {
            Some(_) => Ok(Outcome::Ok),
            None => violated("no ERROR"),
        }
    }),
    variant("S11-ACK-001", "both", |lab| {
        lab.needs_receipts()?;
        let (mut peer, message) = got_1_1(lab)?;
        let id = id_of(&message)?;
        peer.send(format!(
            "ACK\nsubscription:0\nmessage-id:{id}\nreceipt:r1\n\n\0"
        ));
        peer.receipt("r1")?;
        Ok(Outcome::Ok)
    }),
    variant("S11-ACK-001", "no-subscription", |lab| {
        lab.needs_receipts()?;
        let (mut peer, message) = got_1_1(lab)?;
        let id = id_of(&message)?;
        peer.send(format!("ACK\nmessage-id:{id}\nreceipt:r1\n\n\0"));
        refused(&mut peer)
    }),
    case("S11-HBT-001", |lab| {
        require(lab.caps.v1_1, "1.1")?;
        let (mut peer, _) = lab.connect_as("1.1", "heart-beat:0,1000\n")?;
        let before = peer.messages.len();
        peer.until(lab.scaled(SECOND * 4), |p| {
            (p.beats.len() > 1).then_some(())
        });
        if peer.beats.is_empty() {
            return Ok(Outcome::Unimplemented(
                "the broker sends no heart-beats".to_owned(),
            ));
        }
        match peer.messages[before..]
            .iter()
            .find(|(_, length)| *length != 1)
        {
            Some((_, length)) => violated(format!("a heart-beat of {length} octets")),
            None => Ok(Outcome::Ok),
        }
    }),
    case("S11-HDR-001", |lab| {
        require(lab.caps.v1_1, "1.1")?;
        let mut consumer = lab.consumer()?;
        let mut peer = of_1_1(lab)?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nk:1\nk:2\n\nx\0"));
        let message = consumer.message()?;
        Ok(Outcome::Info(format!(
            "k is {}",
            message.header("k").unwrap_or("gone")
        )))
    }),
    case("S10-CON-001", |lab| {
        let (_peer, connected) = of_1_0(lab)?;
        match connected.header("session") {
            Some(_) => Ok(Outcome::Ok),
            None => violated(format!("no session: {connected}")),
        }
    }),
    case("S10-ENC-001", |lab| {
        let mut consumer = listening_1_0(lab)?;
        consumer.send(lab.fill("SEND\ndestination:{dest}\nk:a\\tb\n\nx\0"));
        has(&consumer.message()?, "k", "a\\tb")
    }),
    case("S10-HDR-001", |lab| {
        let (mut peer, _) = of_1_0(lab)?;
        peer.send(lab.fill("SEND\ndestination: {dest}\nreceipt:r1\n\nx\0"));
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S10-SUB-001", |lab| {
        lab.needs_receipts()?;
        let (mut peer, _) = of_1_0(lab)?;
        peer.send(lab.fill("SUBSCRIBE\ndestination:{dest}\nreceipt:s1\n\n\0"));
        peer.receipt("s1")?;
        peer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        body_is(&peer.message()?, b"x")?;
        peer.send(lab.fill("UNSUBSCRIBE\ndestination:{dest}\nreceipt:u1\n\n\0"));
        peer.receipt("u1")?;
        peer.send(lab.fill("SEND\ndestination:{dest}\n\ny\0"));
        peer.no_message(SECOND)?;
        Ok(Outcome::Ok)
    }),
    case("S10-MSG-001", |lab| {
        let mut peer = listening_1_0(lab)?;
        peer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        has(&peer.message()?, "subscription", "0")
    }),
    variant("S10-ACK-001", "ack", |lab| {
        lab.needs_receipts()?;
        let (mut peer, _) = of_1_0(lab)?;
        peer.send(lab.fill("SUBSCRIBE\nid:0\ndestination:{dest}\nack:client\nreceipt:s1\n\n\0"));
        peer.receipt("s1")?;
        peer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        let message = peer.message()?;
        // 1.0 knows no escapes.
        id_of(&message)?;
        peer.send(format!(
            "ACK\nmessage-id:{}\nreceipt:r1\n\n\0",
            message.header("message-id").unwrap_or_default()
        ));
        peer.receipt("r1")?;
        Ok(Outcome::Ok)
    }),
    case("S10-RCT-001", |lab| {
        lab.needs_receipts()?;
        let (mut peer, _) = of_1_0(lab)?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt:r1\n\nx\0"));
        body_is(&peer.receipt("r1")?, b"")
    }),
];

fn require(has: bool, version: &str) -> Result<(), Outcome> {
    if has {
        Ok(())
    } else {
        Err(Outcome::Unimplemented(format!(
            "the broker does not speak {version}"
        )))
    }
}

fn of_1_1(lab: &mut Lab) -> Result<Peer, Outcome> {
    require(lab.caps.v1_1, "1.1")?;
    lab.connect_as("1.1", "").map(|(peer, _)| peer)
}

/// A session of 1.0, and its CONNECTED.
fn of_1_0(lab: &mut Lab) -> Result<(Peer, Frame), Outcome> {
    require(lab.caps.v1_0, "1.0")?;
    let mut peer = lab.open()?;
    peer.send(
        lab.connect_frame("1.0", "")
            .replacen("accept-version:1.0\n", "", 1),
    );
    let connected = lab.connected(&mut peer)?;
    peer.set_version(Version::V1_0);
    Ok((peer, connected))
}

fn listening_1_0(lab: &mut Lab) -> Result<Peer, Outcome> {
    lab.needs_receipts()?;
    let (mut peer, _) = of_1_0(lab)?;
    peer.send(lab.fill("SUBSCRIBE\nid:0\ndestination:{dest}\nreceipt:s1\n\n\0"));
    peer.receipt("s1")?;
    Ok(peer)
}

fn got_1_1(lab: &mut Lab) -> Result<(Peer, Frame), Outcome> {
    let mut peer = of_1_1(lab)?;
    let dest = lab.dest.clone();
    lab.subscribe(&mut peer, "0", &dest, "ack:client\n")?;
    peer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
    let message = peer.message()?;
    Ok((peer, message))
}

fn id_of(message: &Frame) -> Result<String, Outcome> {
    let id = message.header("message-id");
    let id = id.ok_or_else(|| Outcome::Inconclusive(format!("no message-id: {message}")))?;
    Ok(id
        .replace('\\', "\\\\")
        .replace(':', "\\c")
        .replace('\n', "\\n"))
}
