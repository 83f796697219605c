//! More than is read: what each policy keeps, and what a suspension is worth.

use std::{sync::mpsc, time::Duration};

use hobnail::{
    Dialect, Error, Event, Handle, Stall, Subscription,
    auth::{Token, TokenReason},
    config::{Overflow, Priority, QueueLimits},
};
use hobnail_mock_broker::{MockBroker, Rule, Scenario, act, recv, script::RawAs};
use hobnail_tests::{SOON, broker, client, event, start, until};

const fn four(overflow: Overflow) -> QueueLimits {
    QueueLimits {
        messages: 4,
        octets: 1 << 20,
        overflow,
    }
}

fn session() -> (MockBroker, Handle) {
    let broker = broker();
    let client = client(&broker).connect().expect("connects");
    (broker, client.spawn().expect("a thread"))
}

fn flood(broker: &MockBroker, destination: &str, messages: usize) {
    for n in 0..messages {
        let kind = if n % 2 == 0 { "even" } else { "odd" };
        broker.publish(destination, &[("kind", kind)], n.to_string().as_bytes());
    }
}

/// All that has come, once another subscription has heard what was sent last.
fn texts(subscription: &Subscription) -> Vec<String> {
    let next = || subscription.try_recv().expect("open");
    let texts = std::iter::from_fn(next).map(|m| m.text().expect("text").to_owned());
    texts.collect()
}

/// Waits until everything before this moment has been delivered.
fn settled(broker: &MockBroker, handle: &Handle) {
    let mark = handle.subscribe("/topic/mark").expect("confirmed");
    broker.publish("/topic/mark", &[], b"");
    mark.recv_timeout(SOON).expect("open").expect("comes");
}

#[test]
fn the_newest_are_dropped_where_that_is_the_policy() {
    let (broker, handle) = session();
    let request = handle.subscription("/topic/a");
    let topic = request.queue(four(Overflow::DropNewest)).subscribe();
    let topic = topic.unwrap();
    flood(&broker, "/topic/a", 100);
    settled(&broker, &handle);
    assert_eq!(texts(&topic), ["0", "1", "2", "3"]);
    assert_eq!(handle.metrics().unwrap().dropped, 96);
    handle.close().unwrap();
}

#[test]
fn the_latest_of_each_kind_is_kept_where_that_is_the_policy() {
    let (broker, handle) = session();
    let request = handle.subscription("/topic/a");
    let topic = request.queue(four(Overflow::LatestBy("kind"))).subscribe();
    let topic = topic.unwrap();
    flood(&broker, "/topic/a", 100);
    settled(&broker, &handle);
    assert_eq!(texts(&topic), ["98", "99"]);
    handle.close().unwrap();
}

#[test]
fn a_subscription_ends_where_that_is_the_policy_and_the_others_live() {
    let (broker, handle) = session();
    let events = handle.events();
    let other = handle.subscribe("/topic/b").unwrap();
    let request = handle.subscription("/topic/a").id("a");
    let topic = request.queue(four(Overflow::Fail)).subscribe().unwrap();
    flood(&broker, "/topic/a", 100);
    event(
        &events,
        |e| matches!(e, Event::Overflowed { subscription } if subscription == "a"),
    );
    assert_eq!(texts_until_end(&topic), ["0", "1", "2", "3"]);
    broker.publish("/topic/b", &[], b"alive");
    assert!(other.recv_timeout(SOON).unwrap().is_some());
    handle.close().unwrap();
}

fn texts_until_end(subscription: &Subscription) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        match subscription.recv_timeout(SOON) {
            Ok(message) => {
                let message = message.expect("comes");
                texts.push(message.text().expect("text").to_owned());
            }
            Err(Error::Overflow) => return texts,
            Err(e) => panic!("{e:?}"),
        }
    }
}

