//! How the broker is set up.

use super::*;
use crate::support::{start, tcp};
use hobnail_mock_broker::http::Request;
use std::io::{Read, Write};

pub(super) const SHOWN: &[Shown] = &[
    (
        &[
            "scenario: $schema",
            "scenario: v",
            "scenario: name",
            "scenario: about",
            "scenario: broker",
        ],
        a_file_has_a_version_a_name_and_a_purpose,
    ),
    (
        &[
            "broker: dialect",
            "dialect: stomp",
            "dialect: rabbitmq",
            "dialect: activemq",
            "dialect: artemis",
            "dialect: spring-simple",
            "dialect: emqx",
            "dialect: contact-centre",
        ],
        each_dialect_answers_in_its_own_way,
    ),
    (&["broker: websockify"], behind_websockify_all_is_binary),
    (
        &[
            "broker: error-codes",
            "error-codes: message",
            "error-codes: code",
            "error-codes: status",
            "error-codes: body",
        ],
        a_code_stands_where_it_is_wanted,
    ),
    (
        &[
            "broker: forbidden",
            "forbidden: send",
            "forbidden: subscribe",
        ],
        destinations_are_forbidden,
    ),
    (
        &[
            "broker: versions",
            "versions: 1.0",
            "versions: 1.1",
            "versions: 1.2",
        ],
        only_some_versions_are_spoken,
    ),
    (&["broker: heart-beat"], heart_beats_are_offered),
    (
        &["broker: subprotocols", "broker: path"],
        the_upgrade_has_a_place_and_a_name,
    ),
    (&["broker: auth", "auth: basic"], a_passcode_is_asked_for),
    (
        &[
            "auth: bearer",
            "bearer: ttl",
            "bearer: header",
            "bearer: issued-only",
            "bearer: leeway",
        ],
        tokens_are_asked_for,
    ),
    (&["broker: single-session"], one_identity_has_one_session),
    (
        &[
            "broker: on-expiry",
            "on-expiry: suspend",
            "on-expiry: error-close",
            "on-expiry: none",
        ],
        a_token_ends_in_three_ways,
    ),
    (&["broker: suspend-grace"], what_was_on_its_way_is_processed),
    (
        &[
            "broker: receipt-headers",
            "receipt-headers: receipt",
            "receipt-headers: receipt-id",
        ],
        receipts_are_asked_for_by_other_names,
    ),
    (&["broker: require-host"], host_is_asked_for),
    (&["broker: max-deliveries"], a_refused_message_dies),
    (&["broker: tls"], tls_is_spoken),
];

