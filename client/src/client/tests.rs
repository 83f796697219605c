//! What a client holds, and lets go of.

use std::time::Duration;

use hobnail_mock_broker::{MockBroker, Rule, Scenario, drop_it, error, recv};

use super::Client;
use crate::error::{Error, Misuse};

#[test]
fn a_subscribe_that_fails_leaves_no_queue_behind() {
    let to = |destination| recv("SUBSCRIBE").matching("destination", destination);
    let scenario = Scenario::builder()
        .rule(Rule::on(to("/queue/refused")).then(error(500)))
        .rule(Rule::on(to("/queue/deaf")).then(drop_it()))
        .build();
    let broker = MockBroker::start(scenario).unwrap();
    let mut client = Client::builder(broker.url()).proxy(None).connect().unwrap();
    let _kept = client.subscription("/queue/a").id("a").subscribe().unwrap();
    assert_eq!(client.reactor.subscriptions(), 1);
    let taken = client.subscription("/queue/b").id("a").subscribe();
    assert!(matches!(
        taken,
        Err(Error::Misuse(Misuse::DuplicateSubscription(_)))
    ));
    let deaf = client.subscription("/queue/deaf");
    let late = deaf.timeout(Duration::from_millis(50)).subscribe();
    assert!(matches!(late, Err(Error::Timeout(_))));
    let refused = client.subscription("/queue/refused").subscribe();
    assert!(matches!(refused, Err(Error::Broker(_))), "{refused:?}");
    assert_eq!(client.reactor.subscriptions(), 1);
    client.close().unwrap();
    assert_eq!(client.reactor.subscriptions(), 0);
}
