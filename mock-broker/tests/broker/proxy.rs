//! A proxy in front of another broker of this process.

use crate::support::{Client, End, LONG, QUIET, start, tcp, upgrade, upgrade_at};
use hobnail_mock_broker::script::{Between, Corrupt, Direction, Kind, Order, RawAs};
use hobnail_mock_broker::{
    Entry, Frame, How, Listen, MockBroker, Note, Rule, Scenario, Upstream, What, act, on, recv,
    sending,
};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tungstenite::Message;

/// A correct broker, and a proxy in front of it.
struct Pair {
    broker: MockBroker,
    proxy: MockBroker,
}

fn pair(broker: Scenario, proxy: Scenario) -> Pair {
    let broker = start(broker);
    let proxy = MockBroker::proxy(&broker.url(), proxy).expect("the proxy starts");
    Pair { broker, proxy }
}

fn with(rule: Rule) -> Pair {
    pair(Scenario::default(), Scenario::builder().rule(rule).build())
}

fn closed(broker: &MockBroker) -> How {
    let closed = |e: &Entry| matches!(e.what, What::Closed(_));
    let What::Closed(how) = broker.wait_for(LONG, closed).expect("it ended").what else {
        unreachable!("it is what was asked for")
    };
    how
}

/// Takes the next message for good.
fn acknowledge(client: &mut Client) -> Frame {
    let message = client.expect("MESSAGE");
    let ack = message.header("ack").expect("an ack");
    client.confirmed(&format!("ACK\nid:{ack}\n\n"));
    message
}

/// Everything a session does, and what the client saw of it.
fn session(client: &mut Client) {
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\n\n");
    client.confirmed("SEND\ndestination:/queue/q\nk\\c1:v\\n2\n\nb\u{e9}");
    let message = client.expect("MESSAGE");
    assert_eq!(
        (message.header("k:1"), message.text()),
        (Some("v\n2"), Some("b\u{e9}"))
    );
    let ack = message.header("ack").expect("an ack").to_owned();
    client.confirmed(&format!("NACK\nid:{ack}\n\n"));
    let again = acknowledge(client);
    assert_eq!(again.header("redelivered"), Some("true"));
    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.confirmed("SEND\ndestination:/queue/q\ntransaction:t\n\nx");
    client.confirmed("COMMIT\ntransaction:t\n\n");
    acknowledge(client);
    let mut binary = b"SEND\ndestination:/queue/q\ncontent-length:3\n\n".to_vec();
    binary.extend_from_slice(b"\xff\0\xfe\0");
    client.send_raw(&binary);
    assert_eq!(acknowledge(client).body, b"\xff\0\xfe");
    assert!(client.messages.iter().any(Message::is_binary));
    client.send("DISCONNECT\nreceipt:bye\n\n");
    assert_eq!(client.expect("RECEIPT").header("receipt-id"), Some("bye"));
    assert_eq!(client.ended(), End::Close(Some(1000)));
}

#[test]
fn a_session_passes_as_if_there_were_no_proxy() {
    let Pair { broker, proxy } = pair(Scenario::default(), Scenario::default());
    session(&mut Client::connect(&broker));
    let mut client = Client::connect(&proxy);
    assert_eq!(proxy.sessions(), 1);
    session(&mut client);
    let frames = |b: &MockBroker, conn: u64| -> Vec<String> {
        let of = |e: &&Entry| e.conn == conn && (e.received().is_some() || e.sent().is_some());
        let entries = b.transcript();
        let mut frames: Vec<String> = entries
            .iter()
            .filter(of)
            .map(|e| e.what.to_string())
            .collect();
        // In and out are each in order; how they meet is the network's affair.
        frames.sort();
        frames
    };
    assert_eq!(frames(&broker, 2), frames(&proxy, 1));
    let how = How::Broker {
        code: 1000,
        answered: true,
    };
    assert_eq!(closed(&proxy), how);
    assert_eq!(proxy.sessions(), 0);
}

#[test]
fn tls_is_spoken_on_both_sides() {
    let broker = MockBroker::start_tls(Scenario::default()).expect("starts");
    let upstream = Upstream::new(&broker.url()).expect("a URL");
    let listen = Listen {
        tls: true,
        ..Listen::default()
    };
    let trusting = upstream.clone().ca_pem(broker.ca_pem().expect("TLS"));
    let large = "x".repeat(3 << 20);
    for upstream in [trusting, upstream.clone().insecure(true)] {
        let proxy = MockBroker::proxy_at(&upstream, Scenario::default(), listen).expect("starts");
        let ca = proxy.ca_pem().expect("TLS").as_bytes();
        let connector = native_tls::TlsConnector::builder()
            .add_root_certificate(native_tls::Certificate::from_pem(ca).expect("a certificate"))
            .build()
            .expect("a connector");
        let tls = connector.connect("localhost", tcp(&proxy)).expect("TLS");
        let (mut ws, _) = tungstenite::client(proxy.url(), tls).expect("upgrade");
        let mut say = |text: String| ws.send(Message::text(text)).expect("sent");
        say("CONNECT\naccept-version:1.2\nhost:h\n\n\0".to_owned());
        say("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0".to_owned());
        say(format!("SEND\ndestination:/topic/a\n\n{large}\0"));
        assert!(
            ws.read()
                .expect("CONNECTED")
                .to_text()
                .expect("text")
                .starts_with("CONNECTED\n")
        );
        assert!(
            ws.read()
                .expect("MESSAGE")
                .to_text()
                .expect("text")
                .contains(&large)
        );
    }
    let proxy = MockBroker::proxy_at(&upstream, Scenario::default(), Listen::default());
    let stranger = proxy.expect("starts");
    assert_eq!(refused(&stranger).0, 502, "an unknown authority");
    let told = |e: &Entry| matches!(e.note(), Some(Note::Upstream(w)) if w.contains("TLS"));
    stranger.wait_for(LONG, told).expect("a note");
}

