//! S12-MSG: messages on their way to the application.

use super::{Case, Lab, OK, SECOND, body_is, case, header_is, records, variant};
use crate::client::lab::Seat;
use crate::client::world::Answer;
use crate::grade::{Outcome, violated};
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-MSG-001", |lab| {
        let seat = lab.seat()?;
        let octets = seat.fill("MESSAGE\nsubscription:{sub}\nmessage-id:1\n\nhi\0");
        records(lab, &seat, octets)
    }),
    case("S12-MSG-003", |lab| {
        let seat = lab.seat()?;
        let octets = seat.fill("MESSAGE\nsubscription:{sub}\ndestination:/a\n\nhi\0");
        records(lab, &seat, octets)
    }),
    case("S12-MSG-004", |lab| {
        let conn = lab.session()?;
        let mut seats: Vec<(&str, Seat)> = Vec::new();
        for label in ["a:b", "\u{e9}", "0", "00"] {
            let more = json!({"sub": label, "dest": "/a"});
            seats.push((label, lab.seat_at(conn.clone(), more)?));
        }
        for (label, seat) in &seats {
            let message = lab.delivered(&conn, seat.message("", *label))?;
            if message.text("sub") != Some(label) {
                return violated(format!("expected it at {label}, got {}", message.fields));
            }
        }
        OK
    }),
    case("S12-MSG-005", |lab| {
        let seat = lab.seat_with(json!({"ack": "client"}))?;
        let message = lab.delivered(&seat.conn, seat.message("", "x"))?;
        let answer = lab.tell("ack", json!({"msg": message.number("msg")}))?;
        match (answer, seat.conn.any(SECOND / 2)) {
            (Answer::Err { .. }, None) => OK,
            (_, Some(ack)) if ack.header("id") == Some("1") => {
                Ok(Outcome::Info(format!("falls back to message-id: {ack}")))
            }
            (_, Some(frame)) => violated(format!("a made-up acknowledgement: {frame}")),
            (Answer::Ok(_) | Answer::Unsupported, None) => {
                violated("ack cannot work, and the client says that it did")
            }
        }
    }),
    case("S12-MSG-007", |lab| {
        let seat = lab.seat()?;
        let lines = "a:1\nb:2\nx-server:3\npriority:4\n";
        let message = lab.delivered(&seat.conn, seat.message(lines, "x"))?;
        for (name, value) in [("a", "1"), ("b", "2"), ("x-server", "3"), ("priority", "4")] {
            header_is(&message, name, value)?;
        }
        header_is(&message, "destination", "/a")?;
        OK
    }),
    case("S12-MSG-008", |lab| {
        let seat = lab.seat()?;
        seat.conn
            .send("MESSAGE\nsubscription:nosuch\nmessage-id:1\ndestination:/a\n\nlost\0");
        let stray = lab.event("message", SECOND / 2);
        if stray.is_some_and(|m| m.text("sub") == Some("A")) {
            return Err(Outcome::Failed("delivered to the handler of A".to_owned()));
        }
        if seat.conn.ends_within(SECOND / 10) {
            return Ok(Outcome::Info("the client ends the session".to_owned()));
        }
        body_is(
            &lab.delivered(&seat.conn, seat.message("", "next"))?,
            b"next",
        )?;
        let told = lab.event("unhandled", SECOND / 10);
        let how = if told.is_some() {
            "told as unhandled"
        } else {
            "not delivered"
        };
        Ok(Outcome::Info(how.to_owned()))
    }),
    case("S12-MSG-009", |lab| thousand(lab, 1)),
    variant("S12-MSG-009", "bursts", |lab| thousand(lab, 50)),
];

/// A thousand messages, so many in one WebSocket message.
fn thousand(lab: &mut Lab, burst: usize) -> crate::grade::Verdict {
    let seat = lab.seat()?;
    let all: Vec<usize> = (0..1000).collect();
    for some in all.chunks(burst) {
        let octets: Vec<u8> = some
            .iter()
            .flat_map(|n| seat.message(&format!("n:{n}\n"), n.to_string()))
            .collect();
        seat.conn.send(octets);
    }
    for n in 0..1000 {
        let message = lab.expect("message")?;
        if message.body() != n.to_string().as_bytes() {
            return violated(format!("expected message {n}, got {}", message.fields));
        }
    }
    OK
}
