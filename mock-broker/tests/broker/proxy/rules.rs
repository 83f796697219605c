//! What rules do with what passes.

use super::*;

#[test]
fn frames_of_both_directions_go_through_the_rules() {
    let of = |n: &str| sending("MESSAGE").matching("n", n);
    let rules = [
        Rule::on(recv("SEND").matching("n", "1")).then(act::drop_it()),
        Rule::on(recv("SEND").matching("n", "2"))
            .then(act::set("extra", "x"))
            .then(act::unset("gone")),
        Rule::on(recv("SEND").matching("n", "3")).then(act::dup(2)),
        Rule::on(of("4"))
            .then(act::delay(QUIET))
            .then(act::set("late", "yes")),
        Rule::on(of("5")).then(act::hold("h")),
        Rule::on(of("6"))
            .then(act::hold("h"))
            .then(act::release("h", Order::Reverse)),
        Rule::on(of("7")).then(act::corrupt(Corrupt::Truncate(-3))),
        Rule::on(of("8")).then(act::drop_it()),
        Rule::on(of("9")).then(act::pad(5, 100)),
    ];
    let scenario = rules
        .into_iter()
        .fold(Scenario::builder(), |b, r| b.rule(r));
    let Pair {
        broker: _broker,
        proxy,
    } = pair(Scenario::default(), scenario.build());
    let mut client = Client::connect(&proxy);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    for n in 1..=4 {
        client.send(&format!("{SEND}n:{n}\ngone:x\n\nbody"));
    }
    let two = client.expect("MESSAGE");
    assert_eq!(
        (two.header("n"), two.header("extra"), two.header("gone")),
        (Some("2"), Some("x"), None)
    );
    let mut n = || client.expect("MESSAGE").header("n").expect("n").to_owned();
    assert_eq!([n(), n()], ["3", "3"]);
    let four = client.expect("MESSAGE");
    assert_eq!(
        (four.header("n"), four.header("late")),
        (Some("4"), Some("yes"))
    );
    for n in [5, 6, 8, 9] {
        client.send(&format!("{SEND}n:{n}\n\nbody"));
    }
    let mut n = || client.expect("MESSAGE").header("n").expect("n").to_owned();
    assert_eq!([n(), n()], ["6", "5"]);
    let padded = client.expect("MESSAGE");
    assert_eq!(
        (padded.header("pad-4"), padded.body.len()),
        (Some("x"), 104)
    );
    client.send(&format!("{SEND}n:7\n\nbody"));
    client.assert_quiet();
    assert!(
        !client
            .messages
            .last()
            .expect("a message")
            .clone()
            .into_data()
            .ends_with(b"\0")
    );
}

#[test]
fn octets_are_laid_as_the_rules_say() {
    let Pair {
        proxy,
        broker: _broker,
    } = with(Rule::on(on::open()).then(act::split_every(1)));
    let client = Client::connect(&proxy);
    assert!(client.messages.len() > 50 && client.messages.iter().all(|m| m.len() == 1));

    let frag = act::frag_at(&[3, 9, 10]).ping_between();
    let Pair { proxy, broker } = with(Rule::on(on::open()).then(frag));
    let client = Client::connect(&proxy);
    assert_eq!((client.messages.len(), client.pings), (4, 3));
    let pong = |e: &Entry| matches!(e.what, What::Pong(_));
    broker.wait_for_nth(3, LONG, pong).expect("pongs pass");

    let gap = Duration::from_millis(2);
    let Pair {
        proxy,
        broker: _broker,
    } = with(
        Rule::on(on::open())
            .then(act::drip(4, gap).next(1))
            .then(act::frag_every(9).between(Between::Empty)),
    );
    let begin = Instant::now();
    let mut client = Client::connect(&proxy);
    assert!(begin.elapsed() > 20 * gap);
    client.confirmed(&format!("{SEND}\n"));

    let Pair {
        proxy,
        broker: _broker,
    } = with(Rule::on(on::open()).then(act::message_type(Kind::Binary)));
    assert!(Client::connect(&proxy).messages[0].is_binary());

    let Pair {
        proxy,
        broker: _broker,
    } = with(Rule::on(on::connected()).then(act::join(2, QUIET)));
    let mut client = Client::connect(&proxy);
    client.send(&format!("{SEND}receipt:1\n\n"));
    client.send(&format!("{SEND}receipt:2\n\n"));
    client.expect("RECEIPT");
    client.expect("RECEIPT");
    assert_eq!(client.messages.len(), 2, "CONNECTED, and two in one");
}

