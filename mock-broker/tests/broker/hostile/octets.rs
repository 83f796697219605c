//! Octets that are no HTTP, no WebSocket, no STOMP, or too many.

use super::*;

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