/// How an upgrade is refused: status, one header, body.
fn refused(broker: &MockBroker) -> (u16, Option<String>, String) {
    match upgrade(broker, &[]).map_err(|e| *e) {
        Err(tungstenite::Error::Http(response)) => {
            let header = response.headers().get("WWW-Authenticate");
            let header = header.map(|v| v.to_str().expect("text").to_owned());
            let body = response.body().clone().unwrap_or_default();
            let body = String::from_utf8(body).expect("text");
            (response.status().as_u16(), header, body)
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was let in"),
    }
}

#[test]
fn refusals_of_the_upstream_come_back_as_they_were() {
    let json = r#"{"rules":[{"on":"upgrade","do":[
        {"http":{"status":401,"headers":{"WWW-Authenticate":"Bearer"},"body":"no {entry}"}}]}]}"#;
    let pair = pair(
        Scenario::from_json(json).expect("a scenario"),
        Scenario::default(),
    );
    let (status, header, body) = refused(&pair.proxy);
    assert_eq!(
        (status, header.as_deref(), &*body),
        (401, Some("Bearer"), "no {entry}")
    );
}

#[test]
fn path_query_headers_and_subprotocol_pass() {
    let broker = start(Scenario::builder().subprotocols(&["v10.stomp.x"]).build());
    let proxy = MockBroker::proxy(&broker.url(), Scenario::default()).expect("starts");
    let offer = [
        ("Sec-WebSocket-Protocol", "v12.stomp, v10.stomp.x"),
        ("Authorization", "Bearer t"),
        ("X-Region", "eu"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ];
    upgrade_at(&proxy, &format!("{}?token=secret", proxy.url()), &offer).expect("upgrade");
    let asked = broker
        .wait_for(LONG, |e| matches!(e.what, What::Upgrade { .. }))
        .expect("a request");
    let What::Upgrade { path, headers } = asked.what else {
        unreachable!("it is what was asked for")
    };
    assert_eq!(path, "/stomp?token=secret");
    assert_eq!(headers.get("Authorization"), Some("Bearer t"));
    assert_eq!(headers.get("X-Region"), Some("eu"));
    assert_eq!(headers.get("Sec-WebSocket-Extensions"), None);
    let host = format!("127.0.0.1:{}", broker.port());
    assert_eq!(headers.get("Host"), Some(&*host));
    let open = |e: &Entry| matches!(&e.what, What::Open { subprotocol } if subprotocol.as_deref() == Some("v10.stomp.x"));
    proxy.wait_for(LONG, open).expect("the upstream's choice");
}

#[test]
fn an_upstream_that_is_down_is_502() {
    let broker = start(Scenario::default());
    let proxy = MockBroker::proxy(&broker.url(), Scenario::default()).expect("starts");
    broker.stop_listening();
    let (status, _, body) = refused(&proxy);
    assert_eq!(status, 502);
    assert!(body.contains("cannot connect"), "{body}");
    broker.resume_listening();
    session(&mut Client::connect(&proxy));
}

#[test]
fn an_upstream_that_is_no_http_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let proxy = MockBroker::proxy(&url, Scenario::default()).expect("starts");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"SSH-2.0-x\r\n").expect("written");
        stream.read(&mut [0; 1024]).expect("a request")
    });
    assert_eq!(refused(&proxy).0, 502);
    server.join().expect("it served");
}

#[test]
fn the_end_of_the_upstream_is_mirrored() {
    for (action, end) in [
        (act::close(1012, "restart"), End::Close(Some(1012))),
        (act::fin(), End::Lost),
        (act::rst(), End::Lost),
    ] {
        let rule = Rule::on(recv("SEND")).then(act::pass()).then(action);
        let pair = pair(Scenario::builder().rule(rule).build(), Scenario::default());
        let mut client = Client::connect(&pair.proxy);
        client.send("SEND\ndestination:/topic/a\n\n");
        assert_eq!(client.ended(), end);
        assert_eq!(pair.proxy.sessions(), 0);
    }
}

#[test]
fn the_end_of_the_client_is_mirrored() {
    let Pair { broker, proxy } = pair(Scenario::default(), Scenario::default());
    drop(Client::connect(&proxy));
    assert_eq!(closed(&broker), How::PeerGone);
    let Pair { broker, proxy } = pair(Scenario::default(), Scenario::default());
    let mut client = Client::connect(&proxy);
    let reason = tungstenite::protocol::CloseFrame {
        code: 3001.into(),
        reason: "bye".into(),
    };
    client.ws.close(Some(reason)).expect("closes");
    assert_eq!(closed(&broker), How::Peer { code: Some(3001) });
    let close = |e: &Entry| matches!(&e.what, What::CloseIn { reason, .. } if reason == "bye");
    broker.wait_for(LONG, close).expect("with its reason");
}

const SEND: &str = "SEND\ndestination:/topic/a\n";

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
