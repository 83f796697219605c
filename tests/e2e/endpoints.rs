//! More endpoints than one, the active region, and the last good one.

use std::time::Duration;

use hobnail::{
    Error, Event, LinkError,
    region::{HealthEndpoint, HealthEndpointBuilder, RegionSource},
};
use hobnail_mock_broker::{MockBroker, Rule, Scenario, http::Response, on, respond};
use hobnail_tests::{
    Peer, SOON, Seen, broker, client, connected, event,
    http::{HttpServer, http, json},
    start,
};

fn nobody() -> String {
    format!("ws://127.0.0.1:{}/stomp", Peer::nobody().port())
}

/// A client that begins where nobody listens.
fn lost_client(good: &MockBroker) -> hobnail::Builder {
    let template = client(good).build().expect("the settings are fine");
    hobnail::Client::builder(nobody())
        .proxy(None)
        .backoff(template.backoff)
}

#[test]
fn an_endpoint_where_nobody_listens_is_passed_over() {
    let good = broker();
    let builder = lost_client(&good).fallback(nobody()).fallback(good.url());
    let mut client = builder.connect().unwrap();
    client.send("/queue/a").receipt().publish().unwrap();
    client.close().unwrap();
    // The virtual host is that of the endpoint.
    let connect = good.nth_received(1, "CONNECT");
    assert_eq!(connect.header("host"), Some("127.0.0.1"));
}

#[test]
fn a_lost_broker_is_replaced_and_its_subscriptions_move() {
    let (first, second) = (broker(), broker());
    let builder = client(&first).fallback(second.url());
    let handle = builder.connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let topic = handle.subscribe("/topic/a").unwrap();
    connected(&events, 1);
    drop(first);
    connected(&events, 2);
    event(&events, |e| matches!(e, Event::Restored { .. }));
    handle.send("/topic/a").body("moved").publish().unwrap();
    let message = topic.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(message.body(), b"moved");
    handle.close().unwrap();
}

#[test]
fn a_gateway_in_maintenance_is_left_alone_as_long_as_it_asks() {
    let busy = Response {
        headers: vec![("Retry-After".into(), "3600".into())],
        ..Response::text(503, "maintenance")
    };
    let rule = Rule::on(on::upgrade()).then(respond(busy));
    let gateway = start(Scenario::builder().rule(rule).build());
    let builder = client(&gateway)
        .persistent(true)
        .timeouts(hobnail::config::Timeouts {
            overall: Duration::from_millis(700),
            ..Default::default()
        });
    let Err(Error::Link(e)) = builder.connect() else {
        panic!("it is in maintenance");
    };
    assert!(matches!(*e, LinkError::Refused(_)), "{e}");
    let asked = gateway.transcript();
    let upgrades = asked
        .iter()
        .filter(|e| e.what == hobnail_mock_broker::What::Tcp);
    assert_eq!(upgrades.count(), 1, "the back-off alone would be 20 ms");
}

#[test]
fn a_name_that_does_not_exist_leads_to_the_active_region() {
    let good = broker();
    let answer = format!(r#"{{"active":{{"stomp":"{}"}}}}"#, good.url());
    let server = HttpServer::start(move |_, _| json(200, &answer));
    let health = health(&server).pointer("/active/stomp").build().unwrap();
    let template = client(&good).build().unwrap();
    let builder = hobnail::Client::builder("ws://no-such-host.invalid/stomp")
        .proxy(None)
        .backoff(template.backoff)
        .persistent(true)
        .regions(health);
    let handle = builder.connect().unwrap().spawn().unwrap();
    let named = event(&handle.events(), |e| matches!(e, Event::Region { .. }));
    assert!(format!("{named:?}").contains(&good.url()));
    handle.close().unwrap();
}

fn health(server: &HttpServer) -> HealthEndpointBuilder {
    HealthEndpoint::new(server.url("/health")).proxy(None)
}

/// What a health endpoint's answer is told as.
fn complaint(answer: Vec<u8>) -> String {
    let server = HttpServer::start(move |_, _| answer.clone());
    let health = health(&server).build().expect("the settings are fine");
    health.active().expect_err("this names no region").text
}

#[test]
fn a_health_endpoint_is_distrusted_like_any_server() {
    for (answer, what) in [
        (json(500, "{}"), "HTTP 500"),
        (http(200, "text/html", "", "<html>"), "a web page answered"),
        (json(200, "[]"), "not a JSON object"),
        (json(200, "{}"), r#"there is nothing at "/url""#),
        (json(200, r#"{"url":7}"#), "is not a string"),
        (
            http(302, "text/plain", "Location: http://127.0.0.1/\r\n", ""),
            "redirected, which is not followed",
        ),
        (json(200, &" ".repeat(300_000)), "longer than 262144 octets"),
        (b"nonsense".to_vec(), "http://127.0.0.1:"),
    ] {
        let text = complaint(answer);
        assert!(text.contains(what), "{what}: {text}");
    }
    let silent = HttpServer::raw(|_, _, mut tcp| std::io::Read::read(&mut tcp, &mut [0]).map(drop));
    let slow = health(&silent).timeout(Duration::from_millis(100));
    let e = slow.build().unwrap().active().unwrap_err();
    assert!(e.text.contains("no whole answer within 100ms"), "{e}");
    let e = health(&silent).pointer("url").build().unwrap_err();
    assert!(e.to_string().contains("begins with a slash"), "{e}");
}

#[test]
fn a_health_endpoint_that_fails_does_not_keep_the_client_from_trying_again() {
    let broker = broker();
    let server = HttpServer::start(|_, _| json(503, "{}"));
    let builder = client(&broker).regions(health(&server).build().unwrap());
    let handle = builder.connect().unwrap().spawn().unwrap();
    let events = handle.events();
    connected(&events, 1);
    broker.stop_listening();
    broker.restart();
    event(&events, |e| matches!(e, Event::RegionFailed { .. }));
    broker.resume_listening();
    connected(&events, 2);
    handle.close().unwrap();
}

#[test]
fn the_last_good_endpoint_is_kept_in_a_file_and_begun_with_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("endpoint");
    let (first, second) = (broker(), broker());
    first.stop_listening();
    let of = || client(&first).fallback(second.url()).remember_in(&file);
    of().connect().unwrap().close().unwrap();
    hobnail_tests::until("the file is written", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text == second.url())
    });
    first.resume_listening();
    of().connect().unwrap().close().unwrap();
    assert!(first.transcript().iter().all(|e| e.received().is_none()));
    second.nth_received(2, "CONNECT");
    // A file that says something else is not believed, and nothing else is harmed.
    for text in [
        "ws://elsewhere.example/",
        "\0\u{fffd}",
        &"x".repeat(100_000),
    ] {
        std::fs::write(&file, text).unwrap();
        let mut client = of().connect().unwrap();
        client.close().unwrap();
    }
    first.nth_received(3, "CONNECT");
    let unwritable = client(&first).remember_in(folder.path().join("no/such/folder"));
    unwritable.connect().unwrap().close().unwrap();
}
