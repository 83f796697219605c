//! Requests, and those who answer them.

use std::{sync::mpsc, thread, time::Duration};

use hobnail::{Client, Dialect, Error, Handle, Message, Misuse, Stage};
use hobnail_mock_broker::{Dialect as Manners, MockBroker, Scenario};
use hobnail_tests::{SOON, Seen, broker, client, connected, start, until};

const QUESTIONS: &str = "/queue/questions";

fn spawned(broker: &MockBroker) -> Handle {
    let own = client(broker).connect().expect("connects");
    own.spawn().expect("a thread")
}

/// Answers every question with its own words, doubled, on a connection of its own.
fn responder(broker: &MockBroker, dialect: Dialect) -> Handle {
    let own = client(broker).dialect(dialect).connect().expect("connects");
    let handle = own.spawn().expect("a thread");
    let questions = handle.subscribe(QUESTIONS).expect("subscribes");
    let answering = handle.clone();
    thread::spawn(move || {
        for question in questions {
            let words = question.text().expect("words").repeat(2);
            let reply = answering.reply(&question).expect("a question");
            reply.text(&words).publish().expect("there is room");
        }
    });
    handle
}

fn text(reply: Result<Message, Error>) -> String {
    reply.expect("a reply").text().expect("words").to_owned()
}

#[test]
fn a_request_is_answered_whoever_the_broker_is() {
    for (dialect, manners) in [
        (Dialect::STOMP, Manners::STOMP),
        (Dialect::RABBITMQ, Manners::RABBITMQ),
        (Dialect::ACTIVEMQ, Manners::ACTIVEMQ),
    ] {
        let broker = start(Scenario::builder().dialect(manners).build());
        let asking = client(&broker).dialect(dialect).connect().unwrap();
        let handle = asking.spawn().unwrap();
        let other = responder(&broker, dialect);
        for word in ["a", "b"] {
            let reply = handle.send(QUESTIONS).text(word).request();
            assert_eq!(text(reply), word.repeat(2), "{}", manners.name);
        }
        broker.kick(1);
        connected(&handle.events(), 2);
        let reply = handle.send(QUESTIONS).text("c").request();
        assert_eq!(text(reply), "cc", "{}", manners.name);
        let metrics = handle.metrics().unwrap();
        assert_eq!((metrics.replies, metrics.late_replies), (3, 0));
        assert_eq!((metrics.messages, metrics.unrouted), (0, 0));
        handle.close().unwrap();
        other.close().unwrap();
        let subscribed = usize::from(dialect != Dialect::RABBITMQ);
        let commands = broker.commands(1);
        let subscribes = commands.iter().filter(|c| *c == "SUBSCRIBE");
        assert_eq!(subscribes.count(), subscribed, "{}", manners.name);
        assert_eq!(broker.complaints(), [], "{}", manners.name);
    }
}

#[test]
fn many_requests_are_in_flight_at_once_and_answered_in_any_order() {
    let broker = broker();
    let handle = spawned(&broker);
    let other = spawned(&broker);
    let questions = other.subscribe(QUESTIONS).unwrap();
    let words: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    let ask = |word: &String| handle.send(QUESTIONS).body(word).begin_request().unwrap();
    let pending: Vec<_> = words.iter().map(ask).collect();
    let mut asked: Vec<_> = questions.take(words.len()).collect();
    while let Some(question) = asked.pop() {
        let reply = other.reply(&question).unwrap();
        reply.body(question.body()).publish().unwrap();
    }
    for (word, pending) in words.iter().zip(pending) {
        assert_eq!(text(pending.wait()), *word);
    }
    assert_eq!(handle.metrics().unwrap().replies, 200);
}

