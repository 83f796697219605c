//! SEND, RECEIPT, and ERROR instead of it.

use std::time::Duration;

use hobnail::{Error, Event};

use crate::{
    broker::{Source, client},
    events::event,
};

#[test]
fn a_receipt_ends_publish() {
    let mut client = client().connect().unwrap();
    let publish = client.send("/queue/receipt").body("x").receipt();
    publish.publish().unwrap();
    let _subscription = client.subscription("/queue/receipt").subscribe().unwrap();
    assert_eq!(client.text(), "x");
    client.close().unwrap();
}

/// Without beats of ours: RabbitMQ 3.10 may end a session that has promised any
/// when it publishes so fast that flow control sets in (its receiver of
/// heart-beats crashes on the message `resume`).
#[test]
fn many_receipts_are_under_way_at_once() {
    let silent = client().heart_beat(Duration::ZERO, Duration::from_secs(10));
    let handle = silent.connect().unwrap().spawn().unwrap();
    let messages = handle.subscribe("/queue/pipeline").unwrap();
    let pending: Vec<_> = (0..1_000)
        .map(|number| {
            let body = number.to_string();
            handle.send("/queue/pipeline").body(&body).begin().unwrap()
        })
        .collect();
    for pending in pending {
        pending.wait().unwrap();
    }
    for number in 0..1_000 {
        assert_eq!((&messages).text(), number.to_string());
    }
    handle.close().unwrap();
}

#[test]
fn threads_publish_through_one_client() {
    let handle = client().connect().unwrap().spawn().unwrap();
    let messages = handle.subscribe("/queue/threads").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let handle = handle.clone();
            scope.spawn(move || {
                for number in 0..50 {
                    let body = format!("{thread} {number}");
                    let publish = handle.send("/queue/threads").body(&body).receipt();
                    publish.publish().unwrap();
                }
            });
        }
    });
    let mut next = [0; 4];
    for _ in 0..200 {
        let text = (&messages).text();
        let (thread, number) = text.split_once(' ').unwrap();
        let expected = &mut next[thread.parse::<usize>().unwrap()];
        assert_eq!(number, expected.to_string());
        *expected += 1;
    }
    handle.close().unwrap();
}

/// Every octet that a header must escape, in names and in values, and what
/// need not be escaped but is often got wrong.
#[test]
fn headers_come_back_as_they_were_sent() {
    let headers = [
        ("plain", "value"),
        ("colon:name", "colon:value:"),
        ("back\\slash", "\\n is not a line feed\\"),
        ("line\nfeed", "first\nsecond\n"),
        ("return\rname", "\r\n\r"),
        ("\\c:\n\r", "\\c\\n\\r\\\\"),
        ("gr\u{fc}\u{df}e", "\u{1f44b} \u{4f60}\u{597d}"),
        ("spaces", "  kept on both sides  "),
        ("empty", ""),
        ("tab", "a\tb"),
    ];
    let mut client = client().connect().unwrap();
    let _subscription = client.subscription("/queue/headers").subscribe().unwrap();
    let mut publish = client.send("/queue/headers");
    for (name, value) in headers {
        publish = publish.header(name, value);
    }
    publish.receipt().publish().unwrap();
    let message = client.message();
    for (name, value) in headers {
        assert_eq!(message.header(name).as_deref(), Some(value), "{name:?}");
    }
    client.close().unwrap();
}

/// STOMP 1.2 §ERROR: it ends the connection, which is then made again.
#[test]
fn an_error_ends_the_call_that_caused_it() {
    let handle = client().connect().unwrap().spawn().unwrap();
    let refused = handle.send("/nowhere/at-all").body("x").receipt().publish();
    let Err(Error::Broker(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error.message(), "Unknown destination");
    event(&handle, |event| {
        matches!(event, Event::Connected(c) if c.connection == 2).then_some(())
    });
    let publish = handle.send("/queue/after-error").body("x").receipt();
    publish.publish().unwrap();
    handle.close().unwrap();
}
