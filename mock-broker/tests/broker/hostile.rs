//! Peers that mean no good: whatever they send or leave undone, it costs
//! bounded memory and time, ends in words, and the next client is served.

use crate::handshake::exchange;
use crate::support::{Client, LONG, start, tcp};
use crate::world::World;
use hobnail_mock_broker::engine::{Input, Output};
use hobnail_mock_broker::wire::Limits;
use hobnail_mock_broker::{Entry, MockBroker, Note, Rule, Scenario, act, on, recv};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// One WebSocket frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(o, k)| o ^ k));
    out
}

/// An open WebSocket without a client behind it.
fn socket(broker: &MockBroker) -> TcpStream {
    let mut tcp = tcp(broker);
    exchange(&mut tcp, &[]);
    tcp
}

/// A STOMP session without a client behind it.
fn session(broker: &MockBroker) -> TcpStream {
    let mut tcp = socket(broker);
    tcp.write_all(&frame(
        0x81,
        b"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:0,0\n\n\0",
    ))
    .expect("written");
    let mut head = [0; 2];
    tcp.read_exact(&mut head).expect("CONNECTED");
    let mut rest = vec![0; usize::from(head[1])];
    tcp.read_exact(&mut rest).expect("CONNECTED");
    assert!(rest.starts_with(b"CONNECTED"), "{rest:?}");
    tcp
}

/// What comes until the end; a reset is an end too.
fn rest(mut tcp: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match tcp.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return answer,
            Err(e) => panic!("no end came: {e}"),
        }
    }
}

/// Sends what may be more than the broker takes.
fn pour(tcp: &mut TcpStream, octets: &[u8]) {
    match tcp.write_all(octets) {
        Ok(()) => {}
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
        Err(e) => panic!("{e}"),
    }
}

/// The code of the Close among what came.
fn close_code(answer: &[u8]) -> u16 {
    let mut at = 0;
    while let Some(&[first, length]) = answer.get(at..at + 2) {
        let (head, length) = match length {
            126 => {
                let octets = [answer[at + 2], answer[at + 3]];
                (4, usize::from(u16::from_be_bytes(octets)))
            }
            n => (2, usize::from(n)),
        };
        if first == 0x88 {
            return u16::from_be_bytes([answer[at + 2], answer[at + 3]]);
        }
        at += head + length;
    }
    panic!("no Close in {answer:?}");
}

/// The broker lives: somebody else connects, sends and gets.
fn serves(broker: &MockBroker) {
    let mut client = Client::connect(broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/still-alive\n\n");
    client.send("SEND\ndestination:/topic/still-alive\n\nyes");
    assert_eq!(client.expect("MESSAGE").text(), Some("yes"));
}

/// Resident memory of this process in octets.
fn memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[test]
fn garbage_instead_of_a_request_gets_a_status_or_the_end() {
    let broker = start(Scenario::default());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = |n: usize| -> Vec<u8> {
        let next = |_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as u8
        };
        (0..n).map(next).collect()
    };
    for octets in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"CONNECT\naccept-version:1.2\nhost:h\n\n\0".to_vec(),
        frame(0x81, b"CONNECT\n\n\0"),
        b"GET / HTTP/0.9\r\n\r\n".to_vec(),
        b"GET / HTTP/2.0\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\r\n\r\n\r\n\r\nx".to_vec(),
        b"\0".repeat(100),
        noise(64),
        noise(100_000),
    ] {
        let mut tcp = tcp(&broker);
        pour(&mut tcp, &octets);
        // The end of what is sent ends what is not yet decided.
        tcp.shutdown(Shutdown::Write).ok();
        let answer = rest(tcp);
        let head = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || head.starts_with("HTTP/1.1 4"),
            "{octets:?}: {head}"
        );
    }
    serves(&broker);
}

#[test]
fn header_bombs_and_absurd_lengths_are_refused_at_once() {
    let broker = start(Scenario::default());
    let many = "a: b\r\n".repeat(200);
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    let drip = "x".repeat(1 << 20);
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{long}"), 431),
        (format!("GET /{drip}"), 431),
        (
            "POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n".to_owned(),
            413,
        ),
        (
            format!(
                "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
                "9".repeat(400)
            ),
            413,
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
            400,
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_owned(),
            400,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_owned(),
            411,
        ),
    ] {
        let mut tcp = tcp(&broker);
        pour(&mut tcp, request.as_bytes());
        let answer = rest(tcp);
        let head = String::from_utf8_lossy(&answer);
        // What is still being sent when the answer comes may cost the answer.
        let lost = answer.is_empty() && request.len() > 64 << 10;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(lost || head.starts_with(&expected), "{head}");
    }
    let refused = |e: &Entry| matches!(e.note(), Some(Note::Handshake(words)) if words.contains("head is too large"));
    broker.wait_for_nth(3, LONG, refused).unwrap();
    serves(&broker);
}

