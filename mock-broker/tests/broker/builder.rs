//! Whatever a scenario file says can be said in Rust, and means the same.

mod actions;

use crate::words::known;
use actions::{of_connections, of_frames, of_handshakes};
use hobnail_mock_broker::script::{Bearer, CodePlace, Origin};
use hobnail_mock_broker::wire::Limits;
use hobnail_mock_broker::{
    Action, Assertion, Dialect, HttpRule, OAuthClient, OnExpiry, Refresh, Rule, Scenario, Seen,
    Trigger, act, on, seen,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn parsed(json: &str) -> Scenario {
    Scenario::from_json(json).unwrap_or_else(|e| panic!("{e}: {json}"))
}

/// Every word of these places stands in one of the texts.
fn assert_all<'a>(places: &[&str], texts: impl Iterator<Item = &'a str>) {
    let texts: String = texts.collect();
    for place in places {
        for word in known(place) {
            // What stands for a number of octets or beats is but an example.
            let start = word
                .split_once(':')
                .map_or(word.as_str(), |(start, _)| start);
            assert!(
                texts.contains(&format!("\"{start}")),
                "nothing says `{word}` in Rust"
            );
        }
    }
}

#[test]
fn every_trigger_has_a_word_in_rust() {
    let table: Vec<(&str, Trigger)> = vec![
        (r#""tcp""#, on::tcp()),
        (r#""upgrade""#, on::upgrade()),
        (r#""open""#, on::open()),
        (r#""connected""#, on::connected()),
        (r#""disconnect""#, on::disconnect()),
        (r#""closed""#, on::closed()),
        (r#""token-expired""#, on::token_expired()),
        (r#""overlap""#, on::overlap()),
        (r#""hb-due""#, on::hb_due()),
        (
            r#"{"recv":"SEND","nth":2,"match":{"a":"b*"}}"#,
            on::recv("SEND").nth(2).matching("a", "b*").into(),
        ),
        (
            r#"{"send":"*","every":3}"#,
            on::sending("*").every(3).into(),
        ),
        (r#"{"after":"1..2s"}"#, on::after(SECOND..=2 * SECOND)),
        (
            r#"{"after":"1s","of":"tcp"}"#,
            on::after_origin(SECOND, Origin::Tcp),
        ),
        (
            r#"{"after":"1s","of":"401"}"#,
            on::after_mark(SECOND, "401"),
        ),
        (r#"{"every":"1s"}"#, on::every(SECOND)),
        (
            r#"{"every":"1s","of":"start"}"#,
            on::every_of(SECOND, Origin::Start),
        ),
        (r#"{"frames_in":1}"#, on::frames_in(1)),
        (r#"{"frames_out":2}"#, on::frames_out(2)),
        (r#"{"bytes_out":"1KiB"}"#, on::bytes_out(1024)),
        (r#"{"idle":"1s"}"#, on::idle(SECOND)),
        (r#"{"signal":"s"}"#, on::signal("s")),
        (r#"{"mark":"m"}"#, on::marked("m")),
        (
            r#"{"recv":"SEND","mark":"m"}"#,
            on::recv("SEND").and(on::marked("m")),
        ),
    ];
    for (json, trigger) in &table {
        let file = parsed(&format!(r#"{{"rules":[{{"on":{json},"do":[]}}]}}"#));
        let rule = Rule::on(trigger.clone());
        assert_eq!(file, Scenario::builder().rule(rule).build(), "{json}");
    }
    let places = [r#"{"rules":[{"on":{@k}}]}"#, r#"{"rules":[{"on":@w}]}"#];
    assert_all(&places, table.iter().map(|(json, _)| *json));
}

#[test]
fn every_rule_key_has_a_word_in_rust() {
    let file = parsed(
        r#"{"rules":[{"id":"r","conn":"2..3","state":"a","on":"open","times":4,"p":0.5,
            "do":["fin"],"goto":"b"}]}"#,
    );
    let rule = Rule::on(on::open())
        .id("r")
        .conns(2..=3)
        .state("a")
        .times(4)
        .p(0.5)
        .then(act::fin())
        .goto("b");
    assert_eq!(file, Scenario::builder().rule(rule).build());
}

#[test]
fn every_action_has_a_word_in_rust() {
    let leaving = || Trigger::from(on::sending("*"));
    let mut table: Vec<(&str, Trigger, Action)> = of_handshakes();
    for (json, action) in of_frames().into_iter().chain(of_connections()) {
        table.push((json, leaving(), action));
    }
    for (json, trigger, action) in &table {
        let word = if *trigger == on::upgrade() {
            r#""upgrade""#
        } else if *trigger == on::tcp() {
            r#""tcp""#
        } else if *trigger == on::overlap() {
            r#""overlap""#
        } else {
            r#"{"send":"*"}"#
        };
        let file = parsed(&format!(r#"{{"rules":[{{"on":{word},"do":[{json}]}}]}}"#));
        let rule = Rule::on(trigger.clone()).then(action.clone());
        assert_eq!(file, Scenario::builder().rule(rule).build(), "{json}");
    }
    let inside =
        |verb: &str| format!(r#"{{"rules":[{{"on":"open","do":[{{"{verb}":{{@k}}}}]}}]}}"#);
    let verbs = [
        "send", "error", "corrupt", "pad", "raw", "drip", "ws", "close", "fin", "http", "hb",
        "storm",
    ];
    let inside: Vec<String> = verbs.iter().map(|verb| inside(verb)).collect();
    let mut places: Vec<&str> = inside.iter().map(String::as_str).collect();
    places.extend([
        r#"{"rules":[{"on":"open","do":[{@k}]}]}"#,
        r#"{"rules":[{"on":"open","do":[@w]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"type":@w}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"raw":{"ws":@w}}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"hb":@w}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"hb":{"as":@w}}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"garbage":@w}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"blackhole":@w}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"tls":@w}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"storm":{"kind":@w}}]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"release":"h","order":@w}]}]}"#,
    ]);
    assert_all(&places, table.iter().map(|(json, ..)| *json));
}

#[test]
fn every_assertion_has_a_word_in_rust() {
    let table: Vec<(&str, Assertion)> = vec![
        (
            r#"{"id":"i","expect":{"recv":"A"},"after":"m","before":{"signal":"s"},"within":"1s",
                "optional":true,"why":"w"}"#,
            Assertion::expect(seen::recv("A"))
                .id("i")
                .after("m")
                .before(seen::signal("s"))
                .within(SECOND)
                .optional()
                .why("w"),
        ),
        (
            r#"{"never":{"send":"A"}}"#,
            Assertion::never(seen::sent("A")),
        ),
        (
            r#"{"count":{"recv":"A"},"min":1,"max":2,"in":"1s"}"#,
            Assertion::count(seen::recv("A"))
                .at_least(1)
                .at_most(2)
                .in_any(SECOND),
        ),
        (
            r#"{"gap":{"conn":"next"},"after":"m","min":"1s","max":"2s"}"#,
            Assertion::gap(seen::next_conn())
                .after("m")
                .min(SECOND)
                .max(2 * SECOND),
        ),
        (
            r#"{"order":["A","B"]}"#,
            Assertion::order([seen::recv("A"), seen::recv("B")]),
        ),
        (
            r#"{"order":["A","B"],"conn":2}"#,
            Assertion::order([seen::recv("A").conn(2), seen::recv("B").conn(2)]),
        ),
    ];
    let sights: Vec<(&str, Seen)> = vec![
        (r#"{"conn":"2+"}"#, seen::tcp().conns(2..)),
        (r#"{"conn":"same","recv":"A"}"#, seen::recv("A").on_same()),
        (r#"{"conn":"next","recv":"A"}"#, seen::recv("A").on_next()),
        (
            r#"{"upgrade":"/a","match":{"b":"c"}}"#,
            seen::upgrade("/a").matching("b", "c"),
        ),
        (r#"{"open":"v12.stomp"}"#, seen::open("v12.stomp")),
        (r#"{"http":503}"#, seen::http("503")),
        (
            r#"{"recv":"A","body":"b*","nth":2}"#,
            seen::recv("A").body("b*").nth(2),
        ),
        (r#"{"send":"A"}"#, seen::sent("A")),
        (r#"{"beat":"in"}"#, seen::beat_in()),
        (r#"{"beat":"out"}"#, seen::beat_out()),
        (r#"{"ping":"a"}"#, seen::ping("a")),
        (r#"{"pong":"a"}"#, seen::pong("a")),
        (r#"{"closed":"clean"}"#, seen::closed("clean")),
        (r#"{"note":"refused"}"#, seen::note("refused")),
        (r#"{"mark":"m"}"#, seen::mark("m")),
        (r#"{"signal":"s"}"#, seen::signal("s")),
        (r#"{"fault":"fin"}"#, seen::fault("fin")),
        (r#"{"log":"l"}"#, seen::log("l")),
    ];
    let mut all: Vec<(String, Assertion)> = Vec::new();
    all.extend(table.into_iter().map(|(json, a)| (json.to_owned(), a)));
    for (json, sight) in sights {
        all.push((format!(r#"{{"expect":{json}}}"#), Assertion::expect(sight)));
    }
    for (json, assertion) in &all {
        let file = parsed(&format!(r#"{{"expect":[{json}]}}"#));
        let built = Scenario::builder().expect(assertion.clone()).build();
        assert_eq!(file, built, "{json}");
    }
    // What is there for readers of a file only has no word.
    let json = all
        .iter()
        .map(|(json, _)| json.as_str())
        .chain([r#""about""#]);
    assert_all(
        &[r#"{"expect":[{@k}]}"#, r#"{"expect":[{"expect":{@k}}]}"#],
        json,
    );
}

#[test]
fn every_setting_has_a_word_in_rust() {
    let json = r#"{"$schema":"s","v":1,"name":"n","about":"a","seed":7,"broker":{
        "dialect":"rabbitmq","websockify":true,"error-codes":["status","body","code","message"],
        "forbidden":{"send":["/a"],"subscribe":["/b"]},"versions":["1.2"],"heart-beat":"1,2",
        "subprotocols":["x"],"path":"/p","tls":true,"single-session":true,"on-expiry":"none",
        "suspend-grace":"1s","receipt-headers":["receipt","receipt-id"],"require-host":false,
        "max-deliveries":3,"limits":{"headers":1,"line":2,"head":3,"body":4},
        "bounds":{"out":1,"queue":2,"queue-octets":3,"queues":4,"subscriptions":5,"held":6,"unacked":7,
          "unacked-octets":8,"transaction":9,"transcript":10,"transcript-octets":11,"handshake":"1s"},
        "auth":{"basic":{"u":"p"},"bearer":{"ttl":"1s","header":"X","issued-only":true,"leeway":"1s"},
          "oauth":{"path":"/o","clients":[{"id":"c","secret":"s","scopes":["a"],"ttl":"1s","refresh":"keep"}]}}},
        "http":[{"id":"h","on":"GET /a","times":2,"do":["fin"]},{"on":"POST /b","seq":[["hang"]]}]}"#;
    let bearer = Bearer {
        ttl: SECOND,
        header: Some("X".to_owned()),
        issued_only: true,
        leeway: SECOND,
    };
    let client = OAuthClient::new("c", "s")
        .scopes(&["a"])
        .ttl(SECOND)
        .refresh(Refresh::Keep);
    let places = [
        CodePlace::Status,
        CodePlace::Body,
        CodePlace::Code,
        CodePlace::Message,
    ];
    let built = Scenario::builder()
        .name("n")
        .about("a")
        .seed(7)
        .dialect(Dialect::RABBITMQ.behind_websockify())
        .error_codes(&places)
        .forbid_send("/a")
        .forbid_subscribe("/b")
        .versions(&["1.2"])
        .heart_beat(1, 2)
        .subprotocols(&["x"])
        .path("/p")
        .tls(true)
        .single_session(true)
        .on_expiry(OnExpiry::Nothing)
        .suspend_grace(SECOND)
        .receipt_id_header(true)
        .require_host(false)
        .max_deliveries(3)
        .limits(Limits {
            headers: 1,
            line: 2,
            head: 3,
            body: 4,
        })
        .bounds(|b| {
            (b.out, b.queue, b.queue_octets, b.queues) = (1, 2, 3, 4);
            (b.subscriptions, b.held, b.unacked, b.unacked_octets) = (5, 6, 7, 8);
            (b.transaction, b.transcript, b.transcript_octets) = (9, 10, 11);
            b.handshake = SECOND;
        })
        .auth_basic("u", "p")
        .bearer(bearer)
        .oauth_path("/o")
        .oauth_client(client)
        .http(HttpRule::get("/a").id("h").times(2).then(act::fin()))
        .http(HttpRule::post("/b").seq(vec![vec![act::hang()]]))
        .build();
    assert_eq!(parsed(json), built);
    let rest = r#""rules""expect""#;
    let places = [
        r#"{@k}"#,
        r#"{"broker":{@k}}"#,
        r#"{"broker":{"forbidden":{@k}}}"#,
        r#"{"broker":{"limits":{@k}}}"#,
        r#"{"broker":{"bounds":{@k}}}"#,
        r#"{"broker":{"auth":{@k}}}"#,
        r#"{"broker":{"auth":{"bearer":{@k}}}}"#,
        r#"{"broker":{"auth":{"oauth":{@k}}}}"#,
        r#"{"broker":{"auth":{"oauth":{"clients":[{@k}]}}}}"#,
        r#"{"broker":{"error-codes":[@w]}}"#,
        r#"{"http":[{@k}]}"#,
    ];
    assert_all(&places, [json, rest].into_iter());
}
