//! HTTP, WebSocket and TLS.

use crate::support::{Client, End, LONG, start, tcp, upgrade};
use hobnail_mock_broker::{MockBroker, Note, Rule, Scenario, What, act, on};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends an upgrade by hand and returns the head of the answer.
pub(crate) fn exchange(tcp: &mut TcpStream, headers: &[(&str, &str)]) -> String {
    let mut request = "GET /stomp HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .to_owned();
    if !headers.iter().any(|(n, _)| *n == "Sec-WebSocket-Version") {
        request.push_str("Sec-WebSocket-Version: 13\r\n");
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    tcp.write_all(format!("{request}\r\n").as_bytes())
        .expect("written");
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        tcp.read_exact(&mut octet).expect("an answer");
        head.push(octet[0]);
    }
    String::from_utf8(head).expect("text")
}

fn ask(broker: &MockBroker, request: &str) -> String {
    let mut tcp = tcp(broker);
    tcp.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Sends octets on an open WebSocket; what comes back until the end.
fn breach(broker: &MockBroker, octets: &[u8]) -> Vec<u8> {
    let mut tcp = tcp(broker);
    exchange(&mut tcp, &[]);
    tcp.write_all(octets).expect("written");
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).expect("the end");
    answer
}

#[test]
fn what_is_no_upgrade_gets_words() {
    let broker = start(Scenario::builder().path("/stomp").build());
    let plain = ask(&broker, "GET /stomp HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(plain.starts_with("HTTP/1.1 426 "), "{plain}");
    let elsewhere = ask(&broker, "GET /else HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    let garbage = ask(&broker, "\u{16}\u{3}\u{1}\r\n\r\n");
    assert!(garbage.starts_with("HTTP/1.1 400 "), "{garbage}");
    let old = exchange(&mut tcp(&broker), &[("Sec-WebSocket-Version", "12")]);
    assert!(
        old.contains("426") && old.contains("Sec-WebSocket-Version: 13"),
        "{old}"
    );
    assert!(
        broker
            .transcript()
            .iter()
            .any(|e| matches!(e.note(), Some(Note::Handshake(_))))
    );
}

#[test]
fn breaches_of_websocket_are_closed_with_their_code() {
    let broker = start(Scenario::default());
    for (octets, code) in [
        (&b"\x81\x01x"[..], 1002u16),
        (b"\xc1\x81\0\0\0\0x", 1002),
        (b"\x83\x81\0\0\0\0x", 1002),
        (b"\x80\x81\0\0\0\0x", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x82\xff\0\0\0\x7f\0\0\0\0\0\0\0\0", 1009),
    ] {
        let answer = breach(&broker, octets);
        assert_eq!(answer[0], 0x88, "{octets:?}");
        assert_eq!(
            u16::from_be_bytes([answer[2], answer[3]]),
            code,
            "{octets:?}"
        );
    }
}

#[test]
fn pings_are_answered_and_closes_too() {
    let broker = start(Scenario::default());
    let mut tcp = tcp(&broker);
    exchange(&mut tcp, &[]);
    tcp.write_all(b"\x89\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe9")
        .expect("written");
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).expect("the end");
    assert_eq!(answer, b"\x8a\x02hi\x88\x02\x03\xe9");
}

#[test]
fn frames_right_behind_the_request_are_heard() {
    let broker = start(Scenario::default());
    let mut tcp = tcp(&broker);
    let mut request = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        .to_vec();
    request.extend_from_slice(b"\x89\x82\0\0\0\0hi");
    tcp.write_all(&request).expect("written");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x8a\x02hi") {
        let mut octet = [0];
        tcp.read_exact(&mut octet).expect("a pong");
        answer.push(octet[0]);
    }
}

#[test]
fn the_upgrade_can_be_refused_in_turn() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(on::upgrade()).times(4).then(act::seq(vec![
                vec![act::http(401, "no")],
                vec![act::http(503, "later")],
                vec![act::redirect("ws://127.0.0.1:{port}/moved")],
                vec![act::bad_accept()],
            ])))
            .build(),
    );
    let status = |error: tungstenite::Error| {
        let tungstenite::Error::Http(response) = error else {
            panic!("{error}")
        };
        let to = response
            .headers()
            .get("Location")
            .map(|v| v.to_str().unwrap().to_owned());
        (response.status().as_u16(), to)
    };
    let fail = || *upgrade(&broker, &[]).err().expect("a refusal");
    assert_eq!(status(fail()), (401, None));
    assert_eq!(status(fail()), (503, None));
    let moved = format!("ws://127.0.0.1:{}/moved", broker.port());
    assert_eq!(status(fail()), (302, Some(moved)));
    assert!(
        matches!(fail(), tungstenite::Error::Protocol(_)),
        "bad accept"
    );
    Client::connect(&broker);
}

