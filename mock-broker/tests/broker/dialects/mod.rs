//! Acting like other brokers: each deviation, by its name in the list.

mod activemq;
mod rabbitmq;

use crate::world::World;
use hobnail_mock_broker::engine::{Input, Output};
use hobnail_mock_broker::wire::Frame;
use hobnail_mock_broker::{Dialect, Scenario};
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn of(dialect: Dialect) -> World {
    World::new(Scenario::builder().dialect(dialect).build())
}

/// A session without heart-beats.
pub(super) fn session(dialect: Dialect) -> World {
    let mut world = of(dialect);
    world.connect(1, "");
    world
}

pub(super) fn last(world: &World) -> Frame {
    let frames = world.frames(1);
    frames.last().expect("a frame").1.clone()
}

/// The Close that went to the client.
pub(super) fn close(world: &World) -> Option<(u16, String)> {
    world.outputs.iter().find_map(|(_, o)| {
        if let Output::Close { code, reason, .. } = o {
            Some((*code, reason.clone()))
        } else {
            None
        }
    })
}

pub(super) fn messages(world: &World) -> Vec<Frame> {
    let frames = world.frames(1).into_iter().map(|(_, f)| f);
    frames.filter(|f| f.command == "MESSAGE").collect()
}

pub(super) fn octets(world: &World) -> Vec<(Vec<u8>, bool)> {
    let message = |o: &Output| {
        if let Output::Message { octets, binary, .. } = o {
            Some((octets.clone(), *binary))
        } else {
            None
        }
    };
    world
        .outputs
        .iter()
        .filter_map(|(_, o)| message(o))
        .collect()
}

pub(super) fn say_octets(world: &mut World, octets: &[u8], binary: bool) {
    world.tell(Input::Message {
        conn: 1,
        octets,
        binary,
    });
}

/// What breaches end in: the last frame, and the Close.
#[test]
fn breaches_end_as_with_the_real_broker() {
    const UNKNOWN: &str = "FOO\n\n";
    const NO_DEST: &str = "SEND\nreceipt:r\n\nx";
    const BAD_ESCAPE: &str = "SEND\ndestination:/topic/t\nk:a\\tb\n\nx";
    const AGAIN: &str = "CONNECT\naccept-version:1.2\nhost:h\n\n";
    let open = (true, None);
    let error = |code| (true, Some(code));
    let silent = |code| (false, Some(code));
    let table = [
        (Dialect::STOMP, UNKNOWN, error(1002)),
        (Dialect::STOMP, AGAIN, error(1008)),
        // DLX-06, DLX-10, DLX-44.
        (Dialect::RABBITMQ, UNKNOWN, open),
        (Dialect::RABBITMQ, NO_DEST, open),
        (Dialect::RABBITMQ, BAD_ESCAPE, silent(1007)),
        (Dialect::RABBITMQ, AGAIN, silent(1011)),
        // DLX-07, DLX-44.
        (Dialect::ACTIVEMQ, UNKNOWN, error(1000)),
        (Dialect::ACTIVEMQ, NO_DEST, open),
        (Dialect::ACTIVEMQ, AGAIN, open),
        (Dialect::ARTEMIS, NO_DEST, error(1000)),
        // DLX-27.
        (Dialect::SPRING_SIMPLE, NO_DEST, error(1002)),
        (Dialect::SPRING_SIMPLE, AGAIN, error(1002)),
        // DLX-08.
        (Dialect::EMQX, NO_DEST, open),
    ];
    for (dialect, frame, (says, ends)) in table {
        let mut world = session(dialect);
        world.say(1, frame);
        assert_eq!(last(&world).command == "ERROR", says, "{dialect} {frame}");
        assert_eq!(close(&world).map(|c| c.0), ends, "{dialect} {frame}");
        if ends.is_none() {
            world.say(1, "SEND\ndestination:/topic/t\nreceipt:ok\n\nx");
            assert_eq!(last(&world).command, "RECEIPT", "{dialect}: it goes on");
        }
    }
}

