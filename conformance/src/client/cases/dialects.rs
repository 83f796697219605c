//! DLX: what no specification has, and a contact-centre gateway asks of a client.

use super::{Case, SECOND, body_is, case, not_hot};
use crate::client::conn::Conn;
use crate::grade::{Outcome, violated};
use crate::wire::stomp::Frame;
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    // A token ends: nothing leaves until there is a new one, and then CONNECT on the
    // same socket; the subscription goes on.
    case("DLX-401-rebind", |lab| {
        lab.connect(json!({"login": "u", "passcode": "token-1", "reauth": "in-band"}))?;
        let (conn, first) = lab.greeted()?;
        if !carries(&first, "token-1") {
            return violated(format!("expected the token in CONNECT, got {first}"));
        }
        conn.connected("version:1.2\n");
        lab.expect("connected").map_err(Outcome::beforehand)?;
        let seat = lab.seat_at(conn, json!({}))?;
        seat.conn
            .send("ERROR\nmessage:401 token expired\ncode:401\n\n\0");
        // Queued or refused: both are right, if only it does not leave.
        lab.tell("send", json!({"dest": "/a", "text": "held back"}))?;
        if let Some(frame) = seat.conn.any(SECOND / 2) {
            return violated(format!("expected nothing without a new token, got {frame}"));
        }
        lab.ask("set_token", json!({"value": "token-2"}))?;
        match seat.conn.any(lab.due()) {
            Some(again) if is_connect(&again) && carries(&again, "token-2") => {}
            Some(frame) => return violated(format!("expected CONNECT with it, got {frame}")),
            None => return violated("expected CONNECT with the new token, got nothing"),
        }
        seat.conn.connected("version:1.2\n");
        body_is(
            &lab.delivered(&seat.conn, seat.message("", "after"))?,
            b"after",
        )
    })
    .needs(&["reauth"]),
    // Whoever is connected already must not be asked again without pause.
    case("DLX-409", |lab| {
        lab.connect(json!({"login": "u", "passcode": "p", "reconnect": {"enabled": true}}))?;
        let (conn, _) = lab.greeted()?;
        refuse(&conn);
        lab.expect("error")?;
        not_hot(lab, |conn| {
            conn.upgrade();
            refuse(conn);
        })
    }),
    case("DLX-NUL-beat", |lab| {
        let conn = lab.session_with(
            json!({"heartbeat": [0, 500]}),
            "version:1.2\nheart-beat:500,0\n",
        )?;
        let seat = lab.seat_at(conn, json!({}))?;
        for _ in 0..10 {
            lab.world.pass(SECOND / 2);
            seat.conn.send("\0");
        }
        body_is(
            &lab.delivered(&seat.conn, seat.message("", "alive"))?,
            b"alive",
        )
    })
    .slow(),
];

fn is_connect(frame: &Frame) -> bool {
    matches!(frame.command.as_str(), "CONNECT" | "STOMP")
}

/// The token stands in one of its headers.
fn carries(frame: &Frame, token: &str) -> bool {
    frame
        .headers
        .iter()
        .any(|(_, value)| value.ends_with(token))
}

fn refuse(conn: &Conn) {
    conn.send("ERROR\nmessage:409 already connected\ncode:409\n\n\0");
    conn.close(1008, "");
}
