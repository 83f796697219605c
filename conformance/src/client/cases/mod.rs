//! What is asked of a client, one file per area of the requirement list.

mod acks;
mod closes;
mod connects;
mod dialects;
mod disconnects;
mod encoding;
mod errors;
mod frames;
mod headers;
mod heartbeats;
mod limits;
mod messages;
mod older;
mod receipts;
mod sends;
mod subscriptions;
mod transactions;
mod verbs;
mod websocket;
mod ws_stomp;

use super::conn::{Conn, written};
use super::lab::{Lab, SECOND, Seat, merge};
use super::world::Event;
use crate::case;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::show;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// One question to a client.
pub(crate) type Case = case::Case<Lab>;

const fn case(requirement: &'static str, run: fn(&mut Lab) -> Verdict) -> Case {
    Case::new(requirement, "", run)
}

const fn variant(
    requirement: &'static str,
    variant: &'static str,
    run: fn(&mut Lab) -> Verdict,
) -> Case {
    Case::new(requirement, variant, run)
}

/// All of them, in the order of the list.
pub(crate) fn all() -> Vec<&'static Case> {
    let areas = [
        frames::CASES,
        encoding::CASES,
        headers::CASES,
        limits::CASES,
        connects::CASES,
        heartbeats::CASES,
        sends::CASES,
        subscriptions::CASES,
        acks::CASES,
        transactions::CASES,
        disconnects::CASES,
        messages::CASES,
        receipts::CASES,
        errors::CASES,
        older::CASES,
        websocket::CASES,
        closes::CASES,
        ws_stomp::CASES,
        dialects::CASES,
    ];
    areas.into_iter().flatten().collect()
}

/// Fields of `connect` for a client that connects again, and soon.
fn reconnecting() -> Value {
    json!({"reconnect": {"enabled": true, "initial_ms": 200, "max_ms": 2000}})
}

/// A SEND that asks for a receipt and gets none by itself; the receipt as it must
/// be written.
fn pending(lab: &mut Lab, conn: &Conn, label: &str) -> Result<String, Outcome> {
    lab.world.change(|state| state.manners.receipts = false);
    lab.ask("send", json!({"dest": "/a", "text": "x", "receipt": label}))?;
    written(&conn.expect("SEND")?, "receipt")
}

/// A client that was refused may try again, and not without pause. Each further
/// connection is treated like that.
fn not_hot(lab: &mut Lab, refuse: fn(&Conn)) -> Verdict {
    let until = Instant::now() + SECOND * 3;
    let mut attempts = 0;
    while let Some(conn) = lab.accept_within(until.saturating_duration_since(Instant::now())) {
        attempts += 1;
        refuse(&conn);
    }
    if attempts > 3 {
        return violated(format!("{attempts} further attempts within 3 s"));
    }
    OK
}

const OK: Verdict = Ok(Outcome::Ok);

/// The client reports a MESSAGE with these header lines, and this of it.
fn shows(lab: &mut Lab, lines: &str, name: &str, value: &str) -> Verdict {
    let seat = lab.seat()?;
    let message = lab.delivered(&seat.conn, seat.message(lines, "hi"))?;
    header_is(&message, name, value)?;
    body_is(&message, b"hi")
}

fn header_is(event: &Event, name: &str, value: &str) -> Result<(), Outcome> {
    if event.is_echo() && !name.starts_with("conf-") {
        // An echo does not show it.
        return Ok(());
    }
    let shown = |text: &str| show::octets(text.as_bytes());
    match event.header(name) {
        Some(got) if got == value => Ok(()),
        Some(got) => violated(format!(
            "expected {} = \"{}\", the client reports \"{}\"",
            shown(name),
            shown(value),
            shown(got)
        )),
        None => violated(format!(
            "expected a header {}, the client reports {}",
            shown(name),
            event.fields["headers"]
        )),
    }
}

fn body_is(event: &Event, body: &[u8]) -> Verdict {
    let got = event.body();
    if got == body {
        return OK;
    }
    violated(format!(
        "expected the body \"{}\", the client reports \"{}\"",
        show::octets(body),
        show::octets(&got)
    ))
}

/// The client must end the session by itself and say that the server broke the
/// protocol; nothing of it may have been delivered.
fn fails_session(lab: &Lab, conn: &Conn) -> Verdict {
    let ended = conn.ends_within(lab.span(SECOND * 2));
    if let Some(message) = lab.event("message", Duration::ZERO) {
        return violated(format!(
            "expected the end of the session, the client delivered {}",
            message.fields
        ));
    }
    if !ended {
        return violated(format!(
            "expected the client to end the connection within 2 s, it stayed; it told {}",
            lab.told()
        ));
    }
    if lab.is_echo() {
        // It cannot say why.
        return lab.expect("closed").map(|_| Outcome::Ok);
    }
    let error = lab.expect("error")?;
    match error.text("kind") {
        Some("protocol") => OK,
        kind => violated(format!(
            "expected an error of the kind protocol, the client told {}",
            kind.unwrap_or("none")
        )),
    }
}

/// What the client makes of octets that the text says nothing about. It must
/// stay alive; what it does is written down.
fn records(lab: &mut Lab, seat: &Seat, octets: impl AsRef<[u8]>) -> Verdict {
    seat.conn.send(octets);
    reaction(lab, &seat.conn).map(Outcome::Info)
}

/// What happens next, in words. Either the session goes on, and then in sync,
/// or it ends.
fn reaction(lab: &mut Lab, conn: &Conn) -> Result<String, Outcome> {
    let within = lab.span(SECOND);
    let told = lab.world.until(within, |state| {
        let at = state.events.iter().position(|e| {
            matches!(
                e.name.as_str(),
                "message" | "error" | "closed" | "unhandled"
            )
        })?;
        Some(state.events.remove(at))
    });
    let words = match told {
        Some(event) if event.name == "message" => format!("delivered: {}", event.fields),
        Some(event) => match event.text("kind") {
            Some(kind) => format!("{} ({kind})", event.name),
            None => event.name,
        },
        None => "ignored".to_owned(),
    };
    if conn.ends_within(lab.span(SECOND / 2)) {
        return Ok(format!("{words}; the connection was ended"));
    }
    // A client that goes on must still understand what follows.
    conn.send("RECEIPT\nreceipt-id:nobody\n\n\0");
    let answer = lab.ask("wait", json!({"ms": 1}));
    answer.map(|_| format!("{words}; the session goes on"))
}

#[test]
fn every_id_is_in_the_list_and_once() {
    case::check(&all(), super::passive::RULES);
}
