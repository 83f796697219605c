//! What befalls a connection as a whole, and its handshake.

use super::peer::Peer;
use super::*;
use crate::handshake::exchange;
use crate::support::{LONG, QUIET, start, tcp};
use hobnail_mock_broker::MockBroker;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

pub(super) const SHOWN: &[Shown] = &[
    (
        &["do: close", "close: code", "close: reason"],
        close_has_a_code_and_a_reason,
    ),
    (&["do: rst"], tcp_is_reset),
    (
        &[
            "do: blackhole",
            "blackhole: in",
            "blackhole: out",
            "blackhole: both",
            "do: for",
        ],
        a_black_hole_swallows_a_direction_for_a_while,
    ),
    (
        &["do: stall-read", "do: stall-write"],
        reading_and_writing_stall,
    ),
    (
        &["do: ping", "do: mute-pong"],
        pings_are_sent_and_pongs_are_not,
    ),
    (&["do: refuse"], the_listener_goes_down),
    (
        &[
            "do: http",
            "http: status",
            "http: headers",
            "http: body",
            "http: json",
            "do: redirect",
        ],
        the_upgrade_is_answered_otherwise,
    ),
    (&["do: hang"], a_handshake_hangs),
    (&["do: subprotocol", "do: bad-accept"], the_101_is_wrong),
    (
        &[
            "do: tls",
            "tls: expired",
            "tls: wrong-host",
            "tls: self-signed",
        ],
        crate::tls::every_broken_certificate_fails_for_its_own_reason,
    ),
    (&["tls: alert"], crate::tls::an_alert_answers_the_hello),
    (&["tls: stall"], crate::tls::a_stalled_handshake_hangs),
];

