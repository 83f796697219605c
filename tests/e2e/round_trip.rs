//! What is sent comes back as it was.

use hobnail::{Error, Misuse, ProtocolError, frame::Version};
use hobnail_mock_broker::{MockBroker, Scenario};
use hobnail_tests::{SOON, Seen, broker, client, connected, start};
use serde::{Deserialize, Serialize};

fn plain_and_tls() -> [MockBroker; 2] {
    let secure = MockBroker::start_tls(Scenario::default()).expect("a port is free");
    [broker(), secure]
}

#[test]
fn a_client_that_turns_its_own_reactor_gets_back_what_it_sent() {
    for broker in plain_and_tls() {
        let mut client = client(&broker).login("agent", "secret").connect().unwrap();
        let calls = client.subscription("/queue/calls").subscribe().unwrap();
        client.send("/queue/calls").body("ring").publish().unwrap();
        let message = client.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.text().unwrap(), "ring");
        assert_eq!(message.subscription(), calls.id());
        assert_eq!(message.destination(), "/queue/calls");
        client.close().unwrap();
        let connect = broker.nth_received(1, "CONNECT");
        assert_eq!(connect.header("login"), Some("agent"));
        assert_eq!(connect.header("passcode"), Some("secret"));
        assert_eq!(connect.header("accept-version"), Some("1.1,1.2"));
        let expected = ["CONNECT", "SUBSCRIBE", "SEND", "DISCONNECT"];
        assert_eq!(broker.commands(1), expected);
    }
}

#[test]
fn a_client_with_a_thread_of_its_own_gets_back_what_it_sent() {
    for broker in plain_and_tls() {
        let handle = client(&broker).connect().unwrap().spawn().unwrap();
        let events = handle.subscribe("/topic/events").unwrap();
        for n in 0..100 {
            let body = n.to_string();
            handle.send("/topic/events").body(&body).publish().unwrap();
        }
        for n in 0..100 {
            let message = events.recv_timeout(SOON).unwrap().unwrap();
            assert_eq!(message.text().unwrap(), n.to_string());
        }
        handle.close().unwrap();
        assert!(matches!(events.recv(), Err(Error::Closed)));
    }
}

#[test]
fn a_spawned_client_goes_on_where_it_was() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let before = client.subscription("/queue/a").subscribe().unwrap();
    client
        .send("/queue/a")
        .body("1")
        .receipt()
        .publish()
        .unwrap();
    let handle = client.spawn().unwrap();
    handle.send("/queue/a").body("2").publish().unwrap();
    for expected in ["1", "2"] {
        let message = before.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.text().unwrap(), expected);
    }
    handle.close().unwrap();
}

#[test]
fn a_mebibyte_goes_both_ways_as_text_and_as_octets() {
    let text = "0123456789abcdé\n".repeat(1 << 16).into_bytes();
    let octets: Vec<u8> = (0..1 << 20_u32).map(|n| (n * 7 % 256) as u8).collect();
    for broker in plain_and_tls() {
        let handle = client(&broker).connect().unwrap().spawn().unwrap();
        let big = handle.subscribe("/queue/big").unwrap();
        for body in [&text, &octets] {
            handle.send("/queue/big").body(body).publish().unwrap();
            let message = big.recv_timeout(SOON).unwrap().unwrap();
            assert!(message.body() == &body[..]);
        }
        assert_eq!(broker.nth_received(2, "SEND").body, octets);
        handle.close().unwrap();
    }
}

#[test]
fn every_octet_survives_in_a_body() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let all = handle.subscribe("/queue/all").unwrap();
    let every: Vec<u8> = (0..=255).collect();
    let traps: [&[u8]; 5] = [b"", b"\0", b"a\n\n\0MESSAGE\n\n\0", b"\r\n\r\n", &every];
    for body in traps {
        handle.send("/queue/all").body(body).publish().unwrap();
        assert_eq!(all.recv_timeout(SOON).unwrap().unwrap().body(), body);
    }
    handle.close().unwrap();
}

