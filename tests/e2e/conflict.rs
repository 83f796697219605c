//! An identity that is connected elsewhere (409).

use hobnail::{Error, Event, Phase};
use hobnail_mock_broker::{MockBroker, Note, Rule, Scenario, What, error, recv};
use hobnail_tests::{Seen, client, connected, event, start};

/// Whether every connection was over before the next began.
fn one_at_a_time(broker: &MockBroker) -> bool {
    let mut open = 0;
    broker.transcript().iter().all(|e| {
        open += i32::from(e.what == What::Tcp);
        open -= i32::from(matches!(e.what, What::Closed(_)));
        open <= 1
    })
}

#[test]
fn an_overlap_costs_both_sessions_and_the_older_comes_back() {
    let scenario = Scenario::builder().single_session(true).build();
    let broker = start(scenario);
    let of_agent = || client(&broker).login("agent", "x");
    let older = of_agent().connect().unwrap().spawn().unwrap();
    let events = older.events();
    let Err(Error::Broker(newer)) = of_agent().connect() else {
        panic!("the identity is connected");
    };
    assert_eq!(newer.code(), Some(409));
    let conflict = event(&events, |e| matches!(e, Event::Conflict { .. }));
    assert!(matches!(conflict, Event::Conflict { count: 1 }));
    let told = event(&events, |e| matches!(e, Event::Disconnected { .. }));
    let Event::Disconnected { cause, retry_in } = told else {
        panic!("{told:?}");
    };
    assert!(matches!(&cause, Error::Broker(e) if e.code() == Some(409)));
    assert!(retry_in.is_some_and(|delay| !delay.is_zero()));
    connected(&events, 2);
    older
        .send("/queue/a")
        .body("x")
        .receipt()
        .publish()
        .unwrap();
    older.close().unwrap();
    let notes = broker.complaints();
    let overlaps = notes
        .iter()
        .filter(|n| matches!(n, Note::ConnectWhileLive { .. }));
    assert_eq!(overlaps.count(), 1, "the client itself never overlaps");
}

#[test]
fn conflicts_without_end_are_borne_up_to_the_limit() {
    let scenario = Scenario::builder()
        .rule(Rule::on(recv("CONNECT")).conns(2..=99).then(error(409)))
        .build();
    let broker = start(scenario);
    let client = client(&broker).conflict_limit(2).connect().unwrap();
    let handle = client.spawn().unwrap();
    let events = handle.events();
    broker.kick(1);
    for count in 1..=3 {
        event(
            &events,
            |e| matches!(e, Event::Conflict { count: n } if *n == count),
        );
    }
    let ended = event(&events, |e| matches!(e, Event::Closed { .. }));
    let Event::Closed { cause: Some(cause) } = ended else {
        panic!("{ended:?}");
    };
    assert!(matches!(&cause, Error::Broker(e) if e.code() == Some(409)));
    assert!(one_at_a_time(&broker), "{:#?}", broker.transcript());
}

#[test]
fn a_persistent_first_connection_bears_conflicts_too() {
    let scenario = Scenario::builder()
        .rule(Rule::on(recv("CONNECT")).conns(1..=2).then(error(409)))
        .build();
    let broker = start(scenario);
    let mut client = client(&broker).persistent(true).connect().unwrap();
    assert_eq!(client.phase(), Phase::Online);
    client.close().unwrap();
    assert!(one_at_a_time(&broker), "{:#?}", broker.transcript());
}
