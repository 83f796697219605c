//! The upgrade, over a socket.

use std::{io::Write, time::Duration};

use super::support::{Driver, accepting, answering, header, read_head, read_to_end, serve};
use crate::{
    error::{LinkError, Stage},
    net::LinkEvent,
};

/// Serves one upgrade; `more` and `change` spoil or vary the right answer.
fn upgraded(change: impl Fn(String) -> String + Send + 'static) -> LinkEvent {
    let (address, server) = serve(move |mut s| {
        let request = read_head(&mut s);
        s.write_all(change(accepting(&request, "")).as_bytes())
            .unwrap();
        read_to_end(&mut s);
    });
    let mut driver = Driver::to(&format!("ws://{address}/"));
    let event = driver.next();
    drop(driver);
    server.join().unwrap();
    event
}

fn handshake_error(change: impl Fn(String) -> String + Send + 'static) -> String {
    match upgraded(change) {
        LinkEvent::Down(LinkError::Handshake(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn with(more: &'static str) -> impl Fn(String) -> String + Send + 'static {
    move |answer| answer.replace("\r\n\r\n", &format!("\r\n{more}\r\n\r\n"))
}

#[test]
fn a_subprotocol_is_offered_and_the_choice_is_told() {
    let (address, server) = serve(|mut s| {
        let request = read_head(&mut s);
        assert_eq!(
            header(&request, "sec-websocket-protocol"),
            Some("v12.stomp, v11.stomp")
        );
        let more = "Sec-WebSocket-Protocol: v11.stomp\r\n";
        s.write_all(accepting(&request, more).as_bytes()).unwrap();
        read_to_end(&mut s);
    });
    let mut driver = Driver::to(&format!("ws://{address}/"));
    assert_eq!(driver.link.stage(), Stage::Connect);
    let up = driver.expect_up();
    assert_eq!(up.subprotocol.as_deref(), Some("v11.stomp"));
    assert_eq!(up.peer, address);
    assert_eq!(driver.link.stage(), Stage::Live);
    assert_eq!(driver.link.next_deadline(), None);
    drop(driver);
    server.join().unwrap();
}

#[test]
fn freedoms_of_the_answer_are_accepted() {
    let to = |from: &'static str, to: &'static str| move |a: String| a.replace(from, to);
    for event in [
        upgraded(|a| a),
        upgraded(to("Connection: Upgrade", "Connection: keep-alive, upGrade")),
        upgraded(to(
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: Upgrade",
        )),
        upgraded(to("Upgrade: websocket", "UPGRADE: WebSocket")),
        upgraded(to("\r\n", "\n")),
        upgraded(to("HTTP/1.1 101 Switching Protocols", "HTTP/1.1 101")),
        upgraded(to(
            "HTTP/1.1 101",
            "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 101",
        )),
        upgraded(with("Sec-WebSocket-Protocol:")),
    ] {
        assert!(
            matches!(&event, LinkEvent::Up(up) if up.subprotocol.is_none()),
            "{event:?}"
        );
    }
}

#[test]
fn a_wrong_answer_says_what_is_wrong() {
    let to = |from: &'static str, to: &'static str| move |a: String| a.replace(from, to);
    for (text, told) in [
        (handshake_error(to("Accept: ", "Accept: x")), "Accept"),
        (
            handshake_error(to("Sec-WebSocket-Accept", "X")),
            "without Sec-WebSocket-Accept",
        ),
        (
            handshake_error(to("Upgrade: websocket\r\n", "")),
            "Upgrade: websocket",
        ),
        (
            handshake_error(to("Upgrade: websocket", "Upgrade: h2c")),
            "Upgrade: websocket",
        ),
        (
            handshake_error(to("Connection: Upgrade", "Connection: close")),
            "Connection: Upgrade",
        ),
        (
            handshake_error(with("Sec-WebSocket-Protocol: mqtt")),
            "mqtt",
        ),
        (
            handshake_error(with("Sec-WebSocket-Protocol: V12.STOMP")),
            "V12.STOMP",
        ),
        (
            handshake_error(with("Sec-WebSocket-Protocol: v12.stomp, v11.stomp")),
            "several",
        ),
        (
            handshake_error(with("Sec-WebSocket-Extensions: x-foo")),
            "x-foo",
        ),
    ] {
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn an_answer_in_single_octets_is_read() {
    let (address, server) = serve(|mut s| {
        let request = read_head(&mut s);
        let mut answer = accepting(&request, "X: y\r\n").into_bytes();
        answer.extend_from_slice(b"\x81\x02hi");
        for octet in answer {
            s.write_all(&[octet]).unwrap();
            std::thread::yield_now();
        }
        read_to_end(&mut s);
    });
    let mut driver = Driver::to(&format!("ws://{address}/"));
    driver.expect_up();
    assert_eq!(driver.expect_message(), b"hi");
    drop(driver);
    server.join().unwrap();
}

#[test]
fn messages_that_come_with_the_101_are_not_lost() {
    let (address, server) = serve(|mut s| {
        let request = read_head(&mut s);
        let mut answer = accepting(&request, "").into_bytes();
        answer.extend_from_slice(b"\x89\x01p\x81\x03one\x01\x02tw\x80\x01o\x82\x01\xff");
        s.write_all(&answer).unwrap();
        let mut pong = [0; 7];
        std::io::Read::read_exact(&mut s, &mut pong).unwrap();
        assert_eq!(pong[0], 0x8A);
        s.write_all(b"\x88\x00").unwrap();
        read_to_end(&mut s);
    });
    let mut driver = Driver::to(&format!("ws://{address}/"));
    driver.expect_up();
    assert_eq!(driver.expect_message(), b"one");
    assert_eq!(driver.link.octets_read(), 3 + 5 + 4 + 3 + 3);
    assert_eq!(driver.expect_message(), b"two");
    assert_eq!(driver.expect_message(), b"\xff");
    assert!(matches!(
        driver.expect_down(),
        LinkError::Closed { code: 1005, .. }
    ));
    server.join().unwrap();
}

#[test]
fn a_refusal_with_a_late_body_is_told_whole() {
    let (address, server) = serve(|mut s| {
        read_head(&mut s);
        s.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 9\r\n\r\n",
        )
        .unwrap();
        let mut none = [0];
        s.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let _ = std::io::Read::read(&mut s, &mut none);
        s.write_all(b"token old").unwrap();
        s.set_read_timeout(Some(super::support::LIMIT)).unwrap();
        read_to_end(&mut s);
    });
    let mut driver = Driver::to(&format!("ws://{address}/"));
    let e = driver.expect_down();
    assert!(!e.is_retryable());
    let LinkError::Refused(refusal) = e else {
        panic!("{e}");
    };
    assert_eq!((refusal.stage, refusal.status), (Stage::Upgrade, 401));
    assert_eq!(refusal.body, b"token old");
    assert!(
        refusal
            .headers
            .contains(&("WWW-Authenticate".into(), "Bearer".into()))
    );
    drop(driver);
    server.join().unwrap();
}

#[test]
fn a_refusal_whose_body_never_comes_is_told_after_a_second() {
    let (address, server) = serve(|mut s| {
        read_head(&mut s);
        s.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\npart")
            .unwrap();
        read_to_end(&mut s);
    });
    let mut driver = Driver::to(&format!("ws://{address}/"));
    let LinkError::Refused(refusal) = driver.expect_down() else {
        panic!("not refused");
    };
    assert_eq!(
        (refusal.status, refusal.body.as_slice()),
        (403, &b"part"[..])
    );
    assert!(driver.start.elapsed() >= Duration::from_secs(1));
    drop(driver);
    server.join().unwrap();
}

#[test]
fn an_end_without_an_answer_names_the_peer() {
    let (address, server) = answering("");
    let e = Driver::to(&format!("ws://{address}/")).expect_down();
    assert!(
        matches!(
            &e,
            LinkError::Io {
                stage: Stage::Upgrade,
                ..
            }
        ),
        "{e}"
    );
    assert!(e.to_string().contains(&address.to_string()), "{e}");
    assert!(e.is_retryable());
    server.join().unwrap();
    let (address, server) = answering("HTTP/1.1 101 Switch");
    let e = Driver::to(&format!("ws://{address}/")).expect_down();
    assert!(e.to_string().contains("in the middle"), "{e}");
    server.join().unwrap();
}

#[test]
fn a_bad_upgrade_header_is_never_sent() {
    let (address, server) = serve(|mut s| read_to_end(&mut s));
    let mut config = super::support::config(&format!("ws://{address}/"));
    config
        .upgrade_headers
        .push(("X".into(), "hush\r\nY: z".into()));
    let mut driver = Driver::new(config);
    let e = driver.expect_down();
    assert!(
        matches!(&e, LinkError::Handshake(text) if !text.contains("hush")),
        "{e}"
    );
    drop(driver);
    server.join().unwrap();
}
