//! Three layers of cutting, and octets as they are: seen on a socket.

use super::peer::{Peer, WsFrame};
use super::*;
use crate::support::start;
use hobnail_mock_broker::MockBroker;
use std::time::Instant;

pub(super) const SHOWN: &[Shown] = &[
    (&["do: split", "cut: every"], a_frame_is_split_over_messages),
    (
        &[
            "do: frag",
            "do: ping",
            "frag ping: between",
            "do: pong",
            "frag pong: between",
            "do: empty",
        ],
        a_message_is_cut_into_continuations,
    ),
    (&["do: join", "do: within"], frames_are_joined_for_a_while),
    (
        &["do: type", "type: text", "type: binary", "type: mixed"],
        messages_have_the_type_asked_for,
    ),
    (
        &["do: drip", "drip: bytes", "drip: gap", "do: rate"],
        octets_drip_and_are_paced,
    ),
    (
        &["do: ws", "ws: rsv", "ws: opcode", "ws: mask"],
        heads_are_damaged,
    ),
    (
        &["do: next", "do: plain"],
        a_shape_ends_by_number_or_by_word,
    ),
    (
        &[
            "do: raw",
            "raw: hex",
            "raw: text",
            "raw: ws",
            "raw ws: text",
            "raw ws: binary",
            "raw ws: stream",
        ],
        raw_octets_go_as_they_are,
    ),
    (
        &[
            "do: garbage",
            "garbage: html-502",
            "garbage: random:512",
            "garbage: http-in-stream",
        ],
        garbage_is_what_proxies_say,
    ),
    (&["do: fin", "fin: after-bytes"], tcp_ends_within_a_frame),
];

