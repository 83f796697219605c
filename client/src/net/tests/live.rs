//! What comes over an open link, and how it ends.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use tungstenite::{Message, protocol::CloseFrame};

use super::support::{Driver, LIMIT, read_to_end};
use crate::{
    error::{LinkError, Stage},
    net::LinkEvent,
};

/// An open link to a server that writes these octets and then waits.
fn hearing(octets: &'static [u8]) -> (Driver, std::thread::JoinHandle<()>) {
    Driver::up(move |mut ws| {
        ws.get_mut().write_all(octets).unwrap();
        read_to_end(ws.get_mut());
    })
}

fn assert_closed(e: &LinkError, expected: u16, why: &str) {
    match e {
        LinkError::Closed { code, reason } => assert_eq!((*code, reason.as_str()), (expected, why)),
        other => panic!("{other}"),
    }
}

#[test]
fn fragments_with_pings_between_make_one_message() {
    let (mut driver, server) = Driver::up(|mut ws| {
        let s = ws.get_mut();
        // U+1F600, one octet a fragment, an empty one, and pings between.
        for octets in [
            &b"\x01\x01\xF0"[..],
            b"\x89\x02p1",
            b"\x00\x01\x9F",
            b"\x8A\x00",
            b"\x00\x00",
            b"\x00\x01\x98",
            b"\x89\x00",
            b"\x80\x01\x80",
        ] {
            s.write_all(octets).unwrap();
        }
        let mut pongs = vec![ws.read().unwrap(), ws.read().unwrap()];
        pongs.sort_by_key(Message::len);
        assert_eq!(
            pongs,
            [Message::Pong("".into()), Message::Pong("p1".into())]
        );
        ws.send(Message::binary(vec![0xFF, 0])).unwrap();
        read_to_end(ws.get_mut());
    });
    assert_eq!(driver.expect_message(), "😀".as_bytes());
    assert_eq!(driver.expect_message(), [0xFF, 0]);
    assert!(driver.link.octets_read() > 20);
    driver.drain();
    drop(driver);
    server.join().unwrap();
}

#[test]
fn empty_messages_are_ignored() {
    let (mut driver, server) =
        hearing(b"\x81\x00\x82\x00\x01\x00\x80\x00\x81\x01\n\x8A\x01x\x82\x00\x82\x01\0");
    assert_eq!(driver.expect_message(), b"\n");
    assert_eq!(driver.expect_message(), b"\0");
    drop(driver);
    server.join().unwrap();
}

#[test]
fn part_of_a_frame_counts_as_life() {
    let (mut driver, server) = hearing(b"\x82\x7E\x10\x00abc");
    while driver.link.octets_read() < 7 {
        assert!(matches!(driver.look(Instant::now()), LinkEvent::Idle));
        driver.wait(Duration::from_millis(10));
    }
    drop(driver);
    server.join().unwrap();
}

#[test]
fn the_peers_close_is_answered_and_told() {
    for code in [1000, 1001, 1008, 1011, 1012, 1013, 4401] {
        let (mut driver, server) = Driver::up(move |mut ws| {
            let frame = CloseFrame {
                code: code.into(),
                reason: "conf".into(),
            };
            ws.close(Some(frame.clone())).unwrap();
            assert_eq!(ws.read().unwrap(), Message::Close(Some(frame)));
        });
        assert_closed(&driver.expect_down(), code, "conf");
        server.join().unwrap();
    }
}

#[test]
fn a_close_without_code_is_1005() {
    let (mut driver, server) = Driver::up(|mut ws| {
        ws.close(None).unwrap();
        assert_eq!(ws.read().unwrap(), Message::Close(None));
    });
    assert_closed(&driver.expect_down(), 1005, "");
    server.join().unwrap();
}

#[test]
fn our_close_waits_for_what_is_queued_and_for_the_peers() {
    let (mut driver, server) = Driver::up(|mut ws| {
        assert_eq!(ws.read().unwrap().len(), 200_000);
        let close = ws.read().unwrap();
        let Message::Close(Some(frame)) = close else {
            panic!("{close:?}");
        };
        assert_eq!(u16::from(frame.code), 1000);
        assert_eq!(frame.reason.len(), 122, "cut between characters");
        while ws.read().is_ok() {}
    });
    driver.link.send(vec![b'x'; 200_000].into()).unwrap();
    driver.link.close(Instant::now(), 1000, &"ä".repeat(80));
    driver
        .link
        .close(Instant::now(), 1001, "a second close is ignored");
    assert_eq!(driver.link.stage(), Stage::Close);
    assert!(!driver.link.wants_frame());
    assert!(driver.link.send("late".into()).is_err());
    assert!(matches!(
        driver.expect_down(),
        LinkError::Closed { code: 1000, .. }
    ));
    server.join().unwrap();
}

