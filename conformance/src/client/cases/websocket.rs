//! WS-HSK, WS-FRM, WS-CTL, WS-TXT: RFC 6455 below STOMP.

use super::{Case, Lab, OK, SECOND, body_is, case, variant};
use crate::client::conn::Conn;
use crate::client::lab::Seat;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::Version;
use crate::wire::ws::{self, Lay};
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    case("WS-HSK-001", |lab| {
        let mut keys = Vec::new();
        for _ in 0..2 {
            lab.connect(json!({}))?;
            let conn = lab.accept()?;
            let key = conn
                .request()
                .header("Sec-WebSocket-Key")
                .map(str::to_owned);
            conn.http("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            lab.expect("closed")?;
            keys.push(key);
        }
        match keys[0] != keys[1] && keys[0].is_some() {
            true => OK,
            false => violated(format!("the key is not fresh: {keys:?}")),
        }
    }),
    variant("WS-HSK-002", "wrong-accept", |lab| {
        refuses_upgrade(lab, |conn| {
            let right = ws::accept(
                conn.request()
                    .header("Sec-WebSocket-Key")
                    .unwrap_or_default(),
            );
            let wrong = ws::accept("somebody else's");
            conn.upgrade_octets("").replace(&right, &wrong)
        })
    }),
    variant("WS-HSK-002", "no-accept", |lab| {
        refuses_upgrade(lab, |conn| {
            without(&conn.upgrade_octets(""), "Sec-WebSocket-Accept")
        })
    }),
    variant("WS-HSK-002", "no-upgrade", |lab| {
        refuses_upgrade(lab, |conn| without(&conn.upgrade_octets(""), "Upgrade"))
    }),
    variant("WS-HSK-002", "no-connection", |lab| {
        refuses_upgrade(lab, |conn| without(&conn.upgrade_octets(""), "Connection"))
    }),
    case("WS-HSK-003", |lab| {
        refuses_upgrade(lab, |conn| {
            conn.bare_upgrade_octets("Sec-WebSocket-Protocol: mqtt\r\n")
        })
    }),
    case("WS-HSK-005", |lab| {
        refuses_upgrade(lab, |conn| {
            conn.upgrade_octets("Sec-WebSocket-Extensions: x-foo\r\n")
        })
    }),
    variant("WS-HSK-006", "200", |lab| status(lab, 200)),
    variant("WS-HSK-006", "302", |lab| status(lab, 302)),
    variant("WS-HSK-006", "400", |lab| status(lab, 400)),
    variant("WS-HSK-006", "401", |lab| status(lab, 401)),
    variant("WS-HSK-006", "403", |lab| status(lab, 403)),
    variant("WS-HSK-006", "404", |lab| status(lab, 404)),
    variant("WS-HSK-006", "426", |lab| status(lab, 426)),
    variant("WS-HSK-006", "429", |lab| status(lab, 429)),
    variant("WS-HSK-006", "500", |lab| status(lab, 500)),
    variant("WS-HSK-006", "502", |lab| status(lab, 502)),
    variant("WS-HSK-006", "503", |lab| status(lab, 503)),
    case("WS-HSK-009", |lab| {
        lab.connect(json!({}))?;
        let conn = lab.accept()?;
        let ping = Lay::plain(ws::PING).octets(b"early");
        let upgrade = conn.upgrade_octets("");
        conn.upgraded_by([upgrade.as_bytes(), &ping].concat());
        pong(lab, &conn, b"early")?;
        conn.connected("version:1.2\n");
        lab.expect("connected")?;
        OK
    }),
    case("WS-FRM-001", |lab| {
        let conn = lab.session()?;
        for _ in 0..20 {
            lab.ask("send", json!({"dest": "/a", "text": "x"}))?;
            conn.expect("SEND")?;
        }
        let masks: Vec<u32> =
            conn.with(|wire| wire.masks.iter().map(|m| u32::from_be_bytes(*m)).collect());
        let steps: Vec<u32> = masks
            .windows(2)
            .map(|two| two[1].wrapping_sub(two[0]))
            .collect();
        if steps.is_empty() || steps.iter().all(|step| *step == steps[0]) {
            return violated(format!(
                "keys that can be foretold: {:08x?}",
                &masks[..4.min(masks.len())]
            ));
        }
        OK
    }),
    case("WS-FRM-004", |lab| {
        fails(lab, |seat| {
            let lay = Lay::masked(ws::TEXT, [1, 2, 3, 4]);
            seat.conn.lay(lay, seat.message("", "hi"));
        })
    }),
    variant("WS-FRM-005", "rsv1", |lab| reserved(lab, 4)),
    variant("WS-FRM-005", "rsv2", |lab| reserved(lab, 2)),
    variant("WS-FRM-005", "rsv3", |lab| reserved(lab, 1)),
    variant("WS-FRM-006", "3", |lab| {
        fails(lab, |seat| seat.conn.send_as(3, seat.message("", "hi")))
    }),
    variant("WS-FRM-006", "B", |lab| {
        fails(lab, |seat| seat.conn.send_as(11, "x"))
    }),
    case("WS-FRM-007", |lab| {
        fails(lab, |seat| {
            seat.conn.raw([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0])
        })
    }),
    variant("WS-FRM-008", "every-cut", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("k:v\n", "\u{20ac}");
        for at in 0..=octets.len() {
            let (head, tail) = octets.split_at(at);
            fragments(&seat.conn, &[head, b"", tail]);
            body_is(&lab.expect("message")?, "\u{20ac}".as_bytes())?;
        }
        OK
    })
    .slow(),
    variant("WS-FRM-008", "octets", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.connected_as(Version::V1_2);
        let connected: Vec<&[u8]> = b"CONNECTED\nversion:1.2\n\n\0".chunks(1).collect();
        fragments(&conn, &connected);
        lab.expect("connected")?;
        let seat = lab.seat_at(conn, json!({}))?;
        let octets = seat.message("k:v\n", "hi");
        fragments(&seat.conn, &octets.chunks(1).collect::<Vec<_>>());
        body_is(&lab.expect("message")?, b"hi")
    }),
    case("WS-FRM-009", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("", "between");
        let parts: Vec<&[u8]> = octets.chunks(octets.len() / 3 + 1).collect();
        let open = |opcode| Lay {
            fin: false,
            ..Lay::plain(opcode)
        };
        seat.conn.lay(open(ws::TEXT), parts[0]);
        seat.conn.send_as(ws::PING, "one");
        pong(lab, &seat.conn, b"one")?;
        seat.conn.lay(open(ws::CONTINUATION), parts[1]);
        seat.conn.send_as(ws::PONG, "two");
        seat.conn.lay(Lay::plain(ws::CONTINUATION), parts[2]);
        body_is(&lab.expect("message")?, b"between")
    }),
    variant("WS-FRM-010", "interleaved", |lab| {
        fails(lab, |seat| {
            let octets = seat.message("", "hi");
            let (head, tail) = octets.split_at(octets.len() / 2);
            let lay = Lay {
                fin: false,
                ..Lay::plain(ws::TEXT)
            };
            seat.conn.lay(lay, head);
            seat.conn.send(tail);
        })
    }),
    variant("WS-FRM-010", "no-start", |lab| {
        fails(lab, |seat| {
            seat.conn.send_as(ws::CONTINUATION, seat.message("", "hi"))
        })
    }),
    case("WS-FRM-011", |lab| {
        let seat = lab.seat()?;
        let message = seat.message("k:v\n", "x".repeat(200));
        for octet in Lay::plain(ws::TEXT).octets(&message) {
            seat.conn.raw([octet]);
        }
        body_is(&lab.expect("message")?, "x".repeat(200).as_bytes())
    }),
    variant("WS-FRM-012", "long", |lab| {
        fails(lab, |seat| seat.conn.send_as(ws::PING, [b'x'; 126]))
    }),
    variant("WS-FRM-012", "fragmented", |lab| {
        fails(lab, |seat| {
            let lay = Lay {
                fin: false,
                ..Lay::plain(ws::PING)
            };
            seat.conn.lay(lay, "x");
            seat.conn.send_as(ws::CONTINUATION, "y");
        })
    }),
    case("WS-CTL-001", |lab| {
        let conn = lab.session()?;
        let data: Vec<u8> = (0..125).collect();
        conn.send_as(ws::PING, &data);
        pong(lab, &conn, &data)
    }),
    variant("WS-CTL-001", "before-connected", |lab| {
        lab.connect(json!({}))?;
        let (conn, _) = lab.greeted()?;
        conn.send_as(ws::PING, "early");
        pong(lab, &conn, b"early")
    }),
    variant("WS-CTL-001", "busy", |lab| {
        let seat = lab.seat()?;
        for n in 0..100 {
            seat.conn
                .send(seat.message(&format!("n:{n}\n"), "x".repeat(500)));
        }
        seat.conn.send_as(ws::PING, "busy");
        pong(lab, &seat.conn, b"busy")
    }),
    case("WS-CTL-002", |lab| {
        let seat = lab.seat()?;
        seat.conn.send_as(ws::PONG, "nobody asked");
        body_is(
            &lab.delivered(&seat.conn, seat.message("", "next"))?,
            b"next",
        )
    }),
    variant("WS-CTL-003", "1000", |lab| answers_close(lab, 1000)),
    variant("WS-CTL-003", "1001", |lab| answers_close(lab, 1001)),
    variant("WS-CTL-003", "1011", |lab| answers_close(lab, 1011)),
    variant("WS-CTL-003", "4000", |lab| answers_close(lab, 4000)),
    case("WS-CTL-004", |lab| {
        let conn = lab.session()?;
        lab.world.change(|state| state.manners.fin = false);
        conn.close(1001, "");
        lab.tell("send", json!({"dest": "/a", "text": "late"}))?;
        conn.ends_within(lab.span(SECOND * 2));
        match conn.any(SECOND / 2) {
            // It may have left before the Close was read.
            Some(_) if conn.with(|wire| wire.close.is_none()) => violated("no Close at all"),
            Some(_) | None => OK,
        }
    }),
    case("WS-CTL-005", |lab| {
        let conn = lab.session()?;
        lab.world.change(|state| state.manners.fin = false);
        lab.ask("disconnect", json!({"timeout_ms": 5000}))?;
        conn.expect("DISCONNECT")?;
        match conn.tcp_ends_within(lab.span(SECOND * 30)) {
            true => OK,
            false => violated("after both Close frames it waits more than 30 s for the end of TCP"),
        }
    })
    .slow(),
    case("WS-TXT-001", |lab| {
        fails(lab, |seat| {
            seat.conn
                .send_as(ws::TEXT, seat.message("content-length:1\n", [0xFF]));
        })
    }),
    case("WS-TXT-002", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("", "\u{1f600}");
        let start = octets.len() - 5;
        for at in start..start + 4 {
            let (head, tail) = octets.split_at(at);
            fragments(&seat.conn, &[head, tail]);
            body_is(&lab.expect("message")?, "\u{1f600}".as_bytes())?;
        }
        OK
    }),
    case("WS-TXT-003", |lab| {
        let seat = lab.seat()?;
        let octets = seat.message("content-length:3\n", "a\0b");
        // The last NUL comes alone, in a text message of its own.
        let (head, tail) = octets.split_at(octets.len() - 1);
        seat.conn.send_as(ws::TEXT, head);
        lab.never("message", SECOND / 4)?;
        seat.conn.send_as(ws::TEXT, tail);
        body_is(&lab.expect("message")?, b"a\0b")
    }),
];

