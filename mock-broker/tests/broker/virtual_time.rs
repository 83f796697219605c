//! The engine alone: no sockets, no threads, and time that jumps.

use crate::world::World;
use hobnail_mock_broker::engine::{Input, Output};
use hobnail_mock_broker::http::Request;
use hobnail_mock_broker::script::Direction;
use hobnail_mock_broker::{How, HttpRule, Note, OAuthClient, Rule, Scenario, What, act, on, recv};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_upgrade_names_the_subprotocol() {
    let mut world = World::new(Scenario::default());
    world.open(1);
    let accept = Output::Accept {
        conn: 1,
        subprotocol: Some("v12.stomp".to_owned()),
        bad_accept: false,
    };
    assert_eq!(world.outputs, [(Duration::ZERO, accept)]);
}

#[test]
fn a_token_lives_for_its_time_and_not_longer() {
    let scenario = Scenario::builder()
        .auth_bearer(60 * SECOND)
        .heart_beat(0, 0)
        .build();
    let mut world = World::new(scenario);
    let token = world
        .engine
        .issue_token(Duration::ZERO, "alice", 30 * SECOND);
    world.connect(1, &format!("passcode:{token}\n"));
    world.connect(2, "login:bob\npasscode:seen\n");
    world.pass(100 * SECOND);
    let ends = |conn| world.frames(conn).last().cloned().expect("a frame");
    let (at, error) = ends(1);
    assert_eq!((at, error.header("code")), (30 * SECOND, Some("401")));
    let (at, error) = ends(2);
    assert_eq!((at, error.header("code")), (60 * SECOND, Some("401")));
    assert_eq!(world.engine.sessions(), 2, "suspended, not ended");
    world.connect(3, "passcode:seen\n");
    assert_eq!(world.commands(3), ["ERROR"]);
    world.say(
        2,
        "CONNECT\naccept-version:1.2\nhost:h\nlogin:bob\npasscode:fresh\n\n",
    );
    assert_eq!(world.commands(2), ["CONNECTED", "ERROR", "CONNECTED"]);
}

#[test]
fn beats_keep_the_agreed_interval_and_silence_has_its_tolerance() {
    let mut world = World::new(Scenario::builder().heart_beat(2000, 3000).build());
    world.connect(1, "heart-beat:1000,5000\n");
    world.pass(4499 * SECOND / 1000);
    let beats = world.beats(1);
    assert_eq!(beats, [4 * SECOND], "0.8 of max(2000, 5000) ms");
    assert_eq!(world.commands(1), ["CONNECTED"]);
    world.tell(Input::Alive { conn: 1 });
    world.pass(4499 * SECOND / 1000);
    assert_eq!(
        world.commands(1),
        ["CONNECTED"],
        "1.5 times max(1000, 3000) ms"
    );
    world.pass(SECOND / 100);
    assert_eq!(world.commands(1), ["CONNECTED", "ERROR"]);
    assert!(matches!(
        world.outputs.last(),
        Some((_, Output::Close { conn: 1, .. }))
    ));
}

#[test]
fn late_beats_are_late_and_a_hole_excuses_silence() {
    let rule = Rule::on(on::connected())
        .then(act::beats_late(3.0))
        .then(act::blackhole_for(Direction::In, 20 * SECOND));
    let mut world = World::new(
        Scenario::builder()
            .heart_beat(1000, 1000)
            .rule(rule)
            .build(),
    );
    world.connect(1, "heart-beat:1000,1000\n");
    world.pass(19 * SECOND);
    assert_eq!(world.beats(1).first(), Some(&(3 * SECOND)));
    assert_eq!(world.commands(1), ["CONNECTED"]);
    world.pass(10 * SECOND);
    assert!(
        world
            .outputs
            .iter()
            .any(|(at, o)| { *at == 20 * SECOND && matches!(o, Output::Heal { conn: 1 }) })
    );
    assert_eq!(
        world.commands(1),
        ["CONNECTED", "ERROR"],
        "after the hole silence counts"
    );
}

#[test]
fn triggers_fire_on_time() {
    let scenario = Scenario::builder()
        .heart_beat(0, 0)
        .rule(Rule::on(on::after(5 * SECOND)).conn(2).then(act::fin()))
        .rule(
            Rule::on(on::every(SECOND))
                .times(3)
                .conn(1)
                .then(act::mark("tick")),
        )
        .rule(
            Rule::on(on::marked("tick"))
                .times(1)
                .then(act::refuse(2 * SECOND)),
        )
        .build();
    let mut world = World::new(scenario);
    world.connect(1, "");
    world.now = SECOND / 2;
    world.connect(2, "");
    world.pass(10 * SECOND);
    let found = |want: &Output| {
        world
            .outputs
            .iter()
            .filter(|(_, o)| o == want)
            .map(|(at, _)| *at)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&Output::Fin { conn: 2 }), [5 * SECOND + SECOND / 2]);
    assert_eq!(found(&Output::Refuse), [SECOND]);
    assert_eq!(found(&Output::Listen), [3 * SECOND]);
    let ticks = world.engine.transcript();
    let ticks: Vec<_> = ticks
        .iter()
        .filter(|e| e.is_mark("tick"))
        .map(|e| e.at)
        .collect();
    assert_eq!(ticks, [SECOND, 2 * SECOND, 3 * SECOND]);
}

