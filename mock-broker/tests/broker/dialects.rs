//! Acting like other brokers: each deviation, by its name in the list.

use crate::world::World;
use hobnail_mock_broker::engine::{Input, Output};
use hobnail_mock_broker::http::Request;
use hobnail_mock_broker::wire::Frame;
use hobnail_mock_broker::{Dialect, Scenario, storm};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn of(dialect: Dialect) -> World {
    World::new(Scenario::builder().dialect(dialect).build())
}

/// A session without heart-beats.
fn session(dialect: Dialect) -> World {
    let mut world = of(dialect);
    world.connect(1, "");
    world
}

fn last(world: &World) -> Frame {
    let frames = world.frames(1);
    frames.last().expect("a frame").1.clone()
}

/// The Close that went to the client.
fn close(world: &World) -> Option<(u16, String)> {
    world.outputs.iter().find_map(|(_, o)| {
        if let Output::Close { code, reason, .. } = o {
            Some((*code, reason.clone()))
        } else {
            None
        }
    })
}

fn messages(world: &World) -> Vec<Frame> {
    let frames = world.frames(1).into_iter().map(|(_, f)| f);
    frames.filter(|f| f.command == "MESSAGE").collect()
}

fn octets(world: &World) -> Vec<(Vec<u8>, bool)> {
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

fn say_octets(world: &mut World, octets: &[u8], binary: bool) {
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
fn dlx_44_artemis_connects_again() {
    let mut world = session(Dialect::ARTEMIS);
    world.say(1, "CONNECT\naccept-version:1.2\nhost:h\n\n");
    assert_eq!(world.commands(1), ["CONNECTED", "CONNECTED"]);
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
fn dlx_09_rabbitmq_names_versions_and_no_receipt() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(1, "SEND\nreceipt:r\n\nx");
    assert_eq!(last(&world).header("receipt-id"), None);
    assert_eq!(last(&world).header("version"), Some("1.0,1.1,1.2"));
}

#[test]
fn dlx_12_rabbitmq_reads_escapes_in_connect() {
    for (passcode, dialect, fine) in [
        ("p\\ca\\\\cb", Dialect::RABBITMQ, true),
        ("p:a\\cb", Dialect::RABBITMQ, false),
        ("p:a\\cb", Dialect::STOMP, true),
        ("p\\ca\\\\cb", Dialect::STOMP, false),
    ] {
        let builder = Scenario::builder().dialect(dialect);
        let mut world = World::new(builder.auth_basic("u", "p:a\\cb").build());
        world.connect(1, &format!("login:u\npasscode:{passcode}\n"));
        assert_eq!(
            last(&world).command == "CONNECTED",
            fine,
            "{dialect} {passcode}"
        );
    }
}

#[test]
fn rabbitmq_lets_a_second_try_at_the_password_pass() {
    let builder = Scenario::builder().dialect(Dialect::RABBITMQ);
    let mut world = World::new(builder.auth_basic("u", "p").build());
    world.connect(1, "login:u\npasscode:wrong\n");
    assert_eq!(
        (last(&world).command.as_str(), close(&world)),
        ("ERROR", None)
    );
    world.say(1, "CONNECT\naccept-version:1.2\nlogin:u\npasscode:p\n\n");
    assert_eq!(last(&world).command, "CONNECTED");
}

#[test]
fn dlx_13_rabbitmq_swallows_bodies() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/topic/t\nreceipt:r\n\nBODY",
    );
    assert_eq!(last(&world).command, "RECEIPT");
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
fn dlx_15_rabbitmq_acknowledges_across_subscriptions() {
    for (dialect, redelivered) in [(Dialect::RABBITMQ, 0), (Dialect::STOMP, 1)] {
        let mut world = session(dialect);
        for id in ["a", "b"] {
            world.say(
                1,
                &format!("SUBSCRIBE\nid:{id}\ndestination:/queue/{id}\nack:client\n\n"),
            );
        }
        for queue in ["a", "b"] {
            world.say(1, &format!("SEND\ndestination:/queue/{queue}\n\nx"));
        }
        let ack = messages(&world)[1]
            .header("ack")
            .expect("an ack id")
            .to_owned();
        world.say(1, &format!("ACK\nid:{}\n\n", ack.replace(':', "\\c")));
        world.say(1, "DISCONNECT\n\n");
        world.connect(2, "");
        world.say(2, "SUBSCRIBE\nid:0\ndestination:/queue/a\n\n");
        let again = world.commands(2).iter().filter(|c| *c == "MESSAGE").count();
        assert_eq!(again, redelivered, "{dialect}");
    }
}

#[test]
fn dlx_16_rabbitmq_ends_frames_with_lf() {
    for (dialect, end) in [(Dialect::RABBITMQ, &b"\0\n"[..]), (Dialect::STOMP, b"\n\0")] {
        let world = session(dialect);
        assert!(octets(&world)[0].0.ends_with(end), "{dialect}");
    }
}

#[test]
fn rabbitmq_closes_before_the_receipt_of_disconnect() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(1, "DISCONNECT\nreceipt:bye\n\n");
    assert_eq!(world.commands(1), ["CONNECTED"]);
    assert_eq!(close(&world), Some((1000, "STOMP died".to_owned())));
}

