//! Peers that leave undone what is awaited of them, or do it without end.

use super::*;

#[test]
fn connects_that_never_speak_are_turned_out_in_time() {
    let mut world = World::new(
        Scenario::builder()
            .bounds(|b| b.handshake = Duration::from_secs(30))
            .build(),
    );
    // Three kinds: no octet; a WebSocket and no frame; half a frame.
    for conn in 1..=10_000 {
        world.tell(Input::Tcp { conn });
    }
    world.open(10_001);
    world.open(10_002);
    world.tell(Input::Message {
        conn: 10_002,
        octets: b"CONNECT\naccept-version:1.2\n",
        binary: false,
    });
    world.connect(10_003, "heart-beat:0,0\n");
    world.pass(Duration::from_secs(29));
    assert_eq!(world.answers(), []);
    // An octet now and then is no frame.
    world.tell(Input::Message {
        conn: 10_002,
        octets: b"h",
        binary: false,
    });
    world.pass(Duration::from_secs(2));
    let answers = world.answers();
    assert_eq!(answers.len(), 10_000);
    assert!(answers.iter().all(|(_, _, status)| *status == 408));
    for conn in [10_001, 10_002] {
        assert_eq!(world.commands(conn), ["ERROR"]);
        let closed = |o: &Output| matches!(o, Output::Close { conn: c, .. } if *c == conn);
        assert!(world.outputs.iter().any(|(_, o)| closed(o)));
    }
    assert_eq!(world.commands(10_003), ["CONNECTED"], "it spoke");
}

#[test]
fn many_mute_connections_hold_nobody_up() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.handshake = Duration::from_millis(500))
            .build(),
    );
    let began = Instant::now();
    let mut mute: Vec<TcpStream> = (0..300).map(|_| tcp(&broker)).collect();
    mute.extend((0..100).map(|_| socket(&broker)));
    serves(&broker);
    for (i, tcp) in mute.into_iter().enumerate() {
        let answer = rest(tcp);
        if i < 300 {
            assert!(answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
        } else {
            assert_eq!(close_code(&answer), 1002);
        }
    }
    assert!(began.elapsed() >= Duration::from_millis(500));
    serves(&broker);
}

#[test]
fn one_who_drips_its_request_is_not_waited_for() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.handshake = Duration::from_millis(300))
            .build(),
    );
    let mut slow = tcp(&broker);
    let writer = slow.try_clone().expect("a second handle");
    let drip = std::thread::spawn(move || {
        let mut writer = writer;
        let octets = b"GET / HTTP/1.1\r\n"
            .iter()
            .chain(b"a: b\r\n".iter().cycle());
        // It ends when the broker has had enough.
        for octet in octets {
            if writer.write_all(&[*octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    serves(&broker);
    let mut answer = [0; 13];
    slow.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408 ");
    drop(slow);
    drip.join().expect("it was turned out");
    serves(&broker);
}

#[test]
fn half_open_peers_come_to_their_end() {
    let broker = start(Scenario::builder().heart_beat(0, 200).build());
    // Its end was heard, its own was never: FIN without Close.
    let tcp = session(&broker);
    tcp.shutdown(Shutdown::Write).expect("it works");
    assert_eq!(rest(tcp), b"");
    // Nothing is heard any more: the heart-beat tells.
    let mut client = Client::connect_as(&broker, "heart-beat:200,0");
    let error = client.expect("ERROR");
    let message = error.header("message").expect("a message");
    assert!(message.starts_with("no heart-beat"), "{message}");
    // Nor is our Close answered: TCP ends all the same.
    let tcp = client.ws.get_ref().try_clone().expect("a second handle");
    std::mem::forget(client);
    rest(tcp);
    serves(&broker);
}

#[test]
fn one_who_never_reads_costs_bounded_memory_and_delays_nobody() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.out = 4 << 20)
            .rule(
                Rule::on(recv("SEND").matching("destination", "/topic/go")).then(act::storm(
                    "/topic/ev",
                    20_000.0,
                    Duration::from_secs(3),
                    1000,
                )),
            )
            .build(),
    );
    let mut stuck: Vec<TcpStream> = (0..5).map(|_| session(&broker)).collect();
    for tcp in &mut stuck {
        pour(
            tcp,
            &frame(0x81, b"SUBSCRIBE\nid:0\ndestination:/topic/ev\n\n\0"),
        );
    }
    broker
        .wait_for_nth(5, LONG, |e| e.is_recv("SUBSCRIBE"))
        .unwrap();
    let before = memory();
    let mut other = Client::connect(&broker);
    other.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/other\n\n");
    other.send("SEND\ndestination:/topic/go\n\nx");
    let slow =
        |e: &Entry| matches!(e.note(), Some(Note::SlowConsumer { waiting }) if *waiting >= 4 << 20);
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let asked = Instant::now();
        other.send("SEND\ndestination:/topic/other\n\nx");
        other.expect("MESSAGE");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    broker.wait_for_nth(5, LONG, slow).unwrap();
    if let (Some(before), Some(after)) = (before, memory()) {
        let grown = after.saturating_sub(before);
        // Five times the bound, the transcript's, and what tests beside this
        // one take.
        assert!(grown < 600 << 20, "{grown}");
    }
    serves(&broker);
}

#[test]
fn a_storm_of_a_million_events_is_bounded() {
    let broker = start(
        Scenario::builder()
            .bounds(|b| b.out = 1 << 20)
            .rule(
                Rule::on(recv("SEND").matching("destination", "/topic/go")).then(act::storm(
                    "/topic/ev",
                    1e6,
                    Duration::from_secs(1),
                    10,
                )),
            )
            .build(),
    );
    let mut reader = Client::connect(&broker);
    reader.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/ev\n\n");
    let mut other = Client::connect(&broker);
    other.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/other\n\n");
    other.send("SEND\ndestination:/topic/go\n\nx");
    // Who cannot keep up is told so by a reset; the others have their turn.
    for n in 0..20 {
        other.send(&format!("SEND\ndestination:/topic/other\n\n{n}"));
        assert_eq!(other.expect("MESSAGE").text(), Some(&*n.to_string()));
    }
    drop(reader);
    serves(&broker);
}

#[test]
fn transactions_and_suspensions_are_bounded_in_octets() {
    let mut world = World::new(Scenario::default());
    world.connect(1, "");
    world.say(1, "BEGIN\ntransaction:t\n\n");
    let body = "x".repeat(15 << 20);
    for _ in 0..18 {
        world.say(
            1,
            &format!("SEND\ndestination:/topic/a\ntransaction:t\n\n{body}"),
        );
    }
    let frames = world.frames(1);
    let (_, last) = frames.last().expect("a frame");
    assert_eq!(last.header("message"), Some("transaction is too large"));
}

#[test]
fn a_script_that_feeds_itself_is_cut_short() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(on::marked("a")).then(act::mark("b")))
            .rule(Rule::on(on::marked("b")).then(act::mark("a")))
            .rule(Rule::on(on::connected()).conn(1).then(act::mark("a")))
            .build(),
    );
    Client::connect(&broker);
    broker
        .wait_for(LONG, |e| matches!(e.note(), Some(Note::ScriptLoop)))
        .unwrap();
    serves(&broker);
}
