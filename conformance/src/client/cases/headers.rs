//! S12-BDY and S12-HDR: bodies, and the headers that any frame may carry.

use super::verbs::perform;
use super::{
    Case, Lab, OK, SECOND, body_is, case, fails_session, header_is, pending, reaction, records,
    shows, variant,
};
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::Frame;
use crate::wire::ws;
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-BDY-002", |lab| {
        let seat = lab.seat()?;
        let id = pending(lab, &seat.conn, "r1")?;
        seat.conn.send(format!("RECEIPT\nreceipt-id:{id}\n\nX\0"));
        seat.conn.send(seat.message("", "hi"));
        match lab.event("message", lab.span(SECOND * 2)) {
            Some(message) => body_is(&message, b"hi"),
            None if seat.conn.ends_within(SECOND) => {
                lab.expect("error")?;
                OK
            }
            None => violated("after a RECEIPT with a body the next MESSAGE is lost"),
        }
    })
    .needs(&["receipts"]),
    case("S12-BDY-003", |lab| {
        let seat = lab.seat()?;
        let body: Vec<u8> = (0..=255).collect();
        let octets = seat.message("content-length:256\n", &body);
        seat.conn.send_as(ws::BINARY, octets);
        body_is(&lab.expect("message")?, &body)
    }),
    variant("S12-HDR-001", "connected", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\ncontent-length:0\n");
        lab.expect("connected")?;
        OK
    }),
    variant("S12-HDR-001", "receipt", |lab| {
        let conn = lab.session()?;
        let id = pending(lab, &conn, "r1")?;
        conn.send(format!("RECEIPT\nreceipt-id:{id}\ncontent-length:0\n\n\0"));
        lab.expect("receipt")?;
        OK
    })
    .needs(&["receipts"]),
    case("S12-HDR-002", |lab| {
        let seat = lab.seat()?;
        let one = seat.message("content-length:5\n", "a\0b\0c");
        let two = seat.message("", "next");
        seat.conn.send([one, two].concat());
        body_is(&lab.expect("message")?, b"a\0b\0c")?;
        body_is(&lab.expect("message")?, b"next")
    }),
    case("S12-HDR-003", |lab| {
        let seat = lab.seat()?;
        seat.conn.send(seat.message("content-length:3\n", "abcdef"));
        fails_session(lab, &seat.conn)
    }),
    case("S12-HDR-004", |lab| {
        length_of(lab, json!({"text": "hello"}), 5)
    }),
    case("S12-HDR-005", |lab| {
        length_of(lab, json!({"body_b64": "YQBi"}), 3)
    }),
    variant("S12-HDR-006", "send", |lab| {
        length_of(lab, json!({"text": "\u{e9}\u{20ac}\u{1f600}"}), 9)
    }),
    variant("S12-HDR-006", "message", |lab| {
        let seat = lab.seat()?;
        let text = "\u{e9}\u{20ac}\u{1f600}";
        let octets = seat.message("content-length:9\n", text);
        body_is(&lab.delivered(&seat.conn, octets)?, text.as_bytes())
    }),
    case("S12-HDR-007", |lab| {
        let seat = lab.seat()?;
        body_is(&lab.delivered(&seat.conn, seat.message("", "ab"))?, b"ab")
    }),
    case("S12-HDR-008", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("content-length:0\n", "");
        body_is(&lab.delivered(&seat.conn, octets)?, b"")
    }),
    case("S12-HDR-009", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("content-length:10\n", "0123456789");
        let (head, tail) = octets.split_at(octets.len() - 6);
        seat.conn.send(head);
        lab.never("message", SECOND)?;
        seat.conn.send(tail);
        body_is(&lab.expect("message")?, b"0123456789")?;
        lab.never("message", SECOND / 10)?;
        OK
    }),
    variant("S12-HDR-010", "letters", |lab| odd_length(lab, "abc")),
    variant("S12-HDR-010", "negative", |lab| odd_length(lab, "-1")),
    variant("S12-HDR-010", "signed", |lab| odd_length(lab, "+2")),
    variant("S12-HDR-010", "padded", |lab| odd_length(lab, " 2")),
    variant("S12-HDR-010", "overflow", |lab| {
        odd_length(lab, "18446744073709551616")
    }),
    case("S12-HDR-013", |lab| {
        let seat = lab.seat()?;
        seat.conn
            .send_as(ws::BINARY, seat.message("", [0xFF, 0xFE]));
        body_is(&lab.expect("message")?, &[0xFF, 0xFE])
    }),
    case("S12-HDR-014", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("content-type:text/plain\n", "z\u{e9}");
        match lab.delivered(&seat.conn, octets)?.text("text") {
            Some("z\u{e9}") => OK,
            other => violated(format!(
                "expected the text zé, the client reports {other:?}"
            )),
        }
    }),
    case("S12-HDR-015", |lab| {
        let seat = lab.seat()?;
        let kind = "text/html;charset=utf-16";
        let lines = format!("content-type:{kind}\ncontent-length:6\n");
        let body = [0xFE, 0xFF, 0, b'h', 0, b'i'];
        seat.conn.send_as(ws::BINARY, seat.message(&lines, body));
        let message = lab.expect("message")?;
        header_is(&message, "content-type", kind)?;
        body_is(&message, &body)
    }),
    case("S12-HDR-016", |lab| {
        let send = sent(lab, json!({"text": "z\u{e9}"}))?;
        match std::str::from_utf8(&send.body) {
            Ok("z\u{e9}") => OK,
            Ok(_) | Err(_) => violated(format!("expected the body zé in UTF-8, got {send}")),
        }
    }),
    variant("S12-HDR-018", "send", |lab| one_receipt(lab, "SEND")).needs(&["receipts"]),
    variant("S12-HDR-018", "subscribe", |lab| {
        one_receipt(lab, "SUBSCRIBE")
    })
    .needs(&["receipts"]),
    variant("S12-HDR-018", "unsubscribe", |lab| {
        one_receipt(lab, "UNSUBSCRIBE")
    })
    .needs(&["receipts"]),
    variant("S12-HDR-018", "ack", |lab| one_receipt(lab, "ACK")).needs(&["receipts"]),
    variant("S12-HDR-018", "nack", |lab| one_receipt(lab, "NACK")).needs(&["receipts", "nack"]),
    variant("S12-HDR-018", "begin", |lab| one_receipt(lab, "BEGIN")).needs(&["receipts", "tx"]),
    variant("S12-HDR-018", "commit", |lab| one_receipt(lab, "COMMIT")).needs(&["receipts", "tx"]),
    variant("S12-HDR-018", "abort", |lab| one_receipt(lab, "ABORT")).needs(&["receipts", "tx"]),
    variant("S12-HDR-018", "disconnect", |lab| {
        one_receipt(lab, "DISCONNECT")
    }),
    case("S12-HDR-020", |lab| {
        let seat = lab.seat()?;
        let octets = seat.fill(
            "MESSAGE\nsubscription:{sub}\nsubscription:nosuch\nmessage-id:1\ndestination:/a\n\
             conf-foo:World\nconf-foo:Hello\n\nhi\0",
        );
        let message = lab.delivered(&seat.conn, octets)?;
        if message.text("sub") != Some("A") {
            return violated(format!("expected it at A, got {}", message.fields));
        }
        header_is(&message, "conf-foo", "World")?;
        OK
    }),
    case("S12-HDR-021", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("content-length:3\ncontent-length:1\n", "abc");
        body_is(&lab.delivered(&seat.conn, octets)?, b"abc")?;
        body_is(
            &lab.delivered(&seat.conn, seat.message("", "next"))?,
            b"next",
        )
    }),
    case("S12-HDR-022", |lab| {
        let seat = lab.seat()?;
        let message = lab.delivered(&seat.conn, seat.message("conf-foo:1\nconf-foo:2\n", "x"))?;
        let values: Vec<&str> = message
            .headers()
            .into_iter()
            .filter(|(name, _)| *name == "conf-foo")
            .map(|(_, value)| value)
            .collect();
        Ok(Outcome::Info(format!(
            "of conf-foo:1 and conf-foo:2 it shows {values:?}"
        )))
    }),
    variant("S12-HDR-023", "connected", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\nconf-x:1\n");
        lab.expect("connected")?;
        OK
    }),
    variant("S12-HDR-023", "message", |lab| {
        shows(lab, "conf-x:1\n", "conf-x", "1")
    }),
    variant("S12-HDR-023", "receipt", |lab| {
        let conn = lab.session()?;
        let id = pending(lab, &conn, "r1")?;
        conn.send(format!("RECEIPT\nreceipt-id:{id}\nconf-x:1\n\n\0"));
        lab.expect("receipt")?;
        OK
    })
    .needs(&["receipts"]),
    variant("S12-HDR-023", "error", |lab| {
        let conn = lab.session()?;
        conn.send("ERROR\nmessage:no\nconf-x:1\n\n\0");
        conn.close(1000, "");
        header_is(&lab.expect("error")?, "conf-x", "1")?;
        OK
    }),
];