#[test]
fn rabbitmq_tells_of_a_dead_token_only_at_the_next_subscribe() {
    let builder = Scenario::builder().dialect(Dialect::RABBITMQ);
    let mut world = World::new(builder.auth_bearer(10 * SECOND).build());
    world.connect(1, "passcode:t1\n");
    world.pass(20 * SECOND);
    world.say(1, "SEND\ndestination:/topic/t\nreceipt:r\n\nx");
    assert_eq!(last(&world).command, "RECEIPT");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\n\n");
    assert_eq!(last(&world).command, "RECEIPT", "no ERROR");
    assert_eq!(close(&world), Some((1000, "STOMP died".to_owned())));
}

#[test]
fn rabbitmq_answers_reach_a_subscription_that_nobody_made() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(1, "SUBSCRIBE\nid:work\ndestination:/queue/work\n\n");
    world.say(
        1,
        "SEND\ndestination:/queue/work\nreply-to:/temp-queue/x\nreceipt:leak\n\nq",
    );
    let question = messages(&world).pop().expect("the question");
    assert_eq!(question.header("receipt"), Some("leak"), "it leaks");
    let to = question.header("reply-to").expect("reply-to").to_owned();
    assert!(to.starts_with("/reply-queue/amq.gen-"), "{to}");
    world.say(1, &format!("SEND\ndestination:{to}\n\na"));
    let answer = messages(&world).pop().expect("the answer");
    assert_eq!(answer.header("subscription"), Some("/temp-queue/x"));
}

#[test]
fn dlx_17_activemq_takes_one_frame_per_message() {
    let mut world = session(Dialect::ACTIVEMQ);
    let two =
        b"SEND\ndestination:/topic/t\nreceipt:1\n\nx\0SEND\ndestination:/topic/t\nreceipt:2\n\nx\0";
    say_octets(&mut world, two, false);
    assert_eq!(
        world.commands(1),
        ["CONNECTED", "RECEIPT"],
        "the second one is lost"
    );
    say_octets(&mut world, b"\n", false);
    say_octets(&mut world, b"SEND\n", true);
    assert_eq!(close(&world), None, "a LF is a beat, binary is not heard");
    for bad in [&b"SEND\ndestination:/topic/t\n"[..], b"\r\n", b"\0", b""] {
        let mut world = session(Dialect::ACTIVEMQ);
        say_octets(&mut world, bad, false);
        assert_eq!(close(&world), Some((1000, String::new())), "{bad:?}");
    }
    let mut world = session(Dialect::ACTIVEMQ);
    say_octets(&mut world, &vec![b'x'; 70_000], false);
    assert_eq!(close(&world).map(|c| c.0), Some(1009));
}

#[test]
fn dlx_18_activemq_reads_headers_loosely() {
    let mut world = session(Dialect::ACTIVEMQ);
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\nack:bogus\n\n");
    world.say(1, " SEND \ndestination: /topic/t\nno colon\nk:a\\tb\n\nx");
    let message = messages(&world).pop().expect("a message");
    assert_eq!(message.header("k"), Some("a\\tb"));
    assert_eq!(message.header("content-length"), None, "nor had the SEND");
    assert!(message.header("timestamp").is_some());
}

