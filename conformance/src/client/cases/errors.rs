//! S12-ERR: ERROR, and connections that are lost.

use super::{Case, OK, SECOND, body_is, case, pending, reconnecting, variant};
use crate::client::world::Answer;
use crate::grade::{Outcome, violated};
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-ERR-003", |lab| {
        let conn = lab.session()?;
        conn.send("ERROR\ncontent-type:text/plain\n\nwhy\0");
        conn.close(1000, "");
        match lab.expect("error")?.text("kind") {
            Some("stomp") => OK,
            kind => violated(format!("expected an error of the kind stomp, got {kind:?}")),
        }
    }),
    case("S12-ERR-004", |lab| {
        let conn = lab.session()?;
        conn.send("ERROR\nmessage:no\ncontent-length:5\n\na\0b\0c\0");
        conn.close(1000, "");
        body_is(&lab.expect("error")?, b"a\0b\0c")
    }),
    case("S12-ERR-005", |lab| {
        let conn = lab.session()?;
        pending(lab, &conn, "r1")?;
        let second = pending(lab, &conn, "r2")?;
        conn.send(format!("ERROR\nreceipt-id:{second}\nmessage:no\n\n\0"));
        let failed = lab.event_where("op_failed", lab.due(), |e| e.text("kind") == Some("stomp"));
        conn.close(1000, "");
        match failed {
            Some(event) if event.text("receipt") == Some("r2") => OK,
            Some(event) => violated(format!("expected r2 to fail with it, got {}", event.fields)),
            None => violated(format!(
                "expected op_failed of r2 with the ERROR, the client told {}",
                lab.told()
            )),
        }
    })
    .needs(&["receipts"]),
    case("S12-ERR-008", |lab| {
        let conn = lab.session()?;
        pending(lab, &conn, "r1")?;
        conn.send("ERROR\nmessage:no\nx-why:1\n\nbecause\0");
        let error = lab.expect("error")?;
        body_is(&error, b"because")?;
        let answer = lab.tell("send", json!({"dest": "/a", "text": "late"}))?;
        if let Some(frame) = conn.any(lab.span(SECOND)) {
            return match frame.command.as_str() {
                "DISCONNECT" => Ok(Outcome::Info(format!("{frame}"))),
                _ => violated(format!("after ERROR: {frame}")),
            };
        }
        conn.close(1000, "");
        match lab.event("op_failed", lab.due()) {
            Some(_) => OK,
            None => violated(format!(
                "what was pending never failed; a later send got {}",
                match answer {
                    Answer::Ok(_) => "ok",
                    Answer::Err { .. } => "err",
                    Answer::Unsupported => "unsupported",
                }
            )),
        }
    })
    .needs(&["receipts"]),
    case("S12-ERR-009", |lab| {
        let conn = lab.session()?;
        conn.reset();
        let Some(closed) = lab.event("closed", lab.span(SECOND * 2)) else {
            return violated("a reset is not told within 2 s");
        };
        match (closed.number("code"), closed.fields["clean"] == false) {
            (Some(1006), true) => OK,
            _ => violated(format!("expected 1006, unclean, got {}", closed.fields)),
        }
    }),
    variant("S12-ERR-009", "reconnect", |lab| {
        lab.connect(reconnecting())?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\n");
        lab.expect("connected").map_err(Outcome::beforehand)?;
        let seat = lab.seat_at(conn, json!({}))?;
        seat.conn.reset();
        lab.expect("reconnecting")?;
        let (again, _) = lab.greeted()?;
        again.connected("version:1.2\n");
        lab.expect("connected")?;
        let subscribe = again.expect("SUBSCRIBE")?;
        match subscribe.header("destination") {
            Some("/a") => OK,
            _ => violated(format!("expected the subscription again, got {subscribe}")),
        }
    })
    .needs(&["reconnect"]),
    variant("S12-ERR-009", "stale-ack", |lab| {
        lab.connect(reconnecting())?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\n");
        lab.expect("connected").map_err(Outcome::beforehand)?;
        let seat = lab.seat_at(conn, json!({"ack": "client-individual"}))?;
        let message = lab.delivered(&seat.conn, seat.message("ack:A1\n", "x"))?;
        seat.conn.reset();
        let (again, _) = lab.greeted()?;
        again.connected("version:1.2\n");
        lab.expect("connected")?;
        lab.tell("ack", json!({"msg": message.number("msg")}))?;
        match again.pick(SECOND, |f| f.command == "ACK") {
            None => OK,
            Some((_, frame)) => violated(format!(
                "the message came over a connection that is gone: {frame}"
            )),
        }
    })
    .needs(&["reconnect"]),
];