/// One message in these fragments.
fn fragments(conn: &Conn, parts: &[&[u8]]) {
    for (n, part) in parts.iter().enumerate() {
        let opcode = if n == 0 { ws::TEXT } else { ws::CONTINUATION };
        let lay = Lay {
            fin: n + 1 == parts.len(),
            ..Lay::plain(opcode)
        };
        conn.lay(lay, part);
    }
}

fn without(head: &str, name: &str) -> String {
    let lines = head.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with(name)).collect()
}

/// The client must not take this answer for an upgrade.
fn refuses_upgrade(lab: &mut Lab, octets: fn(&Conn) -> String) -> Verdict {
    lab.connect(json!({}))?;
    let conn = lab.accept()?;
    conn.upgraded_by(octets(&conn));
    let ended = conn.ends_within(lab.span(SECOND * 2));
    if let Some(frame) = conn.any(SECOND / 100) {
        return violated(format!("the client goes on with {frame}"));
    }
    if !ended {
        return violated("the client did not end the connection within 2 s");
    }
    lab.expect("closed")?;
    OK
}

/// An answer that is no upgrade: told with its status.
fn status(lab: &mut Lab, status: u16) -> Verdict {
    lab.connect(json!({}))?;
    let conn = lab.accept()?;
    let more = match status {
        302 => "Location: http://127.0.0.1:9/\r\n",
        429 | 503 => "Retry-After: 1\r\n",
        401 => "WWW-Authenticate: Bearer\r\n",
        _ => "",
    };
    let body = "<html>no</html>";
    conn.with(|wire| wire.upgraded = true);
    conn.http(format!(
        "HTTP/1.1 {status} Judged\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
         Connection: close\r\n{more}\r\n{body}",
        body.len()
    ));
    let error = lab.expect("error")?;
    if let Some(frame) = conn.any(SECOND / 100) {
        return violated(format!("the client goes on with {frame}"));
    }
    match error.number("http_status") {
        Some(got) if got == u64::from(status) => OK,
        // Redirections may be followed.
        _ if status == 302 => OK,
        _ => violated(format!(
            "expected the status {status}, the client tells {}",
            error.fields
        )),
    }
}

