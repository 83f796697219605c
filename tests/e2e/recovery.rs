//! What is told of losses, how long a client waits, when it gives up.

use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use hobnail::{
    Client, Error, Event, Handle, LinkError, Stage,
    auth::{Token, TokenReason},
    config::{Backoff, RetryPolicy, Rotate, Timeouts},
};
use hobnail_mock_broker::{MockBroker, Rule, Scenario, act, on};
use hobnail_tests::{Peer, SOON, Seen, broker, client, connected, event, start};

/// When the next attempt begins, as the next loss tells it.
fn retry_in(handle: &hobnail::Events) -> Option<Duration> {
    let told = event(handle, |e| matches!(e, Event::Disconnected { .. }));
    let Event::Disconnected { retry_in, .. } = told else {
        panic!("{told:?}");
    };
    retry_in
}

fn spawned(builder: hobnail::Builder) -> Handle {
    let client = builder.connect().expect("connects");
    client.spawn().expect("a thread")
}

#[test]
fn a_gap_says_between_which_moments_something_may_have_been_missed() {
    let broker = broker();
    let handle = spawned(client(&broker));
    let events = handle.events();
    let request = handle.subscription("/topic/a").id("calls");
    let topic = request.subscribe().unwrap();
    broker.publish("/topic/a", &[], b"heard");
    assert!(topic.recv_timeout(SOON).unwrap().is_some());
    broker.stop_listening();
    broker.restart();
    // The broker's last octets may come after that call.
    retry_in(&events);
    let lost = SystemTime::now();
    broker.publish("/topic/a", &[], b"missed");
    let missed = SystemTime::now();
    broker.resume_listening();
    let told = event(&events, |e| matches!(e, Event::Gap { .. }));
    let Event::Gap {
        subscription,
        since,
        until,
    } = told
    else {
        panic!("{told:?}");
    };
    assert_eq!(subscription, "calls");
    assert!(since <= lost && missed <= until, "{since:?} {until:?}");
    broker.publish("/topic/a", &[], b"heard again");
    let message = topic.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(message.body(), b"heard again");
    handle.close().unwrap();
}

#[test]
fn a_broker_that_accepts_and_kills_sees_the_back_off_grow_and_the_loop_is_told() {
    let kills = Rule::on(on::connected()).then(act::fin());
    let broker = start(Scenario::builder().rule(kills).build());
    let builder = client(&broker).backoff(Backoff {
        initial: Duration::from_millis(10),
        max: Duration::from_millis(160),
        jitter_percent: 0,
        stable_after: Duration::from_secs(30),
    });
    let handle = spawned(builder);
    let events = handle.events();
    let mut delays: Vec<_> = (0..5).filter_map(|_| retry_in(&events)).collect();
    let doubled = [10, 20, 40, 80, 160].map(Duration::from_millis);
    assert_eq!(delays.len(), 5);
    for (delay, expected) in delays.drain(..).zip(doubled) {
        assert!(
            delay.abs_diff(expected) < Duration::from_millis(9),
            "{delay:?}"
        );
    }
    let looping = event(&events, |e| matches!(e, Event::Looping { .. }));
    assert!(matches!(looping, Event::Looping { sessions: 5 | 10 }));
    handle.close().unwrap();
}

#[test]
fn a_client_gives_up_after_the_attempts_that_it_was_given() {
    let broker = broker();
    let handle = spawned(client(&broker).retry(RetryPolicy {
        max_attempts: Some(3),
        ..RetryPolicy::default()
    }));
    let events = handle.events();
    broker.stop_listening();
    broker.restart();
    let last = event(&events, |e| matches!(e, Event::Closed { .. }));
    assert!(
        matches!(
            last,
            Event::Closed {
                cause: Some(Error::Link(_))
            }
        ),
        "{last:?}"
    );
    let over = handle.send("/queue/a").receipt().publish();
    assert!(over.is_err());
}

