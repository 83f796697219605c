//! A proxy in front of another broker of this process.

mod passing;
mod rules;

use crate::support::{Client, End, LONG, QUIET, start, tcp, upgrade, upgrade_at};
use hobnail_mock_broker::script::{Between, Corrupt, Direction, Kind, Order, RawAs};
use hobnail_mock_broker::{
    Entry, Frame, How, Listen, MockBroker, Note, Rule, Scenario, Upstream, What, act, on, recv,
    sending,
};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tungstenite::Message;

const SEND: &str = "SEND\ndestination:/topic/a\n";

/// A correct broker, and a proxy in front of it.
struct Pair {
    broker: MockBroker,
    proxy: MockBroker,
}

fn pair(broker: Scenario, proxy: Scenario) -> Pair {
    let broker = start(broker);
    let proxy = MockBroker::proxy(&broker.url(), proxy).expect("the proxy starts");
    Pair { broker, proxy }
}

fn with(rule: Rule) -> Pair {
    pair(Scenario::default(), Scenario::builder().rule(rule).build())
}

fn closed(broker: &MockBroker) -> How {
    let closed = |e: &Entry| matches!(e.what, What::Closed(_));
    let What::Closed(how) = broker.wait_for(LONG, closed).expect("it ended").what else {
        unreachable!("it is what was asked for")
    };
    how
}

/// Takes the next message for good.
fn acknowledge(client: &mut Client) -> Frame {
    let message = client.expect("MESSAGE");
    let ack = message.header("ack").expect("an ack");
    client.confirmed(&format!("ACK\nid:{ack}\n\n"));
    message
}

/// Everything a session does, and what the client saw of it.
fn session(client: &mut Client) {
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\n\n");
    client.confirmed("SEND\ndestination:/queue/q\nk\\c1:v\\n2\n\nb\u{e9}");
    let message = client.expect("MESSAGE");
    assert_eq!(
        (message.header("k:1"), message.text()),
        (Some("v\n2"), Some("b\u{e9}"))
    );
    let ack = message.header("ack").expect("an ack").to_owned();
    client.confirmed(&format!("NACK\nid:{ack}\n\n"));
    let again = acknowledge(client);
    assert_eq!(again.header("redelivered"), Some("true"));
    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.confirmed("SEND\ndestination:/queue/q\ntransaction:t\n\nx");
    client.confirmed("COMMIT\ntransaction:t\n\n");
    acknowledge(client);
    let mut binary = b"SEND\ndestination:/queue/q\ncontent-length:3\n\n".to_vec();
    binary.extend_from_slice(b"\xff\0\xfe\0");
    client.send_raw(&binary);
    assert_eq!(acknowledge(client).body, b"\xff\0\xfe");
    assert!(client.messages.iter().any(Message::is_binary));
    client.send("DISCONNECT\nreceipt:bye\n\n");
    assert_eq!(client.expect("RECEIPT").header("receipt-id"), Some("bye"));
    assert_eq!(client.ended(), End::Close(Some(1000)));
}

/// How an upgrade is refused: status, one header, body.
fn refused(broker: &MockBroker) -> (u16, Option<String>, String) {
    match upgrade(broker, &[]).map_err(|e| *e) {
        Err(tungstenite::Error::Http(response)) => {
            let header = response.headers().get("WWW-Authenticate");
            let header = header.map(|v| v.to_str().expect("text").to_owned());
            let body = response.body().clone().unwrap_or_default();
            let body = String::from_utf8(body).expect("text");
            (response.status().as_u16(), header, body)
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was let in"),
    }
}
