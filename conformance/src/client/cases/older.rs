//! S11 and S10: sessions of older versions.

use super::{Case, Lab, OK, SECOND, body_is, case, fails_session, header_is, variant};
use crate::client::lab::Seat;
use crate::grade::{Outcome, violated};
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S11-FRM-001", |lab| {
        let seat = older(lab, json!({}))?;
        lab.ask("send", json!({"dest": "/a", "text": "x"}))?;
        let send = seat.conn.expect("SEND")?;
        match [&send, &seat.subscribe]
            .iter()
            .any(|f| f.octets.contains(&b'\r'))
        {
            false => OK,
            true => violated(format!("CR in a 1.1 session: {send}")),
        }
    })
    .needs(&["1.1"]),
    case("S11-ENC-001", |lab| {
        let seat = older(lab, json!({}))?;
        seat.conn.send(seat.message("k:a\\rb\n", "x"));
        fails_session(lab, &seat.conn)
    })
    .needs(&["1.1"]),
    case("S11-ACK-001", |lab| {
        let seat = older(lab, json!({"ack": "client-individual"}))?;
        let message = lab.delivered(&seat.conn, seat.message("", "x"))?;
        lab.ask("ack", json!({"msg": message.number("msg")}))?;
        let ack = seat.conn.expect("ACK")?;
        match (ack.header("message-id"), ack.header("subscription")) {
            (Some("1"), sub) if sub == seat.subscribe.header("id") => OK,
            _ => violated(format!(
                "expected message-id:1 and the subscription, got {ack}"
            )),
        }
    })
    .needs(&["1.1"]),
    case("S11-HBT-001", |lab| {
        lab.connect(json!({"heartbeat": [300, 0]}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.1\nheart-beat:0,300\n");
        lab.expect("connected")?;
        let beats = conn.until(lab.due(), |wire| {
            (wire.beats.len() >= 3).then(|| wire.beats.clone())
        });
        match beats {
            None => violated("no heart-beats"),
            Some(beats) if beats.iter().any(|(_, o)| o.contains(&b'\r')) => {
                violated("a CR in a heart-beat of 1.1")
            }
            Some(_) => OK,
        }
    })
    .needs(&["1.1"]),
    case("S11-HDR-001", |lab| {
        let seat = older(lab, json!({}))?;
        let message = lab.delivered(&seat.conn, seat.message("foo:World\nfoo:Hello\n", "x"))?;
        header_is(&message, "foo", "World")?;
        OK
    })
    .needs(&["1.1"]),
    case("S10-CON-001", |lab| {
        oldest(lab)?;
        OK
    }),
    case("S10-ENC-001", |lab| {
        let seat = oldest(lab)?;
        let message = lab.delivered(&seat.conn, seat.message("k:a\\tb\n", "x"))?;
        header_is(&message, "k", "a\\tb")?;
        OK
    }),
    case("S10-HDR-001", |lab| {
        lab.connect(json!({"accept": ["1.0", "1.1", "1.2"]}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("session: s1\n");
        let connected = lab.expect("connected")?;
        Ok(Outcome::Info(format!(
            "of \"session: s1\" it shows {}",
            connected.fields["session"]
        )))
    }),
    case("S10-MSG-001", |lab| {
        let seat = oldest(lab)?;
        let message = lab.delivered(&seat.conn, "MESSAGE\nmessage-id:1\ndestination:/a\n\nhi\0")?;
        body_is(&message, b"hi")
    }),
    case("S10-ACK-001", |lab| {
        let seat = oldest_with(lab, json!({"ack": "client"}))?;
        let message = lab.delivered(&seat.conn, seat.message("", "x"))?;
        lab.ask("ack", json!({"msg": message.number("msg")}))?;
        let ack = seat.conn.expect("ACK")?;
        match ack.header("message-id") {
            Some("1") => OK,
            _ => violated(format!("expected message-id:1, got {ack}")),
        }
    }),
    variant("S10-ACK-001", "nack", |lab| {
        let seat = oldest_with(lab, json!({"ack": "client"}))?;
        let message = lab.delivered(&seat.conn, seat.message("", "x"))?;
        lab.tell("nack", json!({"msg": message.number("msg")}))?;
        match seat.conn.pick(SECOND / 2, |f| f.command == "NACK") {
            None => OK,
            Some((_, nack)) => violated(format!("1.0 has no NACK: {nack}")),
        }
    }),
    variant("S10-ACK-001", "beats", |lab| {
        lab.connect(json!({"accept": ["1.0", "1.1", "1.2"], "heartbeat": [200, 0]}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("session:s1\n");
        lab.expect("connected")?;
        lab.world.pass(SECOND);
        match conn.with(|wire| wire.beats.len()) {
            0 => OK,
            n => violated(format!("1.0 has no heart-beats, and {n} came")),
        }
    }),
];

/// A session of 1.1 with a subscription.
fn older(lab: &mut Lab, more: serde_json::Value) -> Result<Seat, Outcome> {
    let conn = lab
        .session_with(json!({}), "version:1.1\n")
        .map_err(Outcome::beforehand)?;
    lab.seat_at(conn, more)
}

fn oldest(lab: &mut Lab) -> Result<Seat, Outcome> {
    oldest_with(lab, json!({}))
}

/// A session of 1.0 with a subscription.
fn oldest_with(lab: &mut Lab, more: serde_json::Value) -> Result<Seat, Outcome> {
    let conn = lab.session_with(json!({"accept": ["1.0", "1.1", "1.2"]}), "session:s1\n")?;
    lab.seat_at(conn, more)
}