#[test]
fn headers_with_every_escape_and_beyond_ascii_come_back() {
    let headers = [
        ("colon", "a:b::c"),
        ("backslash", r"\ \\ \n \c"),
        ("line-feed", "one\ntwo\n"),
        ("carriage-return", "one\r\ntwo\r"),
        ("a:b\\c\nd\re", "name and value: \\\n\r"),
        ("empty", ""),
        ("spaces", "  kept  "),
        ("größe", "日本語 🦀"),
    ];
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let back = handle.subscribe("/queue/a:b\\c\nd").unwrap();
    let mut send = handle.send("/queue/a:b\\c\nd").body("x");
    for (name, value) in headers {
        send = send.header(name, value);
    }
    send.header("colon", "second").publish().unwrap();
    let message = back.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(message.destination(), "/queue/a:b\\c\nd");
    for (name, value) in headers {
        assert_eq!(message.header(name).as_deref(), Some(value), "{name:?}");
    }
    let colons: Vec<_> = message.headers().filter(|(n, _)| n == "colon").collect();
    assert_eq!(colons.len(), 2, "repeats are kept, and the first counts");
    let seen = broker.nth_received(1, "SEND");
    for (name, value) in headers {
        assert_eq!(seen.header(name), Some(value), "{name:?}");
    }
    handle.close().unwrap();
}

#[test]
fn json_goes_both_ways() {
    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct Call {
        from: String,
        rings: u32,
    }
    let call = Call {
        from: "+49 \"ü\"".into(),
        rings: 3,
    };
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let calls = handle.subscribe("/queue/calls").unwrap();
    let send = handle.send("/queue/calls").json(&call).unwrap();
    send.publish().unwrap();
    let message = calls.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(message.json::<Call>().unwrap(), call);
    let kind = message.header("content-type");
    assert_eq!(kind.as_deref(), Some("application/json"));
    assert!(message.json::<Vec<u8>>().is_err());
    handle.close().unwrap();
}

#[test]
fn connected_is_told_with_what_was_agreed() {
    let broker = start(Scenario::builder().heart_beat(700, 900).build());
    let ms = std::time::Duration::from_millis;
    let handle = client(&broker)
        .heart_beat(ms(500), ms(1000))
        .connect()
        .unwrap()
        .spawn()
        .unwrap();
    let told = connected(&handle.events(), 1);
    assert_eq!(told.version, Version::V1_2);
    assert_eq!(told.beats_out, Some(ms(900)));
    assert_eq!(told.beats_in, Some(ms(1000)));
    assert!(told.session.unwrap().starts_with("session-1-"));
    handle.close().unwrap();
}

#[test]
fn version_1_1_is_spoken_where_it_is_all_there_is() {
    let broker = start(Scenario::builder().versions(&["1.1"]).build());
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    assert_eq!(connected(&handle.events(), 1).version, Version::V1_1);
    let back = handle.subscribe("/queue/a").unwrap();
    let send = handle.send("/queue/a").header("n", "a:b\n\\");
    send.publish().unwrap();
    let message = back.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(message.header("n").as_deref(), Some("a:b\n\\"));
    let send = handle.send("/queue/a").header("n", "a\rb").receipt();
    let refused = send.publish().unwrap_err();
    assert!(
        matches!(refused, Error::Misuse(Misuse::Version(Version::V1_1))),
        "{refused:?}"
    );
    handle.close().unwrap();
}

#[test]
fn version_1_0_is_refused_unless_it_is_allowed() {
    let broker = start(Scenario::builder().versions(&["1.0"]).build());
    let refused = client(&broker).connect().unwrap_err();
    assert!(matches!(refused, Error::Broker(_)), "{refused:?}");
    let unsaid = start(
        Scenario::builder()
            .rule(
                hobnail_mock_broker::Rule::on(hobnail_mock_broker::sending("CONNECTED"))
                    .then(hobnail_mock_broker::unset("version")),
            )
            .build(),
    );
    let refused = client(&unsaid).connect().unwrap_err();
    let Error::Protocol(e) = &refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(**e, ProtocolError::Version { .. }), "{e}");
    let handle = client(&broker)
        .allow_1_0(true)
        .connect()
        .unwrap()
        .spawn()
        .unwrap();
    let back = handle.subscribe("/queue/a").unwrap();
    handle.send("/queue/a").body("x").publish().unwrap();
    assert_eq!(back.recv_timeout(SOON).unwrap().unwrap().body(), b"x");
    handle.close().unwrap();
}
