//! Nothing blocks for ever: not on the reactor's own thread, not at the end,
//! not when something is dropped.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use hobnail::{
    AuthError, Dialect, Error, Event, Handle, Misuse, Stage,
    auth::{Token, TokenReason},
    config::{Limits, Timeouts},
};
use hobnail_mock_broker::{MockBroker, Rule, Scenario, drop_it, recv, sending};
use hobnail_tests::{SOON, Seen, broker, client, event, start, until};

/// Nothing that is dropped takes so long.
const PROMPT: Duration = Duration::from_secs(2);

/// Room for nine of the frames that these tests publish.
fn narrow() -> Limits {
    Limits {
        outbox: 10_000,
        ..Limits::default()
    }
}

fn is_deadlock<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Misuse(Misuse::WouldDeadlock)))
}

#[test]
fn a_blocking_call_on_the_reactors_own_thread_is_refused() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let empty = client.subscription("/queue/a").subscribe().unwrap();
    let handle = client.handle();
    let began = Instant::now();
    assert!(is_deadlock(handle.send("/queue/b").receipt().publish()));
    assert!(is_deadlock(handle.send("/queue/b").begin()));
    assert!(is_deadlock(handle.subscribe("/queue/b")));
    assert!(is_deadlock(handle.metrics()));
    assert!(is_deadlock(handle.close()));
    assert!(is_deadlock(empty.recv()));
    assert!(is_deadlock(empty.recv_timeout(SOON)));
    assert!(is_deadlock(empty.unsubscribe()));
    let pending = client.send("/queue/b").begin().unwrap();
    assert!(is_deadlock(pending.wait()));
    while handle.events().next().is_some() {}
    assert!(handle.events().recv_timeout(SOON).is_none());
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    handle.send("/queue/b").body("no wait").publish().unwrap();
    client.close().unwrap();
    assert_eq!(broker.nth_received(2, "SEND").body, b"no wait");
}

#[test]
fn an_answer_that_is_there_can_be_taken_on_the_reactors_own_thread() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let pending = client.send("/queue/a").begin().unwrap();
    client.send("/queue/a").receipt().publish().unwrap();
    pending.wait().unwrap();
    client.close().unwrap();
}

#[test]
fn a_handle_outlives_a_client_that_the_same_thread_drove() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let subscription = client.subscription("/queue/a").subscribe().unwrap();
    let handle = client.handle();
    drop(client);
    let calls = [
        handle.send("/queue/a").publish(),
        handle.send("/queue/a").receipt().publish(),
        handle.subscribe("/queue/a").map(drop),
        handle.metrics().map(drop),
        subscription.recv().map(drop),
    ];
    for call in calls {
        assert!(matches!(call, Err(Error::Closed)), "{call:?}");
    }
    handle.close().unwrap();
}

/// Blocks threads in every way there is, ends the client, and expects all of
/// them back.
fn everybody_returns(end: impl FnOnce(&MockBroker, &Handle)) {
    let deaf = |command: &str, destination: &str| {
        let trigger = recv(command).matching("destination", destination);
        Rule::on(trigger).then(drop_it())
    };
    let scenario = Scenario::builder()
        .rule(deaf("S*", "/queue/deaf"))
        .rule(Rule::on(recv("UNSUBSCRIBE")).then(drop_it()))
        .build();
    let broker = start(scenario);
    let client = client(&broker).reconnect(false).connect();
    let handle = client.expect("connects").spawn().expect("a thread");
    let make = || handle.subscribe("/topic/a").expect("subscribes");
    let (read, iterated, timed, left) = (make(), make(), make(), make());
    let pending = handle.send("/queue/deaf").begin().expect("there is room");
    let (back, returned) = mpsc::channel();
    let blocked = |name: &'static str, work: Box<dyn FnOnce() + Send>| {
        let back = back.clone();
        thread::spawn(move || {
            work();
            let _ = back.send(name);
        });
    };
    let (h1, h2, events) = (handle.clone(), handle.clone(), handle.events());
    let err = |failed: bool| assert!(failed, "the call cannot succeed");
    blocked("recv", Box::new(move || err(read.recv().is_err())));
    blocked("iterate", Box::new(move || err(iterated.count() == 0)));
    blocked(
        "recv_timeout",
        Box::new(move || {
            err(timed.recv_timeout(SOON * 4).is_err());
        }),
    );
    blocked("pending", Box::new(move || err(pending.wait().is_err())));
    blocked("unsubscribe", Box::new(move || drop(left.unsubscribe())));
    blocked(
        "publish",
        Box::new(move || {
            let send = h1.send("/queue/deaf").receipt().timeout(SOON * 4);
            err(send.publish().is_err());
        }),
    );
    blocked(
        "subscribe",
        Box::new(move || {
            let request = h2.subscription("/queue/deaf").timeout(SOON * 4);
            err(request.subscribe().is_err());
        }),
    );
    blocked("events", Box::new(move || err(events.count() > 0)));
    broker.nth_received(2, "SEND");
    broker.nth_received(5, "SUBSCRIBE");
    broker.nth_received(1, "UNSUBSCRIBE");
    end(&broker, &handle);
    let mut names: Vec<_> = (0..8)
        .filter_map(|_| returned.recv_timeout(SOON).ok())
        .collect();
    names.sort_unstable();
    let expected = [
        "events",
        "iterate",
        "pending",
        "publish",
        "recv",
        "recv_timeout",
        "subscribe",
        "unsubscribe",
    ];
    assert_eq!(names, expected);
}

