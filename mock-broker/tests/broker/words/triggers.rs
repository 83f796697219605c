//! When rules fire.

use super::*;
use hobnail_mock_broker::How;

pub(super) const SHOWN: &[Shown] = &[
    (
        &[
            "on: tcp",
            "on: upgrade",
            "on: open",
            "on: connected",
            "on: disconnect",
            "on: closed",
        ],
        stages_fire_in_the_order_of_a_session,
    ),
    (
        &["on: recv", "on: nth", "on: match"],
        a_frame_that_comes_is_chosen,
    ),
    (&["on: send"], a_frame_that_leaves_is_chosen),
    (&["on: every"], every_counts_frames_or_time),
    (&["on: after", "on: of"], a_span_counts_from_what_it_says),
    (
        &["on: frames_in", "on: frames_out", "on: bytes_out"],
        counters_fire_once_where_they_stand,
    ),
    (
        &["on: idle"],
        an_idle_connection_is_noticed_until_an_octet_comes,
    ),
    (&["on: hb-due"], a_heart_beat_about_to_leave_is_noticed),
    (&["on: token-expired"], the_end_of_a_token_is_noticed),
    (
        &["on: overlap"],
        a_second_session_of_one_identity_is_noticed,
    ),
    (&["on: signal", "on: mark"], signals_and_marks_fire),
    (
        &[
            "rule: on",
            "rule: do",
            "rule: id",
            "rule: about",
            "scenario: rules",
        ],
        stages_fire_in_the_order_of_a_session,
    ),
    (&["rule: conn"], a_rule_is_for_the_connections_it_names),
    (&["rule: times"], a_rule_fires_so_often),
    (
        &["rule: p", "scenario: seed"],
        a_rule_fires_with_its_probability,
    ),
    (&["rule: state", "rule: goto"], a_rule_belongs_to_a_state),
];

#[test]
fn stages_fire_in_the_order_of_a_session() {
    let raw = |word: &str| format!(r#"{{"raw":{{"text":"{word}","ws":"stream"}}}}"#);
    let mut world = session(&format!(
        r#"{{"id":"a","about":"words","conn":1,"on":"tcp","do":[{}]}},
           {{"conn":1,"on":"upgrade","do":[{}]}}, {{"conn":1,"on":"open","do":[{}]}},
           {{"conn":1,"on":"connected","do":[{}]}}, {{"conn":1,"on":"disconnect","do":[{}]}},
           {{"conn":1,"on":"closed","do":[{{"storm":{{"dest":"/topic/a","rate":1,"for":"1s"}}}}]}}"#,
        raw("tcp"),
        raw("upgrade"),
        says("open"),
        says("connected"),
        says("disconnect"),
    ));
    world.say(1, "DISCONNECT\nreceipt:bye\n\n");
    let shown = |output: &Output| {
        if let Output::Stream { octets, .. } = output {
            return String::from_utf8_lossy(octets).into_owned();
        }
        format!("101 {}", matches!(output, Output::Accept { .. }))
    };
    let first: Vec<String> = world.outputs[..3].iter().map(|(_, o)| shown(o)).collect();
    assert_eq!(first, ["tcp", "upgrade", "101 true"]);
    let frames = world.frames(1).into_iter().map(|(_, f)| f);
    let frames: Vec<String> = frames
        .map(|f| f.header("says").unwrap_or(&f.command).to_owned())
        .collect();
    assert_eq!(
        frames,
        ["open", "CONNECTED", "connected", "disconnect", "RECEIPT"]
    );
    world.connect(2, "");
    subscribe(&mut world, 2);
    assert_eq!(texts(&world, 2).len(), 0);
    world.tell(Input::Closed {
        conn: 1,
        how: &How::Fin,
    });
    assert_eq!(
        texts(&world, 2).len(),
        1,
        "the end of 1 let the storm loose"
    );
}

#[test]
fn a_frame_that_comes_is_chosen() {
    let mut world = session(&format!(
        r#"{{"on":{{"recv":"SEND","nth":2,"match":{{"destination":"/topic/a*","k":"?"}}}},"do":[{}]}},
           {{"on":{{"recv":"S*"}},"do":[{}]}}"#,
        says("second"),
        says("any"),
    ));
    let sends = [
        ("/topic/a1", "x"),
        ("/queue/a", "x"),
        ("/topic/a2", "xx"),
        ("/topic/a3", "y"),
        ("/topic/a4", "z"),
    ];
    for (to, k) in sends {
        world.say(1, &format!("SEND\ndestination:{to}\nk:{k}\n\n"));
    }
    let expected = ["any", "any", "any", "second", "any", "any"];
    assert_eq!(words_said(&world, 1), expected);
}

#[test]
fn a_frame_that_leaves_is_chosen() {
    let mut world = reader(&format!(
        r#"{{"on":{{"send":"MESSAGE","nth":2,"match":{{"n":"*"}}}},"do":["drop",{}]}}"#,
        says("instead"),
    ));
    for body in ["a", "b", "c"] {
        publish(&mut world, "/topic/a", body);
    }
    assert_eq!(texts(&world, 1), ["a", "", "c"]);
    assert_eq!(words_said(&world, 1), ["instead"]);
}

#[test]
fn every_counts_frames_or_time() {
    let mut world = session(&format!(
        r#"{{"on":{{"recv":"SEND","every":3}},"do":[{}]}}, {{"on":{{"every":"2s"}},"do":[{}]}}"#,
        says("third"),
        says("tick"),
    ));
    for _ in 0..7 {
        world.say(1, "SEND\ndestination:/topic/a\n\n");
    }
    assert_eq!(words_said(&world, 1), ["third", "third"]);
    world.pass(5 * SECOND);
    let ticks = said(&world, 1).split_off(2);
    let ticks: Vec<Duration> = ticks.into_iter().map(|(at, _)| at).collect();
    assert_eq!(ticks, [2 * SECOND, 4 * SECOND]);
}

#[test]
fn a_span_counts_from_what_it_says() {
    let rule = |of: &str| {
        format!(
            r#"{{"on":{{"after":"10s","of":"{of}"}},"do":[{}]}}"#,
            says(of)
        )
    };
    let json = format!(
        r#"{{"broker":{{"heart-beat":"0,0"}},"rules":[{},{},{},{},{},
            {{"on":{{"after":"10s"}},"do":[{}]}},
            {{"on":{{"recv":"SEND"}},"do":[{{"mark":"here"}}]}}]}}"#,
        rule("start"),
        rule("tcp"),
        rule("open"),
        rule("connected"),
        rule("here"),
        says("default"),
    );
    let mut world = world(&json);
    world.pass(SECOND);
    world.tell(Input::Tcp { conn: 1 });
    world.pass(SECOND);
    let request = hobnail_mock_broker::http::Request::upgrade("/stomp", &["v12.stomp"]);
    world.tell(Input::Request {
        conn: 1,
        request: &request,
    });
    world.pass(SECOND);
    world.say(1, "CONNECT\naccept-version:1.2\nhost:h\n\n");
    world.pass(SECOND);
    world.say(1, "SEND\ndestination:/topic/a\n\n");
    world.pass(60 * SECOND);
    let expected = [
        (10, "start"),
        (11, "tcp"),
        (12, "open"),
        (13, "connected"),
        (13, "default"),
        (14, "here"),
    ]
    .map(|(s, word)| (s * SECOND, word.to_owned()));
    assert_eq!(said(&world, 1), expected);
}

