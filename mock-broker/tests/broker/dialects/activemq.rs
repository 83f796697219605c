//! ActiveMQ, Artemis, and both behind websockify.

use super::{close, last, messages, octets, of, say_octets, session};
use crate::world::World;
use hobnail_mock_broker::engine::{Input, Output};
use hobnail_mock_broker::http::Request;
use hobnail_mock_broker::{Dialect, Scenario};

#[test]
fn dlx_44_artemis_connects_again() {
    let mut world = session(Dialect::ARTEMIS);
    world.say(1, "CONNECT\naccept-version:1.2\nhost:h\n\n");
    assert_eq!(world.commands(1), ["CONNECTED", "CONNECTED"]);
}

#[test]
fn dlx_17_activemq_takes_one_frame_per_message() {
    let mut world = session(Dialect::ACTIVEMQ);
    let two =
        b"SEND\ndestination:/topic/t\nreceipt:1\n\nx\0SEND\ndestination:/topic/t\nreceipt:2\n\nx\0";
    say_octets(&mut world, two, false);
    assert_eq!(
        world.commands(1),
        ["CONNECTED", "RECEIPT"],
        "the second one is lost"
    );
    say_octets(&mut world, b"\n", false);
    say_octets(&mut world, b"SEND\n", true);
    assert_eq!(close(&world), None, "a LF is a beat, binary is not heard");
    for bad in [&b"SEND\ndestination:/topic/t\n"[..], b"\r\n", b"\0", b""] {
        let mut world = session(Dialect::ACTIVEMQ);
        say_octets(&mut world, bad, false);
        assert_eq!(close(&world), Some((1000, String::new())), "{bad:?}");
    }
    let mut world = session(Dialect::ACTIVEMQ);
    say_octets(&mut world, &vec![b'x'; 70_000], false);
    assert_eq!(close(&world).map(|c| c.0), Some(1009));
}

#[test]
fn dlx_18_activemq_reads_headers_loosely() {
    let mut world = session(Dialect::ACTIVEMQ);
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\nack:bogus\n\n");
    world.say(1, " SEND \ndestination: /topic/t\nno colon\nk:a\\tb\n\nx");
    let message = messages(&world).pop().expect("a message");
    assert_eq!(message.header("k"), Some("a\\tb"));
    assert_eq!(message.header("content-length"), None, "nor had the SEND");
    assert!(message.header("timestamp").is_some());
}

#[test]
fn activemq_escapes_its_ack_ids_and_buries_what_is_refused() {
    let mut world = session(Dialect::ACTIVEMQ);
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client\nactivemq.prefetchSize:1\n\n",
    );
    world.say(1, "SEND\ndestination:/queue/q\n\nx");
    world.say(1, "SEND\ndestination:/queue/q\n\ny");
    assert_eq!(messages(&world).len(), 1, "prefetch");
    let ack = messages(&world)[0]
        .header("ack")
        .expect("an ack id")
        .to_owned();
    assert!(ack.starts_with("ID:"), "{ack}");
    world.say(1, &format!("NACK\nid:{}\n\n", ack.replace(':', "\\c")));
    world.say(1, "SUBSCRIBE\nid:dead\ndestination:/queue/ActiveMQ.DLQ\n\n");
    let bodies: Vec<String> = messages(&world)
        .iter()
        .map(|f| {
            format!(
                "{} {}",
                f.header("subscription").unwrap_or_default(),
                f.text().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(bodies, ["0 x", "0 y", "dead x"]);
}

#[test]
fn dlx_21_artemis_takes_nack_for_ack_and_passes_transactions_by() {
    let mut world = session(Dialect::ARTEMIS);
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\nprefetch-count:1\n\n",
    );
    world.say(1, "SEND\ndestination:/queue/q\n\nx");
    world.say(1, "SEND\ndestination:/queue/q\n\ny");
    for _ in 0..2 {
        let ack = messages(&world)
            .pop()
            .and_then(|m| m.header("ack").map(str::to_owned));
        let ack = ack.expect("an ack id");
        world.say(1, &format!("NACK\nid:{ack}\ntransaction:nosuch\n\n"));
    }
    let bodies: Vec<_> = messages(&world).iter().map(|m| m.body.clone()).collect();
    assert_eq!(bodies, [b"x", b"y"]);
}

#[test]
fn dlx_23_artemis_does_not_look_behind_the_body() {
    let mut world = session(Dialect::ARTEMIS);
    say_octets(
        &mut world,
        b"SEND\ndestination:/topic/t\nreceipt:r\ncontent-length:1\n\nxZ",
        false,
    );
    assert_eq!(last(&world).command, "RECEIPT");
}

#[test]
fn dlx_24_artemis_and_websockify_send_binary() {
    for dialect in [Dialect::ARTEMIS, Dialect::ACTIVEMQ.behind_websockify()] {
        let mut world = of(dialect);
        world.tell(Input::Tcp { conn: 1 });
        let request = Request::upgrade("/stomp", &["binary"]);
        world.tell(Input::Request {
            conn: 1,
            request: &request,
        });
        say_octets(
            &mut world,
            b"CONNECT\naccept-version:1.2\nhost:h\n\n\0",
            true,
        );
        assert!(octets(&world)[0].1, "{dialect}");
    }
}

#[test]
fn websockify_takes_binary_alone() {
    let scenario = || Scenario::from_json(r#"{"broker":{"dialect":"activemq","websockify":true}}"#);
    let mut world = World::new(scenario().expect("a good scenario"));
    world.open(1);
    let refused = |o: &Output| matches!(o, Output::Http { response, .. } if response.status == 400);
    assert!(
        world.outputs.iter().any(|(_, o)| refused(o)),
        "v12.stomp alone"
    );
    let mut world = World::new(scenario().expect("a good scenario"));
    world.tell(Input::Tcp { conn: 1 });
    let request = Request::upgrade("/stomp", &[]);
    world.tell(Input::Request {
        conn: 1,
        request: &request,
    });
    say_octets(&mut world, b"CONNECT\n\n\0", false);
    assert_eq!(close(&world).map(|c| c.0), Some(1003));
}

#[test]
fn activemq_names_a_subprotocol_that_nobody_offered() {
    let named = |dialect: Dialect, offer: &[&str]| {
        let mut world = of(dialect);
        world.tell(Input::Tcp { conn: 1 });
        let request = Request::upgrade("/stomp", offer);
        world.tell(Input::Request {
            conn: 1,
            request: &request,
        });
        world.outputs.iter().find_map(|(_, o)| {
            if let Output::Accept { subprotocol, .. } = o {
                subprotocol.clone()
            } else {
                None
            }
        })
    };
    assert_eq!(named(Dialect::ACTIVEMQ, &[]).as_deref(), Some("stomp"));
    assert_eq!(
        named(Dialect::ACTIVEMQ, &["v12.stomp"]).as_deref(),
        Some("v12.stomp")
    );
    assert_eq!(named(Dialect::STOMP, &[]), None);
    let gateway = "v10.stomp.example";
    assert_eq!(
        named(Dialect::CONTACT_CENTRE, &[gateway]).as_deref(),
        Some(gateway)
    );
    assert_eq!(named(Dialect::STOMP, &[gateway]), None);
}
