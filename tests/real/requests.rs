//! Requests and replies, each broker with temporary queues of its own kind.

use std::thread;

use hobnail::{Error, Handle, config::Builder};

use crate::{
    activemq,
    broker::{self, LIMIT, breakable, client_of},
};

const QUESTIONS: &str = "/queue/questions";

fn spawned(builder: Builder) -> Handle {
    builder.connect().unwrap().spawn().unwrap()
}

/// Answers each question with its own body, until the client is closed.
fn answer(handle: &Handle) {
    let (questions, handle) = (handle.subscribe(QUESTIONS).unwrap(), handle.clone());
    thread::spawn(move || {
        for question in questions {
            let reply = handle.reply(&question).unwrap();
            reply.body(question.body()).publish().unwrap();
        }
    });
}

/// Many at once from one client, and each gets its own.
fn converse(asking: &Handle, answering: &Handle) {
    answer(answering);
    let bodies: Vec<_> = (0..100_u32).map(|n| format!("number {n}")).collect();
    let pending: Vec<_> = bodies
        .iter()
        .map(|body| asking.send(QUESTIONS).text(body).timeout(LIMIT))
        .map(|request| request.begin_request().unwrap())
        .collect();
    for (body, pending) in bodies.iter().zip(pending) {
        assert_eq!(pending.wait().unwrap().text().unwrap(), body);
    }
    let metrics = asking.metrics().unwrap();
    assert_eq!((metrics.replies, metrics.late_replies), (100, 0));
    assert_eq!((metrics.connections, metrics.unrouted), (1, 0));
    asking.close().unwrap();
    answering.close().unwrap();
}

#[test]
fn rabbitmq_makes_a_queue_for_the_replies() {
    converse(&spawned(broker::client()), &spawned(broker::client()));
}

#[test]
fn activemq_is_subscribed_to_a_queue_for_the_replies() {
    let client = || activemq::client_of(activemq::shared());
    converse(&spawned(client()), &spawned(client()));
}

#[test]
fn replies_come_again_when_the_node_does() {
    let node = breakable();
    let asking = spawned(client_of(node.url()));
    let request = |body| asking.send(QUESTIONS).text(body).timeout(2 * LIMIT);
    let lost = request("lost").begin_request().unwrap();
    let kept = request("kept").replay().begin_request().unwrap();
    while asking.metrics().unwrap().round_trip.count < 2 {
        thread::yield_now();
    }
    node.kill();
    assert!(matches!(lost.wait(), Err(Error::Lost)));
    node.restart();
    let answering = spawned(client_of(node.url()));
    answer(&answering);
    assert_eq!(kept.wait().unwrap().text().unwrap(), "kept");
    assert_eq!(request("new").request().unwrap().text().unwrap(), "new");
    asking.close().unwrap();
    answering.close().unwrap();
}
