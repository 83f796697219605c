//! Plain HTTP on the broker's port: rules, bad requests.

use crate::oauth::{DESK, desk};
use crate::support::{Client, LONG, QUIET, start, tcp};
use hobnail_mock_broker::script::Bounds;
use hobnail_mock_broker::{Entry, HttpRule, MockBroker, Note, Rule, Scenario, What, act, mark, on};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::Duration;

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// Sends octets and reads the answer to the end.
pub(crate) fn exchange(broker: &MockBroker, octets: &[u8]) -> Answer {
    let mut tcp = tcp(broker);
    tcp.write_all(octets).expect("written");
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
    Answer {
        status: status.expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) fn ask(
    broker: &MockBroker,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let host = broker.port();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{host}\r\nContent-Length: {length}\r\n\
         {headers}\r\n{body}"
    );
    exchange(broker, request.as_bytes())
}

pub(crate) fn get(broker: &MockBroker, path: &str) -> Answer {
    ask(broker, "GET", path, "", "")
}

#[test]
fn a_health_endpoint_falls_over_in_turn_and_then_stays() {
    let scenario = Scenario::from_json(
        r#"{"http":[
            {"on":"GET /health/*","seq":[[{"http":{"status":200,"json":{"status":"UP"}}}],
                                         [{"http":{"status":503}},{"mark":"down"}]]},
            {"on":"GET /health/eu","do":[{"http":{"status":200,"body":"up again at {port}"}}]}]}"#,
    )
    .expect("good");
    let broker = start(scenario);
    let first = get(&broker, "/health/eu");
    assert_eq!(
        (first.status, &first.json()),
        (200, &json!({"status":"UP"}))
    );
    assert_eq!(get(&broker, "/health/eu").status, 503);
    broker.wait_for(LONG, |e| e.is_mark("down")).unwrap();
    let third = get(&broker, "/health/eu");
    assert_eq!(third.body, format!("up again at {}", broker.port()));
    assert_eq!(get(&broker, "/health/us").status, 426, "no rule is left");
    let head = ask(&broker, "HEAD", "/health/eu", "", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("Content-Length: 1"), "{}", head.head);
}

#[test]
fn rules_can_be_slow_hang_break_off_and_drip() {
    let broker = start(
        Scenario::builder()
            .http(HttpRule::get("/fin").then(act::fin()))
            .http(HttpRule::get("/rst").then(act::rst()))
            .http(HttpRule::get("/hang").then(act::hang()))
            .http(
                HttpRule::get("/cut")
                    .then(act::fin_after(20))
                    .then(act::http(200, "x")),
            )
            .http(
                HttpRule::get("/drip")
                    .then(act::drip(16, Duration::from_millis(1)))
                    .then(act::http(200, "drop by drop")),
            )
            .http(
                HttpRule::get("/slow")
                    .then(act::delay(Duration::from_millis(60)))
                    .then(act::http(200, "late")),
            )
            .build(),
    );
    let read = |path: &str| {
        let mut tcp = tcp(&broker);
        write!(tcp, "GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").expect("written");
        let mut answer = Vec::new();
        let result = tcp.read_to_end(&mut answer);
        result.map(|_| String::from_utf8(answer).expect("text"))
    };
    assert_eq!(read("/fin").unwrap(), "");
    assert!(read("/rst").is_err(), "a reset");
    assert_eq!(read("/cut").unwrap(), "HTTP/1.1 200 OK\r\nCon");
    assert!(read("/drip").unwrap().ends_with("drop by drop"));
    assert!(read("/slow").unwrap().ends_with("late"));
    let mut hung = tcp(&broker);
    hung.write_all(b"GET /hang HTTP/1.1\r\n\r\n").unwrap();
    hung.set_read_timeout(Some(QUIET)).unwrap();
    assert!(hung.read(&mut [0]).is_err(), "nothing comes");
}

