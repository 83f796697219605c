//! S12-HBT: heart-beats.

use super::{Case, Lab, OK, SECOND, body_is, case, reconnecting, variant};
use crate::client::conn::Conn;
use crate::grade::{Outcome, Verdict, violated};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    case("S12-HBT-001", |lab| {
        lab.connect(json!({"heartbeat": [500, 700]}))?;
        let (_, connect) = lab.greeted()?;
        match connect.header("heart-beat") {
            Some("500,700") => OK,
            _ => violated(format!("expected heart-beat:500,700, got {connect}")),
        }
    }),
    case("S12-HBT-002", |lab| {
        quiet(lab, json!([500, 500]), "version:1.2\n", 3)
    })
    .slow(),
    case("S12-HBT-003", |lab| {
        let conn = live(lab, json!([0, 500]), "0,500")?;
        no_beats(lab, &conn, 3)
    })
    .slow(),
    case("S12-HBT-004", |lab| {
        let conn = live(lab, json!([500, 0]), "0,0")?;
        no_beats(lab, &conn, 3)
    })
    .slow(),
    variant("S12-HBT-005", "server-slower", |lab| {
        let conn = live(lab, json!([500, 0]), "0,1000")?;
        beats_every(lab, &conn, 1000)
    })
    .slow(),
    variant("S12-HBT-005", "client-slower", |lab| {
        let conn = live(lab, json!([1000, 0]), "0,500")?;
        beats_every(lab, &conn, 1000)
    })
    .slow(),
    case("S12-HBT-006", |lab| {
        quiet(lab, json!([0, 500]), "version:1.2\nheart-beat:0,0\n", 4)
    })
    .slow(),
    variant("S12-HBT-006", "max", |lab| {
        // 500 is wanted, 2000 is promised: 2000 it is.
        let conn = live(lab, json!([0, 500]), "2000,0")?;
        for _ in 0..3 {
            lab.world.pass(Duration::from_millis(1900));
            conn.send("\n");
        }
        stays(lab, &conn)
    })
    .slow(),
    case("S12-HBT-008", |lab| {
        let conn = live(lab, json!([300, 0]), "0,300")?;
        let beats = conn.until(lab.due(), |wire| {
            (wire.beats.len() >= 3).then(|| wire.beats.clone())
        });
        let Some(beats) = beats else {
            return violated("no heart-beats");
        };
        let odd = beats
            .iter()
            .find(|(_, o)| !matches!(o.as_slice(), b"\n" | b"\r\n"));
        match odd {
            None => OK,
            Some((_, octets)) => violated(format!("expected one EOL, got {octets:02x?}")),
        }
    }),
    case("S12-HBT-009", |lab| {
        let conn = live(lab, json!([0, 1000]), "1000,0")?;
        let seat = lab.seat_at(conn, json!({}))?;
        let each = Duration::from_millis(900);
        for n in 0..4 {
            lab.world.pass(each);
            seat.conn.send(seat.message(&format!("n:{n}\n"), "x"));
            lab.expect("message")?;
        }
        // A part of a frame is life, too.
        let octets = seat.message("", "dripped");
        let (head, tail) = octets.split_at(octets.len() - 5);
        seat.conn.send(head);
        for octet in tail {
            lab.world.pass(each);
            seat.conn.send([*octet]);
        }
        body_is(&lab.expect("message")?, b"dripped")
    })
    .slow(),
    case("S12-HBT-010", |lab| {
        let conn = live(lab, json!([0, 500]), "500,0")?;
        let began = Instant::now();
        let within = lab.span(Duration::from_millis(2500));
        if lab.event("heartbeat_lost", within).is_none() {
            return match lab.event("heartbeat_lost", lab.span(SECOND * 10)) {
                Some(_) => Ok(Outcome::Info(format!(
                    "a dead server is found after {:.1} s",
                    began.elapsed().as_secs_f64()
                ))),
                None => Err(Outcome::Failed("a dead server is never found".to_owned())),
            };
        }
        match conn.ends_within(lab.span(SECOND * 2)) {
            true => OK,
            false => Ok(Outcome::Info(
                "it tells, and leaves the connection open".to_owned(),
            )),
        }
    })
    .slow(),
    case("S12-HBT-011", |lab| {
        let conn = live(lab, json!([0, 1000]), "1000,0")?;
        for _ in 0..5 {
            lab.world.pass(Duration::from_millis(1200));
            conn.send("\n");
        }
        stays(lab, &conn)
    })
    .slow(),
    variant("S12-HBT-011", "wide-gap", |lab| {
        let conn = live(lab, json!([0, 1000]), "1000,0")?;
        lab.world.pass(Duration::from_millis(1800));
        conn.send("\n");
        match lab.event("heartbeat_lost", SECOND / 2) {
            Some(_) => Ok(Outcome::Info(
                "a gap of 1.8 intervals is too much".to_owned(),
            )),
            None => Ok(Outcome::Info("a gap of 1.8 intervals is borne".to_owned())),
        }
    })
    .slow(),
    case("S12-HBT-012", |lab| {
        let conn = live(lab, json!([500, 2000]), "3000,100")?;
        lab.world.pass(Duration::from_millis(2900));
        conn.send("\n");
        gaps(lab, &conn, 500)?;
        lab.world.pass(Duration::from_millis(2900));
        stays(lab, &conn)
    })
    .slow(),
    case("S12-HBT-013", |lab| {
        let conn = live(lab, json!([500, 0]), "0,500")?;
        beats_every(lab, &conn, 500)
    })
    .slow(),
    case("S12-HBT-014", |lab| {
        let conn = live(lab, json!([100, 0]), "0,100")?;
        lab.world.change(|state| state.manners.reads = false);
        let text = "x".repeat(4 << 20);
        lab.ask("send", json!({"dest": "/a", "text": text}))?;
        lab.world.pass(SECOND);
        lab.world.change(|state| state.manners.reads = true);
        match conn.pick(lab.due() * 4, |f| f.command == "SEND") {
            Some((_, send)) if send.body == text.as_bytes() => OK,
            Some(_) => violated("the body of a long SEND arrived changed"),
            None => violated("a long SEND never arrived"),
        }
    })
    .slow(),
    case("S12-HBT-015", |lab| {
        lab.connect(json!({"heartbeat": [200, 0]}))?;
        let (conn, _) = lab.greeted()?;
        lab.world.pass(SECOND + SECOND / 2);
        match conn.with(|wire| wire.beats.len()) {
            0 => OK,
            n => violated(format!("{n} EOLs before CONNECTED")),
        }
    })
    .slow(),
    variant("S12-HBT-016", "letters", |lab| odd(lab, "x,y")),
    variant("S12-HBT-016", "one", |lab| odd(lab, "100")),
    variant("S12-HBT-016", "three", |lab| odd(lab, "100,100,100")),
    variant("S12-HBT-016", "negative", |lab| odd(lab, "-100,-100")),
    variant("S12-HBT-016", "fraction", |lab| odd(lab, "0.5,0.5")),
    variant("S12-HBT-016", "empty", |lab| odd(lab, "")),
    case("S12-HBT-017", |lab| {
        let conn = live(lab, json!([500, 500]), "4294967296,4294967296")?;
        lab.world.pass(SECOND * 3);
        match conn.with(|wire| wire.beats.len()) {
            0..=1 => stays(lab, &conn),
            n => violated(format!("{n} EOLs in 3 s")),
        }
    })
    .slow(),
    case("S12-HBT-018", |lab| {
        let conn = live(lab, json!([0, 500]), "500,0")?;
        for _ in 0..12 {
            lab.world.pass(Duration::from_millis(300));
            conn.send_as(crate::wire::ws::PING, "x");
        }
        Ok(Outcome::Info(
            match lab.event("heartbeat_lost", Duration::ZERO) {
                Some(_) => "pings are no life".to_owned(),
                None => "pings are life".to_owned(),
            },
        ))
    })
    .slow(),
    case("S12-HBT-019", |lab| {
        let mut fields = reconnecting();
        fields["heartbeat"] = json!([0, 500]);
        lab.connect(fields)?;
        let (conn, _) = lab.greeted()?;
        conn.connected("version:1.2\nheart-beat:500,0\n");
        lab.expect("connected").map_err(Outcome::beforehand)?;
        lab.world.change(|state| state.manners.reads = false);
        if lab.event("heartbeat_lost", lab.span(SECOND * 4)).is_none() {
            return violated(format!(
                "expected heartbeat_lost, the client told {}",
                lab.told()
            ));
        }
        lab.world.change(|state| state.manners.reads = true);
        let closed = lab.expect("closed")?;
        if closed.number("code") != Some(1006) {
            return violated(format!("expected 1006, got {}", closed.fields));
        }
        lab.expect("reconnecting")?;
        lab.greeted()?;
        OK
    })
    .needs(&["reconnect"])
    .slow(),
];