/// The SEND of these fields.
fn sent(lab: &mut Lab, body: serde_json::Value) -> Result<Frame, Outcome> {
    let conn = lab.session()?;
    let mut fields = json!({"dest": "/a"});
    if body["body_b64"].is_string() {
        fields["headers"] = json!({"content-type": "application/octet-stream"});
    }
    super::merge(&mut fields, body);
    lab.ask("send", fields)?;
    conn.expect("SEND")
}

fn length_of(lab: &mut Lab, body: serde_json::Value, length: usize) -> Verdict {
    let send = sent(lab, body)?;
    let wanted = length.to_string();
    let all: Vec<&str> = send
        .headers
        .iter()
        .filter(|(name, _)| name == "content-length")
        .map(|(_, value)| value.as_str())
        .collect();
    if all == [wanted.as_str()] && send.body.len() == length {
        return OK;
    }
    violated(format!("expected content-length:{wanted}, got {send}"))
}

/// What it makes of a content-length that is none. It may not hang.
fn odd_length(lab: &mut Lab, value: &str) -> Verdict {
    let seat = lab.seat()?;
    let octets = seat.message(&format!("content-length:{value}\n"), "hi");
    records(lab, &seat, octets)
}

/// Exactly one `receipt` and no `receipt-id` on the frame.
fn one_receipt(lab: &mut Lab, command: &str) -> Verdict {
    let (_, frame) = perform(lab, command)?;
    let count = |name: &str| frame.headers.iter().filter(|(n, _)| n == name).count();
    match (count("receipt"), count("receipt-id")) {
        (1, 0) => OK,
        (receipts, _) => violated(format!(
            "expected one receipt header and no receipt-id, got {receipts}: {frame}"
        )),
    }
}

/// Used by the cases of other areas, too.
pub(super) fn unknown_command(lab: &mut Lab, octets: &str) -> Verdict {
    let seat = lab.seat()?;
    seat.conn.send(octets);
    let words = reaction(lab, &seat.conn)?;
    if words.ends_with("goes on") {
        body_is(
            &lab.delivered(&seat.conn, seat.message("", "next"))?,
            b"next",
        )?;
    }
    Ok(Outcome::Info(words))
}
