//! Bodies: any octets, any size.

use hobnail::{Error, Event, LinkError};

use crate::broker::{Source, breakable, client, client_of};

/// What a decoder that searches for the end of a frame would trip over.
const FRAME_IN_A_BODY: &str = "a\0\n\nMESSAGE\nsubscription:0\n\nb\n\n\0\0\n";

#[test]
fn nul_and_whole_frames_may_stand_in_a_body() {
    let mut client = client().connect().unwrap();
    let queue = "/queue/body-nul";
    let _subscription = client.subscription(queue).subscribe().unwrap();
    client.send(queue).body(FRAME_IN_A_BODY).publish().unwrap();
    client.send(queue).body("").publish().unwrap();
    client.send(queue).body("after").publish().unwrap();
    assert_eq!(client.text(), FRAME_IN_A_BODY);
    assert_eq!(client.text(), "");
    assert_eq!(client.text(), "after");
    client.close().unwrap();
}

#[test]
fn a_mebibyte_comes_back_whole() {
    let mut client = client().connect().unwrap();
    let queue = "/queue/body-large";
    let _subscription = client.subscription(queue).subscribe().unwrap();
    // Every line differs, and characters lie across every power of two.
    let mut body = String::new();
    for line in 0.. {
        body.push_str(&format!("{line} \u{20ac}\0\n"));
        if body.len() >= 1 << 20 {
            break;
        }
    }
    client.send(queue).body(&body).receipt().publish().unwrap();
    assert!(client.text() == body, "another body came back");
    client.close().unwrap();
}

/// With `web_stomp.ws_frame = binary` any octets come back.
#[test]
fn binary_bodies_come_back_as_binary_messages() {
    let node = breakable();
    let mut client = client_of(node.url()).connect().unwrap();
    let queue = "/queue/body-binary";
    let _subscription = client.subscription(queue).subscribe().unwrap();
    let octets: Vec<u8> = (0..=255).collect();
    let large = octets.repeat(4096);
    client.send(queue).body(&octets).publish().unwrap();
    client.send(queue).body(&large).receipt().publish().unwrap();
    assert_eq!(client.message().body(), octets);
    assert!(client.message().body() == large, "another body came back");
    client.close().unwrap();
}

/// By default RabbitMQ puts octets that are no text into TEXT messages, which
/// RFC 6455 §8.1 forbids; the error says what to change.
#[test]
fn binary_bodies_as_text_messages_are_an_error_that_names_the_cure() {
    let handle = client().reconnect(false).connect().unwrap();
    let handle = handle.spawn().unwrap();
    let queue = "/queue/body-not-text";
    let messages = handle.subscribe(queue).unwrap();
    handle.send(queue).body(b"\xff\xfe\x80").publish().unwrap();

    let cause = crate::events::event(&handle, |event| match event {
        Event::Disconnected { cause, .. } => Some(cause),
        _ => None,
    });
    let Error::Link(error) = &cause else {
        panic!("{cause:?}");
    };
    assert!(matches!(**error, LinkError::InvalidUtf8), "{error:?}");
    assert!(cause.to_string().contains("web_stomp.ws_frame"), "{cause}");
    assert!(messages.recv().is_err());
}