#[test]
fn plain_requests_do_not_count_among_the_connections() {
    let broker = start(
        Scenario::builder()
            .http(HttpRule::get("/health").then(act::http(200, "up")))
            .rule(Rule::on(on::connected()).conn(1).then(mark("first")))
            .rule(Rule::on(on::connected()).conn(2).then(mark("second")))
            .build(),
    );
    assert_eq!(get(&broker, "/health").status, 200);
    assert_eq!(get(&broker, "/health").status, 200);
    let _first = Client::connect(&broker);
    broker.wait_for(LONG, |e| e.is_mark("first")).unwrap();
    assert_eq!(get(&broker, "/health").status, 200);
    let _second = Client::connect(&broker);
    broker.wait_for(LONG, |e| e.is_mark("second")).unwrap();
    let requests: Vec<String> = broker
        .transcript()
        .iter()
        .filter(|e| matches!(e.what, What::Request { .. }))
        .map(ToString::to_string)
        .collect();
    assert_eq!(requests.len(), 3);
    assert!(
        requests[2].contains(" http 3 request GET /health "),
        "{requests:?}"
    );
    let accepts: Vec<u64> = broker
        .transcript()
        .iter()
        .filter(|e| e.what == What::Tcp && e.conn < 100)
        .map(|e| e.conn)
        .collect();
    assert_eq!(accepts, [1, 2]);
}

#[test]
fn a_browser_that_opens_connections_before_it_speaks_takes_no_numbers() {
    let broker = start(Scenario::default());
    let mut first = tcp(&broker);
    let mut second = tcp(&broker);
    let accepted = |e: &Entry| e.what == What::Tcp;
    broker.wait_for_nth(2, LONG, accepted).unwrap();
    for tcp in [&mut first, &mut second] {
        tcp.write_all(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        tcp.read_to_string(&mut String::new()).unwrap();
    }
    Client::connect(&broker);
    broker
        .wait_for(LONG, |e| e.conn == 1 && e.is_recv("CONNECT"))
        .expect("the first client has the number 1");
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let broker = start(Scenario::default());
    for (request, status) in [
        (
            "POST /x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            411,
        ),
        (
            "POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        ("POST /x HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /x HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("\u{0}\u{1}\u{2}\r\n\r\n", 400),
        ("CONNECT\naccept-version:1.2\n\n\u{0}", 400),
    ] {
        let answer = exchange(&broker, request.as_bytes());
        assert_eq!(answer.status, status, "{request:?}");
        assert!(!answer.body.is_empty(), "{request:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(40_000));
    assert_eq!(exchange(&broker, long.as_bytes()).status, 431);
    Client::connect(&broker);
}

#[test]
fn a_second_request_behind_the_first_is_not_heard() {
    let broker = start(
        Scenario::builder()
            .http(
                HttpRule::get("/a")
                    .then(mark("a"))
                    .then(act::http(200, "a")),
            )
            .http(
                HttpRule::get("/b")
                    .then(mark("b"))
                    .then(act::http(200, "b")),
            )
            .build(),
    );
    let two = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = exchange(&broker, two.as_bytes());
    assert_eq!(answer.body, "a");
    broker
        .wait_for(LONG, |e| matches!(e.what, What::Closed(_)))
        .unwrap();
    assert!(!broker.transcript().iter().any(|e| e.is_mark("b")));
}

#[test]
fn a_body_is_asked_for_and_may_come_in_pieces() {
    let broker = start(Scenario::builder().oauth_client(desk()).build());
    let mut tcp = tcp(&broker);
    let form = "grant_type=client_credentials";
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: h\r\n{DESK}Expect: 100-continue\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    tcp.write_all(head.as_bytes()).unwrap();
    let mut go = [0; 25];
    tcp.read_exact(&mut go).unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
    for octet in form.as_bytes() {
        tcp.write_all(&[*octet]).unwrap();
    }
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn who_never_speaks_is_shown_out() {
    let short = |b: &mut Bounds| b.handshake = Duration::from_millis(200);
    let broker = start(Scenario::builder().bounds(short).build());
    let mut silent: Vec<_> = (0..300).map(|_| tcp(&broker)).collect();
    silent[0]
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX-")
        .unwrap();
    for tcp in &mut silent {
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let noted = |e: &Entry| matches!(e.note(), Some(Note::Handshake(_)));
    broker.wait_for_nth(300, LONG, noted).unwrap();
    drop(silent);
    let closed = |e: &Entry| matches!(e.what, What::Closed(_));
    broker.wait_for_nth(300, LONG, closed).unwrap();
    Client::connect(&broker);
}
