//! Sessions, storms, and the flow of the script itself.

use super::*;

pub(super) const SHOWN: &[Shown] = &[
    (&["do: rebind"], a_connect_on_a_live_session_is_let_in),
    (&["do: kick"], the_older_session_is_kicked),
    (&["do: expire"], a_token_is_ended),
    (
        &[
            "do: storm",
            "storm: dest",
            "storm: rate",
            "storm: for",
            "storm: size",
            "storm: burst",
        ],
        a_storm_blows,
    ),
    (
        &[
            "storm: kind",
            "storm kind: queue",
            "storm kind: user",
            "storm kind: conversation",
        ],
        a_storm_tells_of_a_kind,
    ),
    (&["do: silence"], a_destination_falls_silent),
    (&["do: goto"], a_state_is_entered),
    (&["do: mark", "do: log", "do: fail"], words_are_written_down),
    (
        &["do: seq", "do: pick"],
        lists_are_taken_in_turn_or_by_the_seed,
    ),
];

fn bearer(rules: &str) -> World {
    world(&format!(
        r#"{{"broker":{{"heart-beat":"0,0","auth":{{"bearer":{{"ttl":"60s"}}}}}},"rules":[{rules}]}}"#
    ))
}

#[test]
fn a_connect_on_a_live_session_is_let_in() {
    let mut world = bearer(r#"{"on":{"recv":"CONNECT","nth":2},"do":[{"rebind":true}]}"#);
    world.connect(1, "passcode:a\n");
    subscribe(&mut world, 1);
    let again = "CONNECT\naccept-version:1.2\nhost:h\npasscode:b\n\n";
    world.say(1, again);
    assert_eq!(world.commands(1), ["CONNECTED", "CONNECTED"]);
    publish(&mut world, "/topic/a", "kept");
    assert_eq!(
        texts(&world, 1),
        ["kept"],
        "the subscriptions are the user's"
    );
    // The bare word is the same; without it the session ends.
    world.say(1, again);
    assert_eq!(code(&world, 1).as_deref(), Some("409"));
}

#[test]
fn the_older_session_is_kicked() {
    let mut world = world(
        r#"{"broker":{"heart-beat":"0,0","single-session":true},"rules":[{"on":"overlap","do":["kick","rebind"]}]}"#,
    );
    world.connect(1, "login:alice\n");
    world.connect(2, "login:bob\n");
    world.connect(3, "login:alice\n");
    assert_eq!(when(&world, |o| *o == Output::Fin { conn: 1 }).len(), 1);
    assert_eq!(when(&world, |o| *o == Output::Fin { conn: 2 }).len(), 0);
    assert_eq!(world.commands(3), ["CONNECTED"]);
}

#[test]
fn a_token_is_ended() {
    let mut world = bearer(
        r#"{"on":{"signal":"one"},"times":1,"do":[{"expire":"a"}]}, {"on":{"signal":"all"},"times":1,"do":[{"expire":"all"}]}"#,
    );
    for (conn, token) in [(1, "a"), (2, "b"), (3, "c")] {
        world.connect(conn, &format!("login:u{conn}\npasscode:{token}\n"));
    }
    let codes = |world: &World| [1, 2, 3].map(|conn| code(world, conn));
    let ended = || Some("401".to_owned());
    world.tell(Input::Signal("one"));
    assert_eq!(codes(&world), [ended(), None, None]);
    world.tell(Input::Signal("all"));
    assert_eq!(codes(&world), [ended(), ended(), ended()]);
}

#[test]
fn a_storm_blows() {
    let mut world = session(
        r#"{"on":{"recv":"SUBSCRIBE"},"do":["pass",
            {"storm":{"dest":"/topic/a","rate":10,"for":"4s","size":"100..200","burst":5}}]}"#,
    );
    subscribe(&mut world, 1);
    world.pass(60 * SECOND);
    let all = bodies(&world, 1);
    assert_eq!(all.len(), 40);
    let sizes: BTreeSet<usize> = all.iter().map(|(_, b)| b.len()).collect();
    assert!(
        sizes.len() > 10 && sizes.iter().all(|n| (100..=200).contains(n)),
        "{sizes:?}"
    );
    let bursts: Vec<f64> = all.chunks(5).map(|c| c[0].0.as_secs_f64()).collect();
    assert_eq!(bursts, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]);
    assert!(all.chunks(5).all(|c| c.iter().all(|(at, _)| *at == c[0].0)));
}

