//! Each fault, as it looks on the wire.

use crate::support::{Client, End, LONG, QUIET, start, tcp};
use hobnail_mock_broker::script::{Between, Direction, Kind, Order, RawAs};
use hobnail_mock_broker::{Frame, How, Rule, Scenario, What, act, on, recv, sending};
use std::io::Read;
use std::time::{Duration, Instant};
use tungstenite::Message;

fn with(rule: Rule) -> hobnail_mock_broker::MockBroker {
    start(Scenario::builder().rule(rule).build())
}

const RECEIPT: &str = "SEND\ndestination:/topic/a\nreceipt:";

#[test]
fn a_frame_is_split_over_messages_at_every_octet() {
    let broker = with(Rule::on(on::open()).then(act::split_every(1)));
    let client = Client::connect(&broker);
    assert!(client.messages.len() > 50);
    assert!(client.messages.iter().all(|m| m.len() == 1));
}

#[test]
fn a_split_inside_of_a_character_goes_as_binary() {
    let broker = with(Rule::on(sending("MESSAGE")).then(act::split_at(&[-2]).next(1)));
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    client.confirmed("SEND\ndestination:/topic/a\n\n\u{e9}");
    assert_eq!(client.expect("MESSAGE").text(), Some("\u{e9}"));
    let n = client.messages.len();
    assert!(client.messages[n - 3..].iter().any(Message::is_binary));
}

#[test]
fn a_message_is_fragmented_around_pings() {
    let broker = with(Rule::on(on::open()).then(act::frag_at(&[3, 9, 10]).ping_between()));
    let client = Client::connect(&broker);
    assert_eq!(client.messages.len(), 4, "three pings and one message");
    assert_eq!(client.pings, 3);
    broker
        .wait_for_nth(3, LONG, |e| matches!(e.what, What::Pong(_)))
        .unwrap();
    let broker = with(Rule::on(on::open()).then(act::frag_every(2).between(Between::Empty)));
    Client::connect(&broker);
}

#[test]
fn frames_are_joined_in_one_message() {
    let broker = with(Rule::on(on::connected()).then(act::join(3, QUIET)));
    let mut client = Client::connect(&broker);
    for i in 0..4 {
        client.send(&format!("{RECEIPT}{i}\n\n"));
    }
    for i in 0..4 {
        assert_eq!(
            client.expect("RECEIPT").header("receipt-id"),
            Some(i.to_string().as_str())
        );
    }
    assert_eq!(
        client.messages.len(),
        3,
        "CONNECTED, three in one, the rest after a while"
    );
}

#[test]
fn message_types_change() {
    let broker = with(Rule::on(on::open()).then(act::message_type(Kind::Mixed)));
    let mut client = Client::connect(&broker);
    client.confirmed("SEND\ndestination:/topic/a\n\n");
    assert!(client.messages[0].is_text() && client.messages[1].is_binary());
}

#[test]
fn octets_drip() {
    let gap = Duration::from_millis(2);
    let broker = with(Rule::on(on::open()).then(act::drip(4, gap).next(1)));
    let begin = Instant::now();
    let mut client = Client::connect(&broker);
    assert!(begin.elapsed() > 20 * gap, "CONNECTED has some 100 octets");
    client.confirmed("SEND\ndestination:/topic/a\n\n");
}

#[test]
fn the_connection_ends_in_every_way() {
    for (action, end, how) in [
        (
            act::close(1012, "restart"),
            End::Close(Some(1012)),
            How::Broker {
                code: 1012,
                answered: true,
            },
        ),
        (act::fin(), End::Lost, How::Fin),
        (act::rst(), End::Lost, How::Rst),
    ] {
        let broker = with(Rule::on(recv("SEND")).then(act::pass()).then(action));
        let mut client = Client::connect(&broker);
        client.send(&format!("{RECEIPT}1\n\n"));
        assert_eq!(client.ended(), end);
        let closed = broker
            .wait_for(LONG, |e| matches!(e.what, What::Closed(_)))
            .unwrap();
        assert_eq!(closed.what, What::Closed(how));
    }
}

#[test]
fn the_connection_drops_in_the_middle_of_a_frame() {
    let broker = with(Rule::on(sending("RECEIPT")).then(act::fin_after(5)));
    let mut tcp = tcp(&broker);
    crate::handshake::exchange(&mut tcp, &[]);
    let masked = |text: &str| {
        let mut wire = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        wire.extend_from_slice(text.as_bytes());
        wire
    };
    use std::io::Write;
    tcp.write_all(&masked("CONNECT\naccept-version:1.2\nhost:h\n\n\0"))
        .unwrap();
    tcp.write_all(&masked(&format!("{RECEIPT}1\n\n\0")))
        .unwrap();
    let mut all = Vec::new();
    tcp.read_to_end(&mut all).unwrap();
    assert!(
        all.ends_with(b"REC"),
        "two octets of head, three of RECEIPT"
    );
    broker
        .wait_for(LONG, |e| e.what == What::Closed(How::Fin))
        .unwrap();
    assert_eq!(broker.sessions(), 0);
}