#[test]
fn breaches_of_framing_get_the_right_close() {
    let broker = start(Scenario::default());
    let absurd = [&[0x82, 0xff][..], &[0xff; 8], &MASK].concat();
    let table = [
        ("unmasked", vec![0x81, 1, b'x'], 1002),
        ("reserved bit 1", frame(0xc1, b"x"), 1002),
        ("reserved bit 2", frame(0xa1, b"x"), 1002),
        ("reserved bit 3", frame(0x91, b"x"), 1002),
        ("opcode 3", frame(0x83, b"x"), 1002),
        ("opcode 7", frame(0x87, b"x"), 1002),
        ("opcode 11", frame(0x8b, b""), 1002),
        ("opcode 15", frame(0x8f, b""), 1002),
        ("not UTF-8", frame(0x81, b"\xc3\x28"), 1007),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), 1007),
        ("absurd length", absurd, 1009),
        ("ping of 126", frame(0x89, &[0; 126]), 1002),
        ("ping in parts", frame(0x09, b"x"), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        (
            "message in a message",
            [frame(0x01, b"x"), frame(0x81, b"y")].concat(),
            1002,
        ),
        ("Close with one octet", frame(0x88, b"\x03"), 1002),
        ("Close 0", frame(0x88, &0u16.to_be_bytes()), 1002),
        ("Close 999", frame(0x88, &999u16.to_be_bytes()), 1002),
        ("Close 1004", frame(0x88, &1004u16.to_be_bytes()), 1002),
        ("Close 1005", frame(0x88, &1005u16.to_be_bytes()), 1002),
        ("Close 1006", frame(0x88, &1006u16.to_be_bytes()), 1002),
        ("Close 1015", frame(0x88, &1015u16.to_be_bytes()), 1002),
        ("Close 2999", frame(0x88, &2999u16.to_be_bytes()), 1002),
        ("Close 5000", frame(0x88, &5000u16.to_be_bytes()), 1002),
        ("Close 65535", frame(0x88, &[0xff; 2]), 1002),
        ("Close in Latin-1", frame(0x88, b"\x03\xe8\xe4"), 1007),
    ];
    for (what, octets, code) in table {
        let mut tcp = socket(&broker);
        pour(&mut tcp, &octets);
        assert_eq!(close_code(&rest(tcp)), code, "{what}");
    }
    serves(&broker);
}

#[test]
fn a_message_without_end_is_cut_off_where_it_is_too_large() {
    let limits = Limits {
        body: 1 << 20,
        ..Default::default()
    };
    let broker = start(Scenario::builder().limits(limits).build());
    // In continuations of the WebSocket: the bound is that of a message.
    let mut tcp = socket(&broker);
    pour(&mut tcp, &frame(0x02, b"SEND\n"));
    let part = frame(0x00, &[b'x'; 60_000]);
    for _ in 0..100 {
        pour(&mut tcp, &part);
    }
    broker
        .wait_for(LONG, |e| {
            matches!(e.note(), Some(Note::WebSocket { code: 1009, .. }))
        })
        .unwrap();
    rest(tcp);
    // In messages, each a part of one STOMP frame: the bound is that of a body.
    let mut tcp = session(&broker);
    pour(&mut tcp, &frame(0x81, b"SEND\ndestination:/topic/a\n\n"));
    let part = frame(0x81, &[b'x'; 60_000]);
    for _ in 0..100 {
        pour(&mut tcp, &part);
    }
    let too_large = |e: &Entry| matches!(e.note(), Some(Note::Refused { message }) if message.contains("limit on body"));
    broker.wait_for(LONG, too_large).unwrap();
    rest(tcp);
    serves(&broker);
}

