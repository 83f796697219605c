//! Each verb once, on a session that is ready for it.

use super::Lab;
use crate::client::conn::Conn;
use crate::client::world::Event;
use crate::grade::Outcome;
use crate::wire::stomp::Frame;
use serde_json::{Value, json};

/// Gives the command of this frame with the receipt `r1`; its connection and the
/// frame. From then on no RECEIPT is given by itself.
pub(super) fn perform(lab: &mut Lab, command: &str) -> Result<(Conn, Frame), Outcome> {
    let receipt = json!("r1");
    let (conn, verb, fields) = match command {
        "SEND" => {
            let conn = lab.session()?;
            (conn, "send", json!({"dest": "/a", "text": "x"}))
        }
        "SUBSCRIBE" => {
            let conn = lab.session()?;
            (conn, "subscribe", json!({"sub": "A", "dest": "/a"}))
        }
        "UNSUBSCRIBE" => {
            let seat = lab.seat()?;
            (seat.conn, "unsubscribe", json!({"sub": "A"}))
        }
        "ACK" | "NACK" => {
            let (conn, message) = to_acknowledge(lab, "client-individual")?;
            let verb = if command == "ACK" { "ack" } else { "nack" };
            (conn, verb, json!({"msg": message.number("msg")}))
        }
        "BEGIN" => (lab.session()?, "begin", json!({"tx": "t1"})),
        "COMMIT" | "ABORT" => {
            let (conn, tx) = in_transaction(lab)?;
            let verb = if command == "COMMIT" {
                "commit"
            } else {
                "abort_tx"
            };
            (conn, verb, json!({ "tx": tx }))
        }
        _ => (lab.session()?, "disconnect", json!({"timeout_ms": 5000})),
    };
    lab.world.change(|state| state.manners.receipts = false);
    let mut fields = fields;
    if verb != "disconnect" {
        fields["receipt"] = receipt;
    }
    lab.ask(verb, fields)?;
    let frame = conn.expect(command)?;
    Ok((conn, frame))
}

/// A session with a message that waits for its ACK; `ack` of it is A1.
pub(super) fn to_acknowledge(lab: &mut Lab, mode: &str) -> Result<(Conn, Event), Outcome> {
    let seat = lab.seat_with(json!({ "ack": mode }))?;
    let message = lab
        .delivered(&seat.conn, seat.message("ack:A1\n", "x"))
        .map_err(Outcome::beforehand)?;
    Ok((seat.conn, message))
}

/// A session with an open transaction, and its label.
pub(super) fn in_transaction(lab: &mut Lab) -> Result<(Conn, Value), Outcome> {
    let conn = lab.session()?;
    let tx = begin(lab, "t1")?;
    conn.expect("BEGIN")?;
    Ok((conn, tx))
}

/// Begins a transaction; its label.
pub(super) fn begin(lab: &mut Lab, label: &str) -> Result<Value, Outcome> {
    lab.ask("begin", json!({ "tx": label }))?;
    Ok(json!(label))
}