#[test]
fn counters_fire_once_where_they_stand() {
    let mut world = session(&format!(
        r#"{{"on":{{"frames_in":3}},"do":[{}]}}, {{"on":{{"frames_out":3}},"do":[{}]}},
           {{"on":{{"bytes_out":"1KiB"}},"do":[{}]}}"#,
        says("in"),
        says("out"),
        says("bytes"),
    ));
    // CONNECT and CONNECTED are the first.
    let mut seen = Vec::new();
    for n in 2..=60 {
        world.say(1, &format!("SEND\ndestination:/topic/a\nreceipt:{n}\n\n"));
        let octets: usize = messages(&world, 1).iter().map(|(o, _, _)| o.len()).sum();
        seen.push((n, octets, words_said(&world, 1)));
    }
    let first = |word: &str| {
        seen.iter()
            .find(|(_, _, words)| words.iter().any(|w| w == word))
    };
    assert_eq!(first("in").map(|s| s.0), Some(3));
    // The word of "in" is the third or fourth frame that leaves.
    assert_eq!(first("out").map(|s| s.0), Some(3));
    let octets = first("bytes").map_or(0, |s| s.1);
    assert!((1024..1200).contains(&octets), "{octets}");
    assert_eq!(words_said(&world, 1).len(), 3, "each of them once");
}

#[test]
fn an_idle_connection_is_noticed_until_an_octet_comes() {
    let mut world = session(&format!(
        r#"{{"on":{{"idle":"10s"}},"do":[{{"log":"idle"}}]}},
        {{"on":{{"idle":"25s"}},"do":[{}]}}"#,
        says("still")
    ));
    world.pass(9 * SECOND);
    world.tell(Input::Alive { conn: 1 });
    world.pass(24 * SECOND);
    assert_eq!(words_said(&world, 1), [""; 0], "an octet came after 9 s");
    world.pass(2 * SECOND);
    assert_eq!(said(&world, 1)[0], (34 * SECOND, "still".to_owned()));
    world.pass(30 * SECOND);
    assert_eq!(
        said(&world, 1)[1].0,
        59 * SECOND,
        "its own octets count, too"
    );
}

