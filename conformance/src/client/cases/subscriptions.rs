//! S12-SUB, S12-UNS: subscriptions, and how they end.

use super::{Case, Lab, OK, SECOND, body_is, case, variant};
use crate::grade::{Verdict, violated};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) const CASES: &[Case] = &[
    case("S12-SUB-003", |lab| {
        let conn = lab.session()?;
        let mut ids = BTreeSet::new();
        for n in 0..50 {
            let dest = format!("/d{}", n / 2);
            lab.ask("subscribe", json!({"sub": format!("S{n}"), "dest": dest}))?;
            let subscribe = conn.expect("SUBSCRIBE")?;
            let id = subscribe.header("id").unwrap_or_default().to_owned();
            if !ids.insert(id) {
                return violated(format!("an id twice: {subscribe}"));
            }
        }
        OK
    }),
    case("S12-SUB-005", |lab| {
        let seat = lab.seat()?;
        for n in 1..=3 {
            seat.conn
                .send(seat.message(&format!("n:{n}\n"), n.to_string()));
        }
        for n in 1..=3 {
            body_is(&lab.expect("message")?, n.to_string().as_bytes())?;
        }
        OK
    }),
    case("S12-SUB-006", |lab| {
        let conn = lab.session()?;
        lab.world.change(|state| state.manners.receipts = false);
        lab.ask(
            "subscribe",
            json!({"sub": "A", "dest": "/no", "receipt": "r1"}),
        )?;
        let subscribe = conn.expect("SUBSCRIBE")?;
        let id = crate::client::conn::written(&subscribe, "receipt")?;
        conn.send(format!("ERROR\nreceipt-id:{id}\nmessage:no\n\n\0"));
        conn.close(1000, "");
        match lab.expect("op_failed")?.text("kind") {
            Some("stomp") => OK,
            kind => violated(format!(
                "expected op_failed of the kind stomp, got {kind:?}"
            )),
        }
    })
    .needs(&["receipts"]),
    variant("S12-SUB-007", "auto", |lab| mode(lab, "auto")),
    variant("S12-SUB-007", "client", |lab| mode(lab, "client")),
    variant("S12-SUB-007", "client-individual", |lab| {
        mode(lab, "client-individual")
    }),
    case("S12-SUB-009", |lab| {
        let first = lab.seat()?;
        let second = lab.seat_at(first.conn, json!({"sub": "B", "dest": "/a"}))?;
        second.conn.send(second.message("", "for B"));
        let message = lab.expect("message")?;
        if message.text("sub") != Some("B") {
            return violated(format!("expected it at B, got {}", message.fields));
        }
        lab.never("message", SECOND / 10)?;
        OK
    }),
    case("S12-SUB-010", |lab| {
        let conn = lab.session()?;
        let subscribe =
            lab.subscribe(&conn, json!({"headers": {"selector": "a = 1", "x-y": "z"}}))?;
        match ["selector", "x-y"].map(|name| subscribe.header(name)) {
            [Some("a = 1"), Some("z")] => OK,
            _ => violated(format!("expected the headers on the wire, got {subscribe}")),
        }
    }),
    case("S12-UNS-001", |lab| ends(lab, json!({"sub": "A"}))),
    case("S12-UNS-002", |lab| ends(lab, json!({}))),
    case("S12-UNS-004", |lab| {
        let seat = lab.seat()?;
        lab.world.change(|state| state.manners.receipts = false);
        lab.ask("unsubscribe", json!({"sub": "A"}))?;
        let frame = seat.conn.expect("UNSUBSCRIBE")?;
        seat.conn.send(seat.message("", "late 1"));
        seat.conn.send(seat.message("", "late 2"));
        if let Some(receipt) = frame.header("receipt") {
            let id = crate::wire::stomp::encode(receipt);
            seat.conn.send(format!("RECEIPT\nreceipt-id:{id}\n\n\0"));
        }
        lab.never("error", SECOND / 2)?;
        match seat.conn.ends_within(SECOND / 10) {
            false => OK,
            true => violated("the client ended the session"),
        }
    }),
];

/// The ack mode on the wire.
fn mode(lab: &mut Lab, mode: &str) -> Verdict {
    let conn = lab.session()?;
    let subscribe = lab.subscribe(&conn, json!({ "ack": mode }))?;
    match subscribe.header("ack") {
        Some(got) if got == mode => OK,
        None if mode == "auto" => OK,
        _ => violated(format!("expected ack:{mode}, got {subscribe}")),
    }
}

/// UNSUBSCRIBE names the subscription.
fn ends(lab: &mut Lab, more: serde_json::Value) -> Verdict {
    let seat = lab.seat()?;
    let mut fields = json!({"sub": "A"});
    super::merge(&mut fields, more);
    lab.ask("unsubscribe", fields)?;
    let frame = seat.conn.expect("UNSUBSCRIBE")?;
    match (frame.header("id"), seat.subscribe.header("id")) {
        (Some(got), Some(wanted)) if got == wanted => OK,
        (_, wanted) => violated(format!("expected the id {wanted:?}, got {frame}")),
    }
}
