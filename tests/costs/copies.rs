//! Messages in pieces: each octet may be copied once more than by tungstenite,
//! to where the pieces are joined. Octets that are copied need memory to be
//! copied to, and that is counted.

use std::net::TcpStream;

use allocation_counter::measure;
use hobnail_mock_broker::{
    MockBroker, Scenario,
    script::{Rule, ShapeAction, act, on},
};
use hobnail_tests::{SOON, start};
use tungstenite::{Message, WebSocket, client::IntoClientRequest};

use crate::quiet;

const SIZE: usize = 256 << 10;
/// Its octets once, with its head.
const ONCE: u64 = SIZE as u64 + 1024;
const TIMES: usize = 20;

fn cut(shape: ShapeAction) -> MockBroker {
    start(
        Scenario::builder()
            .rule(Rule::on(on::recv("SUBSCRIBE")).then(shape))
            .build(),
    )
}

/// The fewest octets that are allocated to receive a message.
fn fewest(broker: &MockBroker, mut take: impl FnMut()) -> u64 {
    let times = (0..TIMES).map(|_| {
        broker.publish("/topic/a", &[], &[b'x'; SIZE]);
        measure(&mut take).bytes_total
    });
    times.min().expect("many")
}

/// What hobnail takes.
fn ours(broker: &MockBroker) -> u64 {
    let mut client = quiet(broker);
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    fewest(broker, || {
        let message = client.recv_timeout(SOON).expect("the client lives");
        assert_eq!(message.expect("a message comes").body().len(), SIZE);
    })
}

/// What blocking tungstenite takes for the same octets, and knows nothing of STOMP.
fn theirs(broker: &MockBroker) -> u64 {
    let url = broker.url();
    let address = url.trim_start_matches("ws://").split('/').next().unwrap();
    let tcp = TcpStream::connect(address).unwrap();
    let mut request = url.as_str().into_client_request().unwrap();
    let protocol = "v12.stomp".parse().unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", protocol);
    let (mut ws, _) = tungstenite::client(request, tcp).unwrap();
    ws.send(Message::text("CONNECT\naccept-version:1.2\nhost:x\n\n\0"))
        .unwrap();
    ws.read().unwrap();
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\n\n\0";
    ws.send(Message::text(subscribe)).unwrap();
    read(&mut ws, "RECEIPT".len());
    fewest(broker, || read(&mut ws, SIZE))
}

/// Reads messages until there are as many octets.
fn read(ws: &mut WebSocket<TcpStream>, octets: usize) {
    let mut seen = 0;
    while seen < octets {
        seen += ws.read().unwrap().len();
    }
}

/// Whatever the size of the pieces.
fn is_copied_once_more_at_most(shape: fn(usize) -> ShapeAction, sizes: &[usize]) {
    for every in sizes {
        let broker = cut(shape(*every));
        let (ours, theirs) = (ours(&broker), theirs(&broker));
        assert!(ours <= theirs + ONCE, "{every}: {ours}, {theirs}");
    }
}

#[test]
fn a_fragmented_message_is_copied_once_more_at_most() {
    let sizes = [
        1 << 10,
        16 << 10,
        40_000,
        60_000,
        65_536,
        66_000,
        100_000,
        131_072,
        SIZE,
    ];
    is_copied_once_more_at_most(act::frag_every, &sizes);
}

#[test]
fn a_frame_split_over_messages_is_copied_once_more_at_most() {
    let sizes = [
        1 << 10,
        2 << 10,
        8 << 10,
        20_000,
        40_000,
        60_000,
        65_536,
        66_000,
        100_000,
        131_072,
    ];
    is_copied_once_more_at_most(act::split_every, &sizes);
}
