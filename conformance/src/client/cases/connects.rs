//! S12-CON and S12-VER: how a session begins.

use super::{Case, Lab, OK, SECOND, case, header_is, not_hot, variant};
use crate::client::conn::Conn;
use crate::client::world::Answer;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::show;
use crate::wire::stomp::Frame;
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-CON-001", |lab| {
        lab.connect(json!({}))?;
        lab.greeted()?;
        OK
    }),
    case("S12-CON-002", |lab| {
        lab.connect(json!({"timeout_ms": 1000}))?;
        let (conn, _) = lab.greeted()?;
        lab.never("connected", SECOND)?;
        if lab.event("closed", lab.span(SECOND * 59)).is_none() {
            return violated("without CONNECTED the client waits for ever");
        }
        match conn.ends_within(lab.span(SECOND * 2)) {
            true => OK,
            false => violated("it gave up and left the connection open"),
        }
    }),
    case("S12-CON-003", |lab| {
        lab.connect(json!({"login": "u", "passcode": "no", "reconnect": {"enabled": true}}))?;
        let (conn, _) = lab.greeted()?;
        refuse(&conn, "ERROR\nmessage:bad credentials\n\n\0");
        header_is(&lab.expect("error")?, "message", "bad credentials")?;
        not_hot(lab, |conn| {
            conn.upgrade();
            refuse(conn, "ERROR\nmessage:bad credentials\n\n\0");
        })
    }),
    case("S12-CON-006", |lab| has(lab, "accept-version")),
    case("S12-CON-007", |lab| has(lab, "host")),
    case("S12-CON-008", |lab| {
        lab.connect(json!({"host": null}))?;
        let (_, connect) = lab.greeted()?;
        match connect.header("host") {
            Some("127.0.0.1") => OK,
            _ => violated(format!("expected host:127.0.0.1, got {connect}")),
        }
    }),
    case("S12-CON-010", |lab| {
        lab.connect(json!({}))?;
        let (_, connect) = lab.greeted()?;
        let given = ["login", "passcode"].map(|name| connect.header(name));
        match given {
            [None, None] => OK,
            [Some("") | None, Some("") | None] => Ok(Outcome::NonStrict(
                "an empty login or passcode instead of none".to_owned(),
            )),
            _ => violated(format!("credentials that nobody gave: {connect}")),
        }
    }),
    case("S12-CON-011", |lab| {
        let (conn, _) = without_1_0(lab)?;
        conn.send("CONNECTED\nsession:1\n\n\0");
        refused(lab, &conn)
    }),
    case("S12-CON-012", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\n");
        lab.expect("connected")?;
        OK
    }),
    case("S12-CON-013", |lab| tells(lab, "session", "S-1 \u{e9}")),
    variant("S12-CON-014", "comments", |lab| {
        tells(lab, "server", "Apache/1.3.9 (x y) z")
    }),
    variant("S12-CON-014", "odd", |lab| {
        tells(lab, "server", " /:\u{20ac} ")
    }),
    case("S12-CON-015", |lab| {
        lab.connect(json!({}))?;
        // Queued or refused: both are right.
        lab.tell("subscribe", json!({"sub": "A", "dest": "/a"}))?;
        lab.tell("send", json!({"dest": "/a", "text": "x"}))?;
        let (conn, _) = lab.greeted()?;
        conn.silent(SECOND)?;
        conn.connected("version:1.2\n");
        lab.expect("connected")?;
        OK
    }),
    case("S12-CON-016", |lab| {
        let conn = lab.session()?;
        conn.send("ERROR\nmessage:401 token expired\ncode:401\n\n\0");
        lab.expect("error")?;
        match conn.pick(SECOND, |f| {
            matches!(f.command.as_str(), "CONNECT" | "STOMP")
        }) {
            None => OK,
            Some((_, frame)) => Err(Outcome::Failed(format!("on the live session: {frame}"))),
        }
    }),
    variant("S12-CON-017", "9.9", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.send("CONNECTED\nversion:9.9\n\n\0");
        refused(lab, &conn)
    }),
    variant("S12-CON-017", "1.1", |lab| {
        lab.connect(json!({"accept": ["1.2"]}))
            .map_err(|_| Outcome::Unimplemented("it cannot offer 1.2 alone".to_owned()))?;
        let (conn, _) = lab.greeted()?;
        conn.send("CONNECTED\nversion:1.1\n\n\0");
        refused(lab, &conn)
    }),
    case("S12-CON-018", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.send("\n");
        conn.connected("version:1.2\n");
        match lab.event("connected", lab.due()) {
            Some(_) => OK,
            None => Ok(Outcome::Info("an EOL before CONNECTED ends it".to_owned())),
        }
    }),
    case("S12-VER-004", |lab| {
        let error = "ERROR\nversion:1.0\ncontent-type:text/plain\n\nSupported 1.0\0";
        lab.connect(json!({"reconnect": {"enabled": true}}))?;
        let (conn, _) = lab.greeted()?;
        refuse(&conn, error);
        match lab.expect("error")?.text("kind") {
            Some("stomp") => {}
            kind => return violated(format!("expected an error of the kind stomp, got {kind:?}")),
        }
        not_hot(lab, |conn| {
            conn.upgrade();
            refuse(conn, "ERROR\nversion:1.0\n\n\0");
        })
    }),
    case("S12-VER-005", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        refuse(&conn, "ERROR\nversion:1.0,1.3\nmessage:no\n\n\0");
        header_is(&lab.expect("error")?, "version", "1.0,1.3")?;
        OK
    }),
    case("S12-VER-008", |lab| {
        let conn = lab.session_with(json!({}), "version:1.1\n")?;
        let seat = lab.seat_at(conn, json!({"ack": "client-individual"}))?;
        let message = lab.delivered(&seat.conn, seat.message("", "x"))?;
        lab.ask("ack", json!({"msg": message.number("msg")}))?;
        let ack = seat.conn.expect("ACK")?;
        match (ack.header("message-id"), ack.header("subscription")) {
            (Some("1"), Some(_)) => OK,
            _ => violated(format!("expected message-id and subscription, got {ack}")),
        }
    })
    .needs(&["1.1"]),
    variant("S12-VER-008", "cr", |lab| {
        let conn = lab.session_with(json!({}), "version:1.1\n")?;
        // To refuse it is right; to escape it as in 1.2 is not.
        lab.tell(
            "send",
            json!({"dest": "/a", "headers": {"k": "a\rb"}, "text": "x"}),
        )?;
        match conn.any(SECOND) {
            Some(frame) if memchr::memmem::find(&frame.octets, b"a\\rb").is_some() => {
                violated(format!("\\r in a 1.1 session: {frame}"))
            }
            Some(_) => OK,
            None => match conn.with(|wire| wire.breach.clone()) {
                Some(why) => violated(format!("in a 1.1 session: {why}")),
                None => OK,
            },
        }
    })
    .needs(&["1.1"]),
];

