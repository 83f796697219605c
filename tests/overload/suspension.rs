//! What messages are worth while the session waits for a new token.

use std::sync::mpsc;

use hobnail::{
    AuthError, Dialect, Event, Events, Handle, Subscription,
    auth::{Token, TokenReason},
    config::{Overflow, Priority, QueueLimits, Spool},
};
use hobnail_mock_broker::{Frame, MockBroker, Rule, Scenario, error, on, recv, send};
use hobnail_tests::{SOON, client, event, start, until};

use crate::{SMALL, depth, folder, number, publish};

/// A client whose token is refused when it sends to `/queue/refuse`; the new token
/// comes when it is given. What `storm` says comes at the signal of that name
/// though the session is suspended: ids of subscriptions, and numbers.
fn session(
    spool: Spool,
    storm: impl IntoIterator<Item = (&'static str, u32)>,
) -> (MockBroker, Handle, Events, mpsc::Sender<()>) {
    let refuse = recv("SEND").matching("destination", "/queue/refuse");
    let refused = error(401).message("401 token expired").keep_open();
    let mut comes = Rule::on(on::signal("storm"));
    for (id, n) in storm {
        let message = Frame::new("MESSAGE").with("destination", "/topic/calls");
        let message = message.with("message-id", n.to_string());
        comes = comes.then(send(message.with("subscription", id).body(n.to_string())));
    }
    let scenario = Scenario::builder().receipt_id_header(true);
    let scenario = scenario.rule(Rule::on(refuse).then(refused)).rule(comes);
    let broker = start(scenario.build());
    let (give, given) = mpsc::channel();
    let given = std::sync::Mutex::new(given);
    let source = move |reason| {
        if reason == TokenReason::Refused {
            let given = given.lock().expect("nobody panicked");
            given.recv_timeout(SOON).map_err(|e| AuthError {
                text: e.to_string(),
                fatal: true,
            })?;
        }
        Ok(Token::new("token"))
    };
    let client = client(&broker)
        .dialect(Dialect::CONTACT_CENTRE)
        .token_source(source)
        .spool(spool)
        .connect()
        .expect("connects");
    let handle = client.spawn().expect("a thread");
    let events = handle.events();
    (broker, handle, events, give)
}

fn suspend(handle: &Handle, events: &Events) {
    handle.send("/queue/refuse").publish().expect("it leaves");
    event(events, |e| matches!(e, Event::Suspended));
}

fn subscribe(
    handle: &Handle,
    id: &'static str,
    limits: QueueLimits,
    worth: Priority,
) -> Subscription {
    let request = handle.subscription("/topic/calls").id(id).queue(limits);
    request.priority(worth).subscribe().expect("subscribes")
}

const DROPS: QueueLimits = QueueLimits {
    messages: 10,
    octets: 1 << 20,
    overflow: Overflow::DropOldest,
};

#[test]
fn metrics_are_dropped_and_what_is_critical_is_on_disk() {
    let (_folder, spool) = folder();
    let ids = ["critical", "normal", "metrics"];
    let storm = (5..8).flat_map(|n| ids.map(|id| (id, n)));
    let (broker, handle, events, give) = session(spool, storm);
    let critical = subscribe(&handle, "critical", SMALL, Priority::Critical);
    let normal = subscribe(&handle, "normal", DROPS, Priority::Normal);
    let metrics = subscribe(&handle, "metrics", DROPS, Priority::Expendable);
    let all = |messages: u64| {
        until("everything came", || {
            handle.metrics().unwrap().messages == 3 * messages
        });
    };
    publish(&broker, 0..5);
    all(5);
    assert_eq!(
        [&critical, &normal, &metrics].map(Subscription::len),
        [5, 5, 5]
    );
    assert!(handle.spooled().unwrap().is_empty());
    handle.send("/queue/refuse").publish().unwrap();
    let told = event(&events, |e| matches!(e, Event::SlowConsumer { .. }));
    assert!(format!("{told:?}").contains("metrics"), "{told:?}");
    event(&events, |e| matches!(e, Event::Suspended));
    until("what was there is written", || {
        handle
            .spooled()
            .unwrap()
            .first()
            .is_some_and(|s| s.messages == 5)
    });
    assert_eq!(metrics.len(), 0);
    broker.signal("storm");
    all(8);
    until("so is what comes", || {
        handle
            .spooled()
            .unwrap()
            .first()
            .is_some_and(|s| s.messages == 8)
    });
    // It fits into memory, so none of it waits on disk.
    assert_eq!(depth(&handle, "critical").spilled_messages, 0);
    assert_eq!(
        [&critical, &normal, &metrics].map(Subscription::len),
        [8, 8, 0]
    );
    for n in 0..8 {
        assert_eq!(number(&critical), n);
        assert_eq!(number(&normal), n);
    }
    let counted = handle.metrics().unwrap();
    assert_eq!(counted.dropped, 8);
    give.send(()).unwrap();
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    // What is taken afterwards need not be on disk.
    until("nothing is left there", || {
        handle.spooled().unwrap().is_empty()
    });
    handle.close().unwrap();
}

#[test]
fn what_is_critical_is_kept_though_its_policy_would_drop_it() {
    let (_folder, spool) = folder();
    let (broker, handle, events, give) = session(spool, (0..50).map(|n| ("critical", n)));
    let critical = subscribe(&handle, "critical", DROPS, Priority::Critical);
    suspend(&handle, &events);
    broker.signal("storm");
    until("its queue is full", || critical.len() == 10);
    give.send(()).unwrap();
    // It waits while nothing is read; reading lets the answer in.
    for n in 0..50 {
        assert_eq!(number(&critical), n);
    }
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    assert_eq!(handle.metrics().unwrap().dropped, 0);
    handle.close().unwrap();
}
