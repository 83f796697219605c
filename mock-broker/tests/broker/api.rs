//! The handle: restart, refusal, bounds, determinism.

use crate::support::{Client, End, LONG, QUIET, start};
use hobnail_mock_broker::{How, MockBroker, Note, Rule, Scenario, What, act, on};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn a_restart_keeps_the_port_and_the_queues() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    client.confirmed("SEND\ndestination:/queue/q\nn:1\n\n");
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client\n\n");
    client.expect("MESSAGE");
    broker.restart();
    assert_eq!(client.ended(), End::Lost);
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client\n\n");
    assert_eq!(client.expect("MESSAGE").header("redelivered"), Some("true"));
}

#[test]
fn the_listener_goes_down_and_comes_up_on_its_port() {
    let broker = start(Scenario::default());
    let mut standing = Client::connect(&broker);
    let listening = |up: bool| move |e: &hobnail_mock_broker::Entry| e.what == What::Listening(up);
    broker.stop_listening();
    assert!(TcpStream::connect(("127.0.0.1", broker.port())).is_err());
    broker.resume_listening();
    broker.wait_for(LONG, listening(true)).unwrap();
    standing.confirmed("SEND\ndestination:/topic/a\n\n");
    Client::connect(&broker);
    broker.refuse(Duration::from_millis(50));
    broker.wait_for_nth(2, LONG, listening(true)).unwrap();
    standing.confirmed("SEND\ndestination:/topic/a\n\n");
    Client::connect(&broker);
}

#[test]
fn a_kick_looks_like_1006() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    broker.kick(1);
    assert_eq!(client.ended(), End::Lost);
    broker
        .wait_for(LONG, |e| e.what == What::Closed(How::Fin))
        .unwrap();
}

#[test]
fn publish_reaches_subscribers() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/voice/x\n\n");
    broker.publish("/voice/x", &[("h", "v")], b"body");
    let m = client.expect("MESSAGE");
    assert_eq!((m.header("h"), m.text()), (Some("v"), Some("body")));
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let broker = start(Scenario::builder().bounds(|b| b.out = 1 << 20).build());
    let mut lazy = Client::connect(&broker);
    lazy.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    let body = vec![b'x'; 1 << 20];
    let slow = |e: &hobnail_mock_broker::Entry| matches!(e.note(), Some(Note::SlowConsumer { .. }));
    for _ in 0..64 {
        broker.publish("/topic/a", &[], &body);
    }
    broker.wait_for(LONG, slow).unwrap();
    broker
        .wait_for(LONG, |e| matches!(&e.what, What::Closed(How::Failed(_))))
        .unwrap();
}

#[test]
fn stopping_ends_everything_quickly() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    let journal = broker.journal().clone();
    let waiter = std::thread::spawn(move || journal.wait_for_nth(1, 10 * LONG, |_| false));
    let transcript = broker.stop();
    assert!(waiter.join().unwrap().unwrap_err().stopped);
    assert_eq!(transcript.last().unwrap().what, What::Closed(How::Stopped));
    assert_eq!(client.ended(), End::Lost);
    let seqs: Vec<u64> = transcript.iter().map(|e| e.seq).collect();
    assert_eq!(
        seqs,
        (1..=seqs.len() as u64).collect::<Vec<_>>(),
        "one total order"
    );
}

#[test]
fn waiting_for_nothing_says_what_was_there() {
    let broker = start(Scenario::default());
    Client::connect(&broker);
    let error = broker.wait_for(QUIET, |e| e.is_mark("never")).unwrap_err();
    assert!(error.to_string().contains("sent CONNECTED"), "{error}");
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let run = |seed: u64| -> Vec<String> {
        let broker = start(
            Scenario::builder()
                .seed(seed)
                .rule(Rule::on(on::recv("SEND")).p(0.5).then(act::mark("lucky")))
                .build(),
        );
        let mut client = Client::connect(&broker);
        for _ in 0..64 {
            client.confirmed("SEND\ndestination:/topic/a\n\n");
        }
        let shown = |e: hobnail_mock_broker::Entry| format!("{} {}", e.conn, e.what);
        let upgrade = |e: &hobnail_mock_broker::Entry| !matches!(e.what, What::Upgrade { .. });
        broker
            .transcript()
            .into_iter()
            .filter(upgrade)
            .map(shown)
            .collect()
    };
    let (first, again, other) = (run(7), run(7), run(8));
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn many_sessions_come_and_go() {
    let broker = start(Scenario::default());
    let mut clients: Vec<Client> = (0..300).map(|_| Client::connect(&broker)).collect();
    assert_eq!(broker.sessions(), 300);
    for client in &mut clients {
        client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/all\n\n");
    }
    broker.publish("/topic/all", &[], b"x");
    for client in &mut clients {
        client.expect("MESSAGE");
    }
    drop(clients);
    broker
        .wait_for_nth(300, LONG, |e| matches!(e.what, What::Closed(_)))
        .unwrap();
    assert_eq!(broker.sessions(), 0);
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let broker = start(Scenario::default());
    let listen = hobnail_mock_broker::Listen {
        port: broker.port(),
        ..Default::default()
    };
    let error = MockBroker::start_at(Scenario::default(), listen).unwrap_err();
    assert!(error.to_string().contains("cannot start"), "{error}");
}
