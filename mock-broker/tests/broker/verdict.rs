//! Assertions: what each holds, fails and says; clients with one planted bug.

use crate::support::{Client, LONG, start};
use hobnail_mock_broker::verdict::{Outcome, Verdict};
use hobnail_mock_broker::{MockBroker, Report, Scenario};
use std::time::Duration;

fn broker(json: &str) -> MockBroker {
    start(Scenario::from_json(json).unwrap_or_else(|e| panic!("{json}: {e}")))
}

fn only(report: &Report) -> &Verdict {
    assert_eq!(report.verdicts.len(), 1, "{report}");
    &report.verdicts[0]
}

/// The one assertion failed, in a sentence with these words.
#[track_caller]
fn fails(report: &Report, words: &[&str]) {
    let verdict = only(report);
    assert_eq!(verdict.outcome, Outcome::Failed, "{report}");
    for word in words {
        assert!(verdict.words.contains(word), "no {word:?} in {report}");
    }
    assert_eq!(report.exit_code(), 1);
}

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:h\n\n";

#[test]
fn nothing_run_is_never_success() {
    let broker = broker(r#"{"expect":[{"never":{"recv":"SEND"}}]}"#);
    let report = broker.report();
    assert_eq!(only(&report).outcome, Outcome::NotReached);
    assert_eq!(report.exit_code(), 4, "{report}");
    assert_eq!(start(Scenario::default()).report().exit_code(), 4);
}

#[test]
fn a_correct_client_passes_all() {
    let broker = broker(
        r#"{"rules":[{"on":{"recv":"SEND"},"do":["pass",{"mark":"sent"}]}],"expect":[
        {"expect":{"recv":"CONNECT","match":{"accept-version":"*1.2*"}}},
        {"expect":{"conn":1,"recv":"DISCONNECT"},"after":"sent"},
        {"never":{"note":"*"}},
        {"count":{"recv":"SEND"},"min":1,"max":2},
        {"order":["CONNECT","SUBSCRIBE","SEND","DISCONNECT"]},
        {"expect":{"closed":"clean"},"after":{"recv":"DISCONNECT"}}]}"#,
    );
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    client.confirmed("SEND\ndestination:/topic/a\n\nx");
    client.send("DISCONNECT\nreceipt:bye\n\n");
    client.expect("MESSAGE");
    client.expect("RECEIPT");
    client.ended();
    broker.wait_report(LONG).assert_ok();
}

#[test]
fn a_client_that_resends_connect_on_a_live_session_is_named() {
    let broker =
        broker(r#"{"expect":[{"never":{"note":"connect-while-live"},"why":"one session"}]}"#);
    let mut client = Client::connect(&broker);
    client.send(CONNECT);
    client.expect("ERROR");
    fails(
        &broker.report(),
        &["its session is on connection 1", "one session"],
    );
}

#[test]
fn a_client_that_ignores_its_suspension_is_named() {
    let broker = broker(
        r#"{"broker":{"auth":{"bearer":{"ttl":"1h"}}},
        "rules":[{"on":{"signal":"end"},"do":[{"mark":"401"},
          {"error":{"code":401,"message":"token expired","close":false}}]}],
        "expect":[{"never":{"recv":"SEND"},"after":"401","before":{"recv":"CONNECT"},
          "why":"nothing may be sent while suspended"}]}"#,
    );
    let mut client = Client::open(&broker);
    client.send("CONNECT\naccept-version:1.2\nhost:h\npasscode:sesame-open\n\n");
    client.expect("CONNECTED");
    broker.signal("end");
    client.expect("ERROR");
    client.send("SEND\ndestination:/topic/a\n\nx");
    broker.wait_for(LONG, |e| e.is_recv("SEND")).unwrap();
    let report = broker.report();
    fails(&report, &["mark 401", "recv SEND", "while suspended"]);
    assert!(!report.to_string().contains("sesame"), "{report}");
}

#[test]
fn a_client_that_never_beats_is_named() {
    let broker = broker(
        r#"{"broker":{"heart-beat":"0,100"},"expect":[{"never":{"note":"heart-beat-lost"}}]}"#,
    );
    let mut client = Client::open(&broker);
    client.send("CONNECT\naccept-version:1.2\nhost:h\nheart-beat:100,0\n\n");
    client.expect("CONNECTED");
    broker.wait_for(LONG, |e| e.note().is_some()).unwrap();
    fails(&broker.report(), &["heart-beat-lost: nothing came for"]);
}

#[test]
fn a_client_that_redials_without_back_off_is_named() {
    let broker = broker(
        r#"{"rules":[{"conn":1,"on":{"signal":"drop"},"do":[{"mark":"lost"},"rst"]}],
        "expect":[{"gap":{"conn":"next"},"min":"1h","after":"lost"}]}"#,
    );
    let client = Client::connect(&broker);
    broker.signal("drop");
    broker.wait_for(LONG, |e| e.is_mark("lost")).unwrap();
    drop(client);
    let _again = Client::connect(&broker);
    fails(
        &broker.report(),
        &["mark lost", "passed until", "connection 2"],
    );
}