#[test]
fn activemq_escapes_its_ack_ids_and_buries_what_is_refused() {
    let mut world = session(Dialect::ACTIVEMQ);
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client\nactivemq.prefetchSize:1\n\n",
    );
    world.say(1, "SEND\ndestination:/queue/q\n\nx");
    world.say(1, "SEND\ndestination:/queue/q\n\ny");
    assert_eq!(messages(&world).len(), 1, "prefetch");
    let ack = messages(&world)[0]
        .header("ack")
        .expect("an ack id")
        .to_owned();
    assert!(ack.starts_with("ID:"), "{ack}");
    world.say(1, &format!("NACK\nid:{}\n\n", ack.replace(':', "\\c")));
    world.say(1, "SUBSCRIBE\nid:dead\ndestination:/queue/ActiveMQ.DLQ\n\n");
    let bodies: Vec<String> = messages(&world)
        .iter()
        .map(|f| {
            format!(
                "{} {}",
                f.header("subscription").unwrap_or_default(),
                f.text().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(bodies, ["0 x", "0 y", "dead x"]);
}

#[test]
fn dlx_21_artemis_takes_nack_for_ack_and_passes_transactions_by() {
    let mut world = session(Dialect::ARTEMIS);
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\nprefetch-count:1\n\n",
    );
    world.say(1, "SEND\ndestination:/queue/q\n\nx");
    world.say(1, "SEND\ndestination:/queue/q\n\ny");
    for _ in 0..2 {
        let ack = messages(&world)
            .pop()
            .and_then(|m| m.header("ack").map(str::to_owned));
        let ack = ack.expect("an ack id");
        world.say(1, &format!("NACK\nid:{ack}\ntransaction:nosuch\n\n"));
    }
    let bodies: Vec<_> = messages(&world).iter().map(|m| m.body.clone()).collect();
    assert_eq!(bodies, [b"x", b"y"]);
}

#[test]
fn dlx_23_artemis_does_not_look_behind_the_body() {
    let mut world = session(Dialect::ARTEMIS);
    say_octets(
        &mut world,
        b"SEND\ndestination:/topic/t\nreceipt:r\ncontent-length:1\n\nxZ",
        false,
    );
    assert_eq!(last(&world).command, "RECEIPT");
}

#[test]
fn dlx_24_artemis_and_websockify_send_binary() {
    for dialect in [Dialect::ARTEMIS, Dialect::ACTIVEMQ.behind_websockify()] {
        let mut world = of(dialect);
        world.tell(Input::Tcp { conn: 1 });
        let request = Request::upgrade("/stomp", &["binary"]);
        world.tell(Input::Request {
            conn: 1,
            request: &request,
        });
        say_octets(
            &mut world,
            b"CONNECT\naccept-version:1.2\nhost:h\n\n\0",
            true,
        );
        assert!(octets(&world)[0].1, "{dialect}");
    }
}

#[test]
fn websockify_takes_binary_alone() {
    let scenario = || Scenario::from_json(r#"{"broker":{"dialect":"activemq","websockify":true}}"#);
    let mut world = World::new(scenario().expect("a good scenario"));
    world.open(1);
    let refused = |o: &Output| matches!(o, Output::Http { response, .. } if response.status == 400);
    assert!(
        world.outputs.iter().any(|(_, o)| refused(o)),
        "v12.stomp alone"
    );
    let mut world = World::new(scenario().expect("a good scenario"));
    world.tell(Input::Tcp { conn: 1 });
    let request = Request::upgrade("/stomp", &[]);
    world.tell(Input::Request {
        conn: 1,
        request: &request,
    });
    say_octets(&mut world, b"CONNECT\n\n\0", false);
    assert_eq!(close(&world).map(|c| c.0), Some(1003));
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
fn activemq_names_a_subprotocol_that_nobody_offered() {
    let named = |dialect: Dialect, offer: &[&str]| {
        let mut world = of(dialect);
        world.tell(Input::Tcp { conn: 1 });
        let request = Request::upgrade("/stomp", offer);
        world.tell(Input::Request {
            conn: 1,
            request: &request,
        });
        world.outputs.iter().find_map(|(_, o)| {
            if let Output::Accept { subprotocol, .. } = o {
                subprotocol.clone()
            } else {
                None
            }
        })
    };
    assert_eq!(named(Dialect::ACTIVEMQ, &[]).as_deref(), Some("stomp"));
    assert_eq!(
        named(Dialect::ACTIVEMQ, &["v12.stomp"]).as_deref(),
        Some("v12.stomp")
    );
    assert_eq!(named(Dialect::STOMP, &[]), None);
    let gateway = "v10.stomp.example";
    assert_eq!(
        named(Dialect::CONTACT_CENTRE, &[gateway]).as_deref(),
        Some(gateway)
    );
    assert_eq!(named(Dialect::STOMP, &[gateway]), None);
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

/// A storm with events of the destination it blows at.
fn stormy(dest: &str, json: &str) -> Vec<Frame> {
    let json = format!(
        r#"{{"seed":3,"rules":[{{"on":{{"recv":"SUBSCRIBE"}},"do":["pass",
            {{"storm":{{"dest":"{dest}","rate":100,"for":"1s","size":"300..600"{json}}}}}]}}]}}"#
    );
    let mut world = World::new(Scenario::from_json(&json).expect("a good scenario"));
    world.connect(1, "");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:**\n\n");
    world.pass(2 * SECOND);
    messages(&world)
}