#[test]
fn our_close_leaves_although_the_peers_is_here_already() {
    let (mut driver, server) = Driver::up(|mut ws| {
        ws.get_mut().write_all(b"\x88\x02\x03\xe8").unwrap();
        let close = ws.read().unwrap();
        assert!(close.is_close(), "{close:?}");
    });
    // It may have come with the upgrade, and then nothing becomes ready.
    driver.wait(Duration::from_millis(100));
    driver.link.close(Instant::now(), 1000, "");
    assert_closed(&driver.expect_down(), 1000, "");
    server.join().unwrap();
}

#[test]
fn messages_are_still_told_after_our_close() {
    let (mut driver, server) = Driver::up(|mut ws| {
        ws.get_mut().write_all(b"\x81\x01a").unwrap();
        assert!(ws.read().unwrap().is_close());
        // No data after a Close of ours: the answer stood before it.
        while ws.read().is_ok() {}
    });
    driver.link.close(Instant::now(), 1000, "");
    driver.link.flush().unwrap();
    assert_eq!(driver.expect_message(), b"a");
    assert!(matches!(
        driver.expect_down(),
        LinkError::Closed { code: 1000, .. }
    ));
    server.join().unwrap();
}

#[test]
fn an_end_without_close_is_a_loss() {
    for octets in [&b""[..], b"\x81", b"\x81\x05he", b"\x01\x01a"] {
        let (mut driver, server) =
            Driver::up(move |mut ws| ws.get_mut().write_all(octets).unwrap());
        let e = driver.expect_down();
        assert!(matches!(&e, LinkError::Lost(_)), "{e}");
        assert!(e.is_retryable() && e.to_string().contains("1006"), "{e}");
        server.join().unwrap();
    }
    // After our own Close, too.
    let (mut driver, server) = Driver::up(|mut ws| drop(ws.read()));
    driver.link.close(Instant::now(), 1000, "");
    let e = driver.expect_down();
    assert!(matches!(&e, LinkError::Lost(_)), "{e}");
    server.join().unwrap();
}

#[test]
fn what_came_together_with_the_end_is_told_before_it() {
    // Less than a read has room for, just as much, and more.
    for size in [1, 4_092, 4_096, 4_100, 40_000] {
        let (mut driver, server) = Driver::up(move |mut ws| {
            ws.send(Message::binary(vec![b'x'; size])).unwrap();
        });
        server.join().unwrap();
        assert_eq!(driver.expect_message().len(), size);
        let e = driver.expect_down();
        assert!(matches!(&e, LinkError::Lost(_)), "{size}: {e}");
    }
}

#[test]
fn a_reset_is_a_loss() {
    // Going away with octets unread resets the connection.
    let (mut driver, server) = Driver::up(|mut ws| drop(ws.get_mut().peek(&mut [0])));
    driver.link.send("unread".into()).unwrap();
    driver.link.flush().unwrap();
    server.join().unwrap();
    let e = driver.expect_down();
    assert!(matches!(&e, LinkError::Lost(_)), "{e}");
}

#[test]
fn the_peers_last_words_outlive_a_write_error() {
    let (mut driver, server) = Driver::up(|mut ws| {
        ws.get_mut().peek(&mut [0]).unwrap();
        ws.get_mut()
            .write_all(b"\x89\x01p\x81\x05ERROR\x88\x05\x03\xEAbad")
            .unwrap();
    });
    driver.link.send("unread".into()).unwrap();
    driver.link.flush().unwrap();
    server.join().unwrap();
    // The socket is reset by now; these writes fail, and must not hide the rest.
    for _ in 0..5 {
        driver.link.send(vec![b'x'; 100_000].into()).unwrap();
        driver.link.flush().unwrap();
    }
    driver.wait(LIMIT);
    assert!(!driver.link.wants_frame());
    assert_eq!(driver.expect_message(), b"ERROR");
    assert_closed(&driver.expect_down(), 1002, "bad");
}

