//! The control API and the page, as curl and a browser see them.

use crate::plain::{Answer, ask, exchange, get};
use crate::support::{Client, End, LONG, start, tcp};
use hobnail_mock_broker::{
    Control, Frame, HttpRule, Listen, MockBroker, Rule, Scenario, What, act, mark, on, recv,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn post(broker: &MockBroker, path: &str, body: &str) -> Answer {
    ask(broker, "POST", path, "", body)
}

/// Server-sent events, one at a time.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(broker: &MockBroker, path: &str, headers: &str) -> Self {
        let mut tcp = tcp(broker);
        write!(
            tcp,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        )
        .expect("it works");
        let mut reader = BufReader::new(tcp);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("it works"), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("Content-Type: text/event-stream"), "{head}");
        assert!(!head.contains("Content-Length"), "{head}");
        Self(reader)
    }

    /// The next event: its name, its id and its data.
    fn next(&mut self) -> (String, Option<u64>, Value) {
        let (mut name, mut id, mut data) = ("message".to_owned(), None, Value::Null);
        loop {
            let mut line = String::new();
            assert_ne!(
                self.0.read_line(&mut line).expect("it works"),
                0,
                "the stream ended"
            );
            let line = line.trim_end();
            if line.is_empty() {
                return (name, id, data);
            }
            let (field, value) = line.split_once(": ").expect("a field");
            match field {
                "event" => name = value.to_owned(),
                "id" => id = Some(value.parse().expect("it works")),
                "data" => data = serde_json::from_str(value).expect("it works"),
                other => panic!("{other}"),
            }
        }
    }

    /// The next entry of a kind.
    fn entry(&mut self, kind: &str) -> Value {
        loop {
            let (name, _, data) = self.next();
            if name == "message" && data["kind"] == kind {
                return data;
            }
        }
    }
}

#[test]
fn signals_and_marks_fire_rules() {
    let broker = start(
        Scenario::builder()
            .rule(
                Rule::on(on::signal("go now"))
                    .then(act::send(Frame::new("MESSAGE").with("subscription", "0"))),
            )
            .rule(Rule::on(on::marked("end")).then(act::fin()))
            .build(),
    );
    let mut client = Client::connect(&broker);
    let answer = post(&broker, "/control/signal/go%20now", "");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"signal": "go now"}))
    );
    client.expect("MESSAGE");
    assert_eq!(post(&broker, "/control/mark/end", "").status, 200);
    assert_eq!(client.ended(), End::Lost);
    assert_eq!(post(&broker, "/control/signal/", "").status, 400);
}

#[test]
fn tokens_end_and_connections_are_kicked() {
    let hour = Duration::from_secs(3600);
    let broker = start(Scenario::builder().auth_bearer(hour).build());
    let token = broker.issue_token("alice", hour);
    let mut client = Client::connect_as(&broker, &format!("passcode:{token}"));
    let ended = post(&broker, "/control/expire/alice", "");
    assert_eq!(ended.json(), json!({"expired": 1}));
    assert_eq!(client.expect("ERROR").header("code"), Some("401"));
    let second = broker.issue_token("bob", hour);
    assert_eq!(
        post(&broker, "/control/expire", &second).json(),
        json!({"expired": 1})
    );
    assert_eq!(
        post(&broker, "/control/expire/nobody", "").json(),
        json!({"expired": 0})
    );
    assert_eq!(post(&broker, "/control/expire", "").status, 400);
    let third = broker.issue_token("carol", hour);
    post(&broker, &format!("/control/expire/{third}"), "");

    assert_eq!(
        post(&broker, "/control/kick/1", "").json(),
        json!({"kicked": 1})
    );
    assert_eq!(client.ended(), End::Lost);
    broker
        .wait_for(LONG, |e| e.conn == 1 && matches!(e.what, What::Closed(_)))
        .unwrap();
    assert_eq!(post(&broker, "/control/kick/1", "").status, 404);
    assert_eq!(post(&broker, "/control/kick/one", "").status, 400);
    let shown = get(&broker, "/control/transcript").body;
    for secret in [&token, &second, &third] {
        assert!(!shown.contains(secret.as_str()), "{shown}");
        assert!(!format!("{:?}", broker.transcript()).contains(secret.as_str()));
    }
}