#[test]
fn receipts_are_lost_late_and_doubled() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(sending("RECEIPT").nth(1)).then(act::drop_it()))
            .rule(
                Rule::on(sending("RECEIPT").nth(2))
                    .then(act::delay(QUIET))
                    .then(act::pass()),
            )
            .rule(
                Rule::on(sending("RECEIPT").nth(3))
                    .then(act::dup(2))
                    .then(act::pass()),
            )
            .build(),
    );
    let mut client = Client::connect(&broker);
    for i in 1..=4 {
        client.send(&format!("{RECEIPT}{i}\n\n"));
    }
    let got: Vec<String> = (0..4)
        .map(|_| {
            client
                .expect("RECEIPT")
                .header("receipt-id")
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(got, ["3", "3", "4", "2"]);
    client.assert_quiet();
}

#[test]
fn frames_are_held_reordered_changed_and_damaged() {
    let of = |n: &str| sending("MESSAGE").matching("n", n);
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(of("1")).then(act::hold("h")))
            .rule(Rule::on(of("2")).then(act::hold("h")))
            .rule(
                Rule::on(of("3"))
                    .then(act::hold("h"))
                    .then(act::release("h", Order::Positions(vec![2, 0]))),
            )
            .rule(
                Rule::on(of("4"))
                    .then(act::set("n", "four"))
                    .then(act::unset("content-type")),
            )
            .rule(Rule::on(of("5")).then(act::pad(10, 1000)))
            .rule(
                Rule::on(of("6"))
                    .then(act::corrupt(hobnail_mock_broker::script::Corrupt::StripNul)),
            )
            .build(),
    );
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    for n in 1..=6 {
        let head = "SEND\ndestination:/topic/a\ncontent-type:text/plain";
        client.send(&format!("{head}\nn:{n}\n\n"));
    }
    let mut n = || client.expect("MESSAGE").header("n").unwrap().to_owned();
    assert_eq!([n(), n(), n(), n()], ["3", "1", "2", "four"]);
    let padded = client.expect("MESSAGE");
    assert_eq!(
        (padded.body.len(), padded.header("pad-9")),
        (1000, Some("x"))
    );
    client.assert_quiet();
}

#[test]
fn raw_octets_and_frames_of_the_script() {
    let broker = start(
        Scenario::builder()
            .rule(
                Rule::on(on::signal("go"))
                    .then(act::raw("MESSAGE\nk:", RawAs::Text))
                    .then(act::raw(&b"v\n\nx\0"[..], RawAs::Binary))
                    .then(act::send(Frame::new("MESSAGE").body("hi")))
                    .then(act::ping("p"))
                    .then(act::raw(
                        "HTTP/1.1 502 Bad Gateway\r\n".repeat(9),
                        RawAs::Stream,
                    )),
            )
            .build(),
    );
    let mut client = Client::connect(&broker);
    broker.signal("go");
    assert_eq!(client.expect("MESSAGE").header("k"), Some("v"));
    assert_eq!(client.expect("MESSAGE").header("content-length"), Some("2"));
    assert_eq!(client.ended(), End::Lost, "HTTP is no WebSocket");
    assert_eq!(client.pings, 1);
}

#[test]
fn a_black_hole_keeps_tcp_and_heals() {
    let broker = start(
        Scenario::builder()
            .heart_beat(20, 20)
            .rule(Rule::on(recv("SEND").nth(1)).then(act::blackhole_for(
                Direction::Both,
                Duration::from_millis(1500),
            )))
            .build(),
    );
    let mut client = Client::connect_as(&broker, "heart-beat:20,0");
    client.send(&format!("{RECEIPT}1\n\n"));
    client.send(&format!("{RECEIPT}2\n\n"));
    client.assert_quiet();
    let receive = |e: &hobnail_mock_broker::Entry| e.is_recv("SEND");
    assert!(
        broker.wait_for_nth(2, Duration::ZERO, receive).is_err(),
        "nothing is read"
    );
    client.expect("RECEIPT");
    client.expect("RECEIPT");
}

#[test]
fn heart_beats_come_stop_and_change() {
    let broker = start(
        Scenario::builder()
            .heart_beat(50, 0)
            .rule(Rule::on(on::signal("nul")).then(act::beats_as(b"\0")))
            .rule(Rule::on(on::signal("stop")).then(act::beats_stop()))
            .build(),
    );
    let mut client = Client::connect_as(&broker, "heart-beat:0,20");
    let deadline = Instant::now() + LONG;
    while client.messages.len() < 4 {
        assert!(client.read(deadline));
    }
    assert_eq!(client.messages[3], Message::text("\n"));
    broker.signal("nul");
    while client.messages.last() != Some(&Message::text("\0")) {
        assert!(client.read(deadline));
    }
    broker.signal("stop");
    broker
        .wait_for(
            LONG,
            |e| matches!(&e.what, What::Fault(f) if f.contains("Stop")),
        )
        .unwrap();
    while client.read(Instant::now() + QUIET) {}
    let n = client.messages.len();
    client.assert_quiet();
    assert_eq!(client.messages.len(), n);
}

