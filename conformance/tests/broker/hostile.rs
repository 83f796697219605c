//! Targets that are none, and files that are none: one sentence, and the right
//! exit code.

use crate::support::{Folder, broker, told};
use sha1::{Digest, Sha1};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A server that does this with each connection. Its thread ends with the test.
fn target(serve: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    format!("ws://127.0.0.1:{port}/")
}

/// Reads the request for an upgrade and takes it.
fn upgraded(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut octet = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).unwrap();
        request.push(octet[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let key = request
        .lines()
        .find_map(|l| l.strip_prefix("Sec-WebSocket-Key: "));
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap());
    let accept = data_encoding::BASE64.encode(&Sha1::digest(key));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

/// Until the other end has had enough.
fn pour(stream: &mut TcpStream, octets: &[u8], times: usize) {
    for _ in 0..times {
        if stream.write_all(octets).is_err() {
            return;
        }
    }
}

/// Says nothing more, and waits for the other end.
fn hold(mut stream: TcpStream) {
    let mut sink = [0; 1024];
    while matches!(stream.read(&mut sink), Ok(1..)) {}
}

/// No case can run, and the words say why.
fn refused(url: &str, words: &str) {
    let (exit, text) = told(&["broker", url]);
    assert_eq!(exit, 3, "{text}");
    assert!(
        text.contains("no case can run") && text.contains(words),
        "{text}"
    );
    assert_eq!(text.trim().lines().count(), 1, "{text}");
}

#[test]
fn it_is_no_websocket() {
    refused(
        &target(|mut s| pour(&mut s, b"220 mail.example ESMTP\r\n", 1)),
        "no HTTP",
    );
}

#[test]
fn it_closes_at_once() {
    refused(&target(drop), "cannot connect");
}

#[test]
fn it_never_answers() {
    refused(&target(hold), "no answer to the upgrade");
}

#[test]
fn it_floods_the_handshake() {
    let flood = |mut stream: TcpStream| {
        pour(&mut stream, b"HTTP/1.1 101 ok\r\n", 1);
        pour(
            &mut stream,
            b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
            1 << 20,
        );
    };
    refused(&target(flood), "cannot connect");
}

#[test]
fn it_is_no_stomp() {
    let echo = |mut stream: TcpStream| {
        upgraded(&mut stream);
        pour(&mut stream, b"\x81\x05hello", 1);
        hold(stream);
    };
    refused(&target(echo), "expected CONNECTED");
}

#[test]
fn it_is_sockjs() {
    let sockjs = |mut stream: TcpStream| {
        upgraded(&mut stream);
        pour(&mut stream, b"\x81\x01o", 1);
        hold(stream);
    };
    refused(&target(sockjs), "append /websocket");
}

#[test]
fn it_floods_the_session() {
    let flood = |mut stream: TcpStream| {
        upgraded(&mut stream);
        pour(&mut stream, &b"\x81\x01\n".repeat(1000), 1 << 20);
    };
    refused(&target(flood), "expected CONNECTED");
}

#[test]
fn it_sends_a_gibibyte() {
    let huge = |mut stream: TcpStream| {
        upgraded(&mut stream);
        pour(&mut stream, b"\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x00", 1);
        pour(&mut stream, &[b'x'; 1 << 16], 1 << 14);
    };
    refused(&target(huge), "1073741824 octets");
}

#[test]
fn it_sends_a_gibibyte_in_pieces() {
    let huge = |mut stream: TcpStream| {
        upgraded(&mut stream);
        pour(&mut stream, b"\x02\x01x", 1);
        let mut piece = vec![0, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
        piece.resize(10 + (1 << 16), b'x');
        pour(&mut stream, &piece, 1 << 14);
    };
    refused(&target(huge), "expected CONNECTED");
}

#[test]
fn known_failures_with_typos() {
    let folder = Folder::new();
    for (text, words) in [
        (
            "[[known]]\nid='S12-ERR-02/send'\ngrade='FAILED'\nreason='r'",
            ":2: no case is called",
        ),
        (
            "[[known]]\nid='S12-ERR-002/send'\ngrade='FAILED'\nraeson='r'",
            "\"reason\" is",
        ),
        ("[[known]\n", ":1: "),
    ] {
        let file = folder.write("known.toml", text);
        let (exit, told) = told(&["broker", "ws://127.0.0.1:1/", "--known", &file]);
        assert_eq!(exit, 2, "{told}");
        assert!(told.contains(words), "{told}");
        assert_eq!(told.trim().lines().count(), 1, "{told}");
    }
    let (exit, told) = told(&["broker", "ws://127.0.0.1:1/", "--known=/nowhere/x"]);
    assert_eq!(exit, 2, "{told}");
}

#[test]
fn reports_that_are_none() {
    let folder = Folder::new();
    let html = folder.path("out.html");
    for (text, words) in [
        ("", "it is no JSON"),
        ("<html>", "it is no JSON"),
        ("[]", "there is no run in it"),
        ("{\"schema\":99}", "schema 99"),
        ("{\"schema\":1}", "it is no report"),
        ("7", "it is no report"),
    ] {
        let file = folder.write("r.json", text);
        for args in [&["report", &file, "-o", &html][..], &["diff", &file, &file]] {
            let (exit, told) = told(args);
            assert_eq!(exit, 2, "{told}");
            assert!(told.contains(words), "{text}: {told}");
            assert_eq!(told.trim().lines().count(), 1, "{told}");
        }
    }
}

#[test]
fn what_is_known_costs_nothing_and_what_is_stale_does() {
    let wrong = broker(
        r#"{"rules":[{"on":{"send":"RECEIPT","match":{"receipt-id":"r1"}},"times":"inf","do":[
        {"set":{"receipt-id":"r 1"}},"pass"]}]}"#,
    );
    let folder = Folder::new();
    let known = folder.write(
        "known.toml",
        "[[known]]\nid='S12-RCT-101'\ngrade='FAILED'\nreason='it likes blanks'\n\
         [[known]]\nid='S12-SUB-005'\ngrade='FAILED'\nreason='was mended'\n",
    );
    let args = [
        "broker",
        &wrong.url(),
        "S12-RCT-101",
        "S12-SUB-005",
        "--known",
        &known,
    ];
    let (exit, text) = told(&args);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("known=1"), "{text}");
    assert!(
        text.contains(":5: S12-SUB-005 is no longer FAILED"),
        "{text}"
    );
    let (exit, text) = told(&[&args[..], &["--known-strict"]].concat());
    assert_eq!(exit, 6, "{text}");
}

