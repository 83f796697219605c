//! S12-VER: which version is spoken.

use super::{Case, case, reaction, refused, variant};
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};

pub(super) const CASES: &[Case] = &[
    case("S12-VER-002", |lab| {
        let mut peer = lab.open()?;
        peer.send(
            lab.connect_frame("1.2", "")
                .replacen("accept-version:1.2\n", "", 1),
        );
        let due = lab.scaled(super::SECOND * 5);
        match peer.any(due) {
            Some(frame) if frame.command == "ERROR" => Ok(Outcome::Ok),
            Some(frame) => match frame.header("version") {
                None | Some("1.0") => Ok(Outcome::Ok),
                Some(other) => violated(format!("a client of 1.0 was answered in {other}")),
            },
            None if peer.is_gone() || peer.close.is_some() => {
                Ok(Outcome::NonStrict("closed without an ERROR".to_owned()))
            }
            None => violated("neither CONNECTED nor ERROR"),
        }
    }),
    variant("S12-VER-003", "all", |lab| {
        chosen(lab, "1.0,1.1,1.2", "1.2")
    }),
    variant("S12-VER-003", "no-1.2", |lab| older(lab, "1.0,1.1,2.0")),
    variant("S12-VER-003", "1.0-and-1.1", |lab| older(lab, "1.0,1.1")),
    case("S12-VER-004", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("9.9", ""));
        refused(&mut peer)
    }),
    case("S12-VER-005", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("9.9", ""));
        match peer.refusal().error {
            Some(error) => match error.header("version") {
                Some(list) if list.split(',').all(|v| v.trim().contains('.')) => Ok(Outcome::Ok),
                Some(list) => violated(format!("version:{list} is no list of versions")),
                None => violated(format!("no version header: {error}")),
            },
            None => violated("no ERROR"),
        }
    }),
    variant("S12-VER-006", "order", |lab| {
        chosen(lab, "1.2,1.0,1.1", "1.2")
    }),
    variant("S12-VER-006", "twice", |lab| {
        chosen(lab, "1.1,1.1,1.2", "1.2")
    }),
    variant("S12-VER-006", "unknown", |lab| {
        chosen(lab, "1.2,9.9", "1.2")
    }),
    case("S12-VER-007", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.1, 1.2", ""));
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S12-VER-008", |lab| {
        if !lab.caps.v1_1 {
            return Ok(Outcome::Unimplemented(
                "the broker does not speak 1.1".to_owned(),
            ));
        }
        let (mut peer, _) = lab.connect_as("1.1", "")?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nk:a\\rb\nreceipt:r1\n\nx\0"));
        refused(&mut peer)
    }),
];

fn chosen(lab: &mut Lab, offered: &str, version: &str) -> Verdict {
    let mut peer = lab.open()?;
    peer.send(lab.connect_frame(offered, ""));
    let connected = lab.connected(&mut peer)?;
    super::has(&connected, "version", version)
}

fn older(lab: &mut Lab, offered: &str) -> Verdict {
    match (lab.caps.v1_1, lab.caps.v1_0) {
        (true, _) => chosen(lab, offered, "1.1"),
        (false, true) => chosen(lab, offered, "1.0"),
        (false, false) => Ok(Outcome::Unimplemented(
            "the broker speaks 1.2 only".to_owned(),
        )),
    }
}