#[test]
fn broken_framing_ends_the_link_with_the_right_code() {
    for (octets, code, told) in [
        (&b"\x81\x02a\xFF"[..], 1007, "ws_frame"),
        (b"\x01\x01\xF0\x80\x01a", 1007, "ws_frame"),
        (b"\x81\x81\0\0\0\0a", 1002, "masked"),
        (b"\xC1\x01a", 1002, "eserved"),
        (b"\x83\x00", 1002, "opcode"),
        (b"\x80\x00", 1002, "ontinue"),
        (b"\x01\x00\x81\x00", 1002, "fragments"),
        (b"\x09\x00", 1002, "ragmented"),
        (b"\x89\x7E\x00\x7E", 1002, "ontrol"),
        (b"\x88\x01a", 1002, "close"),
        (b"\x82\x7F\x80\0\0\0\0\0\0\0", 1009, "too long"),
        (b"\x82\x7F\0\0\0\0\x10\0\0\0", 1009, "too long"),
    ] {
        let (mut driver, server) = Driver::up(move |mut ws| {
            ws.get_mut().write_all(octets).unwrap();
            ws.get_mut().write_all(&[0; 126]).unwrap();
            let mut frame = [0; 8];
            ws.get_mut().read_exact(&mut frame).unwrap();
            assert_eq!(frame[..2], [0x88, 0x82]);
            let got = u16::from_be_bytes([frame[6] ^ frame[2], frame[7] ^ frame[3]]);
            assert_eq!(got, code, "{}", octets.escape_ascii());
        });
        let e = driver.expect_down();
        let text = e.to_string();
        assert!(text.contains(told), "{}: {text}", octets.escape_ascii());
        server.join().unwrap();
    }
}

#[test]
fn codes_that_must_not_be_sent_are_borne() {
    for octets in [
        &b"\x88\x02\x03\xED"[..],
        b"\x88\x02\x03\xEE",
        b"\x88\x02\x03\xF7",
        b"\x88\x02\0\0",
    ] {
        let (mut driver, server) = hearing(octets);
        assert!(matches!(driver.expect_down(), LinkError::Closed { .. }));
        drop(driver);
        server.join().unwrap();
    }
}

#[test]
fn a_paused_link_reads_nothing_and_loses_nothing() {
    let (mut driver, server) = Driver::up(|mut ws| {
        assert_eq!(ws.read().unwrap(), Message::text("go"));
        ws.get_mut().write_all(b"\x81\x01a\x81\x01b").unwrap();
        read_to_end(ws.get_mut());
    });
    driver.read = false;
    assert!(matches!(driver.look(Instant::now()), LinkEvent::Idle));
    driver.link.send("go".into()).unwrap();
    driver.drain();
    driver.wait(LIMIT);
    assert!(matches!(driver.look(Instant::now()), LinkEvent::Idle));
    assert_eq!(driver.link.octets_read(), 0);
    driver.read = true;
    assert_eq!(driver.expect_message(), b"a");
    driver.read = false;
    assert!(matches!(driver.look(Instant::now()), LinkEvent::Idle));
    driver.read = true;
    assert!(matches!(driver.look(Instant::now()), LinkEvent::Message(b) if b.octets() == "b"));
    drop(driver);
    server.join().unwrap();
}

#[test]
fn a_close_whose_answer_cannot_leave_is_told_after_a_second() {
    let (mut driver, server) = Driver::up(|mut ws| {
        ws.get_mut().peek(&mut [0]).unwrap();
        ws.get_mut().write_all(b"\x88\x02\x03\xE8").unwrap();
        // Reads nothing, and stays, until the client has gone.
        let mut s = ws.get_ref().try_clone().unwrap();
        s.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        std::thread::park_timeout(Duration::from_secs(3));
        read_to_end(&mut s);
    });
    driver.read = false;
    while driver.link.wants_frame() {
        driver.link.send(vec![b'x'; 60_000].into()).unwrap();
        driver.link.flush().unwrap();
    }
    driver.read = true;
    let event = loop {
        driver.wait(LIMIT);
        match driver.look(Instant::now()) {
            LinkEvent::Idle if driver.link.next_deadline().is_none() => {}
            event => break event,
        }
    };
    assert!(matches!(event, LinkEvent::Idle), "{event:?}");
    let until = driver.link.next_deadline().unwrap();
    let event = driver.look(until);
    assert!(
        matches!(
            &event,
            LinkEvent::Down(LinkError::Closed { code: 1000, .. })
        ),
        "{event:?}"
    );
    server.thread().unpark();
    drop(driver);
    server.join().unwrap();
}
