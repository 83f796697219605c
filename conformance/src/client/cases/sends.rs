//! S12-SND and S12-SRV: messages on their way to the server, and frames that no
//! server sends.

use super::headers::unknown_command;
use super::verbs::in_transaction;
use super::{Case, OK, body_is, case, header_is, pending, variant};
use crate::grade::violated;
use data_encoding::BASE64;
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    variant("S12-SRV-003", "foo", |lab| {
        unknown_command(lab, "FOO\n\n\0")
    }),
    variant("S12-SRV-003", "send", |lab| {
        unknown_command(lab, "SEND\ndestination:/a\n\n\0")
    }),
    case("S12-SRV-004", |lab| {
        let conn = lab.session()?;
        conn.send("ERROR\nmessage:no\nx-a:1\n\n\0");
        conn.close(1000, "");
        header_is(&lab.expect("error")?, "x-a", "1")?;
        OK
    }),
    case("S12-SND-001", |lab| {
        let conn = lab.session()?;
        lab.ask("send", json!({"dest": "/a", "text": "x"}))?;
        let send = conn.expect("SEND")?;
        match send.header("destination") {
            Some("/a") => OK,
            _ => violated(format!("expected destination:/a, got {send}")),
        }
    }),
    case("S12-SND-002", |lab| {
        let conn = lab.session()?;
        let dest = "/queue/a b%2F:\u{e9}";
        lab.ask("send", json!({"dest": dest, "text": "x"}))?;
        let send = conn.expect("SEND")?;
        match send.header("destination") {
            Some(got) if got == dest => OK,
            _ => violated(format!("expected the destination {dest}, got {send}")),
        }
    }),
    case("S12-SND-003", |lab| {
        let (conn, tx) = in_transaction(lab)?;
        lab.ask("send", json!({"dest": "/a", "text": "x", "tx": tx}))?;
        let send = conn.expect("SEND")?;
        match send.header("transaction") {
            Some(id) if !id.is_empty() => OK,
            Some(_) | None => violated(format!("expected a transaction, got {send}")),
        }
    }),
    case("S12-SND-004", |lab| {
        let conn = lab.session()?;
        lab.ask(
            "send",
            json!({"dest": "/a", "text": "x", "headers": {"conf-a": "1", "conf-B": "2", "conf-x-y": "3"}}),
        )?;
        let send = conn.expect("SEND")?;
        match ["conf-a", "conf-B", "conf-x-y"].map(|name| send.header(name)) {
            [Some("1"), Some("2"), Some("3")] => OK,
            _ => violated(format!(
                "expected conf-a:1, conf-B:2 and conf-x-y:3, got {send}"
            )),
        }
    }),
    case("S12-SND-006", |lab| {
        let conn = lab.session()?;
        let id = pending(lab, &conn, "r1")?;
        conn.send(format!("ERROR\nreceipt-id:{id}\nmessage:no\n\n\0"));
        conn.close(1000, "");
        let failed = lab.expect("op_failed")?;
        match failed.text("kind") {
            Some("stomp") => OK,
            kind => violated(format!(
                "expected op_failed of the kind stomp, got {kind:?}"
            )),
        }
    })
    .needs(&["receipts"]),
    variant("S12-SND-007", "send", |lab| {
        let conn = lab.session()?;
        lab.ask("send", json!({"dest": "/a"}))?;
        let send = conn.expect("SEND")?;
        match send.body.is_empty() {
            true => OK,
            false => violated(format!("expected an empty body, got {send}")),
        }
    }),
    variant("S12-SND-007", "message", |lab| {
        let seat = lab.seat()?;
        body_is(&lab.delivered(&seat.conn, seat.message("", ""))?, b"")
    }),
    variant("S12-SND-008", "message", |lab| {
        let seat = lab.seat()?;
        for size in [1, 125, 126, 1 << 10, 65_535, 65_536, 1 << 20] {
            let body = pattern(size);
            let lines = format!("content-length:{size}\n");
            seat.conn.send(seat.message(&lines, &body));
            match lab.event("message", lab.due() * 4) {
                Some(message) => body_is(&message, &body)?,
                None => return violated(format!("a body of {size} octets never arrived")),
            };
        }
        OK
    }),
    variant("S12-SND-008", "send", |lab| {
        let conn = lab.session()?;
        for size in [1, 125, 126, 1 << 10, 65_535, 65_536, 1 << 20] {
            let body = pattern(size);
            let fields = json!({
                "dest": "/a",
                "headers": {"content-type": "application/octet-stream"},
                "body_b64": BASE64.encode(&body),
            });
            lab.ask("send", fields)?;
            let send = conn.pick(lab.due() * 4, |f| f.command == "SEND");
            if send.is_none_or(|(_, send)| send.body != body) {
                return violated(format!("a body of {size} octets changed on its way"));
            }
        }
        OK
    }),
];

/// Octets that are text, so that every client can carry them.
fn pattern(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| b'a' + u8::try_from(at % 26).unwrap_or(0))
        .collect()
}