#[test]
fn a_hanging_upgrade_and_a_wrong_subprotocol() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(on::upgrade()).conn(1).then(act::hang()))
            .rule(
                Rule::on(on::upgrade())
                    .conn(2)
                    .then(act::subprotocol(Some("mqtt"))),
            )
            .rule(Rule::on(on::tcp()).conn(3).then(act::hang()))
            .build(),
    );
    let mut first = tcp(&broker);
    first
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n")
        .expect("written");
    let second = {
        broker.wait_for(LONG, |e| e.conn == 1).unwrap();
        let mut tcp = tcp(&broker);
        exchange(&mut tcp, &[("Sec-WebSocket-Protocol", "v12.stomp")])
    };
    assert!(second.contains("Sec-WebSocket-Protocol: mqtt"), "{second}");
    first.set_read_timeout(Some(crate::support::QUIET)).unwrap();
    first
        .write_all(
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .expect("written");
    broker
        .wait_for(LONG, |e| {
            e.conn == 1 && matches!(e.what, What::Upgrade { .. })
        })
        .unwrap();
    assert!(first.read(&mut [0]).is_err(), "nothing comes");
    let mut third = tcp(&broker);
    third.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
    third.set_read_timeout(Some(crate::support::QUIET)).unwrap();
    assert!(third.read(&mut [0]).is_err(), "nothing comes");
}

#[test]
fn tls_is_spoken_with_a_certificate_of_its_own_authority() {
    let broker = MockBroker::start_tls(
        Scenario::builder()
            .rule(Rule::on(on::tcp()).conn(2).then(act::tls_stall()))
            .build(),
    )
    .expect("starts");
    assert!(broker.url().starts_with("wss://localhost:"));
    let ca = native_tls::Certificate::from_pem(broker.ca_pem().unwrap().as_bytes()).unwrap();
    let connector = native_tls::TlsConnector::builder()
        .disable_built_in_roots(true)
        .add_root_certificate(ca)
        .build()
        .unwrap();
    let tls = connector
        .connect("localhost", tcp(&broker))
        .expect("the chain is valid");
    let (mut ws, _) = tungstenite::client(broker.url(), tls).expect("upgrade");
    let connect = "CONNECT\naccept-version:1.2\nhost:h\n\n\0";
    ws.send(tungstenite::Message::text(connect)).unwrap();
    assert!(
        ws.read()
            .unwrap()
            .to_text()
            .unwrap()
            .starts_with("CONNECTED\n")
    );
    let large = "x".repeat(1 << 20);
    let send = |text: String| tungstenite::Message::text(text);
    ws.send(send(
        "SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0".to_owned(),
    ))
    .unwrap();
    ws.send(send(format!("SEND\ndestination:/topic/a\n\n{large}\0")))
        .unwrap();
    assert!(ws.read().unwrap().to_text().unwrap().contains(&large));

    let stalled = tcp(&broker);
    stalled
        .set_read_timeout(Some(crate::support::QUIET))
        .unwrap();
    assert!(
        connector.connect("localhost", stalled).is_err(),
        "no handshake"
    );

    let stranger = native_tls::TlsConnector::new().unwrap();
    assert!(
        stranger.connect("localhost", tcp(&broker)).is_err(),
        "unknown authority"
    );
    broker
        .wait_for(LONG, |e| matches!(e.note(), Some(Note::Handshake(_))))
        .unwrap();
}

#[test]
fn a_client_that_closes_is_answered() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    client.ws.close(None).unwrap();
    assert_eq!(client.ended(), End::Close(None));
    broker
        .wait_for(LONG, |e| matches!(e.what, What::Closed(_)))
        .unwrap();
    assert_eq!(broker.sessions(), 0);
}