#[test]
fn everybody_who_waits_returns_when_the_connection_is_lost_for_good() {
    everybody_returns(|broker, _| broker.kick(1));
}

#[test]
fn everybody_who_waits_returns_when_the_client_is_closed() {
    everybody_returns(|_, handle| {
        let _ = handle.close();
    });
}

#[test]
fn everybody_who_waits_returns_when_a_driven_client_is_dropped() {
    let broker = broker();
    let client = client(&broker).connect().unwrap();
    let handle = client.handle();
    let (tell, told) = mpsc::channel();
    for n in 0..4 {
        let (handle, tell) = (handle.clone(), tell.clone());
        thread::spawn(move || {
            match n {
                0 => drop(handle.events().count()),
                1 => drop(handle.send("/queue/a").receipt().publish()),
                2 => drop(handle.subscribe("/queue/a")),
                _ => drop(handle.metrics()),
            }
            let _ = tell.send(());
        });
    }
    // Nobody turns the reactor: the calls wait for it.
    assert!(told.recv_timeout(Duration::from_millis(100)).is_err());
    drop(client);
    // What the client could still do at once may even have succeeded.
    for _ in 0..4 {
        told.recv_timeout(SOON).unwrap();
    }
}

/// A handle whose connection is gone for now.
fn cut_off(limits: Limits) -> (MockBroker, Handle) {
    let broker = broker();
    let builder = client(&broker).limits(limits);
    let handle = builder.connect().expect("connects").spawn();
    let handle = handle.expect("a thread");
    broker.stop_listening();
    broker.kick(1);
    event(&handle.events(), |e| {
        matches!(e, Event::Disconnected { .. })
    });
    (broker, handle)
}

#[test]
fn callers_that_wait_for_room_in_the_outbox_return_at_the_end() {
    let (_broker, handle) = cut_off(narrow());
    let (tell, told) = mpsc::channel();
    for _ in 0..4 {
        let (handle, tell) = (handle.clone(), tell.clone());
        thread::spawn(move || {
            let body = [0; 1000];
            let error = loop {
                let send = handle.send("/queue/a").body(&body).timeout(SOON * 4);
                if let Err(e) = send.publish() {
                    break e;
                }
            };
            let _ = tell.send(error);
        });
    }
    assert!(
        told.recv_timeout(Duration::from_millis(200)).is_err(),
        "all wait"
    );
    let _ = handle.close();
    for _ in 0..4 {
        let error = told.recv_timeout(SOON).unwrap();
        assert!(matches!(error, Error::Closed), "{error:?}");
    }
}