#[test]
fn a_body_is_published_with_the_headers_of_the_query() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    let path = "/control/publish?destination=%2Ftopic%2Fa&priority=9";
    let json = "Content-Type: application/json\r\n";
    let answer = ask(&broker, "POST", path, json, "{\"n\":1}");
    assert_eq!(answer.json(), json!({"published": "/topic/a"}));
    let message = client.expect("MESSAGE");
    assert_eq!(message.text(), Some("{\"n\":1}"));
    assert_eq!(message.header("priority"), Some("9"));
    assert_eq!(message.header("content-type"), Some("application/json"));
    assert_eq!(post(&broker, "/control/publish", "x").status, 400);
}

#[test]
fn the_transcript_comes_as_lines_and_sessions_as_json() {
    let broker = start(Scenario::builder().name("t").seed(5).build());
    let mut client = Client::connect_as(&broker, "login:alice\npasscode:hunter2");
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/<b>\nselector:n > 1\n\n");
    let lines = get(&broker, "/control/transcript?from=2");
    assert!(
        lines.head.contains("application/x-ndjson"),
        "{}",
        lines.head
    );
    let entries: Vec<Value> = lines
        .body
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(
        (&entries[0]["seq"], &entries[0]["kind"]),
        (&json!(2), &json!("upgrade"))
    );
    let connect = entries.iter().find(|e| e["command"] == "CONNECT").unwrap();
    assert!(
        connect["headers"]
            .as_array()
            .unwrap()
            .contains(&json!(["passcode", "***"]))
    );
    assert!(!lines.body.contains("hunter2"));

    let state = get(&broker, "/control/sessions").json();
    assert_eq!(state["sessions"], 1);
    assert_eq!(state["scenario"]["name"], "t");
    let own = &state["connections"][0];
    assert_eq!(
        (&own["conn"], &own["phase"]),
        (&json!(1), &json!("connected"))
    );
    assert_eq!(
        (&own["identity"], &own["version"]),
        (&json!("alice"), &json!("1.2"))
    );
    assert_eq!(own["subscriptions"][0]["destination"], "/topic/<b>");
    assert_eq!(own["subscriptions"][0]["selector"], "n > 1");
    let peer = own["peer"].as_str().expect("a peer");
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    let beats = json!({"every_ms": 0, "tolerance_ms": 0});
    assert_eq!(own["heart_beat"], beats);
    let report = get(&broker, "/control/report").json();
    assert_eq!(report["counts"]["recv SUBSCRIBE"], 1);
}

#[test]
fn a_long_transcript_comes_whole() {
    let broker = start(Scenario::default());
    for n in 0..3000 {
        broker.publish("/topic/nobody", &[], b"x");
        broker.signal(&format!("{n} {}", "s".repeat(200)));
    }
    broker
        .wait_for_nth(3000, LONG, |e| matches!(e.what, What::Signal(_)))
        .unwrap();
    let lines = get(&broker, "/control/transcript").body;
    let signals = lines
        .lines()
        .filter(|l| l.contains("\"kind\":\"signal\""))
        .count();
    assert_eq!(signals, 3000);
}

#[test]
fn a_scenario_is_reloaded_and_a_bad_one_says_where() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(recv("SEND")).then(mark("old")))
            .build(),
    );
    let mut client = Client::connect(&broker);
    client.confirmed("SEND\ndestination:/topic/a\n\nx");
    let bad = post(
        &broker,
        "/control/reload",
        "{\"rules\":[\n{\"on\":\"opne\",\"do\":[]}]}",
    );
    assert_eq!(bad.status, 422);
    let bad = bad.json();
    assert_eq!(bad["line"], 2);
    assert!(bad["column"].as_u64().unwrap() > 1);
    assert!(
        bad["error"]
            .as_str()
            .unwrap()
            .contains("did you mean `open`?"),
        "{bad}"
    );

    let new = r#"{"name":"new","rules":[
        {"on":{"recv":"SEND","nth":1},"do":[{"mark":"new"}]},
        {"on":{"after":"10ms","of":"start"},"do":[{"mark":"started"}]}],
        "http":[{"on":"GET /x","do":[{"http":{"status":204}}]}]}"#;
    let good = post(&broker, "/control/reload", new);
    assert_eq!(good.json(), json!({"scenario": "new", "rules": 2}));
    client.confirmed("SEND\ndestination:/topic/a\n\nx");
    broker.wait_for(LONG, |e| e.is_mark("new")).unwrap();
    broker.wait_for(LONG, |e| e.is_mark("started")).unwrap();
    assert_eq!(get(&broker, "/x").status, 204);
    let old = broker
        .transcript()
        .iter()
        .filter(|e| e.is_mark("old"))
        .count();
    assert_eq!(old, 1);
}