#[test]
fn the_connection_ends_in_every_way_and_the_upstream_learns_of_it() {
    for (action, end) in [
        (act::close(1001, "x"), End::Close(Some(1001))),
        (act::fin(), End::Lost),
        (act::rst(), End::Lost),
    ] {
        let Pair { broker, proxy } = with(Rule::on(recv("SEND")).then(act::pass()).then(action));
        let mut client = Client::connect(&proxy);
        client.send(&format!("{SEND}\n"));
        assert_eq!(client.ended(), end);
        assert_eq!(closed(&broker), How::PeerGone);
        let heard = broker.transcript();
        assert!(
            heard.iter().any(|e| e.is_recv("SEND")),
            "it was passed on before"
        );
    }
    let Pair {
        proxy,
        broker: _broker,
    } = with(Rule::on(sending("MESSAGE")).then(act::fin_after(20)));
    let mut client = Client::connect(&proxy);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    client.send(&format!("{SEND}\nx"));
    assert_eq!(client.ended(), End::Lost);
}

#[test]
fn a_black_hole_swallows_what_passes() {
    let Pair { proxy, broker } = with(
        Rule::on(recv("SEND").nth(1))
            .then(act::blackhole_for(Direction::Both, QUIET))
            .then(act::drop_it()),
    );
    let mut client = Client::connect(&proxy);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    client.send(&format!("{SEND}\nlost"));
    broker.publish("/topic/a", &[], b"after");
    let message = client.expect("MESSAGE");
    assert_eq!(
        message.text(),
        Some("after"),
        "it comes when the hole has healed"
    );
    let heal = |e: &Entry| matches!(&e.what, What::Fault(w) if w == "heal");
    proxy.wait_for(LONG, heal).expect("healed");
}

#[test]
fn the_handshake_can_be_spoilt_before_the_upstream_hears_of_it() {
    let lists = vec![
        vec![act::http(503, "later")],
        vec![act::redirect("ws://127.0.0.1:{port}/x")],
        vec![act::bad_accept()],
        vec![act::subprotocol(Some("mqtt"))],
    ];
    let Pair { proxy, broker } = with(Rule::on(on::upgrade()).then(act::seq(lists)));
    assert_eq!(refused(&proxy).0, 503);
    assert_eq!(refused(&proxy).0, 302);
    let upgrades = |b: &MockBroker| {
        let asked = |e: &&Entry| matches!(e.what, What::Upgrade { .. });
        b.transcript().iter().filter(asked).count()
    };
    assert_eq!(upgrades(&broker), 0);
    let error = upgrade(&proxy, &[]).err().expect("a bad accept");
    assert!(matches!(*error, tungstenite::Error::Protocol(_)), "{error}");
    let mut raw = tcp(&proxy);
    let head = crate::handshake::exchange(&mut raw, &[("Sec-WebSocket-Protocol", "v12.stomp")]);
    assert!(head.contains("Sec-WebSocket-Protocol: mqtt"), "{head}");
    assert_eq!(upgrades(&broker), 2);
}