fn with(rules: &str) -> MockBroker {
    start(scenario(&format!(r#"{{"rules":[{rules}]}}"#)))
}

#[test]
fn close_has_a_code_and_a_reason() {
    let broker = with(r#"{"on":"connected","do":[{"close":{"code":1012,"reason":"be back"}}]}"#);
    let mut peer = Peer::connect(&broker);
    let close = peer.frames(2).remove(1);
    assert_eq!(close.opcode, 8);
    assert_eq!(close.payload, b"\x03\xf4be back");
}

#[test]
fn tcp_is_reset() {
    let broker = with(r#"{"on":"connected","do":["rst"]}"#);
    let mut peer = Peer::connect(&broker);
    let error = loop {
        match peer.tcp.read(&mut [0; 64]) {
            Ok(0) => panic!("a FIN came"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_black_hole_swallows_a_direction_for_a_while() {
    let span = Duration::from_secs(2);
    for (direction, heard) in [("in", false), ("out", true), ("both", false)] {
        let broker = with(&format!(
            r#"{{"on":{{"signal":"go"}},"do":[{{"blackhole":"{direction}","for":"2s"}}]}}"#
        ));
        let mut peer = Peer::connect(&broker);
        peer.frames(1);
        let begin = Instant::now();
        broker.signal("go");
        let fault = |words: &'static str| {
            let fits = move |e: &hobnail_mock_broker::Entry| e.what.to_string().contains(words);
            broker.wait_for(LONG, fits).expect(words).at
        };
        fault("blackhole");
        peer.send("BEGIN\ntransaction:t\nreceipt:r\n\n\0");
        let receipt = peer.frames(1).remove(0);
        assert!(
            receipt.payload.starts_with(b"RECEIPT"),
            "{direction}: it heals"
        );
        assert!(begin.elapsed() >= span, "{direction}: not before");
        let read = broker
            .wait_for(LONG, |e| e.is_recv("BEGIN"))
            .expect("BEGIN");
        assert_eq!(read.at < fault("heal"), heard, "{direction}");
    }
}

#[test]
fn reading_and_writing_stall() {
    let world = session(
        r#"{"on":"connected","do":[{"stall-read":"2s"}]}, {"on":{"after":"10s"},"do":[{"stall-write":"3s"}]}"#,
    );
    let mut world = world;
    world.pass(60 * SECOND);
    let shown = |output: &Output| {
        if let Output::Blackhole { direction, .. } = output {
            return Some(format!("{direction:?}"));
        }
        matches!(output, Output::Heal { .. }).then(|| "heal".to_owned())
    };
    let holes: Vec<(Duration, String)> = world
        .outputs
        .iter()
        .filter_map(|(at, o)| Some((*at, shown(o)?)))
        .collect();
    let expected = [(0, "In"), (2, "heal"), (10, "Out"), (13, "heal")];
    assert_eq!(
        holes,
        expected.map(|(s, word)| (s * SECOND, word.to_owned()))
    );
}

#[test]
fn pings_are_sent_and_pongs_are_not() {
    let broker = with(
        r#"{"on":"open","do":[{"ping":"are you there"}]}, {"conn":2,"on":"open","do":["mute-pong"]}"#,
    );
    for muted in [false, true] {
        let mut peer = Peer::open(&broker);
        let ping = peer.frames(1).remove(0);
        assert_eq!((ping.opcode, &ping.payload[..]), (9, &b"are you there"[..]));
        peer.write(0x89, b"x");
        peer.send("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
        let next = peer.frames(1).remove(0);
        assert_eq!(next.opcode, if muted { 1 } else { 10 });
    }
}

#[test]
fn the_listener_goes_down() {
    let broker = with(r#"{"on":"connected","do":[{"refuse":"300ms"}]}"#);
    let mut peer = Peer::connect(&broker);
    peer.frames(1);
    let listening = |up: bool| {
        move |e: &hobnail_mock_broker::Entry| e.what == hobnail_mock_broker::What::Listening(up)
    };
    let down = broker.wait_for(LONG, listening(false)).expect("down");
    let up = broker.wait_for(LONG, listening(true)).expect("up again");
    assert!(up.at - down.at >= Duration::from_millis(300));
    let deadline = Instant::now() + LONG;
    // It is told of a moment before it is so.
    while TcpStream::connect(("127.0.0.1", broker.port())).is_err() {
        assert!(Instant::now() < deadline, "it is up on the same port");
    }
    // While it is down nobody gets in: what the handle does, the word does.
    broker.refuse(LONG);
    assert!(TcpStream::connect(("127.0.0.1", broker.port())).is_err());
    peer.send("BEGIN\ntransaction:t\nreceipt:r\n\n\0");
    assert!(
        peer.frames(1)[0].payload.starts_with(b"RECEIPT"),
        "those who stand are kept"
    );
}

#[test]
fn the_upgrade_is_answered_otherwise() {
    let broker = with(
        r#"{"on":"upgrade","times":3,"do":[{"seq":[
            [{"http":{"status":503,"headers":{"Retry-After":2},"body":"later"}}],
            [{"http":{"status":401,"json":{"error":"no"}}}],
            [{"redirect":"ws://127.0.0.1:{port}/moved"}]]}]}"#,
    );
    let ask = || {
        let mut tcp = tcp(&broker);
        let head = exchange(&mut tcp, &[]).to_lowercase();
        let mut body = String::new();
        tcp.read_to_string(&mut body).expect("a body");
        (head, body)
    };
    let (head, body) = ask();
    assert!(
        head.starts_with("http/1.1 503 ") && head.contains("\r\nretry-after: 2\r\n"),
        "{head}"
    );
    assert_eq!(body, "later");
    let (head, body) = ask();
    assert!(
        head.starts_with("http/1.1 401 ") && head.contains("application/json"),
        "{head}"
    );
    assert_eq!(body, r#"{"error":"no"}"#);
    let (head, _) = ask();
    let to = format!("\r\nlocation: ws://127.0.0.1:{}/moved\r\n", broker.port());
    assert!(
        head.starts_with("http/1.1 302 ") && head.contains(&to),
        "{head}"
    );
}

#[test]
fn a_handshake_hangs() {
    let broker = with(r#"{"conn":1,"on":"upgrade","do":["hang"]}"#);
    let mut tcp = tcp(&broker);
    let request = "GET /stomp HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(request.as_bytes()).expect("written");
    tcp.set_read_timeout(Some(QUIET)).expect("a timeout");
    let error = tcp.read(&mut [0]).expect_err("nothing comes");
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
}

#[test]
fn the_101_is_wrong() {
    let broker = with(
        r#"{"conn":1,"on":"upgrade","do":[{"subprotocol":"mqtt"}]},
           {"conn":2,"on":"upgrade","do":[{"subprotocol":null}]},
           {"conn":3,"on":"upgrade","do":["bad-accept"]}"#,
    );
    let head = || {
        exchange(
            &mut tcp(&broker),
            &[("Sec-WebSocket-Protocol", "v12.stomp")],
        )
    };
    assert!(head().contains("Sec-WebSocket-Protocol: mqtt\r\n"));
    assert!(!head().contains("Sec-WebSocket-Protocol"));
    // The key is that of RFC 6455, 1.3, and so is the right answer.
    let right = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let wrong = head();
    assert!(
        wrong.contains("Sec-WebSocket-Accept: ") && !wrong.contains(right),
        "{wrong}"
    );
    assert!(head().contains(right));
}
