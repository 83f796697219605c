//! Acknowledgements, redelivery and transactions.

use crate::support::{Client, start};
use hobnail_mock_broker::{MockBroker, Scenario};

fn fill(client: &mut Client, n: usize) {
    for i in 1..=n {
        client.confirmed(&format!("SEND\ndestination:/queue/q\nn:{i}\n\n"));
    }
}

fn consumer(broker: &MockBroker, ack: &str) -> Client {
    let mut client = Client::connect(broker);
    client.confirmed(&format!(
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:{ack}\n\n"
    ));
    client
}

/// The numbers and ack ids of the next `count` messages.
fn take(client: &mut Client, count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|_| {
            let m = client.expect("MESSAGE");
            let of = |name: &str| m.header(name).unwrap_or_default().to_owned();
            (of("n"), of("ack"))
        })
        .collect()
}

/// What a new consumer finds in the queue.
fn left(broker: &MockBroker) -> Vec<String> {
    let mut client = consumer(broker, "auto");
    client.confirmed("SEND\ndestination:/queue/q\nn:end\n\n");
    let mut found = Vec::new();
    loop {
        let m = client.expect("MESSAGE");
        let n = m.header("n").expect("a number").to_owned();
        if n == "end" {
            return found;
        }
        let mark = if m.header("redelivered") == Some("true") {
            "again"
        } else {
            "new"
        };
        found.push(format!("{n} {mark}"));
    }
}

fn bye(mut client: Client) {
    client.send("DISCONNECT\nreceipt:bye\n\n");
    client.expect("RECEIPT");
}

#[test]
fn auto_needs_no_ack() {
    let broker = start(Scenario::default());
    let mut client = consumer(&broker, "auto");
    fill(&mut client, 2);
    assert_eq!(take(&mut client, 2)[0].1, "", "no ack header");
    bye(client);
    assert!(left(&broker).is_empty());
}

#[test]
fn client_acks_are_cumulative() {
    let broker = start(Scenario::default());
    let mut client = consumer(&broker, "client");
    fill(&mut client, 4);
    let got = take(&mut client, 4);
    client.confirmed(&format!("ACK\nid:{}\n\n", got[2].1));
    bye(client);
    assert_eq!(left(&broker), ["4 again"]);
}

#[test]
fn individual_acks_are_not() {
    let broker = start(Scenario::default());
    let mut client = consumer(&broker, "client-individual");
    fill(&mut client, 3);
    let got = take(&mut client, 3);
    client.confirmed(&format!("ACK\nid:{}\n\n", got[2].1));
    client.confirmed("UNSUBSCRIBE\nid:0\n\n");
    assert_eq!(left(&broker), ["1 again", "2 again"]);
}

#[test]
fn a_lost_connection_gives_back_what_was_not_acknowledged() {
    let broker = start(Scenario::default());
    let mut client = consumer(&broker, "client");
    fill(&mut client, 2);
    take(&mut client, 2);
    drop(client);
    let mut next = consumer(&broker, "client");
    assert_eq!(take(&mut next, 1)[0].0, "1");
    broker.kick(2);
    assert_eq!(next.expect("MESSAGE").header("n"), Some("2"));
    assert_eq!(left(&broker), ["1 again", "2 again"]);
}

#[test]
fn a_nack_sends_to_the_tail_and_at_last_to_the_dead_letters() {
    let broker = start(Scenario::builder().max_deliveries(3).build());
    let mut client = consumer(&broker, "client-individual");
    fill(&mut client, 2);
    let got = take(&mut client, 2);
    client.confirmed(&format!("ACK\nid:{}\n\n", got[1].1));
    client.confirmed(&format!("NACK\nid:{}\n\n", got[0].1));
    for round in 2..=3 {
        let m = client.expect("MESSAGE");
        assert_eq!(
            (m.header("n"), m.header("redelivered")),
            (Some("1"), Some("true")),
            "{round}"
        );
        client.confirmed(&format!("NACK\nid:{}\n\n", m.header("ack").unwrap()));
    }
    client.assert_quiet();
    client.confirmed("SUBSCRIBE\nid:dlq\ndestination:/queue/DLQ\n\n");
    let dead = client.expect("MESSAGE");
    assert_eq!(dead.header("original-destination"), Some("/queue/q"));
    assert_eq!(dead.header("n"), Some("1"));
}

#[test]
fn transactions_take_effect_as_a_whole_or_not_at_all() {
    let broker = start(Scenario::default());
    let mut client = consumer(&broker, "client-individual");
    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.confirmed("SEND\ndestination:/queue/q\ntransaction:t\nn:1\n\n");
    client.confirmed("SEND\ndestination:/queue/q\ntransaction:t\nn:2\n\n");
    client.assert_quiet();
    client.confirmed("COMMIT\ntransaction:t\n\n");
    let got = take(&mut client, 2);
    assert_eq!((got[0].0.as_str(), got[1].0.as_str()), ("1", "2"));

    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.confirmed(&format!("ACK\nid:{}\ntransaction:t\n\n", got[0].1));
    client.confirmed("SEND\ndestination:/queue/q\ntransaction:t\nn:3\n\n");
    client.confirmed("ABORT\ntransaction:t\n\n");
    client.assert_quiet();

    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.confirmed(&format!("ACK\nid:{}\ntransaction:t\n\n", got[0].1));
    client.confirmed("COMMIT\ntransaction:t\n\n");
    client.confirmed("BEGIN\ntransaction:lost\n\n");
    client.confirmed("SEND\ndestination:/queue/q\ntransaction:lost\nn:4\n\n");
    client.confirmed(&format!("ACK\nid:{}\ntransaction:lost\n\n", got[1].1));
    bye(client);
    assert_eq!(left(&broker), ["2 again"]);
}

#[test]
fn a_transaction_begins_once() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.send("BEGIN\ntransaction:t\n\n");
    client.expect("ERROR");
}

#[test]
fn acks_of_another_subscription_are_not_touched() {
    let broker = start(Scenario::default());
    let mut client = consumer(&broker, "client");
    client.confirmed("SUBSCRIBE\nid:1\ndestination:/queue/other\nack:client\n\n");
    fill(&mut client, 1);
    take(&mut client, 1);
    client.confirmed("SEND\ndestination:/queue/other\nn:x\n\n");
    let other = take(&mut client, 1);
    client.confirmed(&format!("ACK\nid:{}\n\n", other[0].1));
    bye(client);
    assert_eq!(left(&broker), ["1 again"]);
}
