//! S12-FRM: the parts of a frame, and how they arrive.

use super::{Case, Lab, OK, SECOND, body_is, case, header_is, reaction, records, shows, variant};
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::ws;
use serde_json::json;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case("S12-FRM-002", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\n");
        lab.expect("connected")?;
        OK
    }),
    case("S12-FRM-003", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected_as(crate::wire::stomp::Version::V1_2);
        conn.send("CONNECTED\r\nversion:1.2\r\n\r\n\0\r\n");
        lab.expect("connected")?;
        let seat = lab.seat_at(conn, json!({}))?;
        let octets = seat.fill(
            "MESSAGE\r\nsubscription:{sub}\r\nmessage-id:1\r\ndestination:/a\r\n\r\nhi\0\r\n",
        );
        let message = lab.delivered(&seat.conn, octets)?;
        header_is(&message, "destination", "/a")?;
        header_is(&message, "message-id", "1")?;
        body_is(&message, b"hi")
    }),
    case("S12-FRM-004", |lab| {
        let conn = lab.session()?;
        lab.needs("receipts")?;
        lab.world.change(|state| state.manners.receipts = false);
        lab.ask("send", json!({"dest": "/a", "text": "x", "receipt": "r1"}))?;
        let send = conn.expect("SEND")?;
        let id = super::super::conn::written(&send, "receipt")?;
        conn.send(format!("RECEIPT\r\nreceipt-id:{id}\n\r\n\0"));
        lab.expect("receipt")?;
        OK
    }),
    case("S12-FRM-005", |lab| {
        shows(lab, "conf-k:v\r\n", "conf-k", "v")
    }),
    case("S12-FRM-006", |lab| {
        let conn = lab.session()?;
        conn.send("ERROR\n\nboom\0");
        conn.close(1000, "");
        let error = lab.expect("error")?;
        if !error.headers().is_empty() {
            return violated(format!("expected no headers, got {}", error.fields));
        }
        body_is(&error, b"boom")
    }),
    case("S12-FRM-007", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected_as(crate::wire::stomp::Version::V1_2);
        conn.send("CONNECTED\nversion:1.2\n\n");
        lab.never("connected", SECOND)?;
        conn.send("\0");
        lab.expect("connected")?;
        OK
    }),
    case("S12-FRM-008", |lab| {
        let seat = lab.seat()?;
        let one = seat.message("n:1\n", "a");
        let two = seat.message("n:2\n", "b");
        seat.conn
            .send([&one[..], b"\n\n\n\r\n", &two[..], b"\n"].concat());
        body_is(&lab.expect("message")?, b"a")?;
        body_is(&lab.expect("message")?, b"b")?;
        lab.never("error", Duration::from_millis(100))?;
        OK
    }),
    case("S12-FRM-009", |lab| {
        lab.connect(json!({}))?;
        let (conn, connect) = lab.greeted()?;
        match conn.with(|wire| wire.beats.len()) {
            0 => OK,
            n => Err(Outcome::Failed(format!("{n} EOLs before {connect}"))),
        }
    }),
    case("S12-FRM-010", |lab| {
        lab.connect(json!({"timeout_ms": 1500}))?;
        let (conn, _) = lab.greeted()?;
        conn.send("connected\nversion:1.2\n\n\0");
        lab.never("connected", lab.span(SECOND * 2))?;
        OK
    }),
    case("S12-FRM-011", |lab| {
        let seat = lab.seat()?;
        seat.conn.send(
            seat.fill("MESSAGE\nSubscription:{sub}\nmessage-id:1\ndestination:/nowhere\n\nx\0"),
        );
        match lab.event("message", SECOND / 2) {
            Some(event) if event.text("sub") == Some("A") => violated(
                "Subscription was taken for subscription: the message went to the handler of A",
            ),
            Some(_) | None => OK,
        }
    }),
    case("S12-FRM-012", |lab| survives(lab, ":v\n")),
    case("S12-FRM-013", |lab| shows(lab, "conf-k:\n", "conf-k", "")),
    case("S12-FRM-014", |lab| {
        let seat = lab.seat()?;
        seat.conn.send(seat.message("nocolon\n", "hi"));
        if let Some(message) = lab.event("message", SECOND / 2) {
            return violated(format!("delivered all the same: {}", message.fields));
        }
        reaction(lab, &seat.conn)?;
        OK
    }),
    case("S12-FRM-015", |lab| {
        shows(lab, "conf-k:\u{20ac}\n", "conf-k", "\u{20ac}")
    }),
    variant("S12-FRM-015", "not-utf-8", |lab| {
        let seat = lab.seat()?;
        let mut octets = seat.message("conf-k:@\n", "hi");
        let at = octets.iter().position(|o| *o == b'@').unwrap_or(0);
        octets.splice(at..=at, [0xFF, 0xFE]);
        seat.conn.send_as(ws::BINARY, octets);
        reaction(lab, &seat.conn)?;
        OK
    }),
    case("S12-FRM-016", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\nsession:a:b:c\n");
        match lab.expect("connected")?.text("session") {
            Some("a:b:c") => OK,
            other => violated(format!("expected the session a:b:c, got {other:?}")),
        }
    }),
    case("S12-FRM-017", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("conf-k:http://x/y\n", "hi");
        records(lab, &seat, octets)
    }),
    case("S12-FRM-018", |lab| {
        let seat = lab.seat()?;
        let message = lab.delivered(&seat.conn, seat.message("", "\n  x"))?;
        body_is(&message, b"\n  x")
    }),
    case("S12-FRM-019", |lab| survives(lab, "conf-k:a\rb\n")),
    variant("S12-FRM-020", "octets", |lab| {
        in_pieces(lab, |octets| octets.iter().map(|o| vec![*o]).collect())
    }),
    variant("S12-FRM-020", "every-cut", every_cut).slow(),
    case("S12-FRM-021", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\n");
        lab.expect("connected")?;
        let seat = lab.seat_at(conn, json!({}))?;
        let three: Vec<u8> = (1..=3)
            .flat_map(|n| seat.message(&format!("n:{n}\n"), n.to_string()))
            .collect();
        seat.conn
            .send([&three[..], b"\n", b"RECEIPT\nreceipt-id:nobody\n\n\0"].concat());
        for n in 1..=3 {
            body_is(&lab.expect("message")?, n.to_string().as_bytes())?;
        }
        OK
    }),
    variant("S12-FRM-021", "with-connected", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected_as(crate::wire::stomp::Version::V1_2);
        conn.send("CONNECTED\nversion:1.2\n\n\0\n\nERROR\nmessage:no\n\n\0");
        conn.close(1000, "");
        lab.expect("connected")?;
        lab.expect("error")?;
        OK
    }),
    case("S12-FRM-022", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("conf-k:a\0b\n", "hi");
        records(lab, &seat, octets)
    }),
];