#[test]
fn a_heart_beat_about_to_leave_is_noticed() {
    let rule = format!(
        r#"{{"on":"hb-due","times":1,"do":["drop",{}]}}"#,
        says("no beat")
    );
    let json = format!(r#"{{"broker":{{"heart-beat":"1000,0"}},"rules":[{rule}]}}"#);
    let mut world = world(&json);
    world.connect(1, "heart-beat:0,1000\n");
    world.pass(SECOND);
    assert_eq!(said(&world, 1), [(SECOND * 4 / 5, "no beat".to_owned())]);
    assert_eq!(world.beats(1), [SECOND; 0]);
    world.pass(SECOND);
    assert_eq!(world.beats(1), [SECOND * 8 / 5]);
}

#[test]
fn the_end_of_a_token_is_noticed() {
    let rule = format!(
        r#"{{"on":"token-expired","do":["drop",{}]}}"#,
        says("let it be")
    );
    let json = format!(
        r#"{{"broker":{{"heart-beat":"0,0","auth":{{"bearer":{{"ttl":"7s"}}}}}},"rules":[{rule}]}}"#
    );
    let mut world = world(&json);
    world.connect(1, "passcode:t\n");
    world.pass(60 * SECOND);
    assert_eq!(said(&world, 1), [(7 * SECOND, "let it be".to_owned())]);
    assert_eq!(world.commands(1), ["CONNECTED", "MESSAGE"]);
}

#[test]
fn a_second_session_of_one_identity_is_noticed() {
    let rule = format!(r#"{{"on":"overlap","do":[{}]}}"#, says("again"));
    let json = format!(r#"{{"broker":{{"heart-beat":"0,0"}},"rules":[{rule}]}}"#);
    let mut world = world(&json);
    world.connect(1, "login:alice\n");
    world.connect(2, "login:bob\n");
    world.connect(3, "login:alice\n");
    assert_eq!(words_said(&world, 1), [""; 0]);
    assert_eq!(words_said(&world, 2), [""; 0]);
    assert_eq!(words_said(&world, 3), ["again"]);
}

#[test]
fn signals_and_marks_fire() {
    let mut world = session(&format!(
        r#"{{"on":{{"signal":"go"}},"do":[{},{{"mark":"gone"}}]}},
           {{"on":{{"mark":"gone"}},"do":[{}]}}"#,
        says("signal"),
        says("mark"),
    ));
    world.tell(Input::Signal("come"));
    assert_eq!(words_said(&world, 1), [""; 0]);
    world.tell(Input::Signal("go"));
    assert_eq!(words_said(&world, 1), ["signal", "mark"]);
}

#[test]
fn a_rule_is_for_the_connections_it_names() {
    for (conns, expected) in [
        ("2", vec![2]),
        (r#""2+""#, vec![2, 3, 4, 5]),
        (r#""2..3""#, vec![2, 3]),
        (r#""odd""#, vec![1, 3, 5]),
        (r#""even""#, vec![2, 4]),
        (r#""any""#, vec![1, 2, 3, 4, 5]),
    ] {
        let rule = format!(
            r#"{{"conn":{conns},"on":"connected","do":[{}]}}"#,
            says("here")
        );
        let mut world = world(&format!(r#"{{"rules":[{rule}]}}"#));
        for conn in 1..=5 {
            world.connect(conn, "");
        }
        let met: Vec<u64> = (1..=5)
            .filter(|conn| words_said(&world, *conn) == ["here"])
            .collect();
        assert_eq!(met, expected, "{conns}");
    }
}

#[test]
fn a_rule_fires_so_often() {
    for (times, expected) in [("2", 2), (r#""inf""#, 5), ("0", 0)] {
        let rule = format!(
            r#"{{"times":{times},"on":{{"recv":"SEND"}},"do":[{}]}}"#,
            says("x")
        );
        let mut world = session(&rule);
        for _ in 0..5 {
            world.say(1, "SEND\ndestination:/topic/a\n\n");
        }
        assert_eq!(words_said(&world, 1).len(), expected, "{times}");
    }
}

#[test]
fn a_rule_fires_with_its_probability() {
    let run = |seed: u64, p: &str| {
        let rule = format!(r#"{{"p":{p},"on":{{"send":"RECEIPT"}},"do":["drop"]}}"#);
        let json = format!(r#"{{"seed":{seed},"rules":[{rule}]}}"#);
        let mut world = world(&json);
        world.connect(1, "");
        for n in 0..400 {
            world.say(1, &format!("SEND\ndestination:/topic/a\nreceipt:{n}\n\n"));
        }
        let receipts = world.frames(1).into_iter().skip(1);
        receipts
            .filter_map(|(_, f)| Some(f.header("receipt-id")?.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1, "0").len(), 400);
    assert_eq!(run(1, "1").len(), 0);
    let some = run(1, "0.25");
    assert!((240..=350).contains(&some.len()), "{}", some.len());
    assert_eq!(run(1, "0.25"), some, "the seed repeats it");
    assert_ne!(run(2, "0.25"), some);
}

#[test]
fn a_rule_belongs_to_a_state() {
    let mut world = session(&format!(
        r#"{{"state":"start","on":{{"recv":"SEND"}},"do":[{}],"goto":"warm"}},
           {{"state":"warm","on":{{"recv":"SEND"}},"do":[{}],"goto":"end"}}"#,
        says("first"),
        says("then"),
    ));
    for _ in 0..4 {
        world.say(1, "SEND\ndestination:/topic/a\n\n");
    }
    assert_eq!(words_said(&world, 1), ["first", "then"]);
    // Each connection has a state of its own.
    world.connect(2, "");
    world.say(2, "SEND\ndestination:/topic/a\n\n");
    assert_eq!(words_said(&world, 2), ["first"]);
}
