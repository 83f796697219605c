//! What must, may and must not be seen: each word held by one run and failed
//! by another.

use super::*;
use crate::support::{Client, LONG, start, tcp};
use hobnail_mock_broker::verdict::{Judge, Outcome};
use hobnail_mock_broker::{How, MockBroker};
use std::io::Write;
use std::sync::Arc;

pub(super) const SHOWN: &[Shown] = &[
    (
        &[
            "scenario: expect",
            "assertion: expect",
            "assertion: never",
            "assertion: count",
            "assertion: gap",
            "assertion: order",
            "assertion: conn",
            "assertion: after",
            "assertion: before",
            "assertion: within",
            "assertion: in",
            "assertion: min",
            "assertion: max",
        ],
        assertions_hold_and_fail,
    ),
    (
        &[
            "assertion: id",
            "assertion: why",
            "assertion: about",
            "assertion: optional",
        ],
        a_verdict_has_a_name_and_a_reason_and_may_be_optional,
    ),
    (
        &[
            "seen: conn",
            "seen: upgrade",
            "seen: open",
            "seen: http",
            "seen: recv",
            "seen: send",
            "seen: beat",
            "seen: ping",
            "seen: pong",
            "seen: closed",
            "seen: note",
            "seen: mark",
            "seen: signal",
            "seen: fault",
            "seen: log",
            "seen: match",
            "seen: body",
            "seen: nth",
            "seen beat: in",
            "seen beat: out",
        ],
        everything_that_happens_can_be_seen,
    ),
    (
        &[
            "seen note: sent-while-suspended",
            "seen note: connect-while-live",
            "seen note: refused",
            "seen note: websocket",
            "seen note: handshake",
            "seen note: heart-beat-lost",
            "seen note: dropped",
            "seen note: script-loop",
        ],
        each_note_is_taken_for_its_own_cause,
    ),
    (
        &["seen note: slow-consumer", "seen closed: failed"],
        one_who_does_not_read_is_noted,
    ),
    (
        &["seen note: upstream"],
        a_proxy_notes_what_becomes_of_its_upstream,
    ),
    (
        &[
            "seen closed: client",
            "seen closed: broker",
            "seen closed: clean",
            "seen closed: lost",
            "seen closed: fin",
            "seen closed: rst",
            "seen closed: http",
        ],
        every_end_has_its_word,
    ),
    (&["seen closed: stopped"], a_stop_is_an_end_of_its_own),
];

/// One run in virtual time, of which assertions are to be judged:
///
/// | s | |
/// |---|---|
/// | 0 | connection 1 is made, and beats are agreed |
/// | 1 | SUBSCRIBE, and the mark `sub` |
/// | 2, 3 | SEND with `k:1` and `k:2`, which comes back as MESSAGE |
/// | 4 | a ping `p`, a pong `q`, a heart-beat |
/// | 5 | the signal `go`, and the line `a line` |
/// | 6 | connection 1 ends by the signal `drop` |
/// | 9 | connection 2 |
/// | 10 | connection 3 is answered with 503 |
fn run(assertion: &str) -> World {
    let mut world = world(&format!(
        r#"{{"broker":{{"heart-beat":"2000,60000"}},"rules":[
            {{"on":{{"recv":"SUBSCRIBE"}},"do":["pass",{{"mark":"sub"}}]}},
            {{"on":{{"signal":"go"}},"do":[{{"log":"a line"}}]}},
            {{"on":{{"signal":"drop"}},"do":["fin"]}},
            {{"conn":3,"on":"upgrade","do":[{{"http":{{"status":503}}}}]}}],
            "expect":[{assertion}]}}"#
    ));
    world.connect(1, "login:u\nheart-beat:60000,2000\n");
    world.pass(SECOND);
    subscribe(&mut world, 1);
    for n in 1..=2 {
        world.pass(SECOND);
        world.say(1, &format!("SEND\ndestination:/topic/a\nk:{n}\n\nbody {n}"));
    }
    world.pass(SECOND);
    world.tell(Input::Ping {
        conn: 1,
        octets: b"p",
    });
    world.tell(Input::Pong {
        conn: 1,
        octets: b"q",
    });
    world.tell(Input::Message {
        conn: 1,
        octets: b"\n",
        binary: false,
    });
    for signal in ["go", "drop"] {
        world.pass(SECOND);
        world.tell(Input::Signal(signal));
    }
    world.tell(Input::Closed {
        conn: 1,
        how: &How::Fin,
    });
    world.pass(3 * SECOND);
    world.connect(2, "");
    world.pass(SECOND);
    world.open(3);
    world.pass(SECOND);
    world
}