#[test]
fn a_client_that_publishes_before_it_subscribes_is_named() {
    let broker = broker(r#"{"expect":[{"order":["SUBSCRIBE","SEND"]}]}"#);
    let mut client = Client::connect(&broker);
    client.confirmed("SEND\ndestination:/topic/a\n\nx");
    fails(&broker.report(), &["recv SEND", "before SUBSCRIBE"]);
}

#[test]
fn what_must_come_in_time_fails_when_the_time_is_over() {
    let broker = broker(
        r#"{"rules":[{"on":"connected","do":[{"mark":"up"}]}],
        "expect":[{"expect":{"recv":"SUBSCRIBE"},"after":"up","within":"100ms"}]}"#,
    );
    let _client = Client::connect(&broker);
    let report = broker.wait_report(LONG);
    fails(&report, &["no SUBSCRIBE from the client", "100ms"]);
    assert!(report.took < LONG, "it does not wait longer than it must");
}

#[test]
fn too_many_are_counted_within_their_stretch() {
    let broker = broker(r#"{"expect":[{"count":{"recv":"SEND"},"max":2,"in":"1h"}]}"#);
    let mut client = Client::connect(&broker);
    for _ in 0..3 {
        client.confirmed("SEND\ndestination:/topic/a\n\nx");
    }
    fails(&broker.report(), &["3 times"]);
}

#[test]
fn what_the_run_never_came_to_is_told_and_may_be_optional() {
    let text = r#"{"expect":[{"never":{"recv":"SEND"},"after":"401"}]}"#;
    let reached = broker(text);
    let _client = Client::connect(&reached);
    let report = reached.report();
    assert_eq!(only(&report).outcome, Outcome::NotReached);
    assert!(
        report.to_string().contains("never came to the mark `401`"),
        "{report}"
    );
    let optional = broker(&text.replace(r#""after""#, r#""optional":true,"after""#));
    let _client = Client::connect(&optional);
    assert_eq!(optional.report().exit_code(), 0);
}

#[test]
fn what_was_dropped_before_it_was_judged_is_no_success() {
    let broker =
        broker(r#"{"broker":{"bounds":{"transcript":5}},"expect":[{"never":{"recv":"NACK"}}]}"#);
    let mut client = Client::connect(&broker);
    for _ in 0..5 {
        client.confirmed("SEND\ndestination:/topic/a\n\nx");
    }
    let report = broker.report();
    assert_eq!(only(&report).outcome, Outcome::Inconclusive);
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn the_fail_action_fails_the_run() {
    let broker =
        broker(r#"{"rules":[{"on":{"recv":"BEGIN"},"do":[{"fail":"no transactions here"}]}]}"#);
    let mut client = Client::connect(&broker);
    client.confirmed("BEGIN\ntransaction:t\n\n");
    let report = broker.report();
    assert_eq!(report.exit_code(), 1);
    assert!(
        report.to_string().contains("no transactions here"),
        "{report}"
    );
}

#[test]
fn two_brokers_are_two_regions() {
    let text = r#"{"expect":[{"count":{"recv":"CONNECT"},"min":1,"max":1}]}"#;
    let (eu, us) = (broker(text), broker(text));
    drop(Client::connect(&eu));
    let _moved = Client::connect(&us);
    eu.report().assert_ok();
    us.report().assert_ok();
    assert!(eu.age() > Duration::ZERO);
}

#[test]
fn wrong_assertions_are_told_with_their_place() {
    for (text, words) in [
        (r#"{"expect":[{}]}"#, "needs `expect`"),
        (
            r#"{"expect":[{"nevr":{"recv":"SEND"}}]}"#,
            "did you mean `never`?",
        ),
        (
            r#"{"expect":[{"never":{"note":"conect-while-live"}}]}"#,
            "did you mean `connect-while-live`?",
        ),
        (
            r#"{"expect":[{"count":{"recv":"SEND"}}]}"#,
            "needs `min` or `max`",
        ),
        (
            r#"{"expect":[{"count":{"recv":"SEND"},"min":3,"max":2}]}"#,
            "more than",
        ),
        (
            r#"{"expect":[{"gap":{"conn":"next"},"min":"soon"}]}"#,
            "a duration in `gap`",
        ),
        (r#"{"expect":[{"order":["SEND"]}]}"#, "two or more"),
        (
            r#"{"expect":[{"never":{"recv":"A","send":"B"}}]}"#,
            "one thing",
        ),
        (
            r#"{"expect":[{"expect":{"recv":"A"},"never":{"recv":"A"}}]}"#,
            "one thing",
        ),
        (
            r#"{"expect":[{"expect":{"recv":"A","conn":0}}]}"#,
            "connections",
        ),
    ] {
        let error = Scenario::from_json(text).expect_err(text);
        assert!(error.message.contains(words), "{text}: {error}");
        assert_eq!(error.line, 1);
    }
}