#[test]
fn continuations_and_beats_without_end_cost_nothing() {
    let broker = start(Scenario::default());
    let mut tcp = socket(&broker);
    let empty: Vec<u8> = frame(0x00, b"").repeat(10_000);
    pour(&mut tcp, &frame(0x01, b""));
    for _ in 0..20 {
        pour(&mut tcp, &empty);
        serves(&broker);
    }
    // It is still one message, and can end as one.
    pour(
        &mut tcp,
        &frame(0x80, b"CONNECT\naccept-version:1.2\nhost:h\n\n\0"),
    );
    let mut answer = [0; 11];
    tcp.read_exact(&mut answer).expect("CONNECTED");
    assert!(answer.ends_with(b"CONNECTED"), "{answer:?}");
    pour(&mut tcp, &frame(0x81, &[b'\n'; 1 << 20]));
    pour(&mut tcp, &frame(0x81, b"DISCONNECT\n\n\0"));
    rest(tcp);
    serves(&broker);
}

#[test]
fn header_bombs_in_stomp_are_refused() {
    let broker = start(Scenario::default());
    let many = "a:b\n".repeat(1_001);
    let line = "x".repeat((64 << 10) + 1);
    let head = format!("k:{}\n", "v".repeat(60_000)).repeat(5);
    for (frame_text, words) in [
        (format!("SEND\n{many}\n\0"), "header count"),
        (format!("SEND\nk:{line}\n\n\0"), "line length"),
        (line, "line length"),
        (format!("SEND\n{head}\n\0"), "header octets"),
        (
            format!("SEND\ncontent-length:{}\n\n", u64::MAX),
            "content-length",
        ),
        (
            format!("SEND\ncontent-length:{}\n\n", "9".repeat(50)),
            "content-length",
        ),
        ("SEND\ncontent-length:-1\n\n".to_owned(), "not a number"),
    ] {
        let mut client = Client::connect(&broker);
        client.send_raw(frame_text.as_bytes());
        let error = client.expect("ERROR");
        let message = error.header("message").expect("a message");
        assert!(message.contains(words), "{message} / {words}");
        client.ended();
    }
    serves(&broker);
}

#[test]
fn connects_that_never_speak_are_turned_out_in_time() {
    let mut world = World::new(
        Scenario::builder()
            .bounds(|b| b.handshake = Duration::from_secs(30))
            .build(),
    );
    // Three kinds: no octet; a WebSocket and no frame; half a frame.
    for conn in 1..=10_000 {
        world.tell(Input::Tcp { conn });
    }
    world.open(10_001);
    world.open(10_002);
    world.tell(Input::Message {
        conn: 10_002,
        octets: b"CONNECT\naccept-version:1.2\n",
        binary: false,
    });
    world.connect(10_003, "heart-beat:0,0\n");
    world.pass(Duration::from_secs(29));
    assert_eq!(world.answers(), []);
    // An octet now and then is no frame.
    world.tell(Input::Message {
        conn: 10_002,
        octets: b"h",
        binary: false,
    });
    world.pass(Duration::from_secs(2));
    let answers = world.answers();
    assert_eq!(answers.len(), 10_000);
    assert!(answers.iter().all(|(_, _, status)| *status == 408));
    for conn in [10_001, 10_002] {
        assert_eq!(world.commands(conn), ["ERROR"]);
        let closed = |o: &Output| matches!(o, Output::Close { conn: c, .. } if *c == conn);
        assert!(world.outputs.iter().any(|(_, o)| closed(o)));
    }
    assert_eq!(world.commands(10_003), ["CONNECTED"], "it spoke");
}

#[test]
fn many_mute_connections_hold_nobody_up() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.handshake = Duration::from_millis(500))
            .build(),
    );
    let began = Instant::now();
    let mut mute: Vec<TcpStream> = (0..300).map(|_| tcp(&broker)).collect();
    mute.extend((0..100).map(|_| socket(&broker)));
    serves(&broker);
    for (i, tcp) in mute.into_iter().enumerate() {
        let answer = rest(tcp);
        if i < 300 {
            assert!(answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
        } else {
            assert_eq!(close_code(&answer), 1002);
        }
    }
    assert!(began.elapsed() >= Duration::from_millis(500));
    serves(&broker);
}

