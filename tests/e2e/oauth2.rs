//! Tokens from an OAuth2 server, and what such servers can do wrong.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use hobnail::{
    AuthError, Error, Event,
    auth::{OAuth2, OAuth2Builder, Token, TokenReason, TokenSource},
};
use hobnail_mock_broker::{MockBroker, Scenario, script::Bearer};
use hobnail_tests::{
    Peer, SOON, client, connected, event,
    http::{Asked, HttpServer, http, json},
    proxy, start,
};

const SECRET: &str = "hush secret/+";
const HOUR: Duration = Duration::from_secs(3600);

fn source(server: &HttpServer) -> OAuth2Builder {
    OAuth2::client_credentials(server.url("/oauth/token"), "desk 7", SECRET).proxy(None)
}

fn ask(source: &OAuth2) -> Result<Token, AuthError> {
    source.token(TokenReason::Connect)
}

/// What a source makes of one answer.
fn made_of(answer: Vec<u8>) -> Result<Token, AuthError> {
    let server = HttpServer::start(move |_, _| answer.clone());
    ask(&source(&server).build().expect("the settings are fine"))
}

/// An answer that is no token, and no reason to give up.
fn complaint(answer: Vec<u8>) -> String {
    let e = made_of(answer).expect_err("this is no token");
    assert!(!e.fatal, "{e}");
    assert!(e.text.starts_with("http://127.0.0.1:"), "{e}");
    e.text
}

fn fields(asked: &Asked) -> Vec<&str> {
    asked.body.split('&').collect()
}

#[test]
fn client_credentials_are_sent_as_basic_authentication() {
    let server = HttpServer::start(|_, _| {
        json(
            200,
            r#"{"access_token":"t1","token_type":"Bearer","expires_in":3600}"#,
        )
    });
    let tokens = source(&server).scope("stomp").scope("read");
    let tokens = tokens.field("audience", "the broker").build().unwrap();
    let token = ask(&tokens).unwrap();
    assert_eq!(token.reveal(), "t1");
    assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
    let asked = server.asked();
    assert!(asked.head.starts_with("POST /oauth/token HTTP/1.1\r\n"));
    // desk+7:hush+secret%2F%2B
    let basic = asked.header("authorization").unwrap();
    assert_eq!(basic, "Basic ZGVzays3Omh1c2grc2VjcmV0JTJGJTJC");
    let kind = asked.header("content-type").unwrap();
    assert!(
        kind.starts_with("application/x-www-form-urlencoded"),
        "{kind}"
    );
    assert_eq!(
        fields(&asked),
        [
            "grant_type=client_credentials",
            "scope=stomp+read",
            "audience=the+broker"
        ]
    );
}

