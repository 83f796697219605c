//! S12-SND: publishing.

use super::{Case, SECOND, body_is, case, has, refuses, variant};
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::encode;

pub(super) const CASES: &[Case] = &[
    case("S12-SND-001", |lab| refuses(lab, "SEND\nreceipt:r1\n\nx\0")),
    variant("S12-SND-002", "space", |lab| opaque(lab, " and space")),
    variant("S12-SND-002", "percent", |lab| opaque(lab, "%2Fx%")),
    variant("S12-SND-002", "colon", |lab| opaque(lab, ":x")),
    variant("S12-SND-002", "utf-8", |lab| opaque(lab, "\u{e9}\u{20ac}")),
    case("S12-SND-003", super::transactions::visible_at_commit),
    case("S12-SND-004", |lab| {
        let more: String = (0..20).map(|n| format!("conf-{n}:{n}\n")).collect();
        super::accepts(
            lab,
            &format!("SEND\ndestination:{{dest}}\nreceipt:r1\n{more}\nx\0"),
        )
    }),
    case("S12-SND-005", user_headers),
    case("S12-SND-006", |lab| {
        let Some(bad) = lab.target().bad.clone() else {
            return Ok(Outcome::Unimplemented(
                "no destination is known that the broker refuses (--bad-dest)".to_owned(),
            ));
        };
        refuses(lab, &format!("SEND\ndestination:{bad}\nreceipt:r1\n\nx\0"))
    }),
    case("S12-SND-007", |lab| {
        body_is(&lab.pass("SEND\ndestination:{dest}\n\n\0")?, b"")
    }),
    variant("S12-SND-008", "1", |lab| sized(lab, 1)),
    variant("S12-SND-008", "125", |lab| sized(lab, 125)),
    variant("S12-SND-008", "126", |lab| sized(lab, 126)),
    variant("S12-SND-008", "127", |lab| sized(lab, 127)),
    variant("S12-SND-008", "65535", |lab| sized(lab, 65_535)),
    variant("S12-SND-008", "65536", |lab| sized(lab, 65_536)),
    variant("S12-SND-008", "1MiB", |lab| sized(lab, 1 << 20)).slow(),
];

/// Headers of the user reach the consumer.
pub(super) fn user_headers(lab: &mut Lab) -> Verdict {
    let message = lab.pass("SEND\ndestination:{dest}\nconf-a:1\nconf-b:\nconf-c:a\\cb\n\nx\0")?;
    has(&message, "conf-a", "1")?;
    has(&message, "conf-b", "")?;
    has(&message, "conf-c", "a:b")
}

/// A destination comes back as it was.
fn opaque(lab: &mut Lab, more: &str) -> Verdict {
    let dest = format!("{}{more}", lab.dest);
    let mut peer = lab.connect()?;
    let escaped = encode(&dest);
    peer.send_each(&format!(
        "SUBSCRIBE\nid:0\ndestination:{escaped}\n\n\0SEND\ndestination:{escaped}\n\nx\0"
    ));
    match peer.any(lab.scaled(SECOND * 3)) {
        Some(frame) if frame.command == "MESSAGE" => has(&frame, "destination", &dest),
        Some(frame) => Ok(Outcome::Unimplemented(format!(
            "the broker refuses such a destination: {frame}"
        ))),
        None if peer.is_gone() => Ok(Outcome::Unimplemented("the broker closed".to_owned())),
        None => violated("subscribed and sent, and nothing came"),
    }
}

fn sized(lab: &mut Lab, size: usize) -> Verdict {
    let body: String = ('a'..='z').cycle().take(size).collect();
    let message = lab.pass(&format!("SEND\ndestination:{{dest}}\n\n{body}\0"))?;
    body_is(&message, body.as_bytes())
}