#[test]
fn storms_tell_of_what_lives_at_their_destination() {
    for (dest, more, kind, field) in [
        ("/events/queue/*", "", "queue.metrics", "queueId"),
        ("/events/user/*", "", "user.state", "userId"),
        ("/voice/*", "", "conversation.update", "conversationId"),
        (
            "/messaging/v2/*",
            "",
            "conversation.update",
            "conversationId",
        ),
        ("/topic/*", r#","kind":"user""#, "user.state", "userId"),
    ] {
        let events = stormy(dest, more);
        assert_eq!(events.len(), 100, "{dest}");
        let mut before = String::new();
        for (seq, event) in (1u64..).zip(&events) {
            let json: serde_json::Value = serde_json::from_slice(&event.body).expect("JSON");
            assert_eq!(json["eventType"], kind);
            assert_eq!(json["seq"], seq);
            assert!(
                (300..=600).contains(&event.body.len()),
                "{}",
                event.body.len()
            );
            let at = json["timestamp"].as_str().expect("a timestamp").to_owned();
            assert!(at >= before, "time does not go back");
            before = at;
            let place = event.header("destination").unwrap_or_default();
            assert_eq!(place.rsplit('/').next(), json[field].as_str(), "{place}");
        }
        assert_eq!(stormy(dest, more), events, "the seed repeats it");
    }
    let plain = stormy("/topic/ev", "");
    assert!(
        plain[0]
            .text()
            .is_some_and(|t| t.starts_with("{\"seq\":1,\"pad\""))
    );
}

#[test]
fn a_storm_of_absurd_size_is_refused_or_bounded() {
    for bad in [
        r#"{"storm":{"dest":"/t","rate":1000000,"for":"1h"}}"#,
        r#"{"storm":{"dest":"/t","rate":2000000,"for":"1s"}}"#,
        r#"{"storm":{"dest":"/t","rate":1,"for":"1s","size":"100MiB"}}"#,
        r#"{"storm":{"dest":"/t","rate":1,"for":"1s","burst":0}}"#,
        r#"{"storm":{"dest":"/t","rate":1,"for":"1s","kind":"queues"}}"#,
    ] {
        let json = format!(r#"{{"rules":[{{"on":"connected","do":[{bad}]}}]}}"#);
        assert!(Scenario::from_json(&json).is_err(), "{bad}");
    }
    // A step never publishes more than so many octets, however fast it is.
    let rule = hobnail_mock_broker::Rule::on(hobnail_mock_broker::recv("SUBSCRIBE"))
        .then(hobnail_mock_broker::act::pass())
        .then(storm("/topic/t", 1e6, SECOND, 4usize << 20).burst(1000));
    let mut world = World::new(Scenario::builder().rule(rule).build());
    world.connect(1, "");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\n\n");
    let sent: usize = octets(&world).iter().map(|(o, _)| o.len()).sum();
    assert!(sent < 32 << 20, "{sent} octets at once");
}