#[test]
fn a_silent_client_is_given_up_and_a_living_one_is_not() {
    let broker = start(Scenario::builder().heart_beat(0, 100).build());
    let mut silent = Client::connect_as(&broker, "heart-beat:100,0");
    let mut exempt = Client::connect_as(&broker, "heart-beat:0,0");
    assert!(
        silent
            .expect("ERROR")
            .header("message")
            .unwrap()
            .contains("heart-beat")
    );
    assert_eq!(silent.ended(), End::Close(Some(1002)));
    exempt.confirmed("SEND\ndestination:/topic/a\n\n");
    let lost = |e: &hobnail_mock_broker::Entry| {
        matches!(e.note(), Some(hobnail_mock_broker::Note::HeartBeatLost { silent })
            if *silent >= Duration::from_millis(1100))
    };
    broker.wait_for(LONG, lost).unwrap();
}

#[test]
fn pongs_are_muted() {
    let broker = with(Rule::on(on::open()).then(act::mute_pong()));
    let mut client = Client::connect(&broker);
    client.ws.send(Message::Ping("x".into())).unwrap();
    broker
        .wait_for(LONG, |e| matches!(e.what, What::Ping(_)))
        .unwrap();
    client.confirmed("SEND\ndestination:/topic/a\n\n");
    assert!(!client.messages.iter().any(Message::is_pong));
}

#[test]
fn a_storm_blows_at_its_rate() {
    let span = Duration::from_millis(500);
    let rule = Rule::on(recv("SUBSCRIBE"))
        .then(act::pass())
        .then(act::storm("/topic/ev", 400.0, span, 10..=300).burst(20));
    let broker = with(rule);
    let mut client = Client::connect(&broker);
    let begin = Instant::now();
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/ev\n\n");
    for i in 1..=200 {
        let m = client.expect("MESSAGE");
        assert_eq!(m.header("seq"), Some(i.to_string().as_str()));
        assert!((10..=300).contains(&m.body.len()));
    }
    assert!(begin.elapsed() >= span - Duration::from_millis(60));
    client.assert_quiet();
}

#[test]
fn marks_trigger_other_rules_but_not_for_ever() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(recv("SEND")).then(act::mark("a")))
            .rule(Rule::on(on::marked("a")).then(act::mark("b")))
            .rule(Rule::on(on::marked("b")).then(act::mark("a")))
            .build(),
    );
    let mut client = Client::connect(&broker);
    client.confirmed("SEND\ndestination:/topic/a\n\n");
    let looped =
        |e: &hobnail_mock_broker::Entry| e.note() == Some(&hobnail_mock_broker::Note::ScriptLoop);
    broker.wait_for(LONG, looped).unwrap();
}

#[test]
fn counting_and_timed_triggers_fire() {
    let ms = Duration::from_millis;
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(on::frames_in(3)).then(act::mark("in")))
            .rule(Rule::on(on::frames_out(2)).then(act::mark("out")))
            .rule(Rule::on(on::bytes_out(300)).then(act::mark("bytes")))
            .rule(Rule::on(on::after(ms(20))).then(act::mark("after")))
            .rule(
                Rule::on(on::every(ms(20)))
                    .times(3)
                    .then(act::mark("every")),
            )
            .rule(Rule::on(on::disconnect()).then(act::mark("disconnect")))
            .rule(Rule::on(on::closed()).then(act::mark("closed")))
            .rule(Rule::on(recv("SEND").every(2)).then(act::mark("second")))
            .build(),
    );
    let mut client = Client::connect(&broker);
    for _ in 0..20 {
        client.confirmed(&format!(
            "SEND\ndestination:/topic/a\nx:{}\n\n",
            "x".repeat(40)
        ));
    }
    broker.wait_for(LONG, |e| e.is_mark("after")).unwrap();
    broker
        .wait_for_nth(3, LONG, |e| e.is_mark("every"))
        .unwrap();
    client.send("DISCONNECT\nreceipt:r\n\n");
    client.expect("RECEIPT");
    client.ended();
    broker.wait_for(LONG, |e| e.is_mark("closed")).unwrap();
    let entries = broker.transcript();
    let count = |name: &str| entries.iter().filter(|e| e.is_mark(name)).count();
    for (name, n) in [
        ("in", 1),
        ("out", 1),
        ("bytes", 1),
        ("after", 1),
        ("every", 3),
        ("disconnect", 1),
        ("closed", 1),
    ] {
        assert_eq!(count(name), n, "{name}");
    }
    assert_eq!(count("second"), 10);
}