/// Publishes until there is no room; the last attempt is not a patient one.
fn fill(mut publish: impl FnMut(&[u8], Duration) -> Result<(), Error>) {
    let body = [0; 1000];
    // Nothing stays in the core that has no deadline to stay for.
    for _ in 0..9 {
        publish(&body, SOON * 4).expect("there is room");
    }
    let mut sent = 9;
    let full = loop {
        match publish(&body, Duration::from_millis(100)) {
            Ok(()) => sent += 1,
            Err(e) => break e,
        }
        assert!(sent < 50, "the outbox is bounded");
    };
    assert!(matches!(full, Error::Timeout(Stage::Outbox)), "{full:?}");
}

fn fill_by(handle: &Handle) {
    fill(|body, patience| {
        let send = handle.send("/queue/a").body(body);
        send.timeout(patience).publish()
    });
}

#[test]
fn room_in_the_outbox_is_waited_for_up_to_the_deadline_and_used_when_it_comes() {
    let (broker, handle) = cut_off(narrow());
    fill_by(&handle);
    let large = handle.send("/queue/a").body(&[0; 20_000]).publish();
    assert!(matches!(large, Err(Error::Misuse(Misuse::TooLarge { .. }))));
    let waits = {
        let handle = handle.clone();
        thread::spawn(move || handle.send("/queue/a").body(&[1; 5000]).publish())
    };
    broker.resume_listening();
    waits.join().unwrap().unwrap();
    handle.send("/queue/a").receipt().publish().unwrap();
    handle.close().unwrap();
    let entries = broker.transcript();
    let sent = entries.iter().filter(|e| e.is_recv("SEND"));
    let bodies: Vec<_> = sent.map(|e| e.received().unwrap().body.len()).collect();
    assert_eq!(bodies[..9], [1000; 9]);
    assert_eq!(bodies[bodies.len() - 2..], [5000, 0]);
}

#[test]
fn a_driven_client_waits_for_room_only_up_to_the_deadline() {
    let broker = broker();
    let mut client = client(&broker).limits(narrow()).connect().unwrap();
    broker.stop_listening();
    broker.kick(1);
    hobnail_tests::drive_until(&mut client, |e| matches!(e, Event::Disconnected { .. }));
    fill(|body, patience| {
        let send = client.send("/queue/a").body(body);
        send.timeout(patience).publish()
    });
    let began = Instant::now();
    let _ = client.close();
    assert!(began.elapsed() < PROMPT);
}

#[test]
fn a_full_outbox_does_not_keep_the_connection_from_coming_back() {
    let broker = broker();
    let url = broker.url().replace("127.0.0.1", "localhost");
    let tokens = |_| Ok(Token::new("t").expires_in(Duration::from_millis(1)));
    let handle = hobnail::Client::builder(url)
        .proxy(None)
        .backoff(hobnail::config::Backoff {
            initial: Duration::from_millis(20),
            max: Duration::from_millis(100),
            ..Default::default()
        })
        .limits(narrow())
        .token_source(tokens)
        .connect()
        .unwrap()
        .spawn()
        .unwrap();
    let events = handle.events();
    broker.stop_listening();
    broker.kick(1);
    event(&events, |e| matches!(e, Event::Disconnected { .. }));
    fill_by(&handle);
    assert_eq!(handle.metrics().unwrap().connections, 1, "it is heard");
    broker.resume_listening();
    hobnail_tests::connected(&events, 2);
    handle.send("/queue/a").receipt().publish().unwrap();
    handle.close().unwrap();
}

#[test]
fn what_waits_for_room_leaves_as_soon_as_a_slow_broker_has_made_it() {
    let pause = hobnail_mock_broker::stall_read(Duration::from_millis(300));
    let rule = Rule::on(recv("SEND").nth(1)).then(pause);
    // No beat turns the reactor by chance.
    let broker = start(Scenario::builder().heart_beat(0, 0).rule(rule).build());
    let client = client(&broker)
        .limits(Limits {
            outbox: 1 << 20,
            ..Limits::default()
        })
        .connect()
        .unwrap();
    let handle = client.spawn().unwrap();
    let began = Instant::now();
    let body = vec![0; 50_000];
    for _ in 0..400 {
        handle.send("/topic/a").body(&body).publish().unwrap();
    }
    let last = handle.send("/topic/a").receipt().timeout(SOON);
    last.publish().unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    handle.close().unwrap();
    let commands = broker.commands(1);
    assert_eq!(commands.iter().filter(|c| *c == "SEND").count(), 401);
}

