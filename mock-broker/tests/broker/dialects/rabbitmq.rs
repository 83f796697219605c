//! RabbitMQ.

use super::{SECOND, close, last, messages, octets, session};
use crate::world::World;
use hobnail_mock_broker::{Dialect, Scenario};

#[test]
fn dlx_09_rabbitmq_names_versions_and_no_receipt() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(1, "SEND\nreceipt:r\n\nx");
    assert_eq!(last(&world).header("receipt-id"), None);
    assert_eq!(last(&world).header("version"), Some("1.0,1.1,1.2"));
}

#[test]
fn dlx_12_rabbitmq_reads_escapes_in_connect() {
    for (passcode, dialect, fine) in [
        ("p\\ca\\\\cb", Dialect::RABBITMQ, true),
        ("p:a\\cb", Dialect::RABBITMQ, false),
        ("p:a\\cb", Dialect::STOMP, true),
        ("p\\ca\\\\cb", Dialect::STOMP, false),
    ] {
        let builder = Scenario::builder().dialect(dialect);
        let mut world = World::new(builder.auth_basic("u", "p:a\\cb").build());
        world.connect(1, &format!("login:u\npasscode:{passcode}\n"));
        assert_eq!(
            last(&world).command == "CONNECTED",
            fine,
            "{dialect} {passcode}"
        );
    }
}

#[test]
fn rabbitmq_lets_a_second_try_at_the_password_pass() {
    let builder = Scenario::builder().dialect(Dialect::RABBITMQ);
    let mut world = World::new(builder.auth_basic("u", "p").build());
    world.connect(1, "login:u\npasscode:wrong\n");
    assert_eq!(
        (last(&world).command.as_str(), close(&world)),
        ("ERROR", None)
    );
    world.say(1, "CONNECT\naccept-version:1.2\nlogin:u\npasscode:p\n\n");
    assert_eq!(last(&world).command, "CONNECTED");
}

#[test]
fn dlx_13_rabbitmq_swallows_bodies() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/topic/t\nreceipt:r\n\nBODY",
    );
    assert_eq!(last(&world).command, "RECEIPT");
}

#[test]
fn dlx_15_rabbitmq_acknowledges_across_subscriptions() {
    for (dialect, redelivered) in [(Dialect::RABBITMQ, 0), (Dialect::STOMP, 1)] {
        let mut world = session(dialect);
        for id in ["a", "b"] {
            world.say(
                1,
                &format!("SUBSCRIBE\nid:{id}\ndestination:/queue/{id}\nack:client\n\n"),
            );
        }
        for queue in ["a", "b"] {
            world.say(1, &format!("SEND\ndestination:/queue/{queue}\n\nx"));
        }
        let ack = messages(&world)[1]
            .header("ack")
            .expect("an ack id")
            .to_owned();
        world.say(1, &format!("ACK\nid:{}\n\n", ack.replace(':', "\\c")));
        world.say(1, "DISCONNECT\n\n");
        world.connect(2, "");
        world.say(2, "SUBSCRIBE\nid:0\ndestination:/queue/a\n\n");
        let again = world.commands(2).iter().filter(|c| *c == "MESSAGE").count();
        assert_eq!(again, redelivered, "{dialect}");
    }
}

#[test]
fn dlx_16_rabbitmq_ends_frames_with_lf() {
    for (dialect, end) in [(Dialect::RABBITMQ, &b"\0\n"[..]), (Dialect::STOMP, b"\n\0")] {
        let world = session(dialect);
        assert!(octets(&world)[0].0.ends_with(end), "{dialect}");
    }
}

#[test]
fn rabbitmq_closes_before_the_receipt_of_disconnect() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(1, "DISCONNECT\nreceipt:bye\n\n");
    assert_eq!(world.commands(1), ["CONNECTED"]);
    assert_eq!(close(&world), Some((1000, "STOMP died".to_owned())));
}

#[test]
fn rabbitmq_tells_of_a_dead_token_only_at_the_next_subscribe() {
    let builder = Scenario::builder().dialect(Dialect::RABBITMQ);
    let mut world = World::new(builder.auth_bearer(10 * SECOND).build());
    world.connect(1, "passcode:t1\n");
    world.pass(20 * SECOND);
    world.say(1, "SEND\ndestination:/topic/t\nreceipt:r\n\nx");
    assert_eq!(last(&world).command, "RECEIPT");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\n\n");
    assert_eq!(last(&world).command, "RECEIPT", "no ERROR");
    assert_eq!(close(&world), Some((1000, "STOMP died".to_owned())));
}

#[test]
fn rabbitmq_answers_reach_a_subscription_that_nobody_made() {
    let mut world = session(Dialect::RABBITMQ);
    world.say(1, "SUBSCRIBE\nid:work\ndestination:/queue/work\n\n");
    world.say(
        1,
        "SEND\ndestination:/queue/work\nreply-to:/temp-queue/x\nreceipt:leak\n\nq",
    );
    let question = messages(&world).pop().expect("the question");
    assert_eq!(question.header("receipt"), Some("leak"), "it leaks");
    let to = question.header("reply-to").expect("reply-to").to_owned();
    assert!(to.starts_with("/reply-queue/amq.gen-"), "{to}");
    world.say(1, &format!("SEND\ndestination:{to}\n\na"));
    let answer = messages(&world).pop().expect("the answer");
    assert_eq!(answer.header("subscription"), Some("/temp-queue/x"));
}