fn judged(world: &World) -> Vec<Outcome> {
    let mut judge = Judge::new(Arc::new(world.engine.scenario().clone()));
    world.engine.transcript().iter().for_each(|e| judge.see(e));
    let report = judge.report(world.now);
    report.verdicts.iter().map(|v| v.outcome).collect()
}

fn outcome(assertion: &str) -> Outcome {
    judged(&run(assertion)).remove(0)
}

/// Each assertion holds, and the one beside it fails.
fn hold_and_fail(table: &[(&str, &str)]) {
    for (holds, fails) in table {
        assert_eq!(outcome(holds), Outcome::Held, "{holds}");
        assert_eq!(outcome(fails), Outcome::Failed, "{fails}");
    }
}

#[test]
fn assertions_hold_and_fail() {
    hold_and_fail(&[
        (
            r#"{"expect":{"recv":"SEND"}}"#,
            r#"{"expect":{"recv":"ACK"}}"#,
        ),
        (
            r#"{"never":{"recv":"ACK"}}"#,
            r#"{"never":{"recv":"SEND"}}"#,
        ),
        (
            r#"{"count":{"recv":"SEND"},"min":2}"#,
            r#"{"count":{"recv":"SEND"},"min":3}"#,
        ),
        (
            r#"{"count":{"recv":"SEND"},"max":2}"#,
            r#"{"count":{"recv":"SEND"},"max":1}"#,
        ),
        // Both SENDs are a second apart.
        (
            r#"{"count":{"recv":"SEND"},"max":1,"in":"900ms"}"#,
            r#"{"count":{"recv":"SEND"},"max":1,"in":"1100ms"}"#,
        ),
        (
            r#"{"gap":{"recv":"SEND"},"after":"sub","min":"1s"}"#,
            r#"{"gap":{"recv":"SEND"},"after":"sub","min":"1100ms"}"#,
        ),
        (
            r#"{"gap":{"conn":"next"},"after":{"closed":"fin"},"max":"3s"}"#,
            r#"{"gap":{"conn":"next"},"after":{"closed":"fin"},"max":"2900ms"}"#,
        ),
        (
            r#"{"order":["CONNECT","SUBSCRIBE","SEND"]}"#,
            r#"{"order":["CONNECT","SEND","SUBSCRIBE"]}"#,
        ),
        (
            r#"{"order":["SUBSCRIBE",{"conn":2,"recv":"CONNECT"}],"conn":1}"#,
            r#"{"order":[{"conn":2,"recv":"CONNECT"},"CONNECT"],"conn":1}"#,
        ),
        (
            r#"{"never":{"recv":"SUBSCRIBE"},"after":"sub"}"#,
            r#"{"never":{"recv":"SEND"},"after":"sub"}"#,
        ),
        (
            r#"{"never":{"recv":"SEND"},"before":{"mark":"sub"}}"#,
            r#"{"never":{"recv":"SEND"},"before":{"signal":"go"}}"#,
        ),
        (
            r#"{"expect":{"recv":"SEND"},"after":"sub","within":"1100ms"}"#,
            r#"{"expect":{"recv":"SEND"},"after":"sub","within":"900ms"}"#,
        ),
    ]);
}

#[test]
fn a_verdict_has_a_name_and_a_reason_and_may_be_optional() {
    let world = run(
        r#"{"id":"quiet","about":"for readers","never":{"recv":"SEND"},"why":"so I was told"},
           {"never":{"recv":"SEND"},"after":"no such mark"},
           {"never":{"recv":"SEND"},"after":"no such mark","optional":true}"#,
    );
    let outcomes = judged(&world);
    assert_eq!(
        outcomes,
        [Outcome::Failed, Outcome::NotReached, Outcome::Held]
    );
    let mut judge = Judge::new(Arc::new(world.engine.scenario().clone()));
    world.engine.transcript().iter().for_each(|e| judge.see(e));
    let verdict = judge.report(world.now).verdicts.remove(0);
    assert_eq!(verdict.id, "quiet");
    assert!(verdict.words.contains("so I was told"), "{}", verdict.words);
}

