//! Tokens, suspension, rebinding and single sessions.

use crate::support::{Client, End, LONG, start, upgrade};
use hobnail_mock_broker::{
    How, MockBroker, Note, OnExpiry, Rule, Scenario, What, error, mark, on, rebind, recv,
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn bearer() -> MockBroker {
    start(Scenario::builder().auth_bearer(HOUR).build())
}

fn connect(client: &mut Client, token: &str, more: &str) {
    let head = "CONNECT\naccept-version:1.2\nhost:h\nlogin:Bearer";
    client.send(&format!("{head}\npasscode:{token}\n{more}\n"));
}

fn session(broker: &MockBroker, token: &str) -> Client {
    let mut client = Client::open(broker);
    connect(&mut client, token, "");
    client.expect("CONNECTED");
    client
}

#[test]
fn an_ended_token_suspends_and_a_new_one_resumes() {
    let broker = bearer();
    let (old, new) = (
        broker.issue_token("alice", HOUR),
        broker.issue_token("alice", HOUR),
    );
    let mut client = session(&broker, &old);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    broker.expire_token(&old);
    let error = client.expect("ERROR");
    assert_eq!(error.header("code"), Some("401"));
    assert_eq!(error.header("message"), Some("401 token expired"));
    broker.publish("/topic/a", &[("n", "1")], b"held");
    client.send_raw(b"\n");
    client.assert_quiet();
    connect(&mut client, &new, "receipt:r\n");
    client.expect("CONNECTED");
    assert_eq!(client.expect("RECEIPT").header("receipt-id"), Some("r"));
    assert_eq!(
        client.expect("MESSAGE").text(),
        Some("held"),
        "the subscription stayed"
    );
    client.confirmed("SEND\ndestination:/topic/a\n\nx");
    assert_eq!(broker.sessions(), 1);

    let mut late = Client::open(&broker);
    connect(&mut late, &old, "");
    assert_eq!(
        late.expect("ERROR").header("code"),
        Some("401"),
        "dead for ever"
    );
    assert_eq!(late.ended(), End::Close(Some(1008)));
    for entry in broker.transcript() {
        let shown = format!("{entry:?}");
        assert!(!shown.contains(&old) && !shown.contains(&new), "{shown}");
    }
}

#[test]
fn a_token_ends_by_itself() {
    let broker = bearer();
    let token = broker.issue_token("alice", Duration::from_millis(80));
    let mut client = session(&broker, &token);
    assert_eq!(client.expect("ERROR").header("code"), Some("401"));
}

#[test]
fn sending_while_suspended_is_a_breach() {
    let broker = bearer();
    let token = broker.issue_token("alice", HOUR);
    let mut client = session(&broker, &token);
    broker.expire_token("alice");
    client.expect("ERROR");
    client.send("SEND\ndestination:/topic/a\n\nx");
    assert_eq!(client.expect("ERROR").header("code"), Some("401"));
    assert_eq!(client.ended(), End::Close(Some(1008)));
    let note = Note::SentWhileSuspended {
        command: "SEND".to_owned(),
    };
    broker.wait_for(LONG, |e| e.note() == Some(&note)).unwrap();
}

#[test]
fn a_suspended_session_may_disconnect() {
    let broker = bearer();
    let token = broker.issue_token("alice", HOUR);
    let mut client = session(&broker, &token);
    broker.expire_token("alice");
    client.expect("ERROR");
    client.send("DISCONNECT\nreceipt:r\n\n");
    client.expect("RECEIPT");
    assert_eq!(client.ended(), End::Close(Some(1000)));
}

#[test]
fn expiry_can_close_or_do_nothing() {
    for (what, closes) in [(OnExpiry::ErrorClose, true), (OnExpiry::Nothing, false)] {
        let broker = start(
            Scenario::builder()
                .auth_bearer(HOUR)
                .on_expiry(what)
                .build(),
        );
        let token = broker.issue_token("alice", HOUR);
        let mut client = session(&broker, &token);
        broker.expire_token(&token);
        if closes {
            client.expect("ERROR");
            assert_eq!(client.ended(), End::Close(Some(1008)));
        } else {
            client.confirmed("SEND\ndestination:/topic/a\n\nx");
        }
    }
}

#[test]
fn a_token_may_come_with_the_upgrade_or_in_a_header() {
    let broker = start(
        Scenario::builder()
            .auth_bearer(HOUR)
            .single_session(true)
            .build(),
    );
    let token = broker.issue_token("alice", HOUR);
    let mut client = upgrade(&broker, &[("Authorization", &format!("Bearer {token}"))]).unwrap();
    client.send("CONNECT\naccept-version:1.2\nhost:h\n\n");
    client.expect("CONNECTED");
    // A renewal must carry its own token.
    broker.expire_token(&token);
    client.expect("ERROR");
    client.send("CONNECT\naccept-version:1.2\nhost:h\n\n");
    assert_eq!(
        client.expect("ERROR").header("message"),
        Some("401 token missing")
    );
    let other = broker.issue_token("bob", HOUR);
    let mut client = Client::open(&broker);
    client.send(&format!(
        "CONNECT\naccept-version:1.2\nhost:h\nAuthorization:Bearer {other}\n\n"
    ));
    client.expect("CONNECTED");
}

#[test]
fn one_identity_has_one_session_if_the_scenario_says_so() {
    let broker = start(
        Scenario::builder()
            .auth_basic("u", "p")
            .single_session(true)
            .build(),
    );
    let login = "login:u\npasscode:p";
    let mut first = Client::connect_as(&broker, login);
    let mut second = Client::open(&broker);
    second.send(&format!("CONNECT\naccept-version:1.2\nhost:h\n{login}\n\n"));
    for client in [&mut first, &mut second] {
        let error = client.expect("ERROR");
        assert_eq!(error.header("code"), Some("409"));
        assert_eq!(error.header("message"), Some("409 already connected"));
        assert_eq!(client.ended(), End::Close(Some(1008)));
    }
    broker
        .wait_for(LONG, |e| {
            e.note() == Some(&Note::ConnectWhileLive { other: 1 })
        })
        .unwrap();
    Client::connect_as(&broker, login);
}

#[test]
fn a_second_connect_on_the_same_socket_is_409_but_can_be_a_rebind() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(recv("CONNECT").nth(2)).conn(2).then(rebind()))
            .build(),
    );
    for rebinds in [false, true] {
        let mut client = Client::connect(&broker);
        client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
        client.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\n\n");
        if rebinds {
            client.expect("CONNECTED");
            client.confirmed("SEND\ndestination:/topic/a\n\nx");
            client.expect("MESSAGE");
        } else {
            assert_eq!(client.expect("ERROR").header("code"), Some("409"));
            assert_eq!(client.ended(), End::Close(Some(1008)));
        }
    }
}

#[test]
fn a_rule_may_say_401_and_kick_may_let_the_newcomer_in() {
    let broker = start(
        Scenario::builder()
            .rule(
                Rule::on(recv("SUBSCRIBE").nth(2))
                    .conn(1)
                    .times(1)
                    .then(error(401).message("token expired").keep_open())
                    .then(mark("x")),
            )
            .rule(Rule::on(on::overlap()).then(hobnail_mock_broker::kick()))
            .single_session(true)
            .build(),
    );
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    client.send("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\n\n");
    let error = client.expect("ERROR");
    assert_eq!(
        (error.header("code"), error.header("receipt-id")),
        (Some("401"), Some("r"))
    );
    broker.wait_for(LONG, |e| e.is_mark("x")).unwrap();
    client.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\n\n");
    client.expect("CONNECTED");
    client.confirmed("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n");

    let mut newcomer = Client::connect(&broker);
    assert_eq!(client.ended(), End::Lost);
    newcomer.confirmed("SEND\ndestination:/topic/a\n\nx");
    broker
        .wait_for(LONG, |e| e.conn == 1 && e.what == What::Closed(How::Fin))
        .unwrap();
}
