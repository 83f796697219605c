//! S12-RCT: receipts.

use super::verbs::perform;
use super::{Case, Lab, OK, SECOND, body_is, case, pending};
use crate::client::conn::written;
use crate::client::world::Event;
use crate::grade::{Outcome, Verdict, violated};
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-RCT-101", |lab| then(lab, "SEND")).needs(&["receipts"]),
    case("S12-RCT-102", |lab| then(lab, "SUBSCRIBE")).needs(&["receipts"]),
    case("S12-RCT-103", |lab| then(lab, "UNSUBSCRIBE")).needs(&["receipts"]),
    case("S12-RCT-104", |lab| then(lab, "ACK")).needs(&["receipts"]),
    case("S12-RCT-105", |lab| then(lab, "NACK")).needs(&["receipts", "nack"]),
    case("S12-RCT-106", |lab| then(lab, "BEGIN")).needs(&["receipts", "tx"]),
    case("S12-RCT-107", |lab| then(lab, "COMMIT")).needs(&["receipts", "tx"]),
    case("S12-RCT-108", |lab| then(lab, "ABORT")).needs(&["receipts", "tx"]),
    case("S12-RCT-109", |lab| {
        let (conn, frame) = perform(lab, "DISCONNECT")?;
        lab.never("disconnected", SECOND / 2)?;
        let id = written(&frame, "receipt")?;
        conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        match lab.expect("disconnected")?.fields["graceful"] == true {
            true => OK,
            false => violated("the RECEIPT came, and the client says that it did not"),
        }
    }),
    case("S12-RCT-001", |lab| {
        let conn = lab.session()?;
        let id = pending(lab, &conn, "a:b\\c")?;
        if id != "a\\cb\\\\c" {
            return violated(format!("expected receipt:a\\cb\\\\c on the wire, got {id}"));
        }
        conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        is_receipt(lab, "a:b\\c")
    })
    .needs(&["receipts", "receipt-ids"]),
    case("S12-RCT-002", |lab| {
        let conn = lab.session()?;
        let first = pending(lab, &conn, "r1")?;
        pending(lab, &conn, "r2")?;
        conn.send(format!("RECEIPT\nreceipt-id:{first}\n\n\0"));
        is_receipt(lab, "r1")?;
        lab.never("receipt", SECOND / 2)?;
        OK
    })
    .needs(&["receipts"]),
    case("S12-RCT-004", |lab| {
        let conn = lab.session()?;
        let id = pending(lab, &conn, "r1")?;
        conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0").repeat(2));
        is_receipt(lab, "r1")?;
        lab.never("receipt", SECOND / 2)?;
        match conn.ends_within(SECOND / 10) {
            false => OK,
            true => violated("the second RECEIPT ended the session"),
        }
    })
    .needs(&["receipts"]),
    case("S12-RCT-006", |lab| {
        let conn = lab.session()?;
        let labels = ["r1", "r2", "r3"];
        let mut ids = Vec::new();
        for label in labels {
            ids.push(pending(lab, &conn, label)?);
        }
        for at in [2, 0, 1] {
            conn.send(format!("RECEIPT\nreceipt-id:{}\n\n\0", ids[at]));
            is_receipt(lab, labels[at])?;
        }
        OK
    })
    .needs(&["receipts"]),
    case("S12-RCT-007", |lab| {
        let seat = lab.seat()?;
        let id = pending(lab, &seat.conn, "r1")?;
        seat.conn.send("RECEIPT\nreceipt-id:nosuch\n\n\0");
        seat.conn.send("RECEIPT\n\n\0");
        let own = |e: &Event| e.text("receipt") == Some("r1");
        if lab.event_where("receipt", SECOND / 2, own).is_some() {
            return Err(Outcome::Failed(
                "a RECEIPT of another id was taken for r1".to_owned(),
            ));
        }
        if seat.conn.ends_within(SECOND / 10) {
            return Ok(Outcome::Info("it ends the session".to_owned()));
        }
        seat.conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        if lab.event_where("receipt", lab.due(), own).is_none() {
            return Err(Outcome::Failed(format!(
                "the RECEIPT of r1 is not told; it told {}",
                lab.told()
            )));
        }
        body_is(
            &lab.delivered(&seat.conn, seat.message("", "next"))?,
            b"next",
        )?;
        Ok(Outcome::Info("ignored; the session goes on".to_owned()))
    })
    .needs(&["receipts"]),
    case("S12-RCT-008", |lab| {
        let ms = u64::try_from(lab.span(SECOND * 2).as_millis()).unwrap_or(2000);
        let conn = lab.session_with(json!({"receipt_timeout_ms": ms}), "version:1.2\n")?;
        pending(lab, &conn, "r1")?;
        let lost = |name: &str| matches!(name, "receipt_timeout" | "op_failed");
        let told = lab.world.until(lab.span(SECOND * 60), |state| {
            let at = state.events.iter().position(|e| lost(&e.name))?;
            Some(state.events.remove(at))
        });
        match told {
            Some(event) if event.text("receipt") == Some("r1") => OK,
            Some(event) => violated(format!("expected the timeout of r1, got {}", event.fields)),
            None => violated("a lost RECEIPT is waited for without end"),
        }
    })
    .needs(&["receipts"])
    .slow(),
];

/// The RECEIPT comes late, and is told then and not before.
fn then(lab: &mut Lab, command: &str) -> Verdict {
    let (conn, frame) = perform(lab, command)?;
    let id = written(&frame, "receipt")?;
    lab.never("receipt", SECOND / 2)?;
    conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
    is_receipt(lab, "r1")
}

fn is_receipt(lab: &Lab, label: &str) -> Verdict {
    let event = lab.expect("receipt")?;
    match event.text("receipt") {
        Some(got) if got == label => OK,
        got => violated(format!(
            "expected the receipt {label}, the client tells {got:?}"
        )),
    }
}
