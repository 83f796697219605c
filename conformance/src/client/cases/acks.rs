//! S12-ACM, S12-ACK, S12-NAK: acknowledgements.

use super::verbs::{begin, to_acknowledge};
use super::{Case, Lab, OK, SECOND, case, variant};
use crate::client::lab::Seat;
use crate::grade::{Outcome, Verdict, violated};
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-ACM-001", |lab| {
        let seat = lab.seat()?;
        for n in 1..=3 {
            lab.delivered(&seat.conn, seat.message(&format!("ack:A{n}\n"), "x"))?;
        }
        match seat.conn.any(SECOND / 2) {
            None => OK,
            Some(frame) if frame.command == "ACK" => Ok(Outcome::NonStrict(format!(
                "an ACK that mode auto does not ask for: {frame}"
            ))),
            Some(frame) => violated(format!("expected nothing, got {frame}")),
        }
    }),
    case("S12-ACM-002", |lab| {
        let (seat, msgs) = three(lab, "client")?;
        lab.ask("ack", json!({"msg": msgs[2]}))?;
        only(lab, &seat, "ACK", "A3")
    }),
    case("S12-ACM-004", |lab| {
        let (seat, msgs) = three(lab, "client")?;
        lab.ask("ack", json!({"msg": msgs[2]}))?;
        only(lab, &seat, "ACK", "A3")
    }),
    case("S12-ACM-007", |lab| {
        let (seat, msgs) = three(lab, "client")?;
        lab.ask("nack", json!({"msg": msgs[1]}))?;
        only(lab, &seat, "NACK", "A2")
    })
    .needs(&["nack"]),
    case("S12-ACK-001", |lab| {
        let (conn, message) = to_acknowledge(lab, "client-individual")?;
        lab.ask("ack", json!({"msg": message.number("msg")}))?;
        let ack = conn.expect("ACK")?;
        match ack.header("id") {
            Some("A1") => OK,
            _ => violated(format!("expected id:A1, got {ack}")),
        }
    }),
    variant("S12-ACK-001", "each-its-own", |lab| {
        let (seat, msgs) = three(lab, "client-individual")?;
        for n in [2, 3, 1] {
            lab.ask("ack", json!({ "msg": msgs[n - 1] }))?;
            let ack = seat.conn.expect("ACK")?;
            if ack.header("id") != Some(&format!("A{n}")) {
                return violated(format!("expected id:A{n}, got {ack}"));
            }
        }
        OK
    }),
    case("S12-ACK-004", |lab| {
        let (conn, message) = to_acknowledge(lab, "client-individual")?;
        let tx = begin(lab, "t1")?;
        let begun = conn.expect("BEGIN")?;
        lab.ask("ack", json!({"msg": message.number("msg"), "tx": tx}))?;
        let ack = conn.expect("ACK")?;
        match (ack.header("transaction"), begun.header("transaction")) {
            (Some(got), Some(wanted)) if got == wanted => OK,
            _ => violated(format!("expected the transaction of {begun}, got {ack}")),
        }
    })
    .needs(&["tx"]),
    case("S12-ACK-005", |lab| {
        let seat = lab.seat_with(json!({"ack": "client-individual"}))?;
        let octets = seat.message("ack:a\\cb\\\\c\n", "x");
        let message = lab.delivered(&seat.conn, octets)?;
        lab.ask("ack", json!({"msg": message.number("msg")}))?;
        let ack = seat.conn.expect("ACK")?;
        let wanted: &[u8] = b"id:a\\cb\\\\c";
        match ack.lines().any(|line| line == wanted) {
            true => OK,
            false => violated(format!("expected id:a\\cb\\\\c on the wire, got {ack}")),
        }
    }),
    case("S12-NAK-001", |lab| {
        let (conn, message) = to_acknowledge(lab, "client-individual")?;
        lab.ask("nack", json!({"msg": message.number("msg")}))?;
        let nack = conn.expect("NACK")?;
        match nack.header("id") {
            Some("A1") => OK,
            _ => violated(format!("expected id:A1, got {nack}")),
        }
    })
    .needs(&["nack"]),
];

/// Three messages, whose ack is A1 to A3, and their numbers.
fn three(lab: &mut Lab, mode: &str) -> Result<(Seat, Vec<Option<u64>>), Outcome> {
    let mut msgs = Vec::new();
    let seat = lab.seat_with(json!({ "ack": mode }))?;
    for n in 1..=3 {
        let lines = format!("ack:A{n}\n");
        let head = seat.fill(&format!(
            "MESSAGE\nsubscription:{{sub}}\nmessage-id:{n}\ndestination:/a\n{lines}\nx\0"
        ));
        let message = lab
            .delivered(&seat.conn, head)
            .map_err(Outcome::beforehand)?;
        msgs.push(message.number("msg"));
    }
    Ok((seat, msgs))
}

/// One such frame with this id, and no other.
fn only(_lab: &mut Lab, seat: &Seat, command: &str, id: &str) -> Verdict {
    let frame = seat.conn.expect(command)?;
    if frame.header("id") != Some(id) {
        return violated(format!("expected id:{id}, got {frame}"));
    }
    seat.conn.silent(SECOND / 4)?;
    OK
}