#[test]
fn one_who_drips_its_request_is_not_waited_for() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.handshake = Duration::from_millis(300))
            .build(),
    );
    let mut slow = tcp(&broker);
    let writer = slow.try_clone().expect("a second handle");
    let drip = std::thread::spawn(move || {
        let mut writer = writer;
        let octets = b"GET / HTTP/1.1\r\n"
            .iter()
            .chain(b"a: b\r\n".iter().cycle());
        // It ends when the broker has had enough.
        for octet in octets {
            if writer.write_all(&[*octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    serves(&broker);
    let mut answer = [0; 13];
    slow.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408 ");
    drop(slow);
    drip.join().expect("it was turned out");
    serves(&broker);
}

#[test]
fn half_open_peers_come_to_their_end() {
    let broker = start(Scenario::builder().heart_beat(0, 200).build());
    // Its end was heard, its own was never: FIN without Close.
    let tcp = session(&broker);
    tcp.shutdown(Shutdown::Write).expect("it works");
    assert_eq!(rest(tcp), b"");
    // Nothing is heard any more: the heart-beat tells.
    let mut client = Client::connect_as(&broker, "heart-beat:200,0");
    let error = client.expect("ERROR");
    let message = error.header("message").expect("a message");
    assert!(message.starts_with("no heart-beat"), "{message}");
    // Nor is our Close answered: TCP ends all the same.
    let tcp = client.ws.get_ref().try_clone().expect("a second handle");
    std::mem::forget(client);
    rest(tcp);
    serves(&broker);
}

#[test]
fn one_who_never_reads_costs_bounded_memory_and_delays_nobody() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.out = 4 << 20)
            .rule(
                Rule::on(recv("SEND").matching("destination", "/topic/go")).then(act::storm(
                    "/topic/ev",
                    20_000.0,
                    Duration::from_secs(3),
                    1000,
                )),
            )
            .build(),
    );
    let mut stuck: Vec<TcpStream> = (0..5).map(|_| session(&broker)).collect();
    for tcp in &mut stuck {
        pour(
            tcp,
            &frame(0x81, b"SUBSCRIBE\nid:0\ndestination:/topic/ev\n\n\0"),
        );
    }
    broker
        .wait_for_nth(5, LONG, |e| e.is_recv("SUBSCRIBE"))
        .unwrap();
    let before = memory();
    let mut other = Client::connect(&broker);
    other.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/other\n\n");
    other.send("SEND\ndestination:/topic/go\n\nx");
    let slow =
        |e: &Entry| matches!(e.note(), Some(Note::SlowConsumer { waiting }) if *waiting >= 4 << 20);
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let asked = Instant::now();
        other.send("SEND\ndestination:/topic/other\n\nx");
        other.expect("MESSAGE");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    broker.wait_for_nth(5, LONG, slow).unwrap();
    if let (Some(before), Some(after)) = (before, memory()) {
        let grown = after.saturating_sub(before);
        // Five times the bound, the transcript's, and what tests beside this
        // one take.
        assert!(grown < 600 << 20, "{grown}");
    }
    serves(&broker);
}

#[test]
fn a_storm_of_a_million_events_is_bounded() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.out = 1 << 20)
            .rule(
                Rule::on(recv("SEND").matching("destination", "/topic/go")).then(act::storm(
                    "/topic/ev",
                    1e6,
                    Duration::from_secs(1),
                    10,
                )),
            )
            .build(),
    );
    let mut reader = Client::connect(&broker);
    reader.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/ev\n\n");
    let mut other = Client::connect(&broker);
    other.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/other\n\n");
    other.send("SEND\ndestination:/topic/go\n\nx");
    // Who cannot keep up is told so by a reset; the others have their turn.
    for n in 0..20 {
        other.send(&format!("SEND\ndestination:/topic/other\n\n{n}"));
        assert_eq!(other.expect("MESSAGE").text(), Some(&*n.to_string()));
    }
    drop(reader);
    serves(&broker);
}

#[test]
fn transactions_and_suspensions_are_bounded_in_octets() {
    let mut world = World::new(Scenario::default());
    world.connect(1, "");
    world.say(1, "BEGIN\ntransaction:t\n\n");
    let body = "x".repeat(15 << 20);
    for _ in 0..18 {
        world.say(
            1,
            &format!("SEND\ndestination:/topic/a\ntransaction:t\n\n{body}"),
        );
    }
    let frames = world.frames(1);
    let (_, last) = frames.last().expect("a frame");
    assert_eq!(last.header("message"), Some("transaction is too large"));
}

#[test]
fn a_script_that_feeds_itself_is_cut_short() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(on::marked("a")).then(act::mark("b")))
            .rule(Rule::on(on::marked("b")).then(act::mark("a")))
            .rule(Rule::on(on::connected()).conn(1).then(act::mark("a")))
            .build(),
    );
    Client::connect(&broker);
    broker
        .wait_for(LONG, |e| matches!(e.note(), Some(Note::ScriptLoop)))
        .unwrap();
    serves(&broker);
}