/// A world set up like this, without heart-beats unless it says so.
pub(super) fn set(broker: &str) -> World {
    let beat = if broker.contains("heart-beat") {
        ""
    } else {
        r#""heart-beat":"0,0","#
    };
    world(&format!(r#"{{"broker":{{{beat}{broker}}}}}"#))
}

pub(super) fn last(world: &World, conn: u64) -> Frame {
    world.frames(conn).pop().expect("a frame").1
}

pub(super) fn send(world: &mut World, conn: u64, to: &str, body: &str) {
    world.say(
        conn,
        &format!("SEND\ndestination:{to}\nreceipt:r\n\n{body}"),
    );
}

fn closed(world: &World, to: u64) -> Option<u16> {
    let code = |output: &Output| {
        if let Output::Close { conn, code, .. } = output {
            return (*conn == to).then_some(*code);
        }
        None
    };
    world.outputs.iter().find_map(|(_, o)| code(o))
}

#[test]
fn a_file_has_a_version_a_name_and_a_purpose() {
    let known = scenario(r#"{"$schema":"x","v":1,"name":"n","about":"words","broker":{}}"#);
    assert_eq!((known.name.as_str(), known.about.as_str()), ("n", "words"));
    assert!(Scenario::from_json(r#"{"v":2}"#).is_err());
    assert_eq!(start(known).report().scenario, "n");
}

#[test]
fn each_dialect_answers_in_its_own_way() {
    let unknown = "FOO\n\n";
    let nowhere = "SEND\nreceipt:r\n\nx";
    let begin = "BEGIN\ntransaction:t\nreceipt:r\n\n";
    let other = "BEGIN\ntransaction:t\nreceipt-id:r\n\n";
    for (dialect, frame, answer, close) in [
        ("stomp", unknown, "ERROR", Some(1002)),
        ("rabbitmq", unknown, "ERROR", None),
        ("activemq", unknown, "ERROR", Some(1000)),
        ("artemis", nowhere, "ERROR", Some(1000)),
        ("emqx", nowhere, "ERROR", None),
        ("stomp", begin, "RECEIPT", None),
        ("spring-simple", begin, "CONNECTED", None),
        ("stomp", other, "CONNECTED", None),
        ("contact-centre", other, "RECEIPT", None),
    ] {
        let mut world = set(&format!(r#""dialect":"{dialect}""#));
        world.connect(1, "");
        world.say(1, frame);
        assert_eq!(last(&world, 1).command, answer, "{dialect} {frame}");
        assert_eq!(closed(&world, 1), close, "{dialect} {frame}");
    }
}

#[test]
fn behind_websockify_all_is_binary() {
    let mut world = set(r#""websockify":true"#);
    world.open_as(1, &["binary"]);
    let octets = b"CONNECT\naccept-version:1.2\nhost:h\n\n\0";
    world.tell(Input::Message {
        conn: 1,
        octets,
        binary: true,
    });
    let named =
        |o: &Output| matches!(o, Output::Accept { subprotocol: Some(s), .. } if s == "binary");
    assert_eq!(when(&world, named).len(), 1);
    let sent = messages(&world, 1);
    assert!(sent[0].0.starts_with(b"CONNECTED") && sent[0].1);
}

#[test]
fn a_code_stands_where_it_is_wanted() {
    for (place, found) in [
        ("message", "401 token missing, none, none, no"),
        ("code", "token missing, 401, none, no"),
        ("status", "token missing, none, 401, no"),
        ("body", "token missing, none, none, yes"),
    ] {
        let mut world = set(&format!(
            r#""error-codes":["{place}"],"auth":{{"bearer":{{"ttl":"60s"}}}}"#
        ));
        world.connect(1, "");
        let error = last(&world, 1);
        let of = |name: &str| error.header(name).unwrap_or("none").to_owned();
        let body = error.text().is_some_and(|t| t.contains(r#""code":401"#));
        let body = if body { "yes" } else { "no" };
        let shown = format!(
            "{}, {}, {}, {body}",
            of("message"),
            of("code"),
            of("status")
        );
        assert_eq!(shown, found, "{place}");
    }
}

#[test]
fn destinations_are_forbidden() {
    let forbidden = r#""forbidden":{"send":["/queue/in*"],"subscribe":["/voice/*"]}"#;
    for (frame, told) in [
        ("SEND\ndestination:/queue/inner\n\n", Some("403")),
        ("SEND\ndestination:/voice/1\n\n", None),
        ("SUBSCRIBE\nid:0\ndestination:/voice/1\n\n", Some("403")),
        ("SUBSCRIBE\nid:0\ndestination:/queue/inner\n\n", None),
    ] {
        let mut world = set(forbidden);
        world.connect(1, "");
        world.say(1, frame);
        assert_eq!(code(&world, 1).as_deref(), told, "{frame}");
    }
}

#[test]
fn only_some_versions_are_spoken() {
    for (versions, offered, agreed) in [
        (r#""1.0","1.1","1.2""#, "1.0,1.1,1.2", Some("1.2")),
        (r#""1.0","1.1""#, "1.0,1.1,1.2", Some("1.1")),
        (r#""1.0""#, "1.0,1.1,1.2", Some("1.0")),
        (r#""1.2""#, "1.0,1.1", None),
    ] {
        let mut world = set(&format!(r#""versions":[{versions}]"#));
        world.open_as(1, &[]);
        world.say(1, &format!("CONNECT\naccept-version:{offered}\nhost:h\n\n"));
        let answer = last(&world, 1);
        assert_eq!(
            answer.command,
            if agreed.is_some() {
                "CONNECTED"
            } else {
                "ERROR"
            }
        );
        let told = agreed.unwrap_or("1.2");
        assert_eq!(answer.header("version"), Some(told), "{versions}");
    }
}

#[test]
fn heart_beats_are_offered() {
    let mut world = set(r#""heart-beat":"1500,2500""#);
    world.connect(1, "heart-beat:2000,1000\n");
    assert_eq!(last(&world, 1).header("heart-beat"), Some("1500,2500"));
    world.pass(2 * SECOND);
    assert_eq!(world.beats(1), [SECOND * 6 / 5], "a little before 1500 ms");
    world.pass(10 * SECOND);
    assert_eq!(
        last(&world, 1).command,
        "ERROR",
        "the client owed one each 2500 ms"
    );
}

#[test]
fn the_upgrade_has_a_place_and_a_name() {
    let mut world = set(r#""path":"/ws","subprotocols":["v12.stomp.acme","v11.stomp"]"#);
    let mut ask = |conn: u64, path: &str| {
        world.tell(Input::Tcp { conn });
        let offer = ["v10.stomp", "v11.stomp", "v12.stomp.acme", "v12.stomp"];
        let request = Request::upgrade(path, &offer);
        world.tell(Input::Request {
            conn,
            request: &request,
        });
        world.outputs.last().map(|(_, o)| o.clone())
    };
    let Some(Output::Http { response, .. }) = ask(1, "/stomp") else {
        panic!("an answer");
    };
    assert_eq!(response.status, 404);
    let Some(Output::Accept { subprotocol, .. }) = ask(2, "/ws") else {
        panic!("an upgrade");
    };
    assert_eq!(subprotocol.as_deref(), Some("v12.stomp.acme"));
}

#[test]
fn a_passcode_is_asked_for() {
    for (who, answer) in [
        ("login:u\npasscode:p\n", "CONNECTED"),
        ("login:u\npasscode:x\n", "ERROR"),
        ("login:x\npasscode:p\n", "ERROR"),
        ("", "ERROR"),
    ] {
        let mut world = set(r#""auth":{"basic":{"u":"p"}}"#);
        world.connect(1, who);
        assert_eq!(last(&world, 1).command, answer, "{who}");
    }
}

#[test]
fn tokens_are_asked_for() {
    let bearer = |more: &str| set(&format!(r#""auth":{{"bearer":{{"ttl":"60s"{more}}}}}"#));
    let mut world = bearer(r#","header":"X-Token","leeway":"5s""#);
    world.connect(1, "X-Token:t\n");
    world.connect(2, "X-Other:t\n");
    assert_eq!(last(&world, 1).command, "CONNECTED");
    assert_eq!(code(&world, 2).as_deref(), Some("401"));
    world.pass(59 * SECOND);
    assert_eq!(last(&world, 1).command, "CONNECTED");
    world.pass(7 * SECOND);
    let ends = when(
        &world,
        |o| matches!(o, Output::Message { conn: 1, octets, .. } if octets.starts_with(b"ERROR")),
    );
    assert_eq!(ends, [65 * SECOND], "its life and the leeway");
    let mut world = bearer(r#","issued-only":true"#);
    let issued = world
        .engine
        .issue_token(Duration::ZERO, "alice", 60 * SECOND);
    world.connect(1, &format!("passcode:{issued}\n"));
    world.connect(2, "passcode:made-up\n");
    assert_eq!(last(&world, 1).command, "CONNECTED");
    assert_eq!(code(&world, 2).as_deref(), Some("401"));
}

#[test]
fn one_identity_has_one_session() {
    for (one, answer) in [("true", "ERROR"), ("false", "CONNECTED")] {
        let mut world = set(&format!(r#""single-session":{one}"#));
        world.connect(1, "login:alice\n");
        world.connect(2, "login:alice\n");
        assert_eq!(last(&world, 2).command, answer, "{one}");
        assert_eq!(
            code(&world, 2).as_deref(),
            (answer == "ERROR").then_some("409")
        );
    }
}

#[test]
fn a_token_ends_in_three_ways() {
    for (how, told, close) in [
        ("suspend", Some("401"), None),
        ("error-close", Some("401"), Some(1008)),
        ("none", None, None),
    ] {
        let mut world = set(&format!(
            r#""on-expiry":"{how}","auth":{{"bearer":{{"ttl":"1s"}}}}"#
        ));
        world.connect(1, "passcode:t\n");
        world.pass(2 * SECOND);
        assert_eq!(code(&world, 1).as_deref(), told, "{how}");
        assert_eq!(closed(&world, 1), close, "{how}");
    }
}

#[test]
fn what_was_on_its_way_is_processed() {
    let mut world = set(r#""suspend-grace":"500ms","auth":{"bearer":{"ttl":"1s"}}"#);
    world.connect(1, "passcode:t\n");
    world.pass(SECOND * 5 / 4);
    send(&mut world, 1, "/topic/a", "x");
    assert_eq!(last(&world, 1).command, "RECEIPT");
    world.pass(SECOND);
    send(&mut world, 1, "/topic/a", "x");
    assert_eq!(last(&world, 1).command, "ERROR");
}

#[test]
fn receipts_are_asked_for_by_other_names() {
    for (names, header, answer) in [
        (r#""receipt","receipt-id""#, "receipt-id", "RECEIPT"),
        (r#""receipt","receipt-id""#, "receipt", "RECEIPT"),
        (r#""receipt""#, "receipt-id", "CONNECTED"),
    ] {
        let mut world = set(&format!(r#""receipt-headers":[{names}]"#));
        world.connect(1, "");
        world.say(1, &format!("BEGIN\ntransaction:t\n{header}:r\n\n"));
        assert_eq!(last(&world, 1).command, answer, "{names} {header}");
    }
}

#[test]
fn host_is_asked_for() {
    for (asked, answer) in [("true", "ERROR"), ("false", "CONNECTED")] {
        let mut world = set(&format!(r#""require-host":{asked}"#));
        world.open(1);
        world.say(1, "CONNECT\naccept-version:1.2\n\n");
        assert_eq!(last(&world, 1).command, answer, "{asked}");
    }
}

#[test]
fn a_refused_message_dies() {
    let mut world = set(r#""max-deliveries":2"#);
    world.connect(1, "");
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\n\n",
    );
    publish(&mut world, "/queue/q", "bad");
    for _ in 0..2 {
        let ack = last(&world, 1).header("ack").expect("an ack id").to_owned();
        world.say(1, &format!("NACK\nid:{ack}\n\n"));
    }
    assert_eq!(texts(&world, 1), ["bad", "bad"]);
    world.say(1, "SUBSCRIBE\nid:1\ndestination:/queue/DLQ\n\n");
    assert_eq!(last(&world, 1).header("subscription"), Some("1"));
}

#[test]
fn tls_is_spoken() {
    let broker = start(scenario(r#"{"broker":{"tls":true}}"#));
    assert!(
        broker.url().starts_with("wss://localhost:"),
        "{}",
        broker.url()
    );
    let ca = native_tls::Certificate::from_pem(broker.ca_pem().expect("an authority").as_bytes());
    let connector = native_tls::TlsConnector::builder()
        .disable_built_in_roots(true)
        .add_root_certificate(ca.expect("a certificate"))
        .build()
        .expect("a connector");
    let mut tls = connector
        .connect("localhost", tcp(&broker))
        .expect("a handshake");
    tls.write_all(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("written");
    let mut answer = String::new();
    tls.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}
