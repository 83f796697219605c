//! CONNECT, versions, errors and the end of a session.

use crate::support::{Client, End, LONG, start, upgrade};
use hobnail_mock_broker::wire::Version;
use hobnail_mock_broker::{How, Note, Scenario, What};

#[test]
fn a_session_begins_and_ends_as_the_text_says() {
    let broker = start(Scenario::default());
    let mut client = Client::open(&broker);
    client.send("CONNECT\naccept-version:1.0,1.1,1.2\nhost:h\nlogin:u\n\n");
    let connected = client.expect("CONNECTED");
    assert_eq!(connected.header("version"), Some("1.2"));
    assert_eq!(connected.header("heart-beat"), Some("10000,10000"));
    assert!(connected.header("session").is_some_and(|s| !s.is_empty()));
    assert!(
        connected
            .header("server")
            .is_some_and(|s| s.starts_with("hobnail-mock-broker/"))
    );
    broker.wait_for(LONG, |e| e.is_sent("CONNECTED")).unwrap();
    assert_eq!(broker.sessions(), 1);
    client.send("DISCONNECT\nreceipt:r1\n\n");
    assert_eq!(client.expect("RECEIPT").header("receipt-id"), Some("r1"));
    assert_eq!(client.ended(), End::Close(Some(1000)));
    let closed = broker
        .wait_for(LONG, |e| matches!(e.what, What::Closed(_)))
        .unwrap();
    assert_eq!(
        closed.what,
        What::Closed(How::Broker {
            code: 1000,
            answered: true
        })
    );
    assert_eq!(broker.sessions(), 0);
}

#[test]
fn versions_are_negotiated() {
    let broker = start(Scenario::default());
    for (offer, agreed) in [
        ("accept-version:1.0,1.1,1.2\n", "1.2"),
        ("accept-version:1.2,9.9\n", "1.2"),
        ("accept-version:1.1,1.1,1.0\n", "1.1"),
        ("accept-version:1.0,1.1,2.0\n", "1.1"),
        ("", "1.0"),
    ] {
        let mut client = upgrade(&broker, &[]).unwrap();
        client.send(&format!("CONNECT\n{offer}host:h\n\n"));
        assert_eq!(
            client.expect("CONNECTED").header("version"),
            Some(agreed),
            "{offer}"
        );
    }
    let mut client = Client::open(&broker);
    client.send("STOMP\naccept-version:9.9\nhost:h\n\n");
    let error = client.expect("ERROR");
    assert_eq!(error.header("version"), Some("1.0,1.1,1.2"));
    assert_eq!(client.ended(), End::Close(Some(1002)));
}

