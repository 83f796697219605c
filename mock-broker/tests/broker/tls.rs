//! Broken TLS, as native-tls sees it.

use crate::support::{LONG, QUIET, start, tcp};
use hobnail_mock_broker::script::TlsFault;
use hobnail_mock_broker::{How, MockBroker, Note, Rule, Scenario, What, act, on};
use native_tls::{Certificate, HandshakeError, TlsConnector};
use std::io::{Read, Write};

/// A client that trusts the broker's authority and nobody else.
fn connector(broker: &MockBroker) -> TlsConnector {
    let pem = broker.ca_pem().expect("TLS is on");
    TlsConnector::builder()
        .disable_built_in_roots(true)
        .add_root_certificate(Certificate::from_pem(pem.as_bytes()).expect("a certificate"))
        .build()
        .expect("a connector")
}

/// What a handshake fails with.
fn failure(broker: &MockBroker) -> String {
    match connector(broker).connect("localhost", tcp(broker)) {
        Ok(_) => panic!("the handshake came about"),
        Err(HandshakeError::Failure(error)) => error.to_string().to_lowercase(),
        Err(HandshakeError::WouldBlock(_)) => "timed out".to_owned(),
    }
}

fn broken(word: &str) -> MockBroker {
    let json = format!(r#"{{"rules":[{{"conn":1,"on":"tcp","do":[{{"tls":"{word}"}}]}}]}}"#);
    MockBroker::start_tls(Scenario::from_json(&json).expect("a scenario")).expect("it starts")
}

/// The connection after the broken one is a good one.
fn assert_next_is_fine(broker: &MockBroker) {
    let mut tls = connector(broker)
        .connect("localhost", tcp(broker))
        .expect("the second handshake");
    tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("written");
    let mut answer = String::new();
    tls.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[test]
pub(crate) fn every_broken_certificate_fails_for_its_own_reason() {
    for (word, reason) in [
        ("expired", "expired"),
        ("wrong-host", "hostname mismatch"),
        ("self-signed", "self-signed certificate"),
    ] {
        let broker = broken(word);
        let words = failure(&broker);
        // Older libraries write it apart.
        let words = words.replace("self signed", "self-signed");
        assert!(words.contains(reason), "{word}: {words}");
        let noted = broker.wait_for(LONG, |e| matches!(e.note(), Some(Note::Handshake(_))));
        assert_eq!(noted.expect("a note").conn, 1);
        assert_next_is_fine(&broker);
    }
}

#[test]
pub(crate) fn an_alert_answers_the_hello() {
    let broker = broken("alert");
    let words = failure(&broker);
    assert!(words.contains("handshake failure"), "{words}");
    broker
        .wait_for(
            LONG,
            |e| matches!(&e.what, What::Closed(How::Failed(words)) if words.contains("alert")),
        )
        .expect("it ended");
    assert_next_is_fine(&broker);
}

#[test]
pub(crate) fn a_stalled_handshake_hangs() {
    let broker = broken("stall");
    let stalled = tcp(&broker);
    stalled.set_read_timeout(Some(QUIET)).expect("timeout");
    let result = connector(&broker).connect("localhost", stalled);
    assert!(matches!(result, Err(HandshakeError::WouldBlock(_))));
    assert_next_is_fine(&broker);
}

#[test]
fn the_words_are_the_same_in_rust() {
    for (word, fault) in [
        ("stall", TlsFault::Stall),
        ("alert", TlsFault::Alert),
        ("expired", TlsFault::Expired),
        ("wrong-host", TlsFault::WrongHost),
        ("self-signed", TlsFault::SelfSigned),
    ] {
        let json = format!(r#"{{"rules":[{{"on":"tcp","do":[{{"tls":"{word}"}}]}}]}}"#);
        let rule = Rule::on(on::tcp()).then(act::tls(fault));
        let built = Scenario::builder().rule(rule).build();
        assert_eq!(Scenario::from_json(&json).expect("a scenario"), built);
    }
}

#[test]
fn a_tls_fault_without_tls_is_noted_and_does_nothing() {
    let rule = Rule::on(on::tcp()).then(act::tls(TlsFault::Expired));
    let broker = start(Scenario::builder().rule(rule).build());
    crate::support::Client::connect(&broker);
    broker
        .wait_for(LONG, |e| matches!(e.note(), Some(Note::Handshake(_))))
        .expect("a note");
}