/// A session with these offers of both sides.
fn live(lab: &mut Lab, own: Value, server: &str) -> Result<Conn, Outcome> {
    let lines = format!("version:1.2\nheart-beat:{server}\n");
    lab.session_with(json!({ "heartbeat": own }), &lines)
        .map_err(Outcome::beforehand)
}

/// Neither does the client beat, nor does it mind that the server is silent.
fn quiet(lab: &mut Lab, own: Value, lines: &str, seconds: u32) -> Verdict {
    let conn = lab.session_with(json!({ "heartbeat": own }), lines)?;
    no_beats(lab, &conn, seconds)
}

fn no_beats(lab: &mut Lab, conn: &Conn, seconds: u32) -> Verdict {
    lab.world.pass(SECOND * seconds);
    match conn.with(|wire| wire.beats.len()) {
        0 => stays(lab, conn),
        n => violated(format!("{n} EOLs in {seconds} s; none is due")),
    }
}

fn stays(lab: &mut Lab, conn: &Conn) -> Verdict {
    lab.never("heartbeat_lost", Duration::ZERO)?;
    match conn.ends_within(Duration::from_millis(50)) {
        false => OK,
        true => violated(format!(
            "the client gave the connection up; it told {}",
            lab.told()
        )),
    }
}

/// Beats come, none later than that; the server stays silent meanwhile.
fn beats_every(lab: &mut Lab, conn: &Conn, ms: u64) -> Verdict {
    lab.world.pass(Duration::from_millis(ms * 5));
    gaps(lab, conn, ms)?;
    stays(lab, conn)
}