#[test]
fn a_broker_is_stopped_and_says_so_first() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    let answer = post(&broker, "/control/stop", "");
    assert_eq!(answer.json(), json!({"stopping": true}));
    assert_eq!(client.ended(), End::Lost);
    broker.wait().expect("stopped, not died");
}

#[test]
fn events_come_as_they_happen_and_go_on_where_they_were() {
    let broker = start(Scenario::default());
    let mut events = Events::open(&broker, "/control/events?from=1", "");
    assert_eq!(events.entry("tcp")["seq"], 1);
    let mut client = Client::connect(&broker);
    let connect = events.entry("recv");
    assert_eq!(
        (&connect["command"], &connect["conn"]),
        (&json!("CONNECT"), &json!(1))
    );
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    loop {
        let (name, _, data) = events.next();
        if name == "state" && data["connections"][0]["subscriptions"] != json!([]) {
            assert_eq!(
                data["connections"][0]["subscriptions"][0]["destination"],
                "/topic/a"
            );
            break;
        }
    }
    broker.signal("x");
    let signal = events.entry("signal");
    let last = format!("Last-Event-ID: {}\r\n", signal["seq"].as_u64().unwrap() - 1);
    drop(events);
    let mut again = Events::open(&broker, "/control/events", &last);
    let first = loop {
        let (name, id, data) = again.next();
        if name == "message" {
            break (id, data);
        }
    };
    assert_eq!(first, (signal["seq"].as_u64(), signal));
    // The number of a broker that ran here before.
    let mut stale = Events::open(&broker, "/control/events", "Last-Event-ID: 999999\r\n");
    assert_eq!(stale.next().0, "reset");
    assert_eq!(stale.next().1, Some(1));
}

#[test]
fn who_watches_and_does_not_read_costs_little_and_is_told_what_it_missed() {
    let bounds = |b: &mut hobnail_mock_broker::script::Bounds| b.transcript = 500;
    let broker = start(Scenario::builder().bounds(bounds).build());
    let mut events = Events::open(&broker, "/control/events?from=1", "");
    events.entry("tcp");
    // More than all buffers on the way can take.
    let long = "s".repeat(4000);
    let count = 20_000;
    for n in 0..count {
        broker.signal(&format!("{n} {long}"));
    }
    let last = |e: &hobnail_mock_broker::Entry| matches!(&e.what, What::Signal(s) if s.starts_with("19999 "));
    broker.wait_for(LONG, last).unwrap();
    let (mut missed, mut seen) = (0, 0);
    loop {
        let (name, _, data) = events.next();
        if name == "missed" {
            missed += data["missed"].as_u64().unwrap();
        } else if data["kind"] == "signal" {
            seen += 1;
            if data["name"].as_str().unwrap().starts_with("19999 ") {
                break;
            }
        }
    }
    assert!(missed > 0, "nothing was missed");
    assert!(seen < count, "{seen}");
    assert!(seen + missed >= count, "{seen} + {missed}");
    // Nobody else is held up.
    Client::connect(&broker);
}

