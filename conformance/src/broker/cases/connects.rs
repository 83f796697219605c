//! S12-CON, S12-DIS: the beginning and the end of a session.

use super::{Case, SECOND, bodies, case, reaction, recorded, variant};
use crate::grade::{Outcome, violated};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    case("S12-CON-002", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.2", ""));
        lab.connected(&mut peer)?;
        match peer.pick(lab.scaled(SECOND / 2), |f| f.command == "CONNECTED") {
            Some(second) => violated(format!("a second one: {second}")),
            None => Ok(Outcome::Ok),
        }
    }),
    case("S12-CON-003", |lab| {
        let mut peer = lab.open()?;
        let right = lab.target().passcode().unwrap_or_default();
        let frame = lab.connect_frame("1.2", "").replace(
            &format!("passcode:{right}\n"),
            "passcode:not-the-passcode\n",
        );
        peer.send(frame);
        let refusal = peer.refusal();
        if let Some(connected) = peer.pick(Duration::ZERO, |f| f.command == "CONNECTED") {
            return Err(Outcome::Failed(format!(
                "a wrong passcode was taken: {connected}"
            )));
        }
        match &refusal.error {
            Some(error) if error.header("message").is_none_or(str::is_empty) => {
                violated(format!("ERROR without a message header: {error}"))
            }
            Some(_) => Ok(Outcome::Ok),
            None => violated(refusal.words()),
        }
    }),
    case("S12-CON-004", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.2", "").replacen("CONNECT", "STOMP", 1));
        let connected = lab.connected(&mut peer)?;
        super::has(&connected, "version", "1.2")
    }),
    case("S12-CON-006", |lab| {
        let mut peer = lab.open()?;
        peer.send(
            lab.connect_frame("1.2", "")
                .replacen("accept-version:1.2\n", "", 1),
        );
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S12-CON-007", |lab| {
        let mut peer = lab.open()?;
        let host = format!("host:{}\n", lab.target().virtual_host);
        peer.send(lab.connect_frame("1.2", "").replacen(&host, "", 1));
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S12-CON-009", |lab| {
        let mut peer = lab.open()?;
        let host = format!("host:{}\n", lab.target().virtual_host);
        peer.send(
            lab.connect_frame("1.2", "")
                .replacen(&host, "host:nosuch.invalid\n", 1),
        );
        let due = lab.scaled(SECOND * 5);
        match peer.any(due) {
            Some(frame) if matches!(frame.command.as_str(), "CONNECTED" | "ERROR") => {
                Ok(Outcome::Info(format!("{frame}")))
            }
            Some(frame) => Err(Outcome::Failed(format!(
                "expected CONNECTED or ERROR, got {frame}"
            ))),
            None if peer.is_gone() || peer.close.is_some() => {
                Ok(Outcome::NonStrict("closed without an ERROR".to_owned()))
            }
            None => Err(Outcome::Failed(
                "neither CONNECTED nor ERROR within 5 s".to_owned(),
            )),
        }
    }),
    case("S12-CON-010", |lab| lab.connect().map(|_| Outcome::Ok)),
    case("S12-CON-011", |lab| {
        let (_peer, connected) = lab.connect_as("1.2", "")?;
        match connected.header("version") {
            Some("1.0" | "1.1" | "1.2") => Ok(Outcome::Ok),
            other => violated(format!("version is {other:?}")),
        }
    }),
    case("S12-CON-012", |lab| {
        let (_peer, connected) = lab.connect_as("1.2", "heart-beat:10000,10000\n")?;
        Ok(Outcome::Info(format!("{connected}")))
    }),
    case("S12-CON-013", |lab| {
        let mut seen = BTreeSet::new();
        let mut peers = Vec::new();
        for _ in 0..20 {
            let (peer, connected) = lab.connect_as("1.2", "")?;
            peers.push(peer);
            let Some(session) = connected.header("session") else {
                return Ok(Outcome::Info("there is no session header".to_owned()));
            };
            if !seen.insert(session.to_owned()) {
                return violated(format!("session {session} was given twice"));
            }
        }
        Ok(Outcome::Ok)
    }),
    case("S12-CON-014", |lab| {
        let (_peer, connected) = lab.connect_as("1.2", "")?;
        let Some(server) = connected.header("server") else {
            return Ok(Outcome::Info("there is no server header".to_owned()));
        };
        let first = server.split(' ').next().unwrap_or_default();
        let mut parts = first.splitn(2, '/');
        let named = parts.next().is_some_and(|name| !name.is_empty());
        match named && parts.next().is_none_or(|version| !version.is_empty()) {
            true => Ok(Outcome::Ok),
            false => violated(format!("server:{server}")),
        }
    }),
    case("S12-CON-015", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt:r1\n\nx\0"));
        super::refused(&mut peer)
    }),
    case("S12-CON-016", |lab| {
        let mut peer = lab.connect()?;
        peer.send(lab.connect_frame("1.2", ""));
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S12-CON-018", |lab| {
        let mut peer = lab.open()?;
        match peer.any(lab.scaled(SECOND)) {
            Some(frame) => violated(format!("{frame} before CONNECT")),
            None if peer.beats.is_empty() => Ok(Outcome::Ok),
            None => violated("an EOL before CONNECT"),
        }
    }),
    case("S12-DIS-002", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        peer.send(lab.fill("DISCONNECT\nreceipt:r1\n\n\0SEND\ndestination:{dest}\n\nlate\0"));
        consumer.no_message(SECOND)?;
        Ok(Outcome::Ok)
    }),
    case("S12-DIS-003", |lab| {
        lab.needs_receipts()?;
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        for n in 0..100 {
            peer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{n}\0")));
        }
        peer.send("DISCONNECT\nreceipt:r1\n\n\0");
        let due = lab.scaled(SECOND * 5);
        peer.expect("RECEIPT r1", due, |f| {
            f.command == "RECEIPT" && f.header("receipt-id") == Some("r1")
        })?;
        let got = bodies(&consumer.messages(100)?);
        match got
            .iter()
            .enumerate()
            .find(|(n, body)| n.to_string() != **body)
        {
            Some((n, body)) => violated(format!("expected message {n}, got {body}")),
            None => Ok(Outcome::Ok),
        }
    }),
    case("S12-DIS-004", |lab| {
        let mut peer = lab.connect()?;
        let began = Instant::now();
        peer.send("DISCONNECT\n\n\0");
        if peer.ends_within(SECOND * 2) || peer.close.is_some() {
            if let Some(error) = peer.pick(Duration::ZERO, |f| f.command == "ERROR") {
                return violated(format!("{error}"));
            }
            return Ok(Outcome::Info(format!(
                "closed after {} ms",
                began.elapsed().as_millis()
            )));
        }
        match peer.pick(Duration::ZERO, |f| f.command == "ERROR") {
            Some(error) => violated(format!("{error}")),
            None => Ok(Outcome::Info("left open for 2 s".to_owned())),
        }
    }),
    variant("S12-DIS-006", "", |lab| {
        let mut peer = lab.connect()?;
        peer.send_close(&1000_u16.to_be_bytes());
        let ended = peer.ends_within(SECOND * 5);
        lab.connect()?;
        Ok(Outcome::Info(
            if ended {
                "closed within 5 s"
            } else {
                "left open"
            }
            .to_owned(),
        ))
    }),
    variant("S12-DIS-006", "fin", |lab| {
        drop(lab.connect()?);
        recorded(lab, "SEND\ndestination:{dest}\nreceipt:r1\n\nx\0")
    }),
];
