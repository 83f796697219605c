//! Limits on frames, and bounds on what is kept.

use super::settings::{last, send, set};
use super::*;
use crate::support::{Client, LONG, start, tcp};
use std::io::Read;

pub(super) const SHOWN: &[Shown] = &[
    (
        &[
            "broker: limits",
            "limits: headers",
            "limits: line",
            "limits: head",
            "limits: body",
        ],
        frames_are_limited,
    ),
    (
        &["broker: bounds", "bounds: out", "bounds: handshake"],
        who_does_not_read_or_speak_is_ended,
    ),
    (
        &[
            "bounds: queue",
            "bounds: queue-octets",
            "bounds: queues",
            "bounds: subscriptions",
            "bounds: transaction",
        ],
        what_is_too_much_is_refused,
    ),
    (
        &["bounds: held", "bounds: unacked", "bounds: unacked-octets"],
        what_waits_is_bounded,
    ),
    (
        &["bounds: transcript", "bounds: transcript-octets"],
        the_transcript_is_bounded,
    ),
];

#[test]
fn frames_are_limited() {
    let fits = "SEND\ndestination:/topic/a\nreceipt:r\n\nxxxxxxxx";
    for (limits, frame, answer) in [
        (r#""headers":3"#, fits.to_owned(), "RECEIPT"),
        (
            r#""headers":3"#,
            fits.replace("\n\n", "\na:b\nc:d\n\n"),
            "ERROR",
        ),
        (r#""line":40"#, fits.to_owned(), "RECEIPT"),
        (r#""line":40"#, fits.replace("/a", &"a".repeat(60)), "ERROR"),
        (r#""head":"80""#, fits.to_owned(), "RECEIPT"),
        (
            r#""head":"80""#,
            fits.replace("\n\n", &format!("{}\n\n", "\nab:cd".repeat(20))),
            "ERROR",
        ),
        (r#""body":8"#, fits.to_owned(), "RECEIPT"),
        (r#""body":8"#, format!("{fits}x"), "ERROR"),
    ] {
        let mut world = set(&format!(r#""limits":{{{limits}}}"#));
        world.open(1);
        world.say(1, "CONNECT\naccept-version:1.2\nhost:h\n\n");
        world.say(1, &frame);
        assert_eq!(last(&world, 1).command, answer, "{limits} {frame}");
    }
}

#[test]
fn who_does_not_read_or_speak_is_ended() {
    let broker = start(scenario(
        r#"{"broker":{"bounds":{"out":"64KiB","handshake":"200ms"}}}"#,
    ));
    let mut mute = tcp(&broker);
    let mut answer = String::new();
    mute.read_to_string(&mut answer).expect("an end");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let mut lazy = Client::connect(&broker);
    lazy.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    // More than the sockets of both sides hold.
    for _ in 0..64 {
        broker.publish("/topic/a", &[], &vec![b'x'; 1 << 20]);
    }
    let lost =
        |e: &hobnail_mock_broker::Entry| e.conn == 1 && e.what.to_string().contains("closed");
    broker.wait_for(LONG, lost).expect("it was reset");
}

#[test]
fn what_is_too_much_is_refused() {
    let sub = |n: u32| format!("SUBSCRIBE\nid:{n}\ndestination:/topic/a\nreceipt:r\n\n");
    let to = |queue: &str| format!("SEND\ndestination:/queue/{queue}\nreceipt:r\n\n123456");
    let begin = "BEGIN\ntransaction:t\n\n".to_owned();
    let within = "SEND\ndestination:/queue/q\ntransaction:t\nreceipt:r\n\nx".to_owned();
    for (bound, frames) in [
        (r#""queue":1"#, vec![to("q"), to("q")]),
        (r#""queue-octets":10"#, vec![to("q"), to("q")]),
        (r#""queues":1"#, vec![to("q"), to("p")]),
        (r#""subscriptions":1"#, vec![sub(1), sub(2)]),
        (r#""transaction":1"#, vec![begin, within.clone(), within]),
    ] {
        let mut world = set(&format!(r#""bounds":{{{bound}}}"#));
        world.connect(1, "");
        let mut answers = Vec::new();
        for frame in frames {
            world.say(1, &frame);
            answers.push(last(&world, 1).command);
        }
        let n = answers.len();
        assert_eq!(answers[n - 2..], ["RECEIPT", "ERROR"], "{bound}");
    }
}

#[test]
fn what_waits_is_bounded() {
    for (bound, came) in [
        (r#""unacked":2"#, 2),
        (r#""unacked-octets":30"#, 2),
        (r#""unacked":50"#, 4),
    ] {
        let mut world = set(&format!(r#""bounds":{{{bound}}}"#));
        world.connect(1, "");
        world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/a\nack:client\n\n");
        for _ in 0..4 {
            publish(&mut world, "/topic/a", "sixsix");
        }
        assert_eq!(texts(&world, 1).len(), came, "{bound}");
    }
    let mut world = set(r#""auth":{"bearer":{"ttl":"1s"}},"bounds":{"held":3}"#);
    world.connect(1, "passcode:a\n");
    subscribe(&mut world, 1);
    world.pass(2 * SECOND);
    for body in ["1", "2", "3", "4"] {
        publish(&mut world, "/topic/a", body);
    }
    assert_eq!(texts(&world, 1), [""; 0], "the session is suspended");
    world.say(1, "CONNECT\naccept-version:1.2\nhost:h\npasscode:b\n\n");
    assert_eq!(texts(&world, 1), ["1", "2", "3"]);
}

#[test]
fn the_transcript_is_bounded() {
    for (bound, kept) in [
        (r#""transcript":7"#, 7),
        (r#""transcript-octets":"2KiB""#, 0),
    ] {
        let mut world = set(&format!(r#""bounds":{{{bound}}}"#));
        world.connect(1, "");
        for _ in 0..20 {
            send(&mut world, 1, "/topic/a", &"x".repeat(200));
        }
        let transcript = world.engine.transcript();
        assert!(transcript.dropped > 0, "{bound}");
        let entries = transcript.entries.len();
        assert!(
            kept == 0 && (1..20).contains(&entries) || entries == kept,
            "{bound} {entries}"
        );
    }
}
