//! What leaves over an open link.

use std::time::{Duration, Instant};

use tungstenite::{
    Message,
    protocol::frame::{
        FrameSocket,
        coding::{Data, OpCode},
    },
};

use super::support::{Driver, LIMIT, numbered, read_numbered};
use crate::dialect::Dialect;

#[test]
fn text_leaves_as_text_and_anything_else_as_binary() {
    let (mut driver, server) = Driver::up(|mut ws| {
        assert_eq!(ws.read().unwrap(), Message::text("SEND\n\nä\0"));
        assert_eq!(ws.read().unwrap(), Message::binary(vec![b'x', 0xFF, 0]));
        assert_eq!(ws.read().unwrap(), Message::text("\n"));
        assert_eq!(ws.read().unwrap(), Message::text("\0"));
    });
    for message in [&b"SEND\n\n\xC3\xA4\0"[..], b"x\xFF\0", b"\n", b"\0"] {
        assert!(driver.link.wants_frame());
        driver.link.send(message.into()).unwrap();
    }
    driver.drain();
    server.join().unwrap();
}

#[test]
fn everything_leaves_as_binary_if_that_is_wanted() {
    let dialect = Dialect::STOMP.with_binary_messages();
    let (mut driver, server) = Driver::up_with(
        |config| config.dialect(dialect),
        |mut ws| {
            assert_eq!(ws.read().unwrap(), Message::binary(&b"SEND\n\nx\0"[..]));
            assert_eq!(ws.read().unwrap(), Message::binary(&b"\n"[..]));
        },
    );
    for message in [&b"SEND\n\nx\0"[..], b"\n"] {
        driver.link.send(message.into()).unwrap();
    }
    driver.drain();
    server.join().unwrap();
}

/// Frames as they came: opcode, whether final, unmasked payload.
fn frames(
    socket: &mut FrameSocket<std::net::TcpStream>,
    sizes: &mut Vec<usize>,
) -> (OpCode, Vec<u8>) {
    let mut whole = Vec::new();
    let mut first = None;
    loop {
        let frame = socket.read(None).unwrap().unwrap();
        let mask = frame.header().mask.unwrap();
        let octets: Vec<u8> = frame
            .payload()
            .iter()
            .zip(mask.iter().cycle())
            .map(|(o, m)| o ^ m)
            .collect();
        sizes.push(octets.len());
        match first {
            None => first = Some(frame.header().opcode),
            Some(_) => assert_eq!(frame.header().opcode, OpCode::Data(Data::Continue)),
        }
        if first == Some(OpCode::Data(Data::Text)) {
            assert!(
                std::str::from_utf8(&octets).is_ok(),
                "cut between characters"
            );
        }
        whole.extend_from_slice(&octets);
        if frame.header().is_final {
            return (first.unwrap(), whole);
        }
    }
}

#[test]
fn large_messages_leave_in_fragments() {
    let text = format!("x{}", "😀".repeat(250_000));
    let binary: Vec<u8> = (0..500_000_u32).map(|i| (i ^ 0x80) as u8).collect();
    let exact = vec![b'y'; 64 << 10];
    let over = vec![b'z'; (64 << 10) + 1];
    let sent = [text.into_bytes(), binary, exact, over];
    let expected = sent.clone();
    let (mut driver, server) = Driver::up(move |ws| {
        let mut socket = FrameSocket::new(ws.into_inner());
        let [text, binary, exact, over] = expected;
        let mut sizes = Vec::new();
        assert_eq!(
            frames(&mut socket, &mut sizes),
            (OpCode::Data(Data::Text), text)
        );
        assert_eq!(sizes.len(), 16);
        assert_eq!(
            frames(&mut socket, &mut sizes),
            (OpCode::Data(Data::Binary), binary)
        );
        assert!(sizes.iter().all(|size| *size <= 64 << 10));
        sizes.clear();
        assert_eq!(
            frames(&mut socket, &mut sizes),
            (OpCode::Data(Data::Text), exact)
        );
        assert_eq!(
            frames(&mut socket, &mut sizes),
            (OpCode::Data(Data::Text), over)
        );
        assert_eq!(sizes, [64 << 10, 64 << 10, 1]);
    });
    for message in sent {
        driver.link.send(message.into()).unwrap();
    }
    assert!(!driver.link.is_flushed());
    driver.drain();
    server.join().unwrap();
}

#[test]
fn a_peer_that_does_not_read_stops_us() {
    let (go, told) = std::sync::mpsc::channel();
    let (mut driver, server) = Driver::up(move |mut ws| {
        read_numbered(&mut ws, told.recv_timeout(LIMIT).unwrap());
    });
    let sent = driver.send_numbered_until_stopped();
    assert!(
        driver.link.queued() <= 128 << 10,
        "{}",
        driver.link.queued()
    );
    // Sent against advice, in order all the same.
    driver.link.send(numbered(sent)).unwrap();
    go.send(sent + 1).unwrap();
    driver.drain();
    server.join().unwrap();
}

#[test]
fn pings_without_end_do_not_grow_the_buffer() {
    use std::io::Write;
    // A peer that pings, reads nothing, and stays.
    let (mut driver, server) = Driver::up(|mut ws| {
        let mut pings = vec![0x89, 125];
        pings.resize(127, b'p');
        let pings = pings.repeat(1_000);
        let s = ws.get_mut();
        s.set_write_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) && s.write_all(&pings).is_ok() {}
    });
    while !server.is_finished() {
        driver.wait(Duration::from_millis(10));
        driver.link.flush().unwrap();
        match driver.look(Instant::now()) {
            crate::net::LinkEvent::Idle => {}
            crate::net::LinkEvent::Down(e) => {
                assert!(!e.to_string().is_empty());
                break;
            }
            other => panic!("{other:?}"),
        }
        assert!(driver.start.elapsed() < LIMIT);
    }
    server.join().unwrap();
}