#[test]
fn heart_beats_pass_or_are_the_scripts() {
    let beating = || Scenario::builder().heart_beat(50, 0).build();
    let beat = |e: &Entry| e.what == What::BeatOut;
    let connect = |proxy: &MockBroker| {
        let mut client = Client::open(proxy);
        client.send("CONNECT\naccept-version:1.2\nhost:h\nheart-beat:0,50\n\n");
        client.expect("CONNECTED");
        client
    };
    let read = |client: &mut Client| {
        let deadline = Instant::now() + LONG;
        assert!(client.read(deadline), "a heart-beat");
        client
            .messages
            .last()
            .expect("a message")
            .clone()
            .into_data()
    };
    let passing = pair(beating(), Scenario::default());
    let mut client = connect(&passing.proxy);
    assert_eq!(&read(&mut client)[..], b"\n");

    let own = Rule::on(on::connected()).then(act::beats_as(b"\0"));
    let scripted = pair(beating(), Scenario::builder().rule(own).build());
    let mut client = connect(&scripted.proxy);
    while &read(&mut client)[..] != b"\0" {}
    assert_eq!(
        &read(&mut client)[..],
        b"\0",
        "the upstream's own are swallowed"
    );

    let stop = Rule::on(on::open()).then(act::beats_stop());
    let stopped = pair(beating(), Scenario::builder().rule(stop).build());
    let mut client = connect(&stopped.proxy);
    stopped.broker.wait_for_nth(3, LONG, beat).expect("beats");
    client.confirmed(&format!("{SEND}\n"));
    assert!(
        client.messages.iter().all(|m| m.len() > 1),
        "none came through"
    );
}

#[test]
fn the_script_speaks_for_itself() {
    let storm = r#"{"rules":[
        {"on":{"recv":"SUBSCRIBE"},"do":["pass",{"storm":{"dest":"/topic/ev","rate":1000,"for":"20ms","size":10}}]},
        {"on":{"signal":"go"},"do":[{"send":{"command":"MESSAGE","headers":{"k":"v"},"body":"hi"}},{"mark":"said"}]},
        {"on":{"mark":"said"},"do":[{"raw":{"hex":"0a","ws":"text"}},{"ping":"x"}]}]}"#;
    let Pair {
        proxy,
        broker: _broker,
    } = pair(
        Scenario::default(),
        Scenario::from_json(storm).expect("a scenario"),
    );
    let mut client = Client::connect(&proxy);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/ev\n\n");
    for _ in 0..20 {
        assert_eq!(client.expect("MESSAGE").header("subscription"), Some("0"));
    }
    proxy.signal("go");
    assert_eq!(client.expect("MESSAGE").text(), Some("hi"));
    let pong = |e: &Entry| matches!(e.what, What::Pong(_));
    while client.pings == 0 {
        assert!(client.read(Instant::now() + LONG), "a ping");
    }
    proxy.wait_for(LONG, pong).expect("a pong");
}

#[test]
fn a_token_is_renewed_although_the_broker_knows_nothing_of_it() {
    let rules = Scenario::builder()
        .rule(Rule::on(on::signal("expire")).then(act::error(401).keep_open()))
        .build();
    let Pair { broker, proxy } = pair(Scenario::default(), rules);
    let mut client = Client::connect(&proxy);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    proxy.signal("expire");
    assert_eq!(client.expect("ERROR").header("code"), Some("401"));
    broker.publish("/topic/a", &[], b"meanwhile");
    client.assert_quiet();
    client.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\nreceipt:r\n\n");
    client.expect("CONNECTED");
    client.expect("RECEIPT");
    assert_eq!(client.expect("MESSAGE").text(), Some("meanwhile"));
    client.confirmed(&format!("{SEND}\n"));
    let connects = broker
        .transcript()
        .iter()
        .filter(|e| e.is_recv("CONNECT"))
        .count();
    assert_eq!(connects, 1, "the broker never heard of it");
}

#[test]
fn an_overlap_is_seen_where_the_broker_sees_none() {
    let conflict = Rule::on(on::overlap()).then(act::error(409));
    let Pair {
        proxy,
        broker: _broker,
    } = with(conflict);
    let mut first = Client::connect(&proxy);
    let mut second = Client::open(&proxy);
    second.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\n\n");
    assert_eq!(second.expect("ERROR").header("code"), Some("409"));
    second.ended();
    first.confirmed(&format!("{SEND}\n"));
}

