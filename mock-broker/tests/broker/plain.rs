//! Plain HTTP on the broker's port: rules, the token endpoint, bad requests.

use crate::support::{Client, LONG, QUIET, start, tcp};
use hobnail_mock_broker::script::Bounds;
use hobnail_mock_broker::{
    Entry, HttpRule, MockBroker, Note, OAuthClient, Refresh, Rule, Scenario, What, act, mark, on,
};
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

fn token(broker: &MockBroker, headers: &str, form: &str) -> Answer {
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{headers}");
    ask(broker, "POST", "/oauth/token", &headers, form)
}

/// `desk:s3cret`, and one with characters that are encoded first.
const DESK: &str = "Authorization: Basic ZGVzazpzM2NyZXQ=\r\n";

fn desk() -> OAuthClient {
    OAuthClient::new("desk", "s3cret")
        .ttl(Duration::from_secs(600))
        .scopes(&["events", "voice"])
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
fn a_client_gets_a_token_that_the_broker_takes() {
    let broker = start(Scenario::builder().oauth_client(desk()).build());
    let answer = token(&broker, DESK, "grant_type=client_credentials&scope=events");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.head.contains("Cache-Control: no-store"),
        "{}",
        answer.head
    );
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 600);
    assert_eq!(body["scope"], "events");
    assert_eq!(body["refresh_token"], Value::Null);
    let access = body["access_token"].as_str().unwrap().to_owned();

    let mut client = Client::open(&broker);
    client.send(&format!(
        "CONNECT\naccept-version:1.2\nhost:h\npasscode:{access}\n\n"
    ));
    client.expect("CONNECTED");
    broker.expire_token("desk");
    assert_eq!(client.expect("ERROR").header("code"), Some("401"));

    let mut stranger = Client::open(&broker);
    stranger.send("CONNECT\naccept-version:1.2\nhost:h\npasscode:made-up\n\n");
    assert_eq!(
        stranger.expect("ERROR").header("message"),
        Some("401 token unknown")
    );
    for entry in broker.transcript() {
        let shown = format!("{entry:?}");
        for secret in [&access, "s3cret", "ZGVzazpzM2NyZXQ"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn refresh_tokens_rotate_or_stay_and_belong_to_one_client() {
    let other = OAuthClient::new("other", "o").refresh(Refresh::Keep);
    let broker = start(
        Scenario::builder()
            .oauth_client(desk().refresh(Refresh::Rotate))
            .oauth_client(other)
            .oauth_client(OAuthClient::new("bare", "b"))
            .build(),
    );
    let refresh = |headers: &str, token_text: &str, more: &str| {
        let form = format!("grant_type=refresh_token&refresh_token={token_text}{more}");
        token(&broker, headers, &form)
    };
    let text = |v: &Value| v["refresh_token"].as_str().map(str::to_owned);
    let first = token(&broker, DESK, "grant_type=client_credentials").json();
    assert_eq!(first["scope"], "events voice");
    let first = text(&first).expect("a refresh token");
    let wider = refresh(DESK, &first, "&scope=admin");
    assert_eq!(wider.json()["error"], "invalid_scope");
    let second = refresh(DESK, &first, "&scope=voice").json();
    assert_eq!(second["scope"], "voice");
    let second = text(&second).expect("the next one");
    assert_eq!(
        refresh(DESK, &first, "").json()["error"],
        "invalid_grant",
        "used up"
    );
    assert_eq!(
        refresh(DESK, &second, "&scope=events").json()["error"],
        "invalid_scope"
    );
    let thief = refresh("", &second, "&client_id=other&client_secret=o");
    assert_eq!(thief.json()["error"], "invalid_grant");
    broker.expire_token(&second);
    assert_eq!(
        refresh(DESK, &second, "").json()["error"],
        "invalid_grant",
        "revoked"
    );

    let body = "client_id=other&client_secret=o";
    let kept = token(
        &broker,
        "",
        &format!("grant_type=client_credentials&{body}"),
    )
    .json();
    let kept = text(&kept).expect("a refresh token");
    for _ in 0..2 {
        let again = refresh("", &kept, &format!("&{body}"));
        assert_eq!((again.status, text(&again.json())), (200, None));
    }
    let bare = refresh("", &kept, "&client_id=bare&client_secret=b");
    assert_eq!(bare.json()["error"], "unauthorized_client");
}

#[test]
fn the_token_endpoint_refuses_as_the_rfc_says() {
    let broker = start(Scenario::builder().oauth_client(desk()).build());
    let grant = "grant_type=client_credentials";
    for (headers, form, status, error) in [
        ("", grant, 401, "invalid_client"),
        ("Authorization: Bearer x\r\n", grant, 401, "invalid_client"),
        (
            "Authorization: Basic ZGVzazp3cm9uZw==\r\n",
            grant,
            401,
            "invalid_client",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=desk&client_secret=no",
            401,
            "invalid_client",
        ),
        (
            "",
            "grant_type=client_credentials&client_id=desk",
            401,
            "invalid_client",
        ),
        (
            DESK,
            "grant_type=client_credentials&client_secret=s3cret",
            400,
            "invalid_request",
        ),
        (
            DESK,
            "grant_type=client_credentials&client_id=other",
            400,
            "invalid_request",
        ),
        (DESK, "", 400, "invalid_request"),
        (DESK, "grant_type=", 400, "invalid_request"),
        (
            DESK,
            "grant_type=client_credentials&grant_type=x",
            400,
            "invalid_request",
        ),
        (DESK, "grant_type=refresh_token", 400, "invalid_request"),
        (
            DESK,
            "grant_type=password&username=u&password=p",
            400,
            "unsupported_grant_type",
        ),
        (
            DESK,
            "grant_type=client_credentials&scope=admin",
            400,
            "invalid_scope",
        ),
        (
            DESK,
            "grant_type=refresh_token&refresh_token=x",
            400,
            "unauthorized_client",
        ),
    ] {
        let answer = token(&broker, headers, form);
        assert_eq!(answer.status, status, "{headers}{form}: {}", answer.body);
        assert_eq!(answer.json()["error"], error, "{headers}{form}");
        assert_eq!(
            answer.head.contains("WWW-Authenticate: Basic"),
            status == 401
        );
    }
    let json = ask(
        &broker,
        "POST",
        "/oauth/token",
        "Content-Type: application/json\r\n",
        "{}",
    );
    assert_eq!(
        (json.status, &json.json()["error"]),
        (400, &json!("invalid_request"))
    );
    let read = get(&broker, "/oauth/token");
    assert_eq!(read.status, 405);
    assert!(read.head.contains("Allow: POST"), "{}", read.head);
}

#[test]
fn rules_stand_above_the_token_endpoint() {
    let scenario = Scenario::from_json(
        r#"{"broker":{"auth":{"oauth":{"clients":[
               {"id":"desk","secret":"s3cret","scopes":["a"],"ttl":"60s","refresh":"keep"}]}}},
            "http":[{"on":"POST /oauth/token","seq":[
               [{"http":{"status":500}}],
               [{"http":{"status":200,"body":"not json"}}],
               [{"http":{"status":200,"json":{"access_token":"{token}","expires_in":60}}}],
               [{"delay":"20ms"},"pass"]]}]}"#,
    )
    .expect("good");
    let broker = start(scenario);
    let ask = || token(&broker, DESK, "grant_type=client_credentials");
    assert_eq!(ask().status, 500);
    assert_eq!(ask().body, "not json");
    let scripted = ask().json()["access_token"].as_str().unwrap().to_owned();
    let real = ask().json();
    assert_eq!(
        (&real["scope"], &real["expires_in"]),
        (&json!("a"), &json!(60))
    );
    for token in [scripted.as_str(), real["access_token"].as_str().unwrap()] {
        let mut client = Client::open(&broker);
        client.send(&format!(
            "CONNECT\naccept-version:1.2\nhost:h\npasscode:{token}\n\n"
        ));
        client.expect("CONNECTED");
    }
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