#[test]
fn everything_that_happens_can_be_seen() {
    hold_and_fail(&[
        (r#"{"expect":{"conn":3}}"#, r#"{"expect":{"conn":4}}"#),
        (
            r#"{"expect":{"upgrade":"/sto*"}}"#,
            r#"{"expect":{"upgrade":"/else"}}"#,
        ),
        (
            r#"{"expect":{"upgrade":"*","match":{"sec-websocket-protocol":"v12*"}}}"#,
            r#"{"expect":{"upgrade":"*","match":{"sec-websocket-protocol":"mqtt"}}}"#,
        ),
        (
            r#"{"expect":{"open":"v12.stomp"}}"#,
            r#"{"expect":{"open":"v11.stomp"}}"#,
        ),
        (r#"{"expect":{"http":503}}"#, r#"{"expect":{"http":"4*"}}"#),
        (
            r#"{"expect":{"conn":2,"recv":"CONNECT"}}"#,
            r#"{"expect":{"conn":2,"recv":"SEND"}}"#,
        ),
        (
            r#"{"expect":{"send":"MESSAGE","match":{"k":"2"}}}"#,
            r#"{"expect":{"send":"MESSAGE","match":{"k":"3"}}}"#,
        ),
        (
            r#"{"expect":{"recv":"SEND","body":"body ?"}}"#,
            r#"{"expect":{"recv":"SEND","body":"body"}}"#,
        ),
        (
            r#"{"expect":{"recv":"SEND","nth":2,"match":{"k":"*"}}}"#,
            r#"{"expect":{"recv":"SEND","nth":2,"match":{"k":"2"}}}"#,
        ),
        (r#"{"expect":{"beat":"in"}}"#, r#"{"never":{"beat":"in"}}"#),
        (
            r#"{"expect":{"conn":1,"beat":"out"}}"#,
            r#"{"expect":{"conn":2,"beat":"out"}}"#,
        ),
        (r#"{"expect":{"ping":"p"}}"#, r#"{"expect":{"ping":"q"}}"#),
        (r#"{"expect":{"pong":"q"}}"#, r#"{"expect":{"pong":"p"}}"#),
        (
            r#"{"expect":{"conn":1,"closed":"fin"}}"#,
            r#"{"expect":{"conn":2,"closed":"*"}}"#,
        ),
        (
            r#"{"expect":{"mark":"sub"}}"#,
            r#"{"expect":{"mark":"bus"}}"#,
        ),
        (
            r#"{"expect":{"signal":"go"}}"#,
            r#"{"expect":{"signal":"gone"}}"#,
        ),
        (
            r#"{"expect":{"conn":1,"fault":"fin"}}"#,
            r#"{"expect":{"fault":"rst"}}"#,
        ),
        (
            r#"{"expect":{"log":"a l*"}}"#,
            r#"{"expect":{"log":"the l*"}}"#,
        ),
        (
            r#"{"never":{"note":"refused"}}"#,
            r#"{"expect":{"note":"refused"}}"#,
        ),
        (
            r#"{"expect":{"conn":"same","recv":"SEND"},"after":"sub"}"#,
            r#"{"expect":{"conn":"next","recv":"SEND"},"after":"sub"}"#,
        ),
    ]);
}

#[test]
fn each_note_is_taken_for_its_own_cause() {
    let bearer = r#""auth":{"bearer":{"ttl":"1s"}}"#;
    let loops = r#"{"on":"connected","do":[{"mark":"a"}]},{"on":{"mark":"a"},"do":[{"mark":"a"}]}"#;
    type Cause = fn(&mut World);
    let causes: [(&str, &str, &str, Cause); 8] = [
        ("sent-while-suspended", bearer, "", |w| {
            w.pass(2 * SECOND);
            w.say(1, "SEND\ndestination:/topic/a\n\n");
        }),
        ("connect-while-live", "", "", |w| {
            w.say(1, "CONNECT\naccept-version:1.2\nhost:h\npasscode:t\n\n");
        }),
        ("refused", "", "", |w| w.say(1, "WHAT\n\n")),
        ("websocket", "", "", |w| {
            w.tell(Input::Breach {
                conn: 1,
                code: 1002,
                why: "a reserved bit",
            });
        }),
        ("handshake", r#""heart-beat":"0,0""#, "", |w| {
            w.tell(Input::Tcp { conn: 2 });
            w.pass(60 * SECOND);
        }),
        ("heart-beat-lost", r#""heart-beat":"0,1000""#, "", |w| {
            w.pass(10 * SECOND);
        }),
        ("dropped", r#""bounds":{"unacked":1}"#, "", |w| {
            w.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/a\nack:client\n\n");
            publish(w, "/topic/a", "1");
            publish(w, "/topic/a", "2");
        }),
        ("script-loop", "", loops, |_| {}),
    ];
    for (word, broker, rules, cause) in causes {
        for (other, ..) in causes {
            let mut world = world(&format!(
                r#"{{"broker":{{{broker}}},"rules":[{rules}],"expect":[{{"never":{{"note":"{other}"}}}}]}}"#
            ));
            world.connect(1, "passcode:t\nheart-beat:1000,0\n");
            cause(&mut world);
            let failed = judged(&world)[0] == Outcome::Failed;
            // What is answered with an ERROR is refused, too.
            if other != "refused" || word == other {
                assert_eq!(failed, word == other, "{other} when {word} was caused");
            }
        }
    }
}

fn broker(json: &str) -> MockBroker {
    start(scenario(json))
}

#[test]
fn one_who_does_not_read_is_noted() {
    let broker = broker(
        r#"{"broker":{"bounds":{"out":"64KiB"}},"expect":[
            {"expect":{"note":"slow-consumer"}},{"expect":{"closed":"failed"}}]}"#,
    );
    let mut lazy = Client::connect(&broker);
    lazy.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    for _ in 0..64 {
        broker.publish("/topic/a", &[], &vec![b'x'; 1 << 20]);
    }
    broker.wait_report(LONG).assert_ok();
}

