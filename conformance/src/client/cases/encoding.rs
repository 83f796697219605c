//! S12-ENC: escapes of header names and values.

use super::{Case, OK, body_is, case, fails_session, shows, variant};
use crate::grade::violated;
use crate::wire::show;
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("S12-ENC-001", |lab| {
        shows(lab, "conf-k:a\\nb\n", "conf-k", "a\nb")
    }),
    case("S12-ENC-002", |lab| {
        shows(lab, "conf-k:a\\cb\n", "conf-k", "a:b")
    }),
    case("S12-ENC-003", |lab| {
        shows(lab, "conf-k:a\\\\b\n", "conf-k", "a\\b")
    }),
    case("S12-ENC-004", |lab| {
        shows(lab, "conf-k:a\\rb\n", "conf-k", "a\rb")
    }),
    case("S12-ENC-005", |lab| {
        shows(lab, "conf-a\\cb:v\n", "conf-a:b", "v")
    }),
    variant("S12-ENC-006", "t", |lab| breaks(lab, "conf-k:a\\tb\n")),
    variant("S12-ENC-006", "in-a-name", |lab| {
        breaks(lab, "conf-a\\tb:v\n")
    }),
    variant("S12-ENC-006", "capital-n", |lab| {
        breaks(lab, "conf-k:a\\Nb\n")
    }),
    case("S12-ENC-007", |lab| breaks(lab, "conf-k:abc\\\n")),
    variant("S12-ENC-007", "cut", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("conf-k:abc\\\n", "hi");
        let at = memchr::memmem::find(&octets, b"\\\n").unwrap_or(0) + 1;
        seat.conn.send(&octets[..at]);
        seat.conn.send(&octets[at..]);
        fails_session(lab, &seat.conn)
    }),
    case("S12-ENC-008", |lab| {
        let conn = lab.session()?;
        lab.ask(
            "send",
            json!({"dest": "/a", "headers": {"conf-k": "a:b\r\n\\"}, "text": "x"}),
        )?;
        let frame = conn.expect("SEND")?;
        let wanted: &[u8] = b"conf-k:a\\cb\\r\\n\\\\";
        match frame.lines().find(|line| line.starts_with(b"conf-k:")) {
            Some(line) if line == wanted => OK,
            Some(line) => violated(format!(
                "expected {}, got {}",
                show::octets(wanted),
                show::octets(line)
            )),
            None => violated(format!("expected a header conf-k, got {frame}")),
        }
    }),
    variant("S12-ENC-008", "in-a-name", |lab| {
        let conn = lab.session()?;
        lab.ask(
            "send",
            json!({"dest": "/a", "headers": {"conf-a:b": "v"}, "text": "x"}),
        )?;
        let frame = conn.expect("SEND")?;
        match frame.lines().any(|line| line == b"conf-a\\cb:v") {
            true => OK,
            false => violated(format!("expected conf-a\\cb:v, got {frame}")),
        }
    }),
    case("S12-ENC-010", |lab| {
        lab.connect(json!({"login": "u", "passcode": "a:b\\c"}))?;
        let (_, connect) = lab.greeted()?;
        let wanted: &[u8] = b"passcode:a:b\\c";
        match connect.lines().any(|line| line == wanted) {
            true => OK,
            false => violated(format!(
                "expected the line {} in CONNECT, got {}",
                show::octets(wanted),
                show::octets(&connect.octets)
            )),
        }
    }),
    case("S12-ENC-011", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\nsession:a\\cb\\tz\n");
        let connected = lab.expect("connected")?;
        match connected.text("session") {
            Some("a\\cb\\tz") => OK,
            other => violated(format!(
                "expected the session a\\cb\\tz, the client reports {other:?}"
            )),
        }
    }),
    case("S12-ENC-013", |lab| {
        lab.connect(json!({"login": "u", "passcode": "a:b\\c"}))?;
        let (_, first) = lab.greeted()?;
        Ok(crate::grade::Outcome::Info(format!(
            "the client begins with {}",
            first.command
        )))
    }),
    case("S12-ENC-014", |lab| {
        shows(lab, "conf-k: v \n", "conf-k", " v ")
    }),
    variant("S12-ENC-014", "name", |lab| {
        shows(lab, " k :v\n", " k ", "v")
    }),
    case("S12-ENC-016", |lab| {
        shows(lab, "conf-k:a\\\\nb\n", "conf-k", "a\\nb")
    }),
    case("S12-ENC-017", |lab| {
        let seat = lab.seat()?;
        let message = lab.delivered(&seat.conn, seat.message("", "a\\tb"))?;
        body_is(&message, b"a\\tb")
    }),
    case("S12-ENC-018", |lab| {
        let seat = lab.seat()?;
        let text = "a\u{e9}\u{20ac}\u{1f600}";
        let octets = seat.message("content-type:text/plain\n", text);
        let message = lab.delivered(&seat.conn, octets)?;
        match message.text("text") {
            Some(got) if got == text => body_is(&message, text.as_bytes()),
            other => violated(format!(
                "expected the text {text}, the client reports {other:?}"
            )),
        }
    }),
];

/// A MESSAGE with this header line is a fatal protocol error.
fn breaks(lab: &mut super::Lab, line: &str) -> crate::grade::Verdict {
    let seat = lab.seat()?;
    seat.conn.send(seat.message(line, "hi"));
    fails_session(lab, &seat.conn)
}