#[test]
fn pages_of_other_sites_are_refused() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(on::signal("x")).then(mark("hit")))
            .build(),
    );
    let port = broker.port();
    let own = format!("Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n");
    for (headers, status) in [
        (own, 200),
        (
            format!("Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n"),
            403,
        ),
        (format!("Host: 127.0.0.1:{port}\r\nOrigin: null\r\n"), 403),
        (format!("Host: evil.example:{port}\r\n"), 403),
        (
            format!("Host: localhost:{port}\r\nSec-Fetch-Site: cross-site\r\n"),
            403,
        ),
        (String::new(), 403),
    ] {
        let request = format!("POST /control/mark/hit HTTP/1.1\r\n{headers}\r\n");
        let answer = exchange(&broker, request.as_bytes());
        assert_eq!(answer.status, status, "{headers}");
        let page = exchange(
            &broker,
            format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes(),
        );
        assert_eq!(page.status, status, "{headers}");
    }
    let hits = broker
        .transcript()
        .iter()
        .filter(|e| e.is_mark("hit"))
        .count();
    assert_eq!(hits, 1);
}

#[test]
fn what_there_is_not_is_told_in_words() {
    let broker = start(Scenario::default());
    let list = get(&broker, "/control/").body;
    for verb in ["signal", "expire", "publish", "reload", "events", "stop"] {
        assert!(list.contains(&format!("/control/{verb}")), "{list}");
    }
    assert_eq!(get(&broker, "/control").body, list);
    let near = get(&broker, "/control/transcrpt");
    assert_eq!(near.status, 404);
    assert!(
        near.body.contains("did you mean `transcript`?"),
        "{}",
        near.body
    );
    let wrong = get(&broker, "/control/stop");
    assert_eq!(wrong.status, 405);
    assert!(wrong.head.contains("Allow: POST"), "{}", wrong.head);
    assert_eq!(get(&broker, "/favicon.ico").status, 426);
    for what in ["sessions?limit", "transcript?from", "events?tail"] {
        let wrong = get(&broker, &format!("/control/{what}=some"));
        assert_eq!(wrong.status, 400, "{what}");
        assert!(wrong.body.contains("= is not a number"), "{}", wrong.body);
    }
}

#[test]
fn the_page_allows_nothing_from_elsewhere() {
    let broker = start(Scenario::default());
    for (path, kind) in [
        ("/", "text/html"),
        ("/control/page.css", "text/css"),
        ("/control/page.js", "text/javascript"),
    ] {
        let file = get(&broker, path);
        assert_eq!(file.status, 200);
        assert!(
            file.head.contains(&format!("Content-Type: {kind}")),
            "{}",
            file.head
        );
        assert!(file.head.contains("default-src 'none'"), "{}", file.head);
        assert!(!file.head.contains("unsafe"), "{}", file.head);
        for outside in ["https://", "http://", "innerHTML", "eval(", "onclick="] {
            assert!(!file.body.contains(outside), "{path}: {outside}");
        }
    }
    assert_eq!(post(&broker, "/", "").status, 405);
}

#[test]
fn the_control_api_may_be_elsewhere_or_nowhere() {
    let rules = || {
        Scenario::builder()
            .http(HttpRule::get("/").then(act::http(200, "the scenario's own")))
            .build()
    };
    let at = |control| Listen {
        control,
        ..Listen::default()
    };
    let broker = MockBroker::start_at(rules(), at(Control::Port(0))).unwrap();
    let url = broker.control_url().expect("a URL");
    let port: u16 = url
        .trim_end_matches('/')
        .rsplit_once(':')
        .and_then(|(_, p)| p.parse().ok())
        .expect("a port");
    assert_ne!(port, broker.port());
    let apart = |request: &str| {
        let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
        tcp.set_read_timeout(Some(LONG)).unwrap();
        write!(tcp, "{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(apart("GET /").contains("text/html"));
    assert!(apart("POST /control/signal/x").contains("200 OK"));
    assert!(apart("GET /stomp").starts_with("HTTP/1.1 404 "));
    assert_eq!(get(&broker, "/").body, "the scenario's own");
    assert_eq!(post(&broker, "/control/signal/x", "").status, 426);
    // The listener is down, its control is not.
    broker.stop_listening();
    assert!(apart("GET /control/sessions").contains("200 OK"));

    let broker = MockBroker::start_at(rules(), at(Control::Off)).unwrap();
    assert_eq!(broker.control_url(), None);
    assert_eq!(get(&broker, "/control/sessions").status, 426);
    assert_eq!(get(&broker, "/").body, "the scenario's own");
}
