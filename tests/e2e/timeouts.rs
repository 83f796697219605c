//! Every stage has a deadline, and its error names it.

use std::{
    thread,
    time::{Duration, Instant},
};

use hobnail::{
    Client, Error, Event, LinkError, Stage,
    config::{Proxy, Timeouts},
};
use hobnail_mock_broker::{
    MockBroker, Rule, Scenario, blackhole, drop_it, hang, on, recv, script::Direction, sending,
    tls_stall,
};
use hobnail_tests::{Peer, broker, client, event, start};

const SHORT: Duration = Duration::from_millis(150);

fn timeouts(change: impl FnOnce(&mut Timeouts)) -> Timeouts {
    let mut timeouts = Timeouts::default();
    change(&mut timeouts);
    timeouts
}

/// A broker with one rule.
fn ruled(rule: Rule) -> MockBroker {
    start(Scenario::builder().rule(rule).build())
}

fn link(e: Error) -> LinkError {
    let Error::Link(e) = e else {
        panic!("{e:?}");
    };
    *e
}

/// Asserts that a stage timed out, and with its own limit.
fn timed_out(e: Error, expected: Stage) {
    let e = link(e);
    let LinkError::Timeout { stage, limit } = e else {
        panic!("{e:?}");
    };
    assert_eq!((stage, limit), (expected, SHORT));
}

#[test]
fn a_name_that_does_not_exist_is_told() {
    let builder = Client::builder("ws://no-such-broker.invalid/").proxy(None);
    let e = link(builder.connect().unwrap_err());
    let LinkError::Resolve { host, .. } = &e else {
        panic!("{e:?}");
    };
    assert_eq!(host, "no-such-broker.invalid");
}

#[test]
fn a_port_on_which_nobody_listens_is_told() {
    let url = format!("ws://127.0.0.1:{}/", Peer::nobody().port());
    let e = link(Client::builder(url).proxy(None).connect().unwrap_err());
    let LinkError::Io { stage, .. } = e else {
        panic!("{e:?}");
    };
    assert_eq!(stage, Stage::Connect);
}

#[test]
fn a_proxy_that_never_answers() {
    let proxy = Proxy {
        host: "127.0.0.1".into(),
        port: Peer::silent().port(),
        basic: None,
    };
    let late = Client::builder("ws://broker.invalid/")
        .proxy(Some(proxy))
        .timeouts(timeouts(|t| t.tunnel = SHORT))
        .connect();
    timed_out(late.unwrap_err(), Stage::Tunnel);
}

#[test]
fn a_tls_handshake_that_never_ends() {
    let rule = Rule::on(on::tcp()).then(tls_stall());
    let broker = MockBroker::start_tls(Scenario::builder().rule(rule).build()).unwrap();
    let builder = client(&broker).timeouts(timeouts(|t| t.tls = SHORT));
    timed_out(builder.connect().unwrap_err(), Stage::Tls);
}

#[test]
fn an_upgrade_that_is_never_answered() {
    let broker = ruled(Rule::on(on::upgrade()).then(hang()));
    let builder = client(&broker).timeouts(timeouts(|t| t.upgrade = SHORT));
    timed_out(builder.connect().unwrap_err(), Stage::Upgrade);
}

#[test]
fn the_whole_attempt_has_a_deadline_as_well() {
    let broker = ruled(Rule::on(on::upgrade()).then(hang()));
    let builder = client(&broker).timeouts(timeouts(|t| t.overall = SHORT));
    timed_out(builder.connect().unwrap_err(), Stage::Upgrade);
}

#[test]
fn a_connect_that_is_never_answered() {
    let broker = ruled(Rule::on(recv("CONNECT")).then(drop_it()));
    let builder = client(&broker).timeouts(timeouts(|t| t.open = SHORT));
    let late = builder.connect().unwrap_err();
    timed_out(late, Stage::Open);
}

#[test]
fn a_receipt_that_never_comes() {
    let broker = ruled(Rule::on(sending("RECEIPT")).times(3).then(drop_it()));
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let send = handle.send("/queue/a").receipt().timeout(SHORT);
    let late = send.publish();
    assert!(
        matches!(late, Err(Error::Timeout(Stage::Receipt))),
        "{late:?}"
    );
    let late = handle.subscription("/queue/a").timeout(SHORT).subscribe();
    assert!(
        matches!(late, Err(Error::Timeout(Stage::Receipt))),
        "{late:?}"
    );
    handle.close().unwrap();

    let broker = ruled(Rule::on(sending("RECEIPT")).times(1).then(drop_it()));
    let mut client = client(&broker).connect().unwrap();
    let send = client.send("/queue/a").receipt().timeout(SHORT);
    let late = send.publish();
    assert!(
        matches!(late, Err(Error::Timeout(Stage::Receipt))),
        "{late:?}"
    );
    client.close().unwrap();
}

#[test]
fn a_frame_that_cannot_leave() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    broker.stop_listening();
    broker.kick(1);
    event(&events, |e| matches!(e, Event::Disconnected { .. }));
    let send = handle.send("/queue/a").receipt().timeout(SHORT);
    let late = send.publish();
    assert!(
        matches!(late, Err(Error::Timeout(Stage::Outbox))),
        "{late:?}"
    );
    let late = handle.subscription("/queue/a").timeout(SHORT).subscribe();
    assert!(
        matches!(late, Err(Error::Timeout(Stage::Outbox))),
        "{late:?}"
    );
    let silent = handle.send("/queue/a").timeout(SHORT);
    silent.publish().unwrap();
    event(&events, |e| matches!(e, Event::Expired { frames: 1 }));
    handle.close().unwrap();
}

/// Closes a client whose broker stops answering at some point; it must not
/// take much longer than it may.
fn closes_in_time(rule: Rule, tls: bool) {
    let scenario = Scenario::builder().rule(rule).build();
    let broker = if tls {
        MockBroker::start_tls(scenario).expect("a port is free")
    } else {
        start(scenario)
    };
    let close = Duration::from_millis(400);
    let timeouts = timeouts(|t| t.close = close);
    let connect = || client(&broker).timeouts(timeouts).connect();
    let check = |began: Instant| {
        assert!(began.elapsed() < close + Duration::from_secs(2));
    };
    let mut own = connect().expect("connects");
    let handle = connect().expect("connects").spawn().expect("a thread");
    thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            let _ = own.close();
            check(began);
        });
        scope.spawn(|| {
            let began = Instant::now();
            let _ = handle.close();
            check(began);
            assert!(matches!(handle.close(), Ok(())), "it has ended");
        });
    });
}

#[test]
fn a_disconnect_that_is_never_answered() {
    closes_in_time(Rule::on(recv("DISCONNECT")).then(drop_it()), false);
}

#[test]
fn a_peer_that_is_gone_when_the_client_closes() {
    for tls in [false, true] {
        let gone = blackhole(Direction::Both);
        closes_in_time(Rule::on(recv("DISCONNECT")).then(gone).then(drop_it()), tls);
    }
}

#[test]
fn a_close_that_is_never_answered() {
    let mute = blackhole(Direction::Out);
    closes_in_time(Rule::on(sending("RECEIPT")).then(mute), false);
}