#[test]
fn dlx_01_the_contact_centre_beats_with_nul() {
    let mut world = of(Dialect::CONTACT_CENTRE);
    world.connect(1, "heart-beat:0,1000\n");
    world.pass(30 * SECOND);
    let beats = octets(&world).iter().filter(|(o, _)| o == b"\0").count();
    assert!(beats >= 2, "{beats}");
}

#[test]
fn dlx_02_receipt_id_asks_for_a_receipt() {
    for (dialect, confirmed) in [(Dialect::CONTACT_CENTRE, true), (Dialect::STOMP, false)] {
        let mut world = session(dialect);
        world.say(1, "SEND\ndestination:/topic/t\nreceipt-id:r\n\nx");
        assert_eq!(last(&world).command == "RECEIPT", confirmed, "{dialect}");
    }
}

#[test]
fn dlx_03_and_04_the_contact_centre_suspends_and_knows_one_session() {
    let builder = Scenario::builder().dialect(Dialect::CONTACT_CENTRE);
    let mut world = World::new(builder.auth_bearer(60 * SECOND).build());
    world.connect(1, "login:Bearer\npasscode:t1\n");
    world.tell(Input::Expire("t1"));
    assert_eq!(last(&world).header("code"), Some("401"));
    assert_eq!(close(&world), None);
    world.say(
        1,
        "CONNECT\naccept-version:1.2\nhost:h\nlogin:Bearer\npasscode:t2\n\n",
    );
    assert_eq!(last(&world).command, "CONNECTED");
    world.connect(2, "login:Bearer\npasscode:t3\n");
    assert_eq!(last(&world).header("code"), Some("409"), "the older one");
    assert_eq!(world.commands(2), ["ERROR"], "and the newer one");
}