/// The client must end the connection, and deliver nothing.
fn fails(lab: &mut Lab, how: fn(&Seat)) -> Verdict {
    let seat = lab.seat()?;
    how(&seat);
    ends(lab, &seat.conn)
}

pub(super) fn ends(lab: &mut Lab, conn: &Conn) -> Verdict {
    let ended = conn.ends_within(lab.span(SECOND * 2));
    if let Some(message) = lab.event("message", SECOND / 100) {
        return violated(format!("the client delivered {}", message.fields));
    }
    if !ended {
        return violated(format!(
            "expected the end of the connection within 2 s, it stayed; the client told {}",
            lab.told()
        ));
    }
    lab.expect("closed")?;
    OK
}

fn reserved(lab: &mut Lab, rsv: u8) -> Verdict {
    let seat = lab.seat()?;
    let lay = Lay {
        rsv,
        ..Lay::plain(ws::TEXT)
    };
    seat.conn.lay(lay, seat.message("", "hi"));
    ends(lab, &seat.conn)
}

fn pong(lab: &Lab, conn: &Conn, data: &[u8]) -> Verdict {
    let within = lab.span(SECOND * 2);
    let pong = conn.until(within, |wire| wire.pongs.iter().position(|p| p == data));
    match pong {
        Some(_) => OK,
        None => violated("expected a pong with the same data within 2 s"),
    }
}

fn answers_close(lab: &mut Lab, code: u16) -> Verdict {
    let conn = lab.session()?;
    conn.close(code, "");
    let within = lab.span(SECOND * 2);
    let close = conn.until(within, |wire| wire.close.clone());
    match close {
        None => return violated("expected a Close within 2 s, got none"),
        Some(close) if close.code.is_some_and(|c| c != code) => {
            return Ok(Outcome::NonStrict(format!(
                "{code} is answered by {:?}",
                close.code
            )));
        }
        Some(_) => {}
    }
    let closed = lab.expect("closed")?;
    match closed.number("code") == Some(u64::from(code)) {
        true => OK,
        false => violated(format!(
            "expected the code {code}, the client tells {}",
            closed.fields
        )),
    }
}
