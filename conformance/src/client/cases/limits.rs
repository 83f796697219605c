//! S12-LIM and S12-LNG: bounds of what is taken, and frames that are lost.

use super::{Case, Lab, OK, SECOND, Seat, body_is, case, header_is, variant};
use crate::grade::{Outcome, Verdict, violated};
use serde_json::json;
use std::time::Instant;

/// What is sent of something that has no end.
const ENOUGH: usize = 96 << 20;
/// Memory that a client may take for it.
const GROWTH: u64 = 256 << 20;

pub(super) const CASES: &[Case] = &[
    variant("S12-LIM-003", "header-line", |lab| {
        endless(lab, "k:", &[b'x'; 64 << 10])
    })
    .slow(),
    variant("S12-LIM-003", "headers", |lab| {
        endless(lab, "", "k:v\n".repeat(16 << 10).as_bytes())
    })
    .slow(),
    variant("S12-LIM-003", "content-length", |lab| {
        endless(lab, "content-length:1000000000000\n\n", &[b'x'; 64 << 10])
    })
    .slow(),
    variant("S12-LIM-004", "headers", |lab| {
        let seat = lab.seat()?;
        let lines: String = (1..=50).map(|n| format!("conf-k{n}:{n}\n")).collect();
        let message = lab.delivered(&seat.conn, seat.message(&lines, "x"))?;
        header_is(&message, "conf-k50", "50")?;
        OK
    }),
    variant("S12-LIM-004", "line", |lab| {
        let seat = lab.seat()?;
        let value = "x".repeat((8 << 10) - 8);
        let message = lab.delivered(&seat.conn, seat.message(&format!("conf-k:{value}\n"), "x"))?;
        header_is(&message, "conf-k", &value)?;
        OK
    }),
    variant("S12-LIM-004", "body", |lab| {
        let seat = lab.seat()?;
        let body = "x".repeat(64 << 10);
        body_is(
            &lab.delivered(&seat.conn, seat.message("", &body))?,
            body.as_bytes(),
        )
    }),
    case("S12-LNG-002", |lab| {
        let conn = lab.session()?;
        lab.world.change(|state| state.manners.receipts = false);
        lab.ask("disconnect", json!({"timeout_ms": 5000}))?;
        conn.expect("DISCONNECT")?;
        conn.reset();
        let within = lab.span(SECOND * 30);
        match lab.event("disconnected", within) {
            Some(event) if event.fields["graceful"] == false => OK,
            Some(event) => violated(format!(
                "expected an unconfirmed end, the client tells {}",
                event.fields
            )),
            None => Err(Outcome::Failed("disconnect never ends".to_owned())),
        }
    }),
];

/// A MESSAGE without end. The client must give it up, in bounded memory.
fn endless(lab: &mut Lab, lines: &str, chunk: &[u8]) -> Verdict {
    let seat = lab.seat()?;
    let before = lab.driver.memory();
    let began = Instant::now();
    flood(&seat, lines, chunk);
    let ended = seat.conn.ends_within(lab.span(SECOND * 10));
    if let (Some(before), Some(after)) = (before, lab.driver.memory()) {
        let grown = after.saturating_sub(before);
        if grown > GROWTH {
            let mib = grown >> 20;
            return violated(format!("the client grew by {mib} MiB"));
        }
    }
    if !ended {
        return violated(format!(
            "{} MiB of one frame, and the client still reads after {:.1} s",
            ENOUGH >> 20,
            began.elapsed().as_secs_f64()
        ));
    }
    match lab.expect("error")?.text("kind") {
        Some("protocol") => OK,
        kind => violated(format!(
            "expected an error of the kind protocol, got {kind:?}"
        )),
    }
}

fn flood(seat: &Seat, lines: &str, chunk: &[u8]) {
    let head = format!(
        "MESSAGE\nsubscription:{}\nmessage-id:1\ndestination:/a\n{lines}",
        seat.sub
    );
    seat.conn.send(head);
    let mut sent = 0;
    while sent < ENOUGH && !seat.conn.with(|wire| wire.is_over()) {
        seat.conn.send(chunk);
        sent += chunk.len();
    }
}