#[test]
fn a_storm_tells_of_a_kind() {
    for (kind, event) in [
        ("queue", "queue.metrics"),
        ("user", "user.state"),
        ("conversation", "conversation.update"),
    ] {
        let mut world = session(&format!(
            r#"{{"on":{{"recv":"SUBSCRIBE"}},"do":["pass",
                {{"storm":{{"dest":"/topic/a","rate":1,"for":"1s","kind":"{kind}"}}}}]}}"#
        ));
        subscribe(&mut world, 1);
        let body = texts(&world, 1).remove(0);
        let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(json["eventType"], event);
    }
}

#[test]
fn a_destination_falls_silent() {
    let mut world = reader(r#"{"on":{"recv":"BEGIN"},"do":[{"silence":"/topic/*","for":"5s"}]}"#);
    world.say(1, "BEGIN\ntransaction:t\n\n");
    world.say(1, "SUBSCRIBE\nid:q\ndestination:/queue/a\n\n");
    for body in ["lost", "heard"] {
        publish(&mut world, "/topic/a", body);
        publish(&mut world, "/queue/a", body);
        world.pass(6 * SECOND);
    }
    assert_eq!(
        texts(&world, 1),
        ["lost", "heard", "heard"],
        "the queue is never silent"
    );
}

#[test]
fn a_state_is_entered() {
    let mut world = session(&format!(
        r#"{{"on":{{"recv":"BEGIN"}},"do":[{{"goto":"deaf"}}]}},
           {{"state":"deaf","on":{{"recv":"SEND"}},"do":["drop",{}]}}"#,
        says("deaf"),
    ));
    world.say(1, "SEND\ndestination:/topic/a\nreceipt:1\n\n");
    world.say(1, "BEGIN\ntransaction:t\n\n");
    world.say(1, "SEND\ndestination:/topic/a\nreceipt:2\n\n");
    assert_eq!(world.commands(1), ["CONNECTED", "RECEIPT", "MESSAGE"]);
}

#[test]
fn words_are_written_down() {
    let json = r#"{"rules":[{"on":"connected","do":[{"mark":"here"},{"log":"port {port}"},{"fail":"so it is"}]}]}"#;
    let mut world = World::new(scenario(json));
    world.engine.set_port(4711);
    world.connect(1, "");
    let lines: Vec<String> = world
        .engine
        .transcript()
        .iter()
        .map(|e| e.what.to_string())
        .collect();
    for words in ["mark here", "port 4711", "so it is"] {
        assert!(
            lines.iter().any(|l| l.contains(words)),
            "{words}: {lines:?}"
        );
    }
}

#[test]
fn lists_are_taken_in_turn_or_by_the_seed() {
    let run = |seed: u64, verb: &str| {
        let json = format!(
            r#"{{"seed":{seed},"rules":[{{"on":{{"recv":"SEND"}},"do":[{{"{verb}":[[{}],[{}],[{}]]}}]}}]}}"#,
            says("a"),
            says("b"),
            says("c"),
        );
        let mut world = world(&json);
        world.connect(1, "");
        for _ in 0..30 {
            world.say(1, "SEND\ndestination:/topic/a\n\n");
        }
        words_said(&world, 1)
    };
    assert_eq!(run(0, "seq"), ["a", "b", "c"], "then the lists are used up");
    let picked = run(1, "pick");
    assert_eq!(picked.len(), 30);
    assert_eq!(picked.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(run(1, "pick"), picked);
    assert_ne!(run(2, "pick"), picked);
}
