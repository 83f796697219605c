//! S12-ENC: escapes of header names and values.

use super::{Case, body_is, carries, case, reaction, refuses, variant};
use crate::grade::{Outcome, violated};
use crate::wire::show;

pub(super) const CASES: &[Case] = &[
    case("S12-ENC-001", |lab| carries(lab, "k:a\\nb", "k", "a\nb")),
    case("S12-ENC-002", |lab| carries(lab, "k:a\\cb", "k", "a:b")),
    case("S12-ENC-003", |lab| carries(lab, "k:a\\\\b", "k", "a\\b")),
    case("S12-ENC-004", |lab| carries(lab, "k:a\\rb", "k", "a\rb")),
    case("S12-ENC-005", |lab| carries(lab, "a\\cb:v", "a:b", "v")),
    variant("S12-ENC-006", "t", |lab| {
        refuses(lab, "SEND\ndestination:{dest}\nk:a\\tb\nreceipt:r1\n\nx\0")
    }),
    variant("S12-ENC-006", "in-a-name", |lab| {
        refuses(lab, "SEND\ndestination:{dest}\na\\tb:v\nreceipt:r1\n\nx\0")
    }),
    variant("S12-ENC-006", "capital-n", |lab| {
        refuses(lab, "SEND\ndestination:{dest}\nk:a\\Nb\nreceipt:r1\n\nx\0")
    }),
    case("S12-ENC-007", |lab| {
        refuses(lab, "SEND\ndestination:{dest}\nk:abc\\\nreceipt:r1\n\nx\0")
    }),
    case("S12-ENC-008", |lab| {
        let message = lab.pass("SEND\ndestination:{dest}\nk:a\\cb\\r\\n\\\\\n\nx\0")?;
        let wanted: &[u8] = b"k:a\\cb\\r\\n\\\\";
        match message.lines().find(|line| line.starts_with(b"k:")) {
            Some(line) if line == wanted => Ok(Outcome::Ok),
            Some(line) => violated(format!(
                "expected {}, got {}",
                show::octets(wanted),
                show::octets(line)
            )),
            None => violated(format!("expected a header k, got {message}")),
        }
    }),
    case("S12-ENC-009", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.2", "conf-x:a\\tb\n"));
        lab.connected(&mut peer)?;
        Ok(Outcome::Ok)
    }),
    case("S12-ENC-012", |lab| {
        let (_peer, connected) = lab.connect_as("1.2", "")?;
        let escapes: [&[u8]; 4] = [b"\\c", b"\\n", b"\\r", b"\\\\"];
        for line in connected.lines() {
            if let Some(escape) = escapes
                .iter()
                .find(|e| memchr::memmem::find(line, e).is_some())
            {
                return violated(format!(
                    "CONNECTED holds {} in {}",
                    show::octets(escape),
                    show::octets(line)
                ));
            }
        }
        Ok(Outcome::Ok)
    }),
    case("S12-ENC-013", |lab| {
        let mut peer = lab.open()?;
        let connect = lab.connect_frame("1.2", "conf-x:a:b\\c\n");
        peer.send(connect.replacen("CONNECT", "STOMP", 1));
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S12-ENC-014", |lab| carries(lab, "k:  v  ", "k", "  v  ")),
    case("S12-ENC-016", |lab| carries(lab, "k:a\\\\nb", "k", "a\\nb")),
    case("S12-ENC-017", |lab| {
        body_is(
            &lab.pass("SEND\ndestination:{dest}\n\na\\tb:c\\n\0")?,
            b"a\\tb:c\\n",
        )
    }),
    case("S12-ENC-018", |lab| {
        let text = "a\u{e9}\u{20ac}\u{1f600}";
        let frame = format!("SEND\ndestination:{{dest}}\ncontent-type:text/plain\n\n{text}\0");
        body_is(&lab.pass(&frame)?, text.as_bytes())
    }),
];
