//! Nodes of a cluster that go and come back, and a client that has the choice.

use std::time::Duration;

use hobnail::{
    AuthError, Error, Event, LinkError,
    auth::{Token, TokenReason},
    config::{Builder, Rotate},
};
use hobnail_tests::rabbitmq::RabbitMq;

use crate::{
    broker::{Source, client_of, cluster},
    events::{connected, connected_to, disconnected, event, gap, refused, restored},
    load::{Load, Numbers},
};

/// A client that prefers the first of these nodes.
fn client_of_all(nodes: &[RabbitMq]) -> Builder {
    let others = nodes[1..].iter();
    others.fold(client_of(nodes[0].url()), |client, node| {
        client.fallback(node.url())
    })
}

/// A queue lives on the node through which it was declared first.
fn home(node: &RabbitMq, queue: &str) {
    let handle = client_of(node.url()).connect().unwrap().spawn().unwrap();
    handle.subscribe(queue).unwrap().unsubscribe().unwrap();
    handle.close().unwrap();
}

/// The node of the session ends under load; the queue lives on another one.
fn a_node_that_ends_is_survived(signal: &str) {
    let nodes = cluster();
    let queue = format!("/queue/cluster-{signal}");
    home(&nodes[1], &queue);
    let handle = client_of_all(&nodes).connect().unwrap().spawn().unwrap();
    let mut numbers = Numbers::of(&handle, &queue);
    let topic = handle.subscribe(format!("/topic/cluster-{signal}"));
    let topic = topic.unwrap();
    assert_eq!(connected(&handle, 1).endpoint, nodes[0].url());
    let load = Load::start(&handle, &queue);
    numbers.read_more(&load, 100);

    nodes[0].end(signal);

    let (cause, _) = disconnected(&handle);
    assert!(
        matches!(&cause, Error::Link(e) if matches!(**e, LinkError::Lost(_) | LinkError::Io { .. })),
        "{cause:?}"
    );
    let endpoint = connected(&handle, 2).endpoint;
    assert!(
        [nodes[1].url(), nodes[2].url()].contains(&endpoint),
        "{endpoint}"
    );
    for id in [numbers.id(), topic.id()] {
        assert_eq!(restored(&handle), id);
        let (of, lasted) = gap(&handle);
        assert_eq!(of, id);
        assert!(!lasted.is_zero());
    }
    numbers.read_more(&load, 100);
    let confirmed = load.stop();
    numbers.read_until(confirmed);
    let twice = numbers.twice();
    println!("{confirmed} confirmed and delivered, {twice} of them twice, node ended by {signal}");
    let publish = handle.send(topic_of(signal)).body("still here").receipt();
    publish.publish().unwrap();
    assert_eq!((&topic).text(), "still here");
    assert_eq!(handle.metrics().unwrap().connections, 2);
    handle.close().unwrap();
}

fn topic_of(signal: &str) -> String {
    format!("/topic/cluster-{signal}")
}

#[test]
fn a_node_that_crashes_is_survived() {
    a_node_that_ends_is_survived("KILL");
}

#[test]
fn a_node_that_is_shut_down_is_survived() {
    a_node_that_ends_is_survived("TERM");
}

/// RabbitMQ tells of the loss in an ERROR, and leaves the session alive. Whoever
/// subscribes while the queue's node is down is closed without a word.
#[test]
fn a_queue_whose_node_is_down_is_put_aside_until_it_is_back() {
    let nodes = cluster();
    let (far, near) = ("/queue/cluster-far", "/queue/cluster-near");
    home(&nodes[2], far);
    home(&nodes[0], near);
    let handle = client_of(nodes[0].url()).fallback(nodes[1].url());
    let handle = handle.connect().unwrap().spawn().unwrap();
    let lost = handle.subscribe(far).unwrap();
    let kept = handle.subscribe(near).unwrap();
    let works = |body: &str| {
        let publish = handle.send(near).body(body).replay();
        publish.publish().unwrap();
        assert_eq!((&kept).text(), body);
    };

    nodes[2].kill();

    let (id, cause) = refused(&handle);
    assert_eq!(id, lost.id());
    assert!(
        matches!(&cause, Error::Broker(e) if e.message() == "Server cancelled subscription"),
        "{cause:?}"
    );
    // The session is the same.
    works("once");
    assert_eq!(handle.metrics().unwrap().connections, 1);
    // It is asked for again in vain, and the other one lives on.
    for round in 0..2 {
        let (id, cause) = refused(&handle);
        assert_eq!(id, lost.id());
        assert!(
            matches!(&cause, Error::Link(e) if matches!(**e, LinkError::Closed { code: 1000, .. })),
            "{cause:?}"
        );
        works(&round.to_string());
    }

    nodes[2].restart();

    event(&handle, |event| match event {
        Event::Restored { subscription } => (subscription == lost.id()).then_some(()),
        _ => None,
    });
    let publish = handle.send(far).body("back").replay();
    publish.publish().unwrap();
    assert_eq!((&lost).text(), "back");
    works("at last");
    handle.close().unwrap();
}

/// A planned rotation is the moment to go back to the first endpoint.
#[test]
fn a_client_goes_back_to_a_node_that_is_back_if_it_is_asked_to() {
    const LIFE: Duration = Duration::from_secs(5);
    let nodes = cluster();
    let secrets: Vec<_> = nodes.iter().map(|node| node.token(100 * LIFE)).collect();
    let source = move |_: TokenReason| -> Result<Token, AuthError> {
        Ok(Token::new(secrets[0].clone()).expires_in(LIFE))
    };
    let client = client_of_all(&nodes).token_source(source);
    let client = client.rotate(Rotate::Planned);
    let [returns, stays] = [true, false].map(|fail_back| {
        let client = client.clone().fail_back(fail_back);
        client.connect().unwrap().spawn().unwrap()
    });
    let (first, second) = (nodes[0].url(), nodes[1].url());
    for handle in [&returns, &stays] {
        connected_to(handle, &first);
    }
    nodes[0].kill();
    for handle in [&returns, &stays] {
        connected_to(handle, &second);
    }
    nodes[0].restart();

    connected_to(&returns, &first);
    connected_to(&stays, &second);
    connected_to(&stays, &second);
    for handle in [returns, stays] {
        handle.close().unwrap();
    }
}