#[test]
fn the_subprotocol_decides_the_version() {
    let broker = start(
        Scenario::builder()
            .subprotocols(&["v10.stomp.acme"])
            .build(),
    );
    for (offer, echo, version) in [
        ("v11.stomp", Some("v11.stomp"), "1.1"),
        ("v10.stomp, v12.stomp", Some("v12.stomp"), "1.2"),
        ("mqtt", None, "1.2"),
        ("v12.stomp, v10.stomp.acme", Some("v10.stomp.acme"), "1.2"),
    ] {
        // tungstenite refuses an answer that echoes none, so read it raw.
        let mut tcp = crate::support::tcp(&broker);
        let head = crate::handshake::exchange(&mut tcp, &[("Sec-WebSocket-Protocol", offer)]);
        let echoed = head
            .lines()
            .find_map(|l| l.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(echoed, echo, "{offer}");
        if echo.is_some() {
            let mut client = upgrade(&broker, &[("Sec-WebSocket-Protocol", offer)]).unwrap();
            client.send("CONNECT\naccept-version:1.0,1.1,1.2\nhost:h\n\n");
            assert_eq!(
                client.expect("CONNECTED").header("version"),
                Some(version),
                "{offer}"
            );
        }
    }
}

#[test]
fn every_breach_is_answered_with_error_and_close() {
    let broker = start(Scenario::default());
    for (wire, words) in [
        ("SEND\nreceipt:r\n\nx", "SEND without destination"),
        ("SUBSCRIBE\nreceipt:r\nid:0\n\n", "without destination"),
        ("SUBSCRIBE\nreceipt:r\ndestination:/a\n\n", "without id"),
        (
            "SUBSCRIBE\nreceipt:r\nid:0\ndestination:/a\nack:bogus\n\n",
            "unknown ack mode",
        ),
        (
            "SUBSCRIBE\nreceipt:r\nid:0\ndestination:/a\n\nBODY",
            "with a body",
        ),
        ("UNSUBSCRIBE\nreceipt:r\ndestination:/a\n\n", "without id"),
        (
            "UNSUBSCRIBE\nreceipt:r\nid:nosuch\n\n",
            "unknown subscription",
        ),
        (
            "ACK\nreceipt:r\nsubscription:0\nmessage-id:m-1\n\n",
            "ACK without id",
        ),
        ("ACK\nreceipt:r\nid:nosuch\n\n", "no such message"),
        ("NACK\nreceipt:r\n\n", "NACK without id"),
        ("BEGIN\nreceipt:r\n\n", "without transaction"),
        (
            "COMMIT\nreceipt:r\ntransaction:nosuch\n\n",
            "unknown transaction",
        ),
        ("ABORT\nreceipt:r\n\n", "without transaction"),
        (
            "SEND\nreceipt:r\ndestination:/a\ntransaction:nosuch\n\n",
            "unknown transaction",
        ),
        ("FOO\nreceipt:r\n\n", "unknown command FOO"),
        ("send\nreceipt:r\ndestination:/a\n\n", "unknown command"),
        ("MESSAGE\nreceipt:r\n\nx", "with a body"),
        (
            "SEND\nreceipt:r\ndestination:/a\nk:\\t\n\nx",
            "undefined escape",
        ),
        ("SEND\nnocolon\nreceipt:r\n\nx", "without a colon"),
        (
            "SEND\nreceipt:r\ndestination:/a\ncontent-length:x\n\n",
            "content-length",
        ),
        (
            "SEND\nreceipt:r\ndestination:/a\ncontent-length:1\n\nabc",
            "longer than",
        ),
        (
            "CONNECT\naccept-version:1.2\nhost:h\nreceipt:r\n\n",
            "409 already connected",
        ),
    ] {
        let mut client = Client::connect(&broker);
        client.send(wire);
        let error = client.expect("ERROR");
        let message = error.header("message").unwrap_or_default();
        assert!(message.contains(words), "{wire:?}: {message}");
        assert_eq!(error.header("receipt-id"), Some("r"), "{wire:?}");
        assert!(
            matches!(client.ended(), End::Close(Some(1002 | 1008))),
            "{wire:?}"
        );
        assert_eq!(client.try_next(LONG), None, "nothing follows an ERROR");
    }
    assert!(
        broker
            .transcript()
            .iter()
            .any(|e| matches!(e.note(), Some(Note::Refused { .. })))
    );
}

#[test]
fn nothing_works_before_connect() {
    let broker = start(Scenario::default());
    for wire in [
        "SEND\ndestination:/a\n\nx",
        "CONNECT\naccept-version:1.2\n\n",
        "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:1\n\n",
    ] {
        let mut client = Client::open(&broker);
        client.send(wire);
        client.expect("ERROR");
        assert_eq!(client.ended(), End::Close(Some(1002)), "{wire}");
    }
}

#[test]
fn a_receipt_answers_every_frame_but_connect() {
    let broker = start(Scenario::default());
    let mut client = Client::open(&broker);
    client.send("CONNECT\naccept-version:1.2\nhost:h\nreceipt:r0\n\n");
    client.expect("CONNECTED");
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/a\nack:client-individual\n\n");
    client.confirmed("SEND\ndestination:/topic/a\n\nx");
    let ack = client.expect("MESSAGE").header("ack").unwrap().to_owned();
    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.confirmed(&format!("ACK\nid:{ack}\ntransaction:t\n\n"));
    client.confirmed("COMMIT\ntransaction:t\n\n");
    client.confirmed("BEGIN\ntransaction:t\n\n");
    client.confirmed("ABORT\ntransaction:t\n\n");
    client.confirmed("UNSUBSCRIBE\nid:0\n\n");
    client.confirmed("SEND\ndestination:/topic/a\n\nx");
    client.assert_quiet();
}

#[test]
fn receipt_ids_come_back_octet_for_octet() {
    let broker = start(Scenario::builder().receipt_id_header(true).build());
    let mut client = Client::connect(&broker);
    client.send("SEND\ndestination:/a\nreceipt:a\\cb\\\\c d,\u{e9}\n\n");
    assert_eq!(
        client.expect("RECEIPT").header("receipt-id"),
        Some("a:b\\c d,\u{e9}")
    );
    client.send("SEND\ndestination:/a\nreceipt-id:dialect\n\n");
    assert_eq!(
        client.expect("RECEIPT").header("receipt-id"),
        Some("dialect")
    );
}

#[test]
fn connect_headers_are_raw() {
    let broker = start(Scenario::builder().auth_basic("u", "a\\c:b").build());
    let mut client = Client::open(&broker);
    client.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\npasscode:a\\c:b\n\n");
    client.expect("CONNECTED");
    let mut client = Client::open(&broker);
    client.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\npasscode:wrong\n\n");
    let error = client.expect("ERROR");
    assert_eq!(error.header("code"), Some("401"));
    assert_eq!(client.ended(), End::Close(Some(1008)));
    for entry in broker.transcript() {
        assert!(!format!("{entry} {entry:?}").contains("a\\c:b"), "{entry}");
    }
}

#[test]
fn frames_may_be_cut_and_joined_anywhere() {
    let broker = start(Scenario::default());
    let mut client = Client::connect(&broker);
    let wire = b"SEND\ndestination:/topic/a\nreceipt:1\ncontent-length:3\n\na\0b\0\n";
    for octet in wire {
        client.send_raw(&[*octet]);
    }
    assert_eq!(client.expect("RECEIPT").header("receipt-id"), Some("1"));
    client.send_raw(&[&wire[..], b"\r\n\n", &wire[..], &wire[..]].concat());
    for _ in 0..3 {
        client.expect("RECEIPT");
    }
}

#[test]
fn older_versions_have_their_own_rules() {
    let broker = start(Scenario::default());
    let mut old = Client::connect_version(&broker, Version::V1_0);
    old.send("SUBSCRIBE\ndestination:/topic/x\nack:client\nreceipt:1\n\n");
    old.expect("RECEIPT");
    old.send("SEND\ndestination:/topic/x\nk:a\\tb:c\n\nbody");
    let message = old.expect("MESSAGE");
    assert_eq!(
        (message.header("subscription"), message.header("ack")),
        (None, None)
    );
    assert_eq!(message.header("k"), Some("a\\tb:c"));
    let id = message.header("message-id").unwrap().to_owned();
    old.send(&format!("ACK\nmessage-id:{id}\nreceipt:2\n\n"));
    old.expect("RECEIPT");
    old.send("UNSUBSCRIBE\ndestination:/topic/x\nreceipt:3\n\n");
    old.expect("RECEIPT");
    old.send("NACK\nmessage-id:1\n\n");
    old.expect("ERROR");

    let mut mid = Client::connect_version(&broker, Version::V1_1);
    mid.send("SUBSCRIBE\nid:s\ndestination:/topic/y\nack:client\nreceipt:1\n\n");
    mid.expect("RECEIPT");
    mid.send("SEND\ndestination:/topic/y\n\nbody");
    let message = mid.expect("MESSAGE");
    assert_eq!(message.header("ack"), None);
    let id = message.header("message-id").unwrap().to_owned();
    mid.send(&format!(
        "ACK\nsubscription:s\nmessage-id:{id}\nreceipt:2\n\n"
    ));
    mid.expect("RECEIPT");
    mid.send("SEND\ndestination:/topic/y\nk:a\\rb\n\n");
    mid.expect("ERROR");
}