#[test]
fn dlx_05_a_code_stands_where_the_scenario_wants_it() {
    for (places, message, code, status, body) in [
        (r#"["message"]"#, "401 token missing", None, None, None),
        (r#"["code"]"#, "token missing", Some("401"), None, None),
        (r#"["status"]"#, "token missing", None, Some("401"), None),
        (
            r#"["body"]"#,
            "token missing",
            None,
            None,
            Some(r#"{"code":401,"message":"token missing"}"#),
        ),
        (r#"[]"#, "token missing", None, None, None),
    ] {
        let json = format!(
            r#"{{"broker":{{"error-codes":{places},"auth":{{"bearer":{{"ttl":"60s"}}}}}}}}"#
        );
        let mut world = World::new(Scenario::from_json(&json).expect("a good scenario"));
        world.connect(1, "");
        let error = last(&world);
        assert_eq!(error.header("message"), Some(message), "{places}");
        assert_eq!(error.header("code"), code, "{places}");
        assert_eq!(error.header("status"), status, "{places}");
        if let Some(body) = body {
            assert_eq!(error.text(), Some(body));
            assert_eq!(error.header("content-type"), Some("application/json"));
        }
    }
}

#[test]
fn dlx_05_scripted_errors_follow() {
    let json = r#"{"broker":{"error-codes":["status"]},
        "rules":[{"on":{"recv":"SEND"},"do":[{"error":{"code":401,"close":false}}]}]}"#;
    let mut world = World::new(Scenario::from_json(json).expect("a good scenario"));
    world.connect(1, "");
    world.say(1, "SEND\ndestination:/topic/t\n\nx");
    assert_eq!(last(&world).header("message"), Some("token expired"));
    assert_eq!(last(&world).header("status"), Some("401"));
    assert_eq!(last(&world).header("code"), None);
}

#[test]
fn dlx_14_22_and_27_heart_beats_are_the_dialects_own() {
    for (dialect, asked, answered) in [
        (Dialect::RABBITMQ, "1500,0", "0,1000"),
        (Dialect::RABBITMQ, "500,5000", "5000,1000"),
        (Dialect::ACTIVEMQ, "0,500", "500,0"),
        (Dialect::SPRING_SIMPLE, "1000,1000", "0,0"),
        (Dialect::STOMP, "1000,1000", "10000,10000"),
    ] {
        let mut world = of(dialect);
        world.connect(1, &format!("heart-beat:{asked}\n"));
        assert_eq!(
            last(&world).header("heart-beat"),
            Some(answered),
            "{dialect} {asked}"
        );
    }
    let builder = Scenario::builder()
        .dialect(Dialect::ARTEMIS)
        .heart_beat(100, 100);
    let mut world = World::new(builder.build());
    world.connect(1, "heart-beat:0,100\n");
    assert_eq!(last(&world).header("heart-beat"), Some("500,100"));
}

#[test]
fn dlx_19_and_22_silence_is_borne_for_a_while() {
    for (dialect, borne, told) in [
        (Dialect::STOMP, 14_900, true),
        (Dialect::RABBITMQ, 2_900, false),
        (Dialect::ACTIVEMQ, 900, false),
        (Dialect::EMQX, 9_900, false),
    ] {
        let mut world = of(dialect);
        world.connect(1, "heart-beat:1000,0\n");
        world.pass(Duration::from_millis(borne));
        assert_eq!(close(&world), None, "{dialect}");
        world.pass(Duration::from_millis(200));
        assert!(close(&world).is_some(), "{dialect}");
        assert_eq!(last(&world).command == "ERROR", told, "{dialect}");
    }
    let mut world = session(Dialect::ARTEMIS);
    world.pass(59 * SECOND);
    assert_eq!(close(&world), None);
    world.pass(2 * SECOND);
    assert!(close(&world).is_some(), "a minute without any octet");
}

#[test]
fn dlx_26_spring_gives_no_receipts_but_for_disconnect() {
    let mut world = session(Dialect::SPRING_SIMPLE);
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nreceipt:s\nack:client\n\n",
    );
    world.say(1, "SUBSCRIBE\nid:1\ndestination:/queue/q\n\n");
    world.say(1, "BEGIN\ntransaction:t\nreceipt:b\n\n");
    world.say(
        1,
        "SEND\ndestination:/queue/q\ntransaction:t\nreceipt:x\n\nx",
    );
    world.say(1, "ACK\nid:nosuch\nreceipt:a\n\n");
    world.say(1, "DISCONNECT\nreceipt:d\n\n");
    assert_eq!(
        world.commands(1),
        ["CONNECTED", "MESSAGE", "MESSAGE", "RECEIPT"],
        "a queue is a topic, a transaction is nothing"
    );
    assert_eq!(last(&world).header("receipt-id"), Some("d"));
    assert_eq!(world.frames(1)[0].1.header("server"), None);
}

#[test]
fn dlx_28_spring_ignores_a_bad_content_length() {
    let mut world = session(Dialect::SPRING_SIMPLE);
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\n\n");
    world.say(1, "SEND\ndestination:/topic/t\ncontent-length:abc\n\nx");
    assert_eq!(last(&world).command, "MESSAGE");
}

#[test]
fn dlx_36_emqx_knows_no_escapes_no_cr_lf_and_no_second_colon() {
    let mut world = session(Dialect::EMQX);
    world.say(1, "SUBSCRIBE\nid:0\ndestination:a/+/c\n\n");
    world.say(1, "SEND\ndestination:a/b/c\nk:a\\nb\n\nx");
    let raw = octets(&world).pop().expect("a message").0;
    assert!(String::from_utf8_lossy(&raw).contains("k:a\\nb\n"));
    for bad in [
        "SEND\r\ndestination:a\r\n\r\nx",
        "SEND\ndestination:a\nk:a:b\n\nx",
    ] {
        world.say(1, bad);
        assert_eq!(last(&world).command, "ERROR", "{bad}");
    }
}

#[test]
fn every_dialect_has_a_word_and_the_file_outranks_it() {
    for dialect in Dialect::ALL {
        let json = format!(r#"{{"broker":{{"dialect":"{dialect}"}}}}"#);
        let scenario = Scenario::from_json(&json).expect("a good scenario");
        assert_eq!(scenario, Scenario::builder().dialect(dialect).build());
    }
    let json = r#"{"broker":{"dialect":"contact-centre","single-session":false,"receipt-headers":["receipt"]}}"#;
    let scenario = Scenario::from_json(json).expect("a good scenario");
    assert!(!scenario.single_session && !scenario.receipt_id_header);
}
