//! S12-HBT: heart-beats, with time in them.

use super::{Case, SECOND, body_is, case, reaction, variant};
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::Frame;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    case("S12-HBT-001", |lab| {
        let (_peer, connected) = lab.connect_as("1.2", "heart-beat:5000,5000\n")?;
        match connected.header("heart-beat") {
            Some(pair) if pair_of(&connected).is_some() && !pair.contains([' ', '+', '-']) => {
                Ok(Outcome::Ok)
            }
            Some(pair) => violated(format!("heart-beat:{pair}")),
            None => Ok(Outcome::Info("there is no heart-beat header".to_owned())),
        }
    }),
    variant("S12-HBT-002", "", |lab| {
        let (mut peer, _) = lab.connect_as("1.2", "")?;
        idle(&mut peer, SECOND * 15)?;
        match peer.beats.len() {
            0 => Ok(Outcome::Ok),
            n => violated(format!("{n} heart-beats that nobody asked for")),
        }
    })
    .slow(),
    variant("S12-HBT-003", "", |lab| {
        let (mut peer, _) = lab.connect_as("1.2", "heart-beat:0,0\n")?;
        idle(&mut peer, SECOND * 10)?;
        Ok(Outcome::Ok)
    })
    .slow(),
    variant("S12-HBT-004", "", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "heart-beat:1000,0\n")?;
        match pair_of(&connected) {
            Some((_, 0)) | None => {
                idle(&mut peer, SECOND * 10)?;
                Ok(Outcome::Ok)
            }
            Some((_, wanted)) => Ok(Outcome::Info(format!(
                "the broker wants beats every {wanted} ms"
            ))),
        }
    })
    .slow(),
    case("S12-HBT-006", |lab| {
        let (mut peer, _) = lab.connect_as("1.2", "heart-beat:0,0\n")?;
        idle(&mut peer, SECOND * 3)?;
        Ok(Outcome::Info(format!("{} EOLs in 3 s", peer.beats.len())))
    }),
    variant("S12-HBT-007", "", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "heart-beat:0,2000\n")?;
        let Some(every) = server_beats(&connected, 2000) else {
            return Ok(Outcome::Unimplemented(
                "the broker sends no heart-beats".to_owned(),
            ));
        };
        let limit = every.mul_f64(1.2) + lab.scaled(SECOND / 5);
        let until = Instant::now() + every * 5;
        let mut last = Instant::now();
        // Nothing is due any more when less than that is left.
        while Instant::now() + limit < until {
            let before = peer.heard;
            if peer
                .until(limit, |p| (p.heard > before).then_some(()))
                .is_none()
            {
                if peer.is_gone() {
                    return violated("the connection ended");
                }
                return violated(format!(
                    "nothing for {} ms; every {} ms was agreed",
                    last.elapsed().as_millis(),
                    every.as_millis()
                ));
            }
            last = Instant::now();
        }
        Ok(Outcome::Ok)
    })
    .slow(),
    variant("S12-HBT-008", "", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "heart-beat:0,1000\n")?;
        let Some(every) = server_beats(&connected, 1000) else {
            return Ok(Outcome::Unimplemented(
                "the broker sends no heart-beats".to_owned(),
            ));
        };
        let before = peer.messages.len();
        peer.until(every * 3, |p| (p.beats.len() >= 2).then_some(()));
        if let Some(why) = &peer.breach {
            return violated(format!("instead of an EOL: {why}"));
        }
        match peer.beats.len() {
            0 => violated(format!("no EOL within {} ms", every.as_millis() * 3)),
            _ if peer.messages[before..]
                .iter()
                .any(|(_, length)| *length == 0) =>
            {
                violated("an empty message instead of an EOL")
            }
            _ => Ok(Outcome::Ok),
        }
    })
    .slow(),
    variant("S12-HBT-009", "frames", |lab| {
        let (mut peer, _) = lab.connect_as("1.2", "heart-beat:1000,0\n")?;
        for _ in 0..12 {
            peer.send(lab.fill("SEND\ndestination:{topic}\n\nx\0"));
            idle(&mut peer, SECOND * 8 / 10)?;
        }
        Ok(Outcome::Ok)
    })
    .slow(),
    variant("S12-HBT-009", "parts-of-a-frame", |lab| {
        let (mut peer, _) = lab.connect_as("1.2", "heart-beat:1000,0\n")?;
        peer.send(lab.fill("SEND\ndestination:{topic}\n\n"));
        for _ in 0..20 {
            peer.send("x");
            idle(&mut peer, SECOND / 2)?;
        }
        peer.send("\0");
        idle(&mut peer, SECOND / 5)?;
        Ok(Outcome::Ok)
    })
    .slow(),
    variant("S12-HBT-010", "", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "heart-beat:1000,0\n")?;
        let Some((_, wanted @ 1..)) = pair_of(&connected) else {
            return Ok(Outcome::Info("the broker wants no heart-beats".to_owned()));
        };
        let began = Instant::now();
        let patience = Duration::from_millis(wanted.max(1000)) * 10;
        peer.until(patience.min(SECOND * 20), |p| p.is_gone().then_some(()));
        if peer.is_gone() || peer.close.is_some() {
            return Ok(Outcome::Info(format!(
                "closed after {} ms of silence; {wanted} ms was agreed",
                began.elapsed().as_millis()
            )));
        }
        Ok(Outcome::NonStrict(format!(
            "not closed after {} ms of silence",
            began.elapsed().as_millis()
        )))
    })
    .slow(),
    variant("S12-HBT-011", "", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "heart-beat:1000,0\n")?;
        let wanted = pair_of(&connected).map_or(1000, |(_, wanted)| wanted.max(1000));
        let wait = Duration::from_millis(wanted).mul_f64(1.2).min(SECOND * 3);
        for _ in 0..8 {
            idle(&mut peer, wait)?;
            peer.send("\n");
        }
        Ok(Outcome::Ok)
    })
    .slow(),
    case("S12-HBT-012", |lab| {
        let (_peer, connected) = lab.connect_as("1.2", "heart-beat:1234,5678\n")?;
        let pair = connected.header("heart-beat").unwrap_or("none");
        Ok(Outcome::Info(match pair {
            "1234,5678" | "5678,1234" => format!("mirrored: {pair}"),
            _ => pair.to_owned(),
        }))
    }),
    variant("S12-HBT-013", "", |lab| {
        let (mut peer, _) = lab.connect_as("1.2", "heart-beat:0,1000\n")?;
        idle(&mut peer, SECOND * 10)?;
        Ok(Outcome::Ok)
    })
    .slow(),
    case("S12-HBT-014", |lab| {
        let (mut consumer, _) = lab.connect_as("1.2", "heart-beat:0,1000\n")?;
        let dest = lab.dest.clone();
        lab.subscribe(&mut consumer, "0", &dest, "")?;
        let mut peer = lab.connect()?;
        let body: String = (0..40_000).map(|n| format!("{n:06}")).collect();
        for _ in 0..8 {
            peer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{body}\0")));
            std::thread::sleep(SECOND / 5);
        }
        for message in consumer.messages(8)? {
            body_is(&message, body.as_bytes())?;
        }
        Ok(Outcome::Ok)
    }),
    case("S12-HBT-015", |lab| {
        let mut peer = lab.open()?;
        peer.until(lab.scaled(SECOND * 2), |p| p.is_gone().then_some(()));
        match peer.beats.len() {
            0 => Ok(Outcome::Ok),
            n => violated(format!("{n} EOLs before CONNECTED")),
        }
    }),
    variant("S12-HBT-016", "letters", |lab| malformed(lab, "abc")),
    variant("S12-HBT-016", "one", |lab| malformed(lab, "1")),
    variant("S12-HBT-016", "three", |lab| malformed(lab, "1,2,3")),
    variant("S12-HBT-016", "negative", |lab| malformed(lab, "-1,0")),
    variant("S12-HBT-016", "fraction", |lab| malformed(lab, "1.5,0")),
    variant("S12-HBT-016", "space", |lab| malformed(lab, "1000, 1000")),
    variant("S12-HBT-016", "comma", |lab| malformed(lab, ",")),
    variant("S12-HBT-017", "", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.2", "heart-beat:2147483648,9999999999\n"));
        lab.connected(&mut peer)?;
        idle(&mut peer, SECOND * 10)?;
        Ok(Outcome::Ok)
    })
    .slow(),
    variant("S12-HBT-018", "", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "heart-beat:1000,0\n")?;
        let wanted = pair_of(&connected).map_or(0, |(_, wanted)| wanted);
        let began = Instant::now();
        while began.elapsed() < SECOND * 12 && !peer.is_gone() && peer.close.is_none() {
            peer.ping(b"alive");
            peer.until(SECOND / 2, |p| p.is_gone().then_some(()));
        }
        let words = if peer.is_gone() || peer.close.is_some() {
            "closed"
        } else {
            "kept"
        };
        Ok(Outcome::Info(format!(
            "{words} by a broker that wants a beat every {wanted} ms, after {} ms of pings",
            began.elapsed().as_millis()
        )))
    })
    .slow(),
];