#[test]
fn credentials_can_stand_in_the_body() {
    let server = HttpServer::start(|_, _| json(200, r#"{"access_token":"t1"}"#));
    let tokens = source(&server).credentials_in_body().build().unwrap();
    assert_eq!(ask(&tokens).unwrap().lifetime(), None);
    let asked = server.asked();
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(
        fields(&asked),
        [
            "grant_type=client_credentials",
            "client_id=desk+7",
            "client_secret=hush+secret%2F%2B"
        ]
    );
}

#[test]
fn a_refresh_token_that_is_replaced_is_used_from_then_on() {
    let server = HttpServer::start(|n, _| match n {
        1 => json(200, r#"{"access_token":"t1","refresh_token":"r2"}"#),
        n => json(200, &format!(r#"{{"access_token":"t{n}"}}"#)),
    });
    let tokens = OAuth2::refresh(server.url("/t"), "desk", "r1").proxy(None);
    let tokens = tokens.build().unwrap();
    for (token, refresh) in [("t1", "r1"), ("t2", "r2"), ("t3", "r2")] {
        assert_eq!(ask(&tokens).unwrap().reveal(), token);
        assert_eq!(
            fields(&server.asked()),
            [
                "grant_type=refresh_token".to_owned(),
                format!("refresh_token={refresh}"),
                "client_id=desk".to_owned()
            ]
        );
    }
}

#[test]
fn a_slow_server_is_waited_for_until_the_limit() {
    let trickling = HttpServer::raw(|_, _, mut tcp| {
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        loop {
            tcp.write_all(b" ")?;
            std::thread::yield_now();
        }
    });
    let silent = HttpServer::raw(|_, _, mut tcp| tcp.read(&mut [0]).map(drop));
    for server in [trickling, silent] {
        let tokens = source(&server).timeout(Duration::from_millis(300));
        let begun = Instant::now();
        let e = ask(&tokens.build().unwrap()).unwrap_err();
        assert!(begun.elapsed() < SOON, "it waited on");
        assert!(!e.fatal);
        let limit = e.text.contains("no whole answer within 300ms");
        assert!(limit || e.text.contains("longer than"), "{e}");
    }
}

#[test]
fn a_server_error_is_worth_another_try() {
    let text = complaint(json(500, r#"{"error":"server_error"}"#));
    assert!(text.ends_with("HTTP 500, server_error"), "{text}");
    let text = complaint(http(503, "text/html", "", "<h1>busy</h1>"));
    assert!(text.ends_with("HTTP 503"), "{text}");
}

#[test]
fn a_web_page_is_no_token() {
    let page = "<!doctype html><title>Log in</title>";
    let text = complaint(http(200, "text/html", "", page));
    assert!(
        text.contains("a web page answered, not a JSON object"),
        "{text}"
    );
}

#[test]
fn an_answer_of_the_wrong_type_says_which() {
    for (body, what) in [
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("\"token\"", "not a JSON object"),
        ("{\"access_token\":\"hush", "not a JSON object"),
        ("{}", "no access_token"),
        (r#"{"access_token":""}"#, "access_token is empty"),
        (r#"{"access_token":7}"#, "access_token is not a string"),
        (r#"{"access_token":null}"#, "access_token is not a string"),
        (r#"{"access_token":"hush\nx:y"}"#, "control characters"),
        (
            r#"{"access_token":"hush","token_type":"mac"}"#,
            "token_type",
        ),
        (
            r#"{"access_token":"hush","expires_in":"soon"}"#,
            "expires_in",
        ),
        (r#"{"access_token":"hush","expires_in":[1]}"#, "expires_in"),
    ] {
        let text = complaint(json(200, body));
        assert!(
            text.contains(what) && !text.contains("hush"),
            "{body}: {text}"
        );
    }
}

#[test]
fn a_negative_life_is_told_and_an_absurd_one_is_cut() {
    for never in ["0", "-5", "-1e99"] {
        let body = format!(r#"{{"access_token":"x","expires_in":{never}}}"#);
        let text = complaint(json(200, &body));
        assert!(text.contains("has ended already"), "{text}");
    }
    let absurd = json(200, r#"{"access_token":"x","expires_in":1e200}"#);
    let life = made_of(absurd).unwrap().lifetime().unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    assert!((9 * year..=11 * year).contains(&life), "{life:?}");
}

#[test]
fn an_answer_of_10_mib_is_not_read_to_its_end() {
    for length in ["Content-Length: 10485760\r\n", ""] {
        let server = HttpServer::raw(move |_, _, mut tcp| {
            let head = format!("HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n");
            tcp.write_all(head.as_bytes())?;
            (0..160).try_for_each(|_| tcp.write_all(&[b' '; 64 << 10]))
        });
        let e = ask(&source(&server).build().unwrap()).unwrap_err();
        assert!(e.text.contains("longer than 262144 octets"), "{e}");
        assert!(!e.fatal);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = HttpServer::start(|_, _| json(200, r#"{"access_token":"stolen"}"#));
    let location = format!("Location: {}\r\n", elsewhere.url("/t"));
    for status in [301, 302, 303, 307, 308] {
        let text = complaint(http(status, "text/plain", &location, ""));
        assert!(text.contains("redirected, which is not followed"), "{text}");
    }
    assert!(elsewhere.asked_within(Duration::ZERO).is_none());
}

#[test]
fn what_is_no_http_and_nobody_at_all_are_worth_another_try() {
    let text = complaint(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    assert!(!text.is_empty());
    complaint(Vec::new());
    let url = format!("http://127.0.0.1:{}/t", Peer::nobody().port());
    let tokens = OAuth2::client_credentials(url, "c", SECRET).proxy(None);
    assert!(!ask(&tokens.build().unwrap()).unwrap_err().fatal);
}

#[test]
fn an_invalid_client_is_fatal_unless_said_otherwise() {
    for status in [400, 401] {
        let server = HttpServer::start(move |_, _| {
            json(
                status,
                r#"{"error":"invalid_client","error_description":"hush secret/+"}"#,
            )
        });
        let e = ask(&source(&server).build().unwrap()).unwrap_err();
        assert!(e.fatal && e.text.ends_with("invalid_client"), "{e}");
        let never: [&str; 0] = [];
        let tokens = source(&server).fatal_errors(never).build().unwrap();
        assert!(!ask(&tokens).unwrap_err().fatal);
    }
    // Neither another status nor another word is.
    complaint(json(500, r#"{"error":"invalid_client"}"#));
    complaint(json(400, r#"{"error":"temporarily_unavailable"}"#));
    complaint(http(401, "text/html", "", "<h1>Unauthorized</h1>"));
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_or_for_the_token() {
    let server = HttpServer::start(|_, _| json(200, r#"{"access_token":"t1"}"#));
    let (proxy, requests) = proxy();
    let via = format!("http://joe:hush@127.0.0.1:{}", proxy.port());
    let tokens = source(&server).proxy(Some(&via)).build().unwrap();
    assert!(!format!("{tokens:?}").contains("hush"));
    ask(&tokens).unwrap();
    let head = requests.recv_timeout(SOON).unwrap();
    assert!(head.starts_with("CONNECT 127.0.0.1:"), "{head}");
    let header = "proxy-authorization: basic am9lOmh1c2g=";
    assert!(
        head.to_lowercase().contains(&header.to_lowercase()),
        "{head}"
    );
}

#[test]
fn a_certificate_authority_of_ones_own_is_trusted_and_no_other() {
    let broker = MockBroker::start_tls(Scenario::default()).unwrap();
    let url = format!("https://localhost:{}/t", broker.port());
    let of = || OAuth2::client_credentials(&url, "c", "s").proxy(None);
    let untrusted = ask(&of().build().unwrap()).unwrap_err();
    assert!(untrusted.text.contains("certificate"), "{untrusted}");
    let trusted = of().ca(broker.ca_pem().unwrap()).build().unwrap();
    // A broker gives no tokens, but it answers.
    let e = ask(&trusted).unwrap_err();
    assert!(e.text.contains("HTTP 4"), "{e}");
    let e = of().ca("nonsense").build().unwrap_err();
    assert!(e.to_string().contains("holds none"), "{e}");
}

/// A broker that takes only tokens it has issued.
fn guarded() -> Arc<MockBroker> {
    let bearer = Bearer {
        ttl: HOUR,
        header: None,
        issued_only: true,
        leeway: Duration::ZERO,
    };
    Arc::new(start(Scenario::builder().bearer(bearer).build()))
}

#[test]
fn a_session_lives_on_its_tokens_and_a_failed_fetch_is_only_a_failed_attempt() {
    let broker = guarded();
    let issuer = Arc::clone(&broker);
    let server = HttpServer::start(move |n, _| match n {
        2 => http(502, "text/html", "", "<h1>bad gateway</h1>"),
        3 => json(200, "[]"),
        _ => {
            let token = issuer.issue_token("desk", HOUR);
            json(
                200,
                &format!(r#"{{"access_token":"{token}","expires_in":3600}}"#),
            )
        }
    });
    let tokens = source(&server).build().unwrap();
    let client = client(&broker).token_source(tokens).connect().unwrap();
    let handle = client.spawn().unwrap();
    let events = handle.events();
    broker.expire_token("desk");
    for what in ["HTTP 502", "not a JSON object"] {
        let failed = event(&events, |e| matches!(e, Event::TokenFailed { .. }));
        assert!(format!("{failed:?}").contains(what), "{failed:?}");
    }
    connected(&events, 2);
    handle.close().unwrap();
}

#[test]
fn an_invalid_client_ends_the_client() {
    let broker = guarded();
    let server = HttpServer::start(|_, _| json(401, r#"{"error":"invalid_client"}"#));
    let tokens = source(&server).build().unwrap();
    let builder = client(&broker).token_source(tokens).persistent(true);
    let Err(Error::Auth(e)) = builder.connect() else {
        panic!("there is no token");
    };
    assert!(
        e.fatal && e.text.ends_with("HTTP 401, invalid_client"),
        "{e}"
    );
}