#[test]
fn a_client_that_turns_itself_asks_and_its_messages_wait_meanwhile() {
    let broker = broker();
    let other = responder(&broker, Dialect::STOMP);
    let mut own: Client = client(&broker).connect().unwrap();
    let _news = own.subscription("/topic/news").subscribe().unwrap();
    other.send("/topic/news").body("news").publish().unwrap();
    assert_eq!(text(own.send(QUESTIONS).body("a").request()), "aa");
    let first = own.send(QUESTIONS).body("b").begin_request().unwrap();
    let second = own.send(QUESTIONS).body("c").begin_request().unwrap();
    assert_eq!(text(own.recv_reply(second)), "cc");
    assert_eq!(text(own.recv_reply(first)), "bb");
    assert_eq!(own.recv().unwrap().body(), b"news");
    // And it answers.
    let _questions = own.subscription("/queue/own").subscribe().unwrap();
    let asked = thread::spawn(move || other.send("/queue/own").body("d").request());
    let question = own.recv_timeout(SOON).unwrap().unwrap();
    let reply = own.reply(&question).unwrap();
    reply.body("e").receipt().publish().unwrap();
    assert_eq!(text(asked.join().unwrap()), "e");
}

#[test]
fn a_request_that_may_be_repeated_outlives_its_connection() {
    let broker = broker();
    let handle = spawned(&broker);
    let once = handle.send(QUESTIONS).body("once").begin_request();
    let again = handle.send(QUESTIONS).body("again").replay();
    let again = again.begin_request().unwrap();
    broker.nth_received(2, "SEND");
    broker.kick(1);
    assert!(matches!(once.unwrap().wait(), Err(Error::Lost)));
    connected(&handle.events(), 2);
    let other = responder(&broker, Dialect::STOMP);
    assert_eq!(text(again.wait()), "againagain");
    until("both its questions were answered", || {
        handle.metrics().unwrap().late_replies == 2
    });
    other.close().unwrap();
}

#[test]
fn nobody_answers_within_the_deadline() {
    let broker = broker();
    let handle = spawned(&broker);
    let request = handle.send(QUESTIONS).timeout(Duration::from_millis(200));
    let failed = request.request().unwrap_err();
    assert!(matches!(failed, Error::Timeout(Stage::Reply)), "{failed}");
    let given_up = handle.send(QUESTIONS).begin_request().unwrap();
    broker.nth_received(2, "SEND");
    drop(given_up);
    let _other = responder(&broker, Dialect::STOMP);
    until("both replies came too late", || {
        handle.metrics().unwrap().late_replies == 2
    });
    // Which is true only of a request that left nothing behind.
    handle.drain(SOON).unwrap();
}

#[test]
fn what_cannot_be_a_request_or_a_reply_is_refused() {
    let broker = broker();
    let mut own = client(&broker).connect().unwrap();
    let mut transaction = own.transaction().unwrap();
    let within = transaction.send(QUESTIONS).request().unwrap_err();
    assert!(within.to_string().contains("its own COMMIT"), "{within}");
    transaction.abort().unwrap();
    for name in ["reply-to", "correlation-id"] {
        let twice = own.send(QUESTIONS).header(name, "x").request();
        assert!(matches!(twice, Err(Error::Misuse(Misuse::Header(_)))));
        // Who awaits replies by other means may say so.
        own.send(QUESTIONS).header(name, "x").publish().unwrap();
    }
    let _questions = own.subscription(QUESTIONS).subscribe().unwrap();
    own.send(QUESTIONS).publish().unwrap();
    let questions: Vec<_> = (0..3).map(|_| own.recv().unwrap()).collect();
    let answerable = questions.iter().filter(|q| own.reply(q).is_ok());
    assert_eq!(answerable.count(), 1);
    let handle = own.handle();
    let (told, tell) = mpsc::channel();
    thread::spawn(move || told.send(handle.send(QUESTIONS).request()));
    while tell.try_recv().is_err() {
        let Some(question) = own.recv_timeout(Duration::from_millis(10)).unwrap() else {
            continue;
        };
        if question.header("correlation-id").is_some() {
            own.reply(&question).unwrap().publish().unwrap();
        }
    }
}
