//! The way to CONNECTED, and refusals on it.

use std::time::{Duration, Instant};

use hobnail::{Dialect, Error, Event, LinkError, frame::Version};

use crate::broker::{client, client_of, shared};

/// A refusal is told as soon as it came.
const AT_ONCE: Duration = Duration::from_secs(8);

#[test]
fn a_session_speaks_stomp_1_2() {
    let mut client = client().connect().unwrap();
    let Some(Event::Connected(connected)) = client.poll_event() else {
        panic!("the first event is Connected");
    };
    assert_eq!(connected.version, Version::V1_2);
    assert_eq!(connected.connection, 1);
    assert!(connected.server.unwrap().starts_with("RabbitMQ/"));
    assert!(connected.session.is_some());
    client.close().unwrap();
}

#[test]
fn the_plain_dialect_connects_too() {
    let mut client = client().dialect(Dialect::STOMP).connect().unwrap();
    let publish = client.send("/queue/connect-plain").body("x").receipt();
    publish.publish().unwrap();
    client.close().unwrap();
}

#[test]
fn a_wrong_password_is_told_at_once() {
    let began = Instant::now();
    let refused = client().login("guest", "wrong").connect();
    let Err(Error::Broker(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error.message(), "Bad CONNECT");
    assert!(error.to_string().contains("Access refused"), "{error}");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[test]
fn an_unknown_virtual_host_is_told_at_once() {
    let began = Instant::now();
    let refused = client().virtual_host("nowhere").connect();
    let Err(Error::Broker(error)) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[test]
fn a_wrong_path_is_an_http_refusal() {
    let url = shared().url();
    let url = url.strip_suffix("/ws").unwrap();
    let refused = client_of(format!("{url}/elsewhere")).connect();
    let Err(Error::Link(error)) = refused else {
        panic!("{refused:?}");
    };
    let LinkError::Refused(refusal) = *error else {
        panic!("{error:?}");
    };
    assert_eq!(refusal.status, 404);
}

/// RabbitMQ decodes escapes in CONNECT, against the letter of STOMP 1.2; its
/// dialect therefore writes them.
#[test]
fn a_passcode_with_every_escape_needs_the_dialect() {
    let passcode = r"back\slash:colon\n";
    shared().ctl(&["add_user", "odd:name", passcode]);
    shared().ctl(&["set_permissions", "-p", "/", "odd:name", ".*", ".*", ".*"]);
    let odd = || client().login("odd:name", passcode);

    let mut client = odd().connect().unwrap();
    let publish = client.send("/queue/connect-odd").body("x").receipt();
    publish.publish().unwrap();
    client.close().unwrap();

    assert!(odd().dialect(Dialect::STOMP).connect().is_err());
}
