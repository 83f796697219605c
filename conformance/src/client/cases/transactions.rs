//! S12-TXN: transactions.

use super::verbs::begin;
use super::{Case, Lab, OK, SECOND, case, reconnecting, variant};
use crate::grade::{Outcome, Verdict, violated};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) const CASES: &[Case] = &[
    variant("S12-TXN-001", "commit", |lab| ends(lab, "commit", "COMMIT")),
    variant("S12-TXN-001", "abort", |lab| ends(lab, "abort_tx", "ABORT")),
    case("S12-TXN-002", |lab| {
        let conn = lab.session()?;
        let mut ids = BTreeSet::new();
        for n in 0..10 {
            begin(lab, &format!("t{n}"))?;
            let frame = conn.expect("BEGIN")?;
            let id = frame.header("transaction").unwrap_or_default().to_owned();
            if !ids.insert(id) {
                return violated(format!("an id twice: {frame}"));
            }
        }
        OK
    }),
    case("S12-TXN-010", |lab| {
        lab.connect(reconnecting())?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\n");
        lab.expect("connected").map_err(Outcome::beforehand)?;
        let tx = begin(lab, "t1")?;
        let begun = conn.expect("BEGIN")?;
        let id = begun.header("transaction").map(str::to_owned);
        conn.reset();
        let (again, _) = lab.greeted().map_err(Outcome::beforehand)?;
        again.connected("version:1.2\n");
        lab.expect("connected")?;
        // To refuse is right; to send it is not.
        lab.tell("send", json!({"dest": "/a", "text": "x", "tx": tx}))?;
        lab.tell("commit", json!({ "tx": tx }))?;
        let stale = again.pick(SECOND, |f| {
            f.command != "BEGIN" && f.header("transaction").map(str::to_owned) == id
        });
        match stale {
            None => OK,
            Some((_, frame)) => violated(format!("of a transaction that is gone: {frame}")),
        }
    })
    .needs(&["reconnect"]),
];

/// BEGIN and the end carry the same id.
fn ends(lab: &mut Lab, verb: &str, command: &str) -> Verdict {
    let conn = lab.session()?;
    let tx = begin(lab, "t1")?;
    let begun = conn.expect("BEGIN")?;
    lab.ask(verb, json!({ "tx": tx }))?;
    let end = conn.expect(command)?;
    match (begun.header("transaction"), end.header("transaction")) {
        (Some(a), Some(b)) if a == b && !a.is_empty() => OK,
        _ => violated(format!("expected one transaction, got {begun} and {end}")),
    }
}