#[test]
fn a_proxy_notes_what_becomes_of_its_upstream() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", free.local_addr().expect("an address"));
    drop(free);
    let asserted = scenario(r#"{"expect":[{"expect":{"note":"upstream"}}]}"#);
    let proxy = MockBroker::proxy(&url, asserted).expect("a proxy");
    crate::handshake::exchange(&mut tcp(&proxy), &[]);
    proxy.wait_report(LONG).assert_ok();
}

#[test]
fn every_end_has_its_word() {
    type End = fn(&MockBroker);
    let table: [(&[&str], &str, End); 6] = [
        (&["client", "clean"], "", |broker| {
            let mut client = Client::connect(broker);
            client.ws.close(None).expect("a Close");
            client.ended();
        }),
        (
            &["broker", "clean", "1012"],
            r#"{"on":"connected","do":[{"close":{"code":1012}}]}"#,
            |broker| {
                Client::connect(broker).ended();
            },
        ),
        (&["client", "lost"], "", |broker| {
            drop(Client::connect(broker))
        }),
        (
            &["broker", "fin"],
            r#"{"on":"connected","do":["fin"]}"#,
            |broker| {
                Client::connect(broker).ended();
            },
        ),
        (
            &["broker", "rst"],
            r#"{"on":"connected","do":["rst"]}"#,
            |broker| {
                Client::connect(broker).ended();
            },
        ),
        (
            &["http"],
            r#"{"on":"upgrade","do":[{"http":{"status":403}}]}"#,
            |broker| {
                let mut tcp = tcp(broker);
                crate::handshake::exchange(&mut tcp, &[]);
                tcp.flush().expect("flushed");
            },
        ),
    ];
    let all = [
        "client", "broker", "clean", "lost", "fin", "rst", "http", "failed", "stopped",
    ];
    for (words, rules, end) in table {
        let never = all.iter().filter(|w| !words.contains(w));
        let never: String = never
            .map(|w| format!(r#",{{"never":{{"closed":"{w}"}}}}"#))
            .collect();
        let expected: Vec<String> = words
            .iter()
            .map(|w| format!(r#"{{"expect":{{"closed":"{w}"}}}}"#))
            .collect();
        let json = format!(
            r#"{{"rules":[{rules}],"expect":[{}{never}]}}"#,
            expected.join(",")
        );
        let broker = broker(&json);
        end(&broker);
        let closed = |e: &hobnail_mock_broker::Entry| e.what.to_string().contains("closed");
        broker.wait_for(LONG, closed).expect("an end");
        broker.report().assert_ok();
    }
}

#[test]
fn a_stop_is_an_end_of_its_own() {
    let broker = broker(r#"{"expect":[{"expect":{"closed":"stopped"}}]}"#);
    let _client = Client::connect(&broker);
    let mut judge = broker.judge();
    let transcript = broker.stop();
    transcript.iter().for_each(|e| judge.see(e));
    judge.report(LONG).assert_ok();
}