#[test]
fn a_backlog_in_messaging_does_not_hold_up_voice() {
    let (broker, handle) = session();
    let request = handle.subscription("/messaging/v2/chats");
    let chats = request.queue(four(Overflow::DropOldest)).subscribe();
    let chats = chats.unwrap();
    let voice = handle.subscribe("/voice/calls").unwrap();
    for n in 0..50 {
        flood(&broker, "/messaging/v2/chats", 100);
        broker.publish("/voice/calls", &[], format!("{n}").as_bytes());
        let call = voice.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(call.text().unwrap(), n.to_string());
    }
    assert_eq!(texts(&chats), ["96", "97", "98", "99"]);
    assert_eq!(handle.metrics().unwrap().dropped, 50 * 100 - 4);
    handle.close().unwrap();
}

/// A session that is suspended until a token is given.
fn suspended(request: impl FnOnce(&Handle)) -> (MockBroker, Handle, mpsc::Sender<()>) {
    // A storm that goes on after the 401: the broker only says it.
    let says = "ERROR\nmessage:401 token expired\ncode:401\n\n\0";
    let expires = Rule::on(recv("SEND").matching("destination", "/queue/expire"));
    let scenario = Scenario::builder()
        .receipt_id_header(true)
        .rule(expires.then(act::raw(says, RawAs::Text)))
        .rule(Rule::on(recv("CONNECT").nth(2)).then(act::rebind()));
    let broker = start(scenario.build());
    let (give, given) = mpsc::channel();
    let given = std::sync::Mutex::new(given);
    let source = move |reason: TokenReason| {
        if reason == TokenReason::Refused {
            let given = given.lock().expect("nobody panicked");
            // The end of the test is an answer, too.
            let _ = given.recv_timeout(SOON);
        }
        Ok(Token::new("token"))
    };
    let builder = client(&broker).dialect(Dialect::CONTACT_CENTRE);
    let client = builder.token_source(source).connect().expect("connects");
    let handle = client.spawn().expect("a thread");
    request(&handle);
    let events = handle.events();
    let send = handle.send("/queue/expire").body("x");
    send.publish().expect("it leaves");
    event(&events, |e| matches!(e, Event::Suspended));
    (broker, handle, give)
}

#[test]
fn a_storm_while_suspended_costs_what_is_expendable_and_nothing_that_is_critical() {
    let mut made = Vec::new();
    let (broker, handle, give) = suspended(|handle| {
        for (topic, priority) in [
            ("/topic/calls", Priority::Critical),
            ("/topic/presence", Priority::Normal),
            ("/topic/metrics", Priority::Expendable),
        ] {
            let request = handle.subscription(topic).id(topic);
            let request = request.queue(four(Overflow::DropOldest)).priority(priority);
            made.push(request.subscribe().unwrap());
        }
    });
    let events = handle.events();
    for topic in ["/topic/metrics", "/topic/presence", "/topic/calls"] {
        flood(&broker, topic, 20);
    }
    // What is critical waits for its reader, and what comes after it with it.
    for n in 0..20 {
        let call = made[0].recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(call.text().unwrap(), n.to_string());
    }
    assert_eq!(texts(&made[1]), ["16", "17", "18", "19"]);
    assert!(made[2].is_empty());
    give.send(()).unwrap();
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    assert_eq!(handle.metrics().unwrap().dropped, 36);
    handle.close().unwrap();
}

#[test]
fn health_tells_a_connected_client_from_one_that_makes_progress() {
    let (_broker, handle, give) = suspended(|handle| {
        assert!(handle.health().unwrap().is_progressing());
    });
    let events = handle.events();
    let health = handle.health().unwrap();
    assert!(health.connected && !health.is_progressing());
    assert_eq!(health.stalls, [Stall::Suspended]);
    give.send(()).unwrap();
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    until("it goes on", || handle.health().unwrap().is_progressing());
    assert!(handle.health().unwrap().heard < Some(Duration::from_secs(60)));
    handle.close().unwrap();
}
