//! Topics, queues and what a MESSAGE carries.

use crate::support::{Client, start};
use hobnail_mock_broker::{Note, Scenario};

#[test]
fn a_topic_reaches_every_subscription_unchanged() {
    let broker = start(Scenario::default());
    let mut a = Client::connect(&broker);
    let mut b = Client::connect(&broker);
    a.confirmed("SUBSCRIBE\nid:0\ndestination:/events/user/7\n\n");
    a.confirmed("SUBSCRIBE\nid:x\\c\u{e9}\ndestination:/events/user/7\n\n");
    b.confirmed("SUBSCRIBE\nid:0\ndestination:/events/user/7\nack:client\n\n");
    b.send(
        "SEND\ndestination:/events/user/7\ncontent-type:application/x-conf\nk:a\\cb\\r\\n\\\\\n\
         k:second\nempty:\nreceipt:r\na\\cb: v \n\nbody",
    );
    let got = [
        a.expect("MESSAGE"),
        a.expect("MESSAGE"),
        b.expect("MESSAGE"),
    ];
    for (m, (subscription, acks)) in
        got.into_iter()
            .zip([("0", false), ("x:\u{e9}", false), ("0", true)])
    {
        assert_eq!(m.header("subscription"), Some(subscription));
        assert_eq!(m.header("destination"), Some("/events/user/7"));
        assert_eq!(m.header("content-type"), Some("application/x-conf"));
        assert_eq!(m.header("content-length"), Some("4"));
        assert_eq!(m.header("k"), Some("a:b\r\n\\"));
        assert_eq!(m.header("empty"), Some(""));
        assert_eq!(m.header("a:b"), Some(" v "));
        assert_eq!(m.header("receipt"), None);
        assert!(m.header("message-id").is_some());
        assert_eq!(m.header("ack").is_some(), acks);
        assert_eq!(m.text(), Some("body"));
    }
    b.expect("RECEIPT");
}

#[test]
fn bodies_are_octets() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    let all: Vec<u8> = (0..=255).collect();
    let large = vec![b'x'; 1 << 20];
    for body in [
        &all[..],
        b"",
        b"\n x",
        "\u{e9}\u{20ac}\u{1f600}".as_bytes(),
        b"a\0b",
        &large,
    ] {
        let head = format!(
            "SEND\ndestination:/topic/a\ncontent-length:{}\n\n",
            body.len()
        );
        client.send_raw(&[head.as_bytes(), body, b"\0"].concat());
        let m = client.expect("MESSAGE");
        assert_eq!(m.body, body);
        assert_eq!(
            m.header("content-length"),
            Some(body.len().to_string().as_str())
        );
        let utf8 = std::str::from_utf8(body).is_ok();
        assert_eq!(
            client.messages.last().unwrap().is_text(),
            utf8,
            "text unless it cannot be"
        );
    }
}

#[test]
fn a_queue_gives_each_message_to_one_consumer_in_turn() {
    let broker = start(Scenario::default());
    let mut producer = Client::connect(&broker);
    for i in 0..4 {
        producer.confirmed(&format!("SEND\ndestination:/queue/q\nn:{i}\n\n"));
    }
    let mut a = Client::connect(&broker);
    a.confirmed("SUBSCRIBE\nid:0\ndestination:/queue/q\n\n");
    for i in 0..4 {
        assert_eq!(
            a.expect("MESSAGE").header("n"),
            Some(i.to_string().as_str())
        );
    }
    let mut b = Client::connect(&broker);
    b.confirmed("SUBSCRIBE\nid:0\ndestination:/queue/q\n\n");
    for i in 0..6 {
        producer.confirmed(&format!("SEND\ndestination:/queue/q\nn:{i}\n\n"));
    }
    let took = |client: &mut Client| -> Vec<String> {
        (0..3)
            .map(|_| client.expect("MESSAGE").header("n").unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (took(&mut a), took(&mut b)),
        (
            ["0", "2", "4"].map(str::to_owned).to_vec(),
            ["1", "3", "5"].map(str::to_owned).to_vec(),
        )
    );
    a.assert_quiet();
    b.assert_quiet();
}

#[test]
fn a_queue_is_bounded() {
    let broker = start(Scenario::builder().bounds(|b| b.queue = 2).build());
    let mut client = Client::connect(&broker);
    client.confirmed("SEND\ndestination:/queue/q\n\n");
    client.confirmed("SEND\ndestination:/queue/q\n\n");
    client.send("SEND\ndestination:/queue/q\nreceipt:r\n\n");
    assert_eq!(
        client.expect("ERROR").header("message"),
        Some("queue is full")
    );
}

#[test]
fn subscriptions_are_told_apart_and_end() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    client.confirmed("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n");
    client.confirmed("UNSUBSCRIBE\nid:0\n\n");
    client.confirmed("SEND\ndestination:/topic/a\n\n");
    assert_eq!(client.expect("MESSAGE").header("subscription"), Some("1"));
    client.assert_quiet();
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/b\n\n");
    client.send("SUBSCRIBE\nid:0\ndestination:/topic/c\n\n");
    let error = client.expect("ERROR");
    assert_eq!(error.header("message"), Some("subscription id is in use"));
}

#[test]
fn a_topic_does_not_wait_for_acks_for_ever() {
    let broker = start(Scenario::builder().bounds(|b| b.unacked = 2).build());
    let mut client = Client::connect(&broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\nack:client\n\n");
    for _ in 0..4 {
        client.confirmed("SEND\ndestination:/topic/a\n\n");
    }
    client.expect("MESSAGE");
    client.expect("MESSAGE");
    client.assert_quiet();
    let dropped = |e: &&hobnail_mock_broker::Entry| matches!(e.note(), Some(Note::Dropped { .. }));
    assert_eq!(
        broker.transcript().iter().filter(dropped).count(),
        1,
        "noted once"
    );
}