fn with(rules: &str) -> MockBroker {
    start(scenario(&format!(r#"{{"rules":[{rules}]}}"#)))
}

/// The frames of CONNECTED, which a rule of `open` has shaped.
fn shaped(action: &str, frames: usize) -> Vec<WsFrame> {
    let broker = with(&format!(r#"{{"on":"open","do":[{action}]}}"#));
    Peer::connect(&broker).frames(frames)
}

fn whole(frames: &[WsFrame]) -> Vec<u8> {
    let data = frames.iter().filter(|f| f.opcode < 8);
    data.flat_map(|f| f.payload.clone()).collect()
}

#[track_caller]
fn assert_connected(frames: &[WsFrame]) {
    let octets = whole(frames);
    assert!(octets.starts_with(b"CONNECTED\n"), "{octets:?}");
    assert!(octets.ends_with(b"\n\n\0"), "{octets:?}");
}

#[test]
fn a_frame_is_split_over_messages() {
    let frames = shaped(r#"{"split":[1,17,-1]}"#, 4);
    assert_connected(&frames);
    assert!(frames.iter().all(|f| f.fin && f.opcode == 1));
    let lengths: Vec<usize> = frames.iter().map(|f| f.payload.len()).collect();
    assert_eq!((lengths[0], lengths[1], lengths[3]), (1, 16, 1));
    let every = shaped(r#"{"split":{"every":5}}"#, 4);
    assert!(every.iter().all(|f| f.fin && f.payload.len() == 5));
}

#[test]
fn a_message_is_cut_into_continuations() {
    for (more, opcode) in [
        (r#","ping":"between""#, Some(9)),
        (r#","pong":"between""#, Some(10)),
        (r#","empty":true"#, Some(0)),
        ("", None),
    ] {
        let count = if opcode.is_some() { 5 } else { 3 };
        let frames = shaped(&format!(r#"{{"frag":[3,9]{more}}}"#), count);
        assert_connected(&frames);
        let data: Vec<_> = frames
            .iter()
            .filter(|f| f.opcode < 8 && !f.payload.is_empty())
            .collect();
        let heads: Vec<_> = data.iter().map(|f| (f.fin, f.opcode)).collect();
        assert_eq!(heads, [(false, 1), (false, 0), (true, 0)], "{more}");
        assert_eq!((data[0].payload.len(), data[1].payload.len()), (3, 6));
        if let Some(opcode) = opcode {
            let between = [&frames[1], &frames[3]];
            assert!(
                between.iter().all(|f| f.opcode == opcode),
                "{more} {frames:?}"
            );
            assert!(opcode != 0 || between.iter().all(|f| !f.fin && f.payload.is_empty()));
        }
    }
}

#[test]
fn frames_are_joined_for_a_while() {
    let broker = with(r#"{"on":"connected","do":[{"join":3,"within":"1500ms"}]}"#);
    let mut peer = Peer::connect(&broker);
    assert_connected(&peer.frames(1));
    let begin = Instant::now();
    for n in 1..=4 {
        peer.send(&format!("BEGIN\ntransaction:t{n}\nreceipt:{n}\n\n\0"));
    }
    let receipts = |frame: &WsFrame| frame.payload.iter().filter(|o| **o == 0).count();
    let frames = peer.frames(2);
    assert_eq!((receipts(&frames[0]), receipts(&frames[1])), (3, 1));
    assert!(
        begin.elapsed() >= Duration::from_millis(1500),
        "the fourth waited for more"
    );
}

#[test]
fn messages_have_the_type_asked_for() {
    for (kind, opcodes) in [("text", [1, 1]), ("binary", [2, 2]), ("mixed", [1, 2])] {
        let broker = with(&format!(r#"{{"on":"open","do":[{{"type":"{kind}"}}]}}"#));
        let mut peer = Peer::connect(&broker);
        peer.send("BEGIN\ntransaction:t\nreceipt:r\n\n\0");
        let found: Vec<u8> = peer.frames(2).iter().map(|f| f.opcode).collect();
        assert_eq!(found, opcodes, "{kind}");
    }
}

#[test]
fn octets_drip_and_are_paced() {
    // Some 100 octets: 50 pieces with 5 ms between, or a tenth of a second.
    for action in [
        r#"{"drip":{"bytes":2,"gap":"5ms"}}"#,
        r#"{"rate":"1KiB/s"}"#,
    ] {
        let broker = with(&format!(r#"{{"on":"open","do":[{action}]}}"#));
        let begin = Instant::now();
        let mut peer = Peer::connect(&broker);
        assert_connected(&peer.frames(1));
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(50), "{action}: {took:?}");
    }
}

#[test]
fn heads_are_damaged() {
    let one = |action: &str| shaped(action, 1).remove(0);
    for (bit, mask) in [(1, 4), (2, 2), (3, 1)] {
        let frame = one(&format!(r#"{{"ws":{{"rsv":{bit}}}}}"#));
        assert_eq!((frame.rsv, frame.opcode), (mask, 1), "{bit}");
    }
    assert_eq!(one(r#"{"ws":{"opcode":3}}"#).opcode, 3);
    let masked = one(r#"{"ws":{"mask":true}}"#);
    assert!(masked.masked);
    assert_connected(&[masked]);
}

#[test]
fn a_shape_ends_by_number_or_by_word() {
    let broker = with(
        r#"{"conn":1,"on":"open","do":[{"type":"binary","next":2}]},
           {"conn":2,"on":"open","do":[{"type":"binary"}]},
           {"conn":2,"on":{"recv":"ABORT"},"do":["plain"]}"#,
    );
    for _ in 1..=2 {
        let mut peer = Peer::connect(&broker);
        for word in ["BEGIN", "ABORT"] {
            peer.send(&format!("{word}\ntransaction:t\nreceipt:r\n\n\0"));
        }
        let opcodes: Vec<u8> = peer.frames(3).iter().map(|f| f.opcode).collect();
        assert_eq!(opcodes, [2, 2, 1]);
    }
}

#[test]
fn raw_octets_go_as_they_are() {
    let broker = with(
        r#"{"on":"open","do":[{"raw":{"hex":"00 ff"}}, {"raw":{"text":"é","ws":"binary"}},
            {"raw":{"text":"x","ws":"text"}}, {"raw":{"hex":"c1 00","ws":"stream"}}]}"#,
    );
    let frames = Peer::open(&broker).frames(4);
    let plain = |opcode, payload: &[u8]| WsFrame {
        fin: true,
        rsv: 0,
        opcode,
        masked: false,
        payload: payload.to_vec(),
    };
    assert_eq!(
        frames[0],
        plain(1, b"\0\xff"),
        "a text message that is no UTF-8"
    );
    assert_eq!(frames[1], plain(2, "é".as_bytes()));
    assert_eq!(frames[2], plain(1, b"x"));
    assert_eq!(
        (frames[3].rsv, frames[3].payload.len()),
        (4, 0),
        "octets that were a head"
    );
}

#[test]
fn garbage_is_what_proxies_say() {
    let broker = with(
        r#"{"conn":1,"on":"open","do":[{"garbage":"html-502"}]},
           {"conn":2,"on":"open","do":[{"garbage":"random:512"},"fin"]},
           {"conn":3,"on":"open","do":[{"garbage":"http-in-stream"},"fin"]},
           {"conn":4,"on":"upgrade","do":[{"garbage":"html-502"}]}"#,
    );
    let page = Peer::open(&broker).frames(1).remove(0);
    let text = String::from_utf8_lossy(&page.payload).into_owned();
    assert!(
        page.opcode == 1 && text.contains("502 Bad Gateway"),
        "{page:?}"
    );
    assert_eq!(Peer::open(&broker).rest().len(), 512);
    assert!(
        Peer::open(&broker)
            .rest()
            .starts_with(b"HTTP/1.1 502 Bad Gateway\r\n")
    );
    let mut tcp = crate::support::tcp(&broker);
    let head = crate::handshake::exchange(&mut tcp, &[]);
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

#[test]
fn tcp_ends_within_a_frame() {
    let broker = with(
        r#"{"conn":1,"on":{"send":"CONNECTED"},"do":[{"fin":{"after-bytes":9}}]},
           {"conn":2,"on":"connected","do":["fin"]}"#,
    );
    let cut = Peer::connect(&broker).rest();
    assert_eq!(cut.len(), 9, "the head of the WebSocket frame counts");
    assert!(
        cut.ends_with(b"CONNECT") || cut.ends_with(b"CONNE"),
        "{cut:?}"
    );
    let mut peer = Peer::connect(&broker);
    assert_connected(&peer.frames(1));
    assert_eq!(peer.frame(), None, "no Close");
}