#[test]
fn one_failure_can_be_enough() {
    let wrong = broker(sending_no_receipts());
    let args = [
        "broker",
        &wrong.url(),
        "S12-RCT-101",
        "S12-RCT-102",
        "S12-RCT-106",
    ];
    let more = ["--caps=receipts,tx,queue", "--jobs=1", "--timeout=300ms"];
    let (exit, text) = told(&[&args[..], &more, &["--fail-fast"]].concat());
    assert_eq!(exit, 1, "{text}");
    assert!(
        text.contains("failed=1 ") && text.contains("skipped=2 "),
        "{text}"
    );
    let (exit, text) = told(&[&args[..], &more, &["--min-cases=4"]].concat());
    assert_eq!(exit, 4, "{text}");
    let (exit, text) = told(&[
        "broker",
        &wrong.url(),
        "S12-TXN-003",
        "--caps=receipts",
        "--require-caps",
    ]);
    assert_eq!(exit, 1, "{text}");
    let (exit, text) = told(&["broker", &wrong.url(), "--caps=reciepts"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("\"receipts\" is one"), "{text}");
}

fn sending_no_receipts() -> &'static str {
    r#"{"rules":[{"on":{"send":"RECEIPT"},"times":"inf","do":["drop"]}]}"#
}

#[test]
fn grades_that_differ_are_flaky() {
    let moody = broker(
        r#"{"rules":[{"on":{"send":"RECEIPT","match":{"receipt-id":"r1"}},"times":1,"do":["drop"]}]}"#,
    );
    let (exit, text) = told(&[
        "broker",
        &moody.url(),
        "S12-RCT-101",
        "--caps=receipts",
        "--timeout=500ms",
        "--repeat=2",
    ]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("flaky=1"), "{text}");
}
