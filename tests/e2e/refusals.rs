//! HTTP answers instead of an upgrade, kept in words and in octets.

use hobnail::{Client, Error, LinkError, Refusal, Stage};
use hobnail_mock_broker::{
    Action, MockBroker, Rule, Scenario, bad_accept, http, http::Response, on, redirect, respond,
    subprotocol,
};
use hobnail_tests::{Peer, broker, client, start};

fn answering(action: Action) -> MockBroker {
    start(
        Scenario::builder()
            .rule(Rule::on(on::upgrade()).then(action))
            .build(),
    )
}

fn refusal(action: Action) -> Refusal {
    let broker = answering(action);
    let e = link(client(&broker));
    let LinkError::Refused(refusal) = e else {
        panic!("{e:?}");
    };
    *refusal
}

fn link(builder: hobnail::config::Builder) -> LinkError {
    match builder.connect() {
        Err(Error::Link(e)) => *e,
        other => panic!("{other:?}"),
    }
}

fn html(status: u16, body: &str) -> Action {
    let mut response = Response::text(status, body);
    let kind = |(n, _): &(String, String)| !n.eq_ignore_ascii_case("content-type");
    response.headers.retain(kind);
    let kind = ("Content-Type".to_owned(), "text/html".to_owned());
    response.headers.push(kind);
    respond(response)
}

#[test]
fn an_answer_keeps_its_status_its_body_and_says_what_it_means() {
    let login = "<!DOCTYPE html><form>Password: <input type=password></form>";
    for (action, status, body, words, retryable) in [
        (
            http(401, "who are you"),
            401,
            "who are you",
            "credentials",
            false,
        ),
        (http(403, "not you"), 403, "not you", "forbidden", false),
        (
            http(404, "no such path"),
            404,
            "no such path",
            "no such path",
            false,
        ),
        (
            http(503, "come back"),
            503,
            "come back",
            "overloaded or in maintenance",
            true,
        ),
        (html(200, login), 200, login, "a login page answered", true),
        (
            html(403, "<html>blocked"),
            403,
            "<html>blocked",
            "firewall",
            false,
        ),
        (
            html(503, "<html>sorry"),
            503,
            "<html>sorry",
            "a proxy answered 503",
            true,
        ),
        (
            http(200, "Welcome to SockJS!\n"),
            200,
            "Welcome to SockJS!",
            "/websocket",
            true,
        ),
        (http(429, "slow"), 429, "slow", "slow down", true),
    ] {
        let refusal = refusal(action);
        assert_eq!((refusal.stage, refusal.status), (Stage::Upgrade, status));
        assert!(refusal.body.starts_with(body.as_bytes()), "{refusal:?}");
        let told = refusal.to_string();
        assert!(told.contains(&status.to_string()), "{told}");
        assert!(told.contains(words), "{told}");
        let e = LinkError::Refused(Box::new(refusal));
        let sorted = e.is_retryable() == retryable || status == 200;
        assert!(sorted, "{e} {}", e.is_retryable());
    }
}

#[test]
fn a_redirection_says_where_to() {
    let refusal = refusal(redirect("https://login.example/"));
    assert_eq!(refusal.status, 302);
    let location = refusal
        .headers
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case("location"));
    assert_eq!(location.unwrap().1, "https://login.example/");
    assert!(refusal.to_string().contains("redirected"), "{refusal}");
}

#[test]
fn of_a_long_body_the_first_octets_are_kept() {
    let body = "x".repeat(100_000);
    let refusal = refusal(http(404, &body));
    assert_eq!(refusal.body, &body.as_bytes()[..512]);
}

#[test]
fn a_wrong_path_is_refused_by_the_server() {
    let broker = start(Scenario::builder().path("/stomp").build());
    let url = broker.url().replace("/stomp", "/other");
    let e = link(Client::builder(url).proxy(None));
    assert!(
        matches!(&e, LinkError::Refused(r) if r.status == 404),
        "{e}"
    );
}

#[test]
fn an_answer_that_is_no_websocket_handshake_is_told() {
    let e = link(client(&answering(bad_accept())));
    assert!(matches!(&e, LinkError::Handshake(_)), "{e}");
    assert!(e.to_string().contains("Sec-WebSocket-Accept"), "{e}");
    let e = link(client(&answering(subprotocol(Some("mqtt")))));
    assert!(matches!(&e, LinkError::Handshake(_)), "{e}");
    assert!(e.to_string().contains("\"mqtt\""), "{e}");
}

#[test]
fn no_subprotocol_at_all_is_fine() {
    let broker = answering(subprotocol(None));
    client(&broker).connect().unwrap().close().unwrap();
}

#[test]
fn tls_against_a_plain_port_and_the_reverse_are_told() {
    let plain = broker();
    let url = plain.url().replace("ws://", "wss://");
    let e = link(Client::builder(url).proxy(None));
    assert!(matches!(e, LinkError::Tls { .. }), "{e}");
    let secure = MockBroker::start_tls(Scenario::default()).unwrap();
    let url = secure.url().replace("wss://", "ws://");
    let e = link(Client::builder(url).proxy(None));
    assert!(e.to_string().contains("TLS"), "{e}");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_for_good() {
    let broker = MockBroker::start_tls(Scenario::default()).unwrap();
    let builder = Client::builder(broker.url()).proxy(None).persistent(true);
    let e = link(builder);
    assert!(matches!(e, LinkError::Tls { .. }), "{e}");
    assert!(!e.is_retryable());
}

#[test]
fn a_peer_that_speaks_something_else_is_quoted() {
    use std::io::Write;
    let ssh = Peer::start(|mut tcp| {
        let _ = tcp.write_all(b"SSH-2.0-OpenSSH_9.6\r\n");
    });
    let url = format!("ws://127.0.0.1:{}/", ssh.port());
    let e = link(Client::builder(url).proxy(None));
    assert!(e.to_string().contains("SSH-2.0"), "{e}");
}