/// Says nothing for a while; the broker must bear it.
fn idle(peer: &mut Peer, span: Duration) -> Result<(), Outcome> {
    peer.until(span, |p| p.is_gone().then_some(()));
    if peer.is_gone() || peer.close.is_some() {
        let error = peer.pick(Duration::ZERO, |f| f.command == "ERROR");
        return violated(match error {
            Some(error) => format!("the broker ended the session: {error}"),
            None => "the broker ended the session".to_owned(),
        });
    }
    Ok(())
}

/// What the broker sends and wants, in milliseconds.
fn pair_of(connected: &Frame) -> Option<(u64, u64)> {
    let (sends, wants) = connected.header("heart-beat")?.split_once(',')?;
    Some((sends.parse().ok()?, wants.parse().ok()?))
}

/// How often the broker must send, if it does, to one who wants `cy`.
fn server_beats(connected: &Frame, cy: u64) -> Option<Duration> {
    match pair_of(connected) {
        Some((sends @ 1.., _)) => Some(Duration::from_millis(sends.max(cy))),
        Some((0, _)) | None => None,
    }
}

fn malformed(lab: &mut Lab, pair: &str) -> Verdict {
    let mut peer = lab.open()?;
    peer.send(lab.connect_frame("1.2", &format!("heart-beat:{pair}\n")));
    let words = reaction(&mut peer);
    match words.as_str() {
        "nothing" => Ok(Outcome::NonStrict("no answer at all".to_owned())),
        "closed without an ERROR" => Ok(Outcome::NonStrict(words)),
        _ => Ok(Outcome::Info(words)),
    }
}
