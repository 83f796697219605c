//! WS-CLS and WS-RCN: close codes, and how a connection is made again.

use super::websocket::ends;
use super::{Case, Lab, OK, SECOND, case, variant};
use crate::grade::{Outcome, Verdict, violated};
use serde_json::json;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    variant("WS-CLS-001", "1005", |lab| illegal(lab, 1005)),
    variant("WS-CLS-001", "1006", |lab| illegal(lab, 1006)),
    variant("WS-CLS-001", "1015", |lab| illegal(lab, 1015)),
    variant("WS-CLS-001", "999", |lab| illegal(lab, 999)),
    variant("WS-CLS-001", "0", |lab| illegal(lab, 0)),
    variant("WS-CLS-002", "one-octet", |lab| {
        let conn = lab.session()?;
        conn.close_with([3]);
        ends(lab, &conn)
    }),
    variant("WS-CLS-002", "reason", |lab| {
        let conn = lab.session()?;
        conn.close_with([0x03, 0xE8, 0xFF, 0xFE]);
        ends(lab, &conn)
    }),
    variant("WS-CLS-003", "fin", |lab| {
        let conn = lab.session()?;
        conn.fin();
        told(lab, 1006, "", false)
    }),
    variant("WS-CLS-003", "no-code", |lab| {
        let conn = lab.session()?;
        conn.close_with([]);
        told(lab, 1005, "", true)
    }),
    case("WS-CLS-1000", |lab| exposed(lab, 1000)),
    case("WS-CLS-1001", |lab| exposed(lab, 1001)),
    case("WS-CLS-1002", |lab| exposed(lab, 1002)),
    case("WS-CLS-1003", |lab| exposed(lab, 1003)),
    case("WS-CLS-1007", |lab| exposed(lab, 1007)),
    case("WS-CLS-1008", |lab| exposed(lab, 1008)),
    case("WS-CLS-1009", |lab| exposed(lab, 1009)),
    case("WS-CLS-1011", |lab| exposed(lab, 1011)),
    case("WS-CLS-1012", |lab| exposed(lab, 1012)),
    case("WS-CLS-1013", |lab| exposed(lab, 1013)),
    case("WS-CLS-4401", |lab| exposed(lab, 4401)),
    case("WS-RCN-001", first_delays)
        .needs(&["reconnect"])
        .slow(),
    case("WS-RCN-002", later_delays)
        .needs(&["reconnect"])
        .slow(),
];

/// A code that never stands in a Close.
fn illegal(lab: &mut Lab, code: u16) -> Verdict {
    let conn = lab.session()?;
    conn.close(code, "");
    ends(lab, &conn)
}

fn told(lab: &mut Lab, code: u64, reason: &str, clean: bool) -> Verdict {
    let closed = lab.expect("closed")?;
    let given = closed.text("reason").unwrap_or_default();
    if closed.number("code") == Some(code) && given == reason && closed.fields["clean"] == clean {
        return OK;
    }
    violated(format!(
        "expected the code {code}, the reason \"{reason}\" and clean {clean}, the client tells {}",
        closed.fields
    ))
}

/// The code reaches the application; no retry follows at once.
fn exposed(lab: &mut Lab, code: u16) -> Verdict {
    let again = lab.hello().has("reconnect");
    let fields = if again {
        json!({"reconnect": {"enabled": true}})
    } else {
        json!({})
    };
    let conn = lab
        .session_with(fields, "version:1.2\n")
        .map_err(Outcome::beforehand)?;
    conn.close(code, "conf");
    told(lab, u64::from(code), "conf", true)?;
    match lab.accept_within(Duration::from_millis(50)) {
        None => OK,
        Some(_) => violated("the client connects again at once"),
    }
}

/// The first retry after a loss: several starts of the client.
fn first_delays(lab: &mut Lab) -> Verdict {
    let mut delays = Vec::new();
    for _ in 0..6 {
        lab.connect(json!({"reconnect": {"enabled": true, "initial_ms": 500, "max_ms": 5000}}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\n");
        lab.expect("connected").map_err(Outcome::beforehand)?;
        conn.reset();
        let lost = Instant::now();
        let again = lab
            .accept_within(lab.span(SECOND * 10))
            .ok_or_else(|| Outcome::Violated("the client does not connect again".to_owned()))?;
        delays.push(lost.elapsed().as_millis());
        again.upgrade();
        again.expect("CONNECT")?;
        again.connected("version:1.2\n");
        lab.expect("connected")?;
        lab.ask("disconnect", json!({"timeout_ms": 2000}))?;
        lab.expect("disconnected")?;
        lab.event_where("closed", lab.due(), |e| e.fields["will_reconnect"] == false)
            .ok_or_else(|| Outcome::Inconclusive("disconnect never ended".to_owned()))?;
    }
    let shortest = delays.iter().min().copied().unwrap_or_default();
    let longest = delays.iter().max().copied().unwrap_or_default();
    if delays.iter().filter(|d| **d < 50).count() > 1 {
        return violated(format!("at once: {delays:?} ms"));
    }
    if longest - shortest < 15 {
        return violated(format!("all first delays are alike: {delays:?} ms"));
    }
    OK
}

/// Later retries: nobody is there for a while.
fn later_delays(lab: &mut Lab) -> Verdict {
    const INITIAL: u128 = 100;
    lab.connect(
        json!({"reconnect": {"enabled": true, "initial_ms": INITIAL as u64, "max_ms": 60000}}),
    )?;
    let (conn, _) = lab.greeted()?;
    conn.connected("version:1.2\n");
    lab.expect("connected").map_err(Outcome::beforehand)?;
    lab.world.change(|state| state.manners.refuses = true);
    conn.reset();
    let lost = Instant::now();
    let times = lab.world.until(lab.span(SECOND * 30), |state| {
        let later = state.wires.iter().skip(1);
        let times: Vec<Instant> = later.map(|wire| wire.since).collect();
        (times.len() >= 6).then_some(times)
    });
    let Some(times) = times else {
        return violated("fewer than six attempts in 30 s");
    };
    let befores = std::iter::once(lost).chain(times.iter().copied());
    let delays: Vec<u128> = befores
        .zip(&times)
        .map(|(before, at)| at.duration_since(before).as_millis())
        .collect();
    // Against the first delay as it was asked for: a client that waits not at all
    // has a first one of nothing, which all the others are four times of.
    let grown = delays.first().map(|&first| first.max(INITIAL) * 4);
    match delays.last() >= grown.as_ref() {
        true => OK,
        false => violated(format!("the delays do not grow: {delays:?} ms")),
    }
}