#[test]
fn a_server_that_sends_its_clients_away_is_left_alone_for_longer() {
    for (code, least) in [(1012, 1), (1013, 60)] {
        let goes = Rule::on(on::signal("maintenance")).then(act::close(code, "maintenance"));
        let broker = start(Scenario::builder().rule(goes).build());
        let handle = spawned(client(&broker).backoff(Backoff {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
            jitter_percent: 0,
            stable_after: Duration::from_secs(30),
        }));
        let events = handle.events();
        broker.signal("maintenance");
        let delay = retry_in(&events).unwrap();
        assert!(delay >= Duration::from_secs(least), "{code}: {delay:?}");
        handle.close().unwrap();
    }
}

#[test]
fn an_endpoint_that_accepts_tcp_and_never_speaks_is_passed_over() {
    let silent = Peer::start(|mut tcp| {
        let _ = std::io::Read::read_to_end(&mut tcp, &mut Vec::new());
    });
    let good = broker();
    let template = client(&good).build().unwrap();
    let builder = Client::builder(format!("ws://127.0.0.1:{}/stomp", silent.port()))
        .proxy(None)
        .backoff(template.backoff)
        .fallback(good.url())
        .timeouts(Timeouts {
            upgrade: Duration::from_millis(200),
            ..Timeouts::default()
        });
    let mut client = builder.connect().unwrap();
    client.send("/queue/a").receipt().publish().unwrap();
    client.close().unwrap();
    // Where there is nobody else, its silence is told.
    let alone = Client::builder(format!("ws://127.0.0.1:{}/stomp", silent.port()))
        .proxy(None)
        .timeouts(Timeouts {
            upgrade: Duration::from_millis(200),
            ..Timeouts::default()
        });
    let Err(Error::Link(e)) = alone.connect() else {
        panic!("nobody speaks");
    };
    let stage = Stage::Upgrade;
    assert!(
        matches!(*e, LinkError::Timeout { stage: s, .. } if s == stage),
        "{e}"
    );
}

#[test]
fn a_planned_reconnect_goes_back_to_the_first_endpoint_if_asked_to() {
    let (first, second) = (broker(), broker());
    let life = Duration::from_secs(2);
    let source = move |_: TokenReason| Ok(Token::new("token").expires_in(life));
    first.stop_listening();
    let builder = client(&first)
        .fallback(second.url())
        .fail_back(true)
        .rotate(Rotate::Planned)
        .token_source(source);
    let handle = spawned(builder);
    let events = handle.events();
    let topic = handle.subscribe("/topic/a").unwrap();
    second.nth_received(1, "SUBSCRIBE");
    first.resume_listening();
    event(&events, |e| matches!(e, Event::Rotating));
    // The first one's back-off may outlast a rotation; not many.
    first.nth_received(1, "SUBSCRIBE");
    first.publish("/topic/a", &[], b"home");
    assert_eq!(topic.recv_timeout(SOON).unwrap().unwrap().body(), b"home");
    handle.close().unwrap();
}

#[test]
fn a_hundred_clients_come_back_spread_and_each_fetches_one_token() {
    const CLIENTS: usize = 100;
    let broker: Arc<MockBroker> = Arc::new(broker());
    let fetched = Arc::new(AtomicUsize::new(0));
    let delays = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::new(Barrier::new(CLIENTS + 1));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (broker, fetched) = (Arc::clone(&broker), Arc::clone(&fetched));
            let (all, delays) = (Arc::clone(&all), Arc::clone(&delays));
            thread::spawn(move || {
                let source = move |_: TokenReason| {
                    fetched.fetch_add(1, Ordering::SeqCst);
                    Ok(Token::new("token").expires_in(Duration::from_secs(3600)))
                };
                let handle = spawned(client(&broker).token_source(source));
                let events = handle.events();
                all.wait();
                let delay = retry_in(&events).expect("it comes back");
                delays.lock().unwrap().push(delay);
                connected(&events, 2);
                all.wait();
                handle.close().unwrap();
            })
        })
        .collect();
    all.wait();
    assert_eq!(broker.sessions(), CLIENTS);
    broker.restart();
    all.wait();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(fetched.load(Ordering::SeqCst), CLIENTS);
    let delays = delays.lock().unwrap();
    let (least, most) = (delays.iter().min(), delays.iter().max());
    // 20 ms, 20 % down or up.
    let spread = *most.unwrap() - *least.unwrap();
    assert!(spread > Duration::from_millis(4), "{spread:?}");
}