fn drops_promptly(what: &str, drops: impl FnOnce()) {
    let began = Instant::now();
    drops();
    assert!(began.elapsed() < PROMPT, "{what}: {:?}", began.elapsed());
}

#[test]
fn dropping_never_hangs_whatever_the_state() {
    let (_broker, handle) = cut_off(Limits::default());
    drops_promptly("a handle without a connection", || drop(handle));

    let broker = broker();
    let mut own = client(&broker).connect().unwrap();
    let subscription = own.subscription("/queue/a").subscribe().unwrap();
    drops_promptly("a subscription on its own thread", || drop(subscription));
    drops_promptly("a live client", || drop(own));
    broker.end_of(1);

    let mut own = client(&broker).connect().unwrap();
    broker.restart();
    hobnail_tests::drive_until(&mut own, |e| matches!(e, Event::Disconnected { .. }));
    drops_promptly("a client without a connection", || drop(own));

    let deaf = Rule::on(sending("RECEIPT")).then(drop_it());
    let deaf = start(Scenario::builder().rule(deaf).build());
    let own = client(&deaf).connect().unwrap();
    drops_promptly("a client whose broker is deaf", || drop(own));
}

#[test]
fn dropping_never_hangs_while_suspended() {
    let broker = start(
        Scenario::builder()
            .auth_bearer(SOON)
            .receipt_id_header(true)
            .build(),
    );
    let (forever, never) = mpsc::channel::<()>();
    let never = std::sync::Mutex::new(never);
    let source = move |reason| -> Result<Token, AuthError> {
        if reason != TokenReason::Connect {
            let _ = never.lock().unwrap().recv_timeout(SOON);
        }
        Ok(Token::new("first"))
    };
    let handle = client(&broker)
        .dialect(Dialect::CONTACT_CENTRE)
        .token_source(source)
        .connect()
        .unwrap()
        .spawn()
        .unwrap();
    let subscription = handle.subscribe("/queue/a").unwrap();
    broker.expire_token("first");
    event(&handle.events(), |e| matches!(e, Event::Suspended));
    drops_promptly("a subscription", || drop(subscription));
    drops_promptly("a close", || {
        let _ = handle.close();
    });
    drop(forever);
}

#[test]
fn a_dropped_subscription_is_unsubscribed_and_its_handle_lives_on() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let subscription = handle.subscription("/queue/a").id("mine");
    drop(subscription.subscribe().unwrap());
    assert_eq!(
        broker.nth_received(1, "UNSUBSCRIBE").header("id"),
        Some("mine")
    );
    // The id is free once the broker has confirmed.
    let mut again = None;
    until("the id is free", || {
        let request = handle.subscription("/queue/a").id("mine");
        again = request.subscribe().ok();
        again.is_some()
    });
    let taken = handle.subscription("/queue/b").id("mine").subscribe();
    assert!(
        matches!(taken, Err(Error::Misuse(Misuse::DuplicateSubscription(_)))),
        "{taken:?}"
    );
    again.unwrap().unsubscribe().unwrap();
    handle.close().unwrap();
    assert_eq!(broker.complaints(), []);
}

#[test]
fn two_closes_at_once_both_return() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let other = handle.clone();
    let other = thread::spawn(move || other.close());
    handle.close().unwrap();
    other.join().unwrap().unwrap();
    assert!(matches!(handle.metrics(), Err(Error::Closed)));
    until("the broker has no session", || broker.sessions() == 0);
    let commands = broker.commands(1);
    assert_eq!(commands.iter().filter(|c| *c == "DISCONNECT").count(), 1);
}

#[test]
fn what_was_published_before_a_close_arrives() {
    let broker = broker();
    let timeouts = Timeouts {
        close: SOON,
        ..Timeouts::default()
    };
    let handle = client(&broker).timeouts(timeouts).connect();
    let handle = handle.unwrap().spawn().unwrap();
    for _ in 0..2000 {
        handle.send("/queue/a").body(&[7; 2000]).publish().unwrap();
    }
    handle.close().unwrap();
    let commands = broker.commands(1);
    assert_eq!(commands.iter().filter(|c| *c == "SEND").count(), 2000);
    assert_eq!(commands.last().unwrap(), "DISCONNECT");
}