#[test]
fn what_is_no_stomp_is_the_upstreams_to_judge() {
    let Pair { broker, proxy } = pair(Scenario::default(), Scenario::default());
    let mut client = Client::connect(&proxy);
    client.send("SEND\nno colon\n\n");
    let error = client.expect("ERROR");
    assert!(
        error.header("message").expect("words").contains("colon"),
        "{error}"
    );
    let refused = |e: &Entry| matches!(e.note(), Some(Note::Refused { .. }));
    broker.wait_for(LONG, refused).expect("it saw it");

    let lie = Rule::on(recv("SEND")).then(act::raw(&b"MESSAGE\n\n\xff\0"[..], RawAs::Text));
    let broken = pair(Scenario::builder().rule(lie).build(), Scenario::default());
    let mut client = Client::connect(&broken.proxy);
    client.send(&format!("{SEND}\n"));
    assert_eq!(
        client.ended(),
        End::Lost,
        "text that is not UTF-8, as it came"
    );
}

#[test]
fn frames_of_older_versions_pass() {
    let Pair {
        proxy,
        broker: _broker,
    } = pair(Scenario::default(), Scenario::default());
    for version in ["1.0", "1.1"] {
        let version = hobnail_mock_broker::wire::Version::parse(version).expect("a version");
        let mut client = Client::connect_version(&proxy, version);
        client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
        client.confirmed("SEND\ndestination:/topic/a\nk:v\\\\w\n\nx");
        let message: Frame = client.expect("MESSAGE");
        let expected = if version.as_str() == "1.0" {
            "v\\\\w"
        } else {
            "v\\w"
        };
        assert_eq!(message.header("k"), Some(expected));
    }
}

#[test]
fn a_stuck_client_stops_the_upstream_and_costs_no_memory() {
    // The broker behind gives a client up that has so much waiting.
    let broker = start(Scenario::builder().bounds(|b| b.out = 24 << 20).build());
    let proxy = MockBroker::proxy(&broker.url(), Scenario::default()).expect("starts");
    let mut lazy = Client::connect(&proxy);
    lazy.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    let body = vec![b'x'; 1 << 20];
    let slow = |e: &Entry| matches!(e.note(), Some(Note::SlowConsumer { .. }));
    for _ in 0..64 {
        broker.publish("/topic/a", &[], &body);
    }
    broker
        .wait_for(LONG, slow)
        .expect("it is the broker that overflows");
    let passed = |e: &&Entry| e.is_sent("MESSAGE");
    let entries = proxy.transcript();
    assert!(!entries.iter().any(slow), "and not the proxy");
    let held = entries.iter().filter(passed).count();
    assert!(held < 40, "{held} MiB went to the client's side");
}

#[test]
fn a_stuck_upstream_stops_the_client() {
    let stall = Rule::on(recv("SEND").nth(1)).then(act::blackhole_for(Direction::In, QUIET));
    let proxy_scenario = Scenario::default();
    let Pair { broker, proxy } = pair(Scenario::builder().rule(stall).build(), proxy_scenario);
    let mut client = Client::connect(&proxy);
    let body = "x".repeat(1 << 20);
    for _ in 0..40 {
        client.send(&format!("{SEND}\n{body}"));
    }
    client.confirmed(&format!("{SEND}\nlast"));
    let sends = broker
        .transcript()
        .iter()
        .filter(|e| e.is_recv("SEND"))
        .count();
    assert_eq!(sends, 41, "all came, when it read again");
}

#[test]
fn two_proxied_clients_do_not_meet() {
    let Pair { proxy, broker } = pair(Scenario::default(), Scenario::default());
    let mut one = Client::connect_as(&proxy, "login:a");
    let mut two = Client::connect_as(&proxy, "login:b");
    one.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    two.confirmed(&format!("{SEND}\nx"));
    assert_eq!(one.expect("MESSAGE").text(), Some("x"));
    two.assert_quiet();
    assert_eq!(broker.sessions(), 2);
    proxy.kick(1);
    assert_eq!(one.ended(), End::Lost);
    two.confirmed(&format!("{SEND}\nx"));
}