/// The client may refuse such a header line or skip it, and stays alive.
fn survives(lab: &mut Lab, line: &str) -> Verdict {
    let seat = lab.seat()?;
    seat.conn.send(seat.message(line, "hi"));
    reaction(lab, &seat.conn)?;
    OK
}

/// CONNECTED and MESSAGE in many WebSocket messages.
fn in_pieces(lab: &mut Lab, cut: fn(&[u8]) -> Vec<Vec<u8>>) -> Verdict {
    lab.connect(json!({}))?;
    let (conn, _) = lab.greeted()?;
    conn.connected_as(crate::wire::stomp::Version::V1_2);
    for piece in cut(b"CONNECTED\r\nversion:1.2\n\n\0\n") {
        conn.send(piece);
    }
    lab.expect("connected")?;
    let seat = lab.seat_at(conn, json!({}))?;
    for piece in cut(&seat.message("conf-k:a\\cb\r\ncontent-length:3\n", "x\0y")) {
        seat.conn.send(piece);
    }
    let message = lab.expect("message")?;
    header_is(&message, "conf-k", "a:b")?;
    body_is(&message, b"x\0y")
}

/// A MESSAGE in two WebSocket messages, at every place.
fn every_cut(lab: &mut Lab) -> Verdict {
    let seat = lab.seat()?;
    let octets = seat.message("conf-k:a\\cb\r\ncontent-length:3\n", "x\0y");
    for at in 1..octets.len() {
        let (head, tail) = octets.split_at(at);
        seat.conn.send(head);
        seat.conn.send(tail);
        let message = lab
            .expect("message")
            .map_err(|outcome| outcome.reworded(|words| format!("cut at {at}: {words}")))?;
        header_is(&message, "conf-k", "a:b")?;
        body_is(&message, b"x\0y")?;
    }
    lab.never("message", Duration::from_millis(100))?;
    OK
}
