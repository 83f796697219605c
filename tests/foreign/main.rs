//! Other people's clients before the mock broker: ordinary programs on
//! @stomp/stompjs and stomp.py, and the verdict on each. `tests/foreign/install`
//! puts them into `target/foreign`. And `openssl s_server` before hobnail.
#![expect(clippy::unwrap_used, reason = "in a test a missing value is a failure")]

mod desk;
mod renegotiation;
mod storms;

use hobnail_mock_broker::{MockBroker, Report, Scenario};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where `tests/foreign/install` has put the programs.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/foreign")
}

/// The commands of the two programs; both take a URL and a plan.
fn riders() -> [(&'static str, Command); 2] {
    let (js, py) = (folder().join("stompjs"), folder().join("stomppy"));
    let mut node = Command::new("node");
    node.arg(js.join("rider.mjs"));
    let mut python = Command::new(py.join("bin/python"));
    python.arg(py.join("rider.py"));
    [("stompjs", node), ("stomp.py", python)]
}

/// What an ordinary program does.
fn plan(stay_ms: u64) -> Value {
    json!({
        "connect": {"host": "/", "login": "u", "passcode": "p"},
        "heart_beat": [500, 500],
        "redial_ms": 700,
        "subscribe": ["/topic/ev"],
        "ack": "client-individual",
        "publish": {"destination": "/topic/ev", "count": 10, "every_ms": 50},
        "stay_ms": stay_ms,
    })
}

/// Rides each client through the scenario for so long; returns what each saw
/// and the verdict on it.
fn ride(scenario: &str, stay_ms: u64) -> Vec<(&'static str, Value, Report)> {
    let plan = plan(stay_ms);
    riders()
        .into_iter()
        .map(|(name, rider)| ride_one(name, rider, scenario, &plan, |_| false))
        .collect()
}

/// One client before a broker of its own, until the plan is over or `enough`
/// is known.
fn ride_one(
    name: &'static str,
    mut rider: Command,
    scenario: &str,
    plan: &Value,
    mut enough: impl FnMut(&MockBroker) -> bool,
) -> (&'static str, Value, Report) {
    let broker = MockBroker::start(Scenario::from_json(scenario).unwrap()).unwrap();
    rider.arg(broker.url()).arg(plan.to_string());
    rider.stdin(Stdio::piped()).stdout(Stdio::piped());
    let rider = rider.stderr(Stdio::piped()).spawn();
    let mut rider = rider.unwrap_or_else(|e| panic!("{name}: {e}; run tests/foreign/install"));
    while rider.try_wait().unwrap().is_none() && !enough(&broker) {
        // It is asked again when something has happened, or after a while.
        let _ = broker
            .journal()
            .follow(u64::MAX, Duration::from_millis(100));
    }
    drop(rider.stdin.take());
    let out = rider.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    let seen =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{name}: {e}: {errors}"));
    let report = broker.report();
    println!("{name}: {seen}\n{report}");
    (name, seen, report)
}

#[test]
fn an_ordinary_session_has_nothing_to_be_noted() {
    let asserted = r#"{"name":"ordinary","broker":{"heart-beat":"500,500"},"expect":[
        {"order":["SUBSCRIBE","SEND","DISCONNECT"]},
        {"count":{"recv":"SEND"},"min":10,"max":10},
        {"count":{"recv":"ACK"},"min":10,"max":10},
        {"never":{"note":"*"}}]}"#;
    for (name, seen, report) in ride(asserted, 3000) {
        report.assert_ok();
        assert_eq!(seen["messages"], 10, "{name}");
        assert_eq!(seen["receipts"], 10, "{name}");
    }
}

#[test]
fn frames_cut_into_continuations_with_pings_between_lose_nothing() {
    let cut = r#"{"name":"continuations","rules":[
          {"on":"open","do":[{"frag":[3,9,10],"ping":"between"}]}],
        "expect":[{"expect":{"pong":"*"}},{"count":{"recv":"ACK"},"min":10}]}"#;
    for (name, seen, report) in ride(cut, 3000) {
        report.assert_ok();
        assert_eq!(seen["messages"], 10, "{name}");
    }
}

#[test]
fn a_lost_connection_is_made_again_and_not_at_once() {
    let drop = r#"{"name":"drop","rules":[
          {"conn":1,"on":{"recv":"SEND","nth":3},"do":["pass",{"mark":"lost"},"rst"]}],
        "expect":[
          {"gap":{"conn":"next"},"after":"lost","min":"500ms"},
          {"expect":{"conn":2,"recv":"SUBSCRIBE"},"after":"lost","within":"10s"},
          {"never":{"note":"connect-while-live"}}]}"#;
    for (_, _, report) in ride(drop, 4000) {
        report.assert_ok();
    }
}

#[test]
fn a_suspension_is_too_much_for_a_client_that_does_not_know_it() {
    let expired = r#"{"name":"401","rules":[
          {"conn":1,"on":{"recv":"SEND","nth":3},"do":["pass",{"mark":"401"},
            {"error":{"code":401,"message":"token expired","close":false}}]}],
        "expect":[{"expect":{"conn":1,"recv":"CONNECT"},"after":"401"}]}"#;
    for (name, _, report) in ride(expired, 2000) {
        assert_eq!(report.exit_code(), Report::FAILED, "{name}: {report}");
    }
}
