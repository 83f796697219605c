//! S12-LIM, S12-LNG, S12-SRV: caps, lingering, and frames out of place.

use super::{Case, SECOND, accepts, case, recorded, variant};
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};

/// Octets of a body that no broker needs to take.
const HUGE: usize = 32 << 20;

pub(super) const CASES: &[Case] = &[
    variant("S12-LIM-001", "headers", |lab| {
        cap(lab, &[100, 1_000, 10_000], |n| (headers(n), 1))
    })
    .alone(),
    variant("S12-LIM-001", "header-line", |lab| {
        cap(lab, &[8 << 10, 64 << 10, 1 << 20], |n| {
            (format!("k:{}\n", "v".repeat(n)), 1)
        })
    })
    .alone(),
    variant("S12-LIM-001", "body", |lab| {
        cap(lab, &[1 << 20, 8 << 20, HUGE], |n| (String::new(), n))
    })
    .alone(),
    variant("S12-LIM-002", "headers", |lab| {
        beyond(lab, &headers(100_000), 1)
    })
    .alone(),
    variant("S12-LIM-002", "header-line", |lab| {
        beyond(lab, &format!("k:{}\n", "v".repeat(4 << 20)), 1)
    })
    .alone(),
    variant("S12-LIM-004", "headers", |lab| {
        accepts(
            lab,
            &format!(
                "SEND\ndestination:{{dest}}\nreceipt:r1\n{}\nx\0",
                headers(48)
            ),
        )
    }),
    variant("S12-LIM-004", "header-line", |lab| {
        accepts(
            lab,
            &format!(
                "SEND\ndestination:{{dest}}\nreceipt:r1\nk:{}\n\nx\0",
                "v".repeat(8190)
            ),
        )
    }),
    variant("S12-LIM-004", "body", |lab| {
        accepts(
            lab,
            &format!(
                "SEND\ndestination:{{dest}}\nreceipt:r1\n\n{}\0",
                "x".repeat(64 << 10)
            ),
        )
    }),
    variant("S12-LNG-001", "in-turn", |lab| {
        for _ in 0..200 {
            cycle(lab)?;
        }
        lab.connect().map(|_| Outcome::Ok)
    })
    .alone(),
    variant("S12-LNG-001", "at-once", |lab| {
        let peers: Result<Vec<_>, Outcome> = (0..50).map(|_| lab.connect()).collect();
        for mut peer in peers? {
            peer.send("DISCONNECT\nreceipt:r1\n\n\0");
        }
        lab.connect().map(|_| Outcome::Ok)
    })
    .alone(),
    case("S12-SRV-001", |lab| recorded(lab, "FOO\nreceipt:r1\n\n\0")),
    variant("S12-SRV-002", "message", |lab| {
        recorded(
            lab,
            "MESSAGE\ndestination:{dest}\nmessage-id:1\nsubscription:0\n\nx\0",
        )
    }),
    variant("S12-SRV-002", "connected", |lab| {
        recorded(lab, "CONNECTED\nversion:1.2\n\n\0")
    }),
    variant("S12-SRV-002", "receipt", |lab| {
        recorded(lab, "RECEIPT\nreceipt-id:r1\n\n\0")
    }),
    case("S12-SRV-004", |lab| {
        let (_peer, connected) = lab.connect_as("1.2", "")?;
        let message = lab.pass("SEND\ndestination:{dest}\n\nx\0")?;
        let known = [
            "version",
            "heart-beat",
            "session",
            "server",
            "destination",
            "message-id",
            "subscription",
            "ack",
            "content-length",
            "content-type",
        ];
        let all = connected.headers.iter().chain(&message.headers);
        let more: Vec<&str> = all
            .map(|(n, _)| n.as_str())
            .filter(|n| !known.contains(n))
            .collect();
        Ok(Outcome::Info(if more.is_empty() {
            "none".to_owned()
        } else {
            more.join(", ")
        }))
    }),
];

fn headers(count: usize) -> String {
    (0..count).map(|n| format!("h{n}:v\n")).collect()
}

fn cycle(lab: &mut Lab) -> Result<(), Outcome> {
    let mut peer = lab.connect()?;
    peer.send("DISCONNECT\nreceipt:r1\n\n\0");
    peer.send_close(&1000_u16.to_be_bytes());
    Ok(())
}

/// The largest of these that the broker takes.
fn cap(lab: &mut Lab, sizes: &[usize], make: fn(usize) -> (String, usize)) -> Verdict {
    lab.needs_receipts()?;
    let mut taken = 0;
    for &size in sizes {
        let mut peer = lab.connect()?;
        let (more, body) = make(size);
        let frame = format!(
            "SEND\ndestination:{{dest}}\nreceipt:r1\n{more}\n{}\0",
            "x".repeat(body)
        );
        peer.send(lab.fill(&frame));
        if peer
            .pick(lab.scaled(SECOND * 15), |f| f.command == "RECEIPT")
            .is_none()
        {
            break;
        }
        taken = size;
    }
    Ok(Outcome::Info(format!("takes {taken}; tried {sizes:?}")))
}

/// Beyond the cap, if there is one: an ERROR and the end.
fn beyond(lab: &mut Lab, more: &str, body: usize) -> Verdict {
    let mut peer = lab.connect()?;
    let frame = format!(
        "SEND\ndestination:{{dest}}\nreceipt:r1\n{more}\n{}\0",
        "x".repeat(body)
    );
    peer.send(lab.fill(&frame));
    // Brokers that take it are slow at it.
    let due = lab.scaled(SECOND * 30);
    match peer.any(due) {
        Some(frame) if frame.command == "RECEIPT" => {
            Ok(Outcome::Info("no cap was found".to_owned()))
        }
        Some(frame) if frame.command == "ERROR" => Ok(Outcome::Ok),
        Some(frame) => violated(format!("expected ERROR, got {frame}")),
        None if peer.is_gone() || peer.close.is_some() => {
            Ok(Outcome::NonStrict("closed without an ERROR".to_owned()))
        }
        None => violated("neither taken nor refused within 30 s"),
    }
}
