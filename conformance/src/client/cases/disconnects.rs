//! S12-DIS and SWS-END: the end of a session.

use super::{Case, Lab, OK, SECOND, case, variant};
use crate::client::conn::{Conn, written};
use crate::grade::{Outcome, violated};
use crate::wire::stomp::Frame;
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-DIS-001", |lab| {
        let conn = lab.session()?;
        let (_, id) = disconnect(lab, &conn)?;
        if conn.ends_within(SECOND) {
            return violated("it did not wait for the RECEIPT");
        }
        conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        if !conn.ends_within(lab.span(SECOND * 2)) {
            return violated("2 s after the RECEIPT the connection is still open");
        }
        match lab.expect("disconnected")?.fields["graceful"] == true {
            true => OK,
            false => violated("the RECEIPT came, and the client says that it did not"),
        }
    }),
    case("S12-DIS-002", |lab| {
        let seat = lab.seat_with(json!({"ack": "client-individual"}))?;
        let message = lab.delivered(&seat.conn, seat.message("ack:A1\n", "x"))?;
        let (_, id) = disconnect(lab, &seat.conn)?;
        lab.tell("send", json!({"dest": "/a", "text": "late"}))?;
        lab.tell("ack", json!({"msg": message.number("msg")}))?;
        if let Some(frame) = seat.conn.any(SECOND) {
            return violated(format!("after DISCONNECT: {frame}"));
        }
        seat.conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        lab.expect("disconnected")?;
        match seat.conn.any(SECOND / 10) {
            None => OK,
            Some(frame) => violated(format!("after DISCONNECT: {frame}")),
        }
    }),
    case("S12-DIS-005", |lab| {
        let seat = lab.seat()?;
        let (_, id) = disconnect(lab, &seat.conn)?;
        for n in 1..=3 {
            seat.conn.send(seat.message(&format!("n:{n}\n"), "late"));
        }
        seat.conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        match lab.expect("disconnected")?.fields["graceful"] == true {
            true => lab.never("error", SECOND / 10).map(|()| Outcome::Ok),
            false => violated("the RECEIPT came, and the client says that it did not"),
        }
    }),
    case("S12-DIS-007", |lab| {
        let conn = lab.session()?;
        disconnect(lab, &conn)?;
        let Some(event) = lab.event("disconnected", SECOND * 30) else {
            return violated("without the RECEIPT disconnect takes more than 30 s");
        };
        if event.fields["graceful"] == true {
            return violated("no RECEIPT came, and the client says that one did");
        }
        match conn.ends_within(lab.span(SECOND * 2)) {
            true => OK,
            false => violated("disconnect is over, and the connection is open"),
        }
    })
    .slow(),
    case("SWS-END-002", |lab| {
        let conn = lab.session()?;
        let (_, id) = disconnect(lab, &conn)?;
        conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        let within = lab.span(SECOND * 2);
        let close = conn.until(within, |wire| {
            wire.close.clone().or(wire.end.map(|_| None)?)
        });
        match close {
            Some(close) if close.code == Some(1000) => OK,
            Some(close) => violated(format!("expected a Close with 1000, got {:?}", close.code)),
            None => violated("expected a Close within 2 s, got none"),
        }
    }),
    variant("SWS-END-002", "tcp", |lab| {
        let conn = lab.session()?;
        let (_, id) = disconnect(lab, &conn)?;
        conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        let closed = lab.expect("closed")?;
        match (closed.number("code"), closed.fields["clean"] == true) {
            (Some(1000), true) => OK,
            _ => violated(format!(
                "expected a clean 1000, the client tells {}",
                closed.fields
            )),
        }
    }),
];

/// DISCONNECT, and its receipt as it must be written; none is given.
fn disconnect(lab: &mut Lab, conn: &Conn) -> Result<(Frame, String), Outcome> {
    lab.world.change(|state| state.manners.receipts = false);
    lab.ask("disconnect", json!({"timeout_ms": 5000}))?;
    let frame = conn.expect("DISCONNECT")?;
    match frame.header("receipt") {
        Some(_) => {
            let id = written(&frame, "receipt")?;
            Ok((frame, id))
        }
        None => Err(Outcome::NonStrict(format!(
            "DISCONNECT without receipt: {frame}"
        ))),
    }
}
