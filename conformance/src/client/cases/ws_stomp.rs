//! SWS: STOMP within WebSocket messages.

use super::{Case, Lab, OK, SECOND, body_is, case, variant};
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::Version;
use crate::wire::ws;
use serde_json::json;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case("SWS-SUB-001", |lab| {
        lab.connect(json!({}))?;
        let (conn, connect) = lab.greeted()?;
        let request = conn.request();
        let mut offered = request.subprotocols();
        let versions = connect.header("accept-version").unwrap_or("1.0");
        let mut wanted: Vec<String> = versions
            .split(',')
            .map(|v| format!("v{}.stomp", v.replace('.', "")))
            .collect();
        offered.sort_unstable();
        wanted.sort_unstable();
        match offered == wanted {
            true => OK,
            false => violated(format!("versions {versions}, subprotocols {offered:?}")),
        }
    }),
    case("SWS-SUB-002", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.1\n");
        Ok(Outcome::Info(
            match lab.event("connected", lab.span(SECOND)) {
                Some(_) => "v12.stomp and version:1.1 are taken together".to_owned(),
                None => format!(
                    "v12.stomp and version:1.1 are refused; it told {}",
                    lab.told()
                ),
            },
        ))
    }),
    case("SWS-SUB-003", |lab| {
        lab.connect(json!({}))?;
        let conn = lab.accept()?;
        conn.upgraded_by(conn.bare_upgrade_octets(""));
        if conn.pick(lab.due(), |f| f.command == "CONNECT").is_none() {
            return Ok(Outcome::Info(
                "without a subprotocol it does not go on".to_owned(),
            ));
        }
        conn.connected("version:1.2\n");
        lab.expect("connected")?;
        OK
    }),
    case("SWS-TYP-001", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected_as(Version::V1_2);
        conn.send_as(ws::BINARY, "CONNECTED\nversion:1.2\n\n\0");
        lab.expect("connected")?;
        let seat = lab.seat_at(conn, json!({}))?;
        for opcode in [ws::TEXT, ws::BINARY] {
            seat.conn.send_as(opcode, seat.message("", "hi"));
            body_is(&lab.expect("message")?, b"hi")?;
        }
        OK
    }),
    case("SWS-TYP-002", |lab| {
        let conn = lab.session()?;
        let before = conn.with(|wire| wire.messages.len());
        let headers = json!({"content-type": "application/octet-stream"});
        lab.ask(
            "send",
            json!({"dest": "/a", "headers": headers, "body_b64": "//4="}),
        )?;
        let send = conn.expect("SEND")?;
        if send.body != [0xFF, 0xFE] {
            return violated(format!("expected the body FF FE, got {send}"));
        }
        let opcodes = conn.with(|wire| wire.messages[before..].to_vec());
        match opcodes.iter().all(|(opcode, _)| *opcode == ws::BINARY) {
            true => OK,
            false => violated("octets that are no UTF-8 in a text message"),
        }
    }),
    case("SWS-TYP-003", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("", "mixed");
        let (head, tail) = octets.split_at(octets.len() / 2);
        seat.conn.send_as(ws::TEXT, head);
        seat.conn.send_as(ws::BINARY, tail);
        Ok(Outcome::Info(match lab.event("message", SECOND) {
            Some(message) if message.body() == b"mixed" => "delivered whole".to_owned(),
            Some(message) => format!("delivered: {}", message.fields),
            None => format!("not delivered; it told {}", lab.told()),
        }))
    }),
    case("SWS-MAP-001", |lab| {
        let seat = lab.seat()?;
        let body = "x".repeat(64 << 10);
        for piece in seat
            .message("content-length:65536\n", &body)
            .chunks(16 << 10)
        {
            seat.conn.send(piece);
        }
        body_is(&lab.expect("message")?, body.as_bytes())
    }),
    case("SWS-MAP-002", |lab| {
        let seat = lab.seat()?;
        let octets: Vec<u8> = (1..=5)
            .flat_map(|n| {
                [
                    seat.message(&format!("n:{n}\n"), n.to_string()),
                    b"\n\r\n".to_vec(),
                ]
            })
            .flatten()
            .collect();
        seat.conn.send(octets);
        for n in 1..=5 {
            body_is(&lab.expect("message")?, n.to_string().as_bytes())?;
        }
        OK
    }),
    case("SWS-MAP-003", |lab| {
        let conn = lab.session()?;
        let text = "\u{1f600}".repeat(1 << 18);
        lab.ask("send", json!({"dest": "/a", "text": text}))?;
        match conn.pick(lab.due() * 4, |f| f.command == "SEND") {
            // That each text message is valid is seen by the rule for all traffic.
            Some((_, send)) if send.body == text.as_bytes() => OK,
            Some(_) => violated("1 MiB of text arrived changed"),
            None => violated("1 MiB of text never arrived"),
        }
    }),
    variant("SWS-MAP-004", "between", |lab| {
        let seat = lab.seat()?;
        seat.conn.send_as(ws::TEXT, "");
        seat.conn.send_as(ws::BINARY, "");
        body_is(&lab.delivered(&seat.conn, seat.message("", "hi"))?, b"hi")
    }),
    variant("SWS-MAP-004", "inside", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("", "hi");
        let (head, tail) = octets.split_at(octets.len() / 2);
        seat.conn.send(head);
        seat.conn.send_as(ws::TEXT, "");
        seat.conn.send(tail);
        body_is(&lab.expect("message")?, b"hi")
    }),
    case("SWS-MAP-005", |lab| {
        let seat = lab.seat()?;
        for beat in ["\n", "\r\n", "\n\n\n"] {
            seat.conn.send(beat);
        }
        lab.never("error", Duration::from_millis(200))?;
        body_is(&lab.delivered(&seat.conn, seat.message("", "hi"))?, b"hi")
    }),
    case("SWS-EXT-001", declined),
];

/// permessage-deflate is offered or not, and declined.
fn declined(lab: &mut Lab) -> Verdict {
    let seat = lab.seat()?;
    body_is(
        &lab.delivered(&seat.conn, seat.message("", "plain"))?,
        b"plain",
    )
}