/// An ERROR to CONNECT, and the end.
fn refuse(conn: &Conn, error: &str) {
    conn.send(error);
    conn.close(1000, "");
}

fn has(lab: &mut Lab, name: &str) -> Verdict {
    lab.connect(json!({}))?;
    let (_, connect) = lab.greeted()?;
    match connect.header(name) {
        Some(value) if !value.is_empty() => OK,
        Some(_) | None => violated(format!("expected {name}, got {connect}")),
    }
}

/// The client reports a header of CONNECTED as it stands.
fn tells(lab: &mut Lab, name: &str, value: &str) -> Verdict {
    lab.connect(json!({}))?;
    let (conn, _) = lab.greeted()?;
    conn.connected(&format!("version:1.2\n{name}:{value}\n"));
    match lab.expect("connected")?.text(name) {
        Some(got) if got == value => OK,
        got => violated(format!(
            "expected the {name} \"{}\", the client reports {got:?}",
            show::octets(value.as_bytes())
        )),
    }
}

/// A CONNECT that does not offer 1.0.
fn without_1_0(lab: &mut Lab) -> Result<(Conn, Frame), Outcome> {
    for accept in [json!(["1.1", "1.2"]), json!(["1.2"]), json!(null)] {
        let mut fields = lab.connect_fields(json!({}));
        super::merge(&mut fields, json!({ "accept": accept }));
        match lab.tell("connect", fields)? {
            Answer::Ok(_) => {
                let (conn, connect) = lab.greeted()?;
                let offers = connect.header("accept-version").unwrap_or("1.0");
                if offers.contains("1.0") {
                    let words = "it cannot leave 1.0 out".to_owned();
                    return Err(Outcome::Unimplemented(words));
                }
                return Ok((conn, connect));
            }
            Answer::Err { .. } | Answer::Unsupported => {}
        }
    }
    Err(Outcome::Unimplemented("it cannot leave 1.0 out".to_owned()))
}

/// The client must not take this CONNECTED.
fn refused(lab: &mut Lab, conn: &Conn) -> Verdict {
    let ended = conn.ends_within(lab.span(SECOND * 2));
    lab.never("connected", SECOND / 10)?;
    if !ended {
        return violated("expected the end of the connection within 2 s, it stayed");
    }
    lab.expect("error")?;
    OK
}