fn gaps(lab: &Lab, conn: &Conn, ms: u64) -> Result<(), Outcome> {
    let now = Instant::now();
    let heard = conn.with(|wire| wire.heard.clone());
    let ends = heard.iter().skip(1).copied().chain([now]);
    let widest = heard
        .iter()
        .zip(ends)
        .map(|(a, b)| b.duration_since(*a))
        .max();
    let widest = widest.unwrap_or_default();
    let limit = lab.span(Duration::from_millis(ms * 6 / 5 + 50));
    if heard.len() < 3 || widest > limit {
        return violated(format!(
            "expected something every {ms} ms, {} times something came, the widest gap was {} ms",
            heard.len(),
            widest.as_millis()
        ));
    }
    Ok(())
}

/// What it makes of a heart-beat header that is none. Beating without pause is
/// the one thing that it must not do.
fn odd(lab: &mut Lab, value: &str) -> Verdict {
    lab.connect(json!({"heartbeat": [100, 100]}))?;
    let (conn, _) = lab.greeted()?;
    conn.connected(&format!("version:1.2\nheart-beat:{value}\n"));
    lab.world.pass(SECOND);
    match conn.with(|wire| wire.beats.len()) {
        0..=20 => {}
        n => return Err(Outcome::Failed(format!("{n} EOLs within a second"))),
    }
    Ok(Outcome::Info(
        match lab.event("connected", Duration::ZERO) {
            Some(event) => format!("taken as {}", event.fields["heartbeat"]),
            None => "refused".to_owned(),
        },
    ))
}