#[test]
fn a_storm_sends_every_message_at_its_time() {
    let rule = Rule::on(recv("SUBSCRIBE"))
        .then(act::pass())
        .then(act::storm("/topic/ev", 1000.0, 2 * SECOND, 50..=50));
    let mut world = World::new(Scenario::builder().heart_beat(0, 0).rule(rule).build());
    world.connect(1, "");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/ev\n\n");
    world.pass(SECOND - Duration::from_nanos(1));
    assert_eq!(world.frames(1).len() - 1, 1000);
    world.pass(2 * SECOND);
    assert_eq!(world.frames(1).len() - 1, 2000);
    assert!(world.frames(1)[1..].iter().all(|(_, f)| f.body.len() == 50));
}

#[test]
fn a_full_suspension_drops_and_says_so() {
    let scenario = Scenario::builder()
        .auth_bearer(SECOND)
        .heart_beat(0, 0)
        .bounds(|b| b.held = 2)
        .build();
    let mut world = World::new(scenario);
    world.connect(1, "passcode:a\n");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    world.pass(2 * SECOND);
    for n in ["1", "2", "3"] {
        let headers = [("n", n)];
        world.tell(Input::Publish {
            destination: "/topic/a",
            headers: &headers,
            body: b"",
        });
    }
    world.say(1, "CONNECT\naccept-version:1.2\nhost:h\npasscode:b\n\n");
    assert_eq!(
        world.commands(1),
        ["CONNECTED", "ERROR", "CONNECTED", "MESSAGE", "MESSAGE"]
    );
    let dropped = Note::Dropped {
        subscription: "0".to_owned(),
    };
    assert!(
        world
            .engine
            .transcript()
            .iter()
            .any(|e| e.note() == Some(&dropped))
    );
}

#[test]
fn suspension_has_a_grace_if_the_scenario_gives_one() {
    let scenario = Scenario::builder()
        .auth_bearer(SECOND)
        .suspend_grace(SECOND / 2)
        .heart_beat(0, 0)
        .build();
    let mut world = World::new(scenario);
    world.connect(1, "passcode:a\n");
    world.pass(SECOND);
    world.say(1, "SEND\ndestination:/topic/a\nreceipt:1\n\n");
    world.pass(SECOND);
    world.say(1, "SEND\ndestination:/topic/a\nreceipt:2\n\n");
    assert_eq!(
        world.commands(1),
        ["CONNECTED", "ERROR", "RECEIPT", "ERROR"]
    );
}

#[test]
fn thousands_of_closing_consumers_do_not_exhaust_the_stack() {
    let rule = Rule::on(on::sending("MESSAGE")).then(act::fin());
    let mut world = World::new(Scenario::builder().heart_beat(0, 0).rule(rule).build());
    for conn in 1..=5000 {
        world.connect(conn, "");
        world.say(
            conn,
            "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client\n\n",
        );
    }
    assert_eq!(world.engine.sessions(), 5000);
    world.tell(Input::Publish {
        destination: "/queue/q",
        headers: &[],
        body: b"x",
    });
    assert_eq!(world.engine.sessions(), 0, "each gets it, and falls");
    for conn in 1..=5000 {
        world.tell(Input::Closed {
            conn,
            how: &How::Fin,
        });
    }
    let closed = |e: &&hobnail_mock_broker::Entry| matches!(e.what, What::Closed(_));
    assert_eq!(
        world.engine.transcript().iter().filter(closed).count(),
        5000
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let rule = Rule::on(recv("SEND"))
            .p(0.5)
            .then(act::delay(SECOND..=9 * SECOND))
            .then(act::pass());
        let mut world = World::new(
            Scenario::builder()
                .seed(seed)
                .heart_beat(0, 0)
                .rule(rule)
                .build(),
        );
        world.connect(1, "");
        for i in 0..50 {
            world.say(1, &format!("SEND\ndestination:/topic/a\nreceipt:{i}\n\n"));
        }
        world.pass(20 * SECOND);
        world.frames(1)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_token_endpoint_is_slow_in_no_time() {
    let rule = HttpRule::post("/oauth/token").then(act::delay(5 * SECOND));
    let scenario = Scenario::builder()
        .http(rule)
        .oauth_client(OAuthClient::new("desk", "s"));
    let mut world = World::new(scenario.build());
    world.tell(Input::Tcp { conn: 1 });
    let request = Request::plain("POST", "/oauth/token")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&client_id=desk&client_secret=s");
    world.tell(Input::Request {
        conn: 1,
        request: &request,
    });
    world.pass(60 * SECOND);
    assert_eq!(world.answers()[0].0, 5 * SECOND);
    assert_eq!(world.answers()[0].2, 200);
    // The number is that of the next connection.
    world.connect(1, "passcode:made-up\n");
    assert_eq!(world.frames(1)[0].1.command, "ERROR");
}

#[test]
fn who_says_half_a_request_is_shown_out_but_a_hanging_handshake_is_not() {
    let rule = Rule::on(on::tcp()).conn(2).then(act::hang());
    let mut world = World::new(Scenario::builder().rule(rule).build());
    world.tell(Input::Tcp { conn: 1 });
    world.tell(Input::Tcp { conn: 2 });
    world.pass(600 * SECOND);
    assert_eq!(world.answers(), [(30 * SECOND, 1, 408)]);
}
