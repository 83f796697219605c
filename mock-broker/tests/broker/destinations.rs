//! Selectors, patterns, queues and who gets what, in virtual time.

use crate::world::World;
use hobnail_mock_broker::wire::Frame;
use hobnail_mock_broker::{Dialect, Note, Scenario, What};

fn world(sessions: u64) -> World {
    of(Scenario::default(), sessions)
}

fn of(scenario: Scenario, sessions: u64) -> World {
    let mut world = World::new(scenario);
    for conn in 1..=sessions {
        world.connect(conn, "");
    }
    world
}

/// The MESSAGEs of a connection.
fn messages(world: &World, conn: u64) -> Vec<Frame> {
    let frames = world.frames(conn).into_iter().map(|(_, f)| f);
    frames.filter(|f| f.command == "MESSAGE").collect()
}

fn bodies(world: &World, conn: u64) -> Vec<String> {
    let text = |f: Frame| f.text().unwrap_or_default().to_owned();
    messages(world, conn).into_iter().map(text).collect()
}

fn error(world: &World, conn: u64) -> String {
    let frames = world.frames(conn);
    let (_, last) = frames.last().expect("a frame");
    assert_eq!(last.command, "ERROR", "{last}");
    last.header("message").expect("a message").to_owned()
}

fn send(world: &mut World, conn: u64, destination: &str, body: &str) {
    world.say(conn, &format!("SEND\ndestination:{destination}\n\n{body}"));
}

#[test]
fn a_selector_chooses_by_headers_and_by_json_fields() {
    let mut w = world(1);
    for (id, selector) in [
        ("h", "color = 'red'"),
        ("j", "queueId eq \"q-1\" and waiting gt 2"),
        ("n", "color IS NULL"),
    ] {
        w.say(
            1,
            &format!("SUBSCRIBE\nid:{id}\ndestination:/topic/t\nselector:{selector}\n\n"),
        );
    }
    w.say(1, "SEND\ndestination:/topic/t\ncolor:red\n\nred");
    send(&mut w, 1, "/topic/t", r#"{"queueId":"q-1","waiting":3}"#);
    send(&mut w, 1, "/topic/t", r#"{"queueId":"q-1","waiting":2}"#);
    let got: Vec<String> = messages(&w, 1)
        .iter()
        .map(|f| f.header("subscription").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(got, ["h", "j", "n", "n"]);
}

#[test]
fn a_bad_selector_is_refused_with_its_place() {
    let mut w = world(1);
    w.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/topic/t\nselector:color = \n\n",
    );
    assert_eq!(
        error(&w, 1),
        "selector, position 9: expected a name, a value or `(`, found the end"
    );
}

#[test]
fn a_queue_gives_each_message_to_one_that_wants_it() {
    let mut w = world(3);
    w.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nselector:kind = 'a'\n\n",
    );
    for (kind, body) in [("b", "b1"), ("a", "a1"), ("b", "b2")] {
        w.say(
            3,
            &format!("SEND\ndestination:/queue/q\nkind:{kind}\n\n{body}"),
        );
    }
    assert_eq!(bodies(&w, 1), ["a1"], "what nobody wants holds nothing up");
    w.say(2, "SUBSCRIBE\nid:0\ndestination:/queue/q\n\n");
    assert_eq!(bodies(&w, 2), ["b1", "b2"]);
}

#[test]
fn consumers_of_a_queue_take_turns() {
    let mut w = world(4);
    for conn in 1..=3 {
        w.say(conn, "SUBSCRIBE\nid:0\ndestination:/queue/q\n\n");
    }
    for n in 0..9 {
        send(&mut w, 4, "/queue/q", &n.to_string());
    }
    assert_eq!(bodies(&w, 1), ["0", "3", "6"]);
    assert_eq!(bodies(&w, 2), ["1", "4", "7"]);
    assert_eq!(bodies(&w, 3), ["2", "5", "8"]);
}

#[test]
fn what_was_not_acknowledged_comes_again_in_its_old_order() {
    let mut w = world(3);
    for conn in [1, 2] {
        w.say(
            conn,
            "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\nprefetch-count:2\n\n",
        );
    }
    for n in 0..6 {
        send(&mut w, 3, "/queue/q", &n.to_string());
    }
    assert_eq!(bodies(&w, 1), ["0", "2"]);
    assert_eq!(bodies(&w, 2), ["1", "3"]);
    w.say(1, "DISCONNECT\n\n");
    w.say(2, "DISCONNECT\n\n");
    w.say(3, "SUBSCRIBE\nid:0\ndestination:/queue/q\n\n");
    assert_eq!(bodies(&w, 3), ["0", "1", "2", "3", "4", "5"]);
    let again = |f: &Frame| f.header("redelivered") == Some("true");
    let again: Vec<bool> = messages(&w, 3).iter().map(again).collect();
    assert_eq!(again, [true, true, true, true, false, false]);
}

#[test]
fn a_refused_message_comes_before_those_behind_it_until_it_is_dead() {
    let mut w = of(Scenario::builder().max_deliveries(2).build(), 1);
    w.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\nprefetch-count:1\n\n",
    );
    for body in ["bad", "good"] {
        send(&mut w, 1, "/queue/q", body);
    }
    for nth in 0..2 {
        let message = messages(&w, 1).remove(nth);
        assert_eq!(message.text(), Some("bad"));
        let ack = message.header("ack").expect("an ack id").to_owned();
        w.say(1, &format!("NACK\nid:{ack}\n\n"));
    }
    assert_eq!(bodies(&w, 1), ["bad", "bad", "good"]);
    w.say(1, "SUBSCRIBE\nid:dead\ndestination:/queue/DLQ\n\n");
    let dead = messages(&w, 1).pop().expect("a dead letter");
    assert_eq!(dead.header("original-destination"), Some("/queue/q"));
}

#[test]
fn prefetch_holds_for_topics_too_and_loses_nothing() {
    let mut w = world(1);
    w.say(
        1,
        "SUBSCRIBE\nid:0\ndestination:/topic/t\nack:client\nprefetch-count:2\n\n",
    );
    for n in 0..5 {
        send(&mut w, 1, "/topic/t", &n.to_string());
    }
    assert_eq!(bodies(&w, 1), ["0", "1"]);
    let ack = messages(&w, 1)[1]
        .header("ack")
        .expect("an ack id")
        .to_owned();
    w.say(1, &format!("ACK\nid:{ack}\n\n"));
    assert_eq!(bodies(&w, 1), ["0", "1", "2", "3"]);
    w.say(
        1,
        "SUBSCRIBE\nid:1\ndestination:/topic/t\nprefetch-count:many\n\n",
    );
    assert_eq!(error(&w, 1), "the prefetch is not a number");
}

#[test]
fn what_does_not_fit_is_dropped_and_noted() {
    let mut w = of(
        Scenario::builder()
            .bounds(|b| b.unacked_octets = 10)
            .build(),
        1,
    );
    w.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\nack:client\n\n");
    for _ in 0..3 {
        send(&mut w, 1, "/topic/t", "sixsix");
    }
    assert_eq!(bodies(&w, 1).len(), 1);
    let dropped = |n: &Note| matches!(n, Note::Dropped { subscription } if subscription == "0");
    let notes = w.engine.transcript();
    assert_eq!(
        notes
            .iter()
            .filter(|e| e.note().is_some_and(dropped))
            .count(),
        1
    );
}

#[test]
fn a_queue_holds_so_many_octets_and_there_are_so_many_queues() {
    let bounds = Scenario::builder().bounds(|b| {
        b.queue_octets = 10;
        b.queues = 2;
    });
    let mut w = of(bounds.build(), 3);
    send(&mut w, 1, "/queue/a", "sixsix");
    send(&mut w, 1, "/queue/a", "sixsix");
    assert_eq!(error(&w, 1), "queue is full");
    send(&mut w, 2, "/queue/b", "x");
    send(&mut w, 2, "/queue/c", "x");
    assert_eq!(error(&w, 2), "queue is full");
    w.say(3, "SUBSCRIBE\nid:0\ndestination:/queue/c\n\n");
    assert_eq!(error(&w, 3), "too many queues");
}

#[test]
fn patterns_reach_topics_once_per_subscription() {
    let mut w = world(1);
    for (id, pattern) in [
        ("all", "/events/**"),
        ("one", "/events/*/q1"),
        ("rest", "/events/queue/>"),
    ] {
        w.say(1, &format!("SUBSCRIBE\nid:{id}\ndestination:{pattern}\n\n"));
    }
    send(&mut w, 1, "/events/queue/q1", "x");
    send(&mut w, 1, "/events/user/u1", "y");
    send(&mut w, 1, "/voice/1", "z");
    let seen: Vec<String> = messages(&w, 1)
        .iter()
        .map(|f| {
            format!(
                "{} {}",
                f.header("subscription").unwrap_or_default(),
                f.header("destination").unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "all /events/queue/q1",
            "one /events/queue/q1",
            "rest /events/queue/q1",
            "all /events/user/u1"
        ]
    );
    w.say(1, "SUBSCRIBE\nid:q\ndestination:/queue/*\n\n");
    assert_eq!(error(&w, 1), "a queue has one name and no pattern");
}

#[test]
fn an_answer_finds_the_temporary_queue_of_the_asker_and_nobody_else_does() {
    let mut w = world(3);
    w.say(1, "SUBSCRIBE\nid:in\ndestination:/temp-queue/answers\n\n");
    w.say(2, "SUBSCRIBE\nid:in\ndestination:/temp-queue/answers\n\n");
    w.say(3, "SUBSCRIBE\nid:work\ndestination:/queue/work\n\n");
    w.say(
        1,
        "SEND\ndestination:/queue/work\nreply-to:/temp-queue/answers\n\nquestion",
    );
    let question = messages(&w, 3).pop().expect("the question");
    let to = question.header("reply-to").expect("reply-to").to_owned();
    assert!(to.starts_with("/remote-temp-queue/session-1-"), "{to}");
    send(&mut w, 3, &to, "answer");
    assert_eq!(bodies(&w, 1), ["answer"]);
    assert_eq!(
        messages(&w, 1)[0].header("destination"),
        Some("/temp-queue/answers")
    );
    assert!(bodies(&w, 2).is_empty(), "the same name in another session");
    w.say(2, &format!("SUBSCRIBE\nid:spy\ndestination:{to}\n\n"));
    assert_eq!(error(&w, 2), "a temporary queue belongs to another session");
    w.say(1, "DISCONNECT\n\n");
    send(&mut w, 3, &to, "too late");
    assert_eq!(error(&w, 3), "no such temporary queue");
}

#[test]
fn forbidden_destinations_are_answered_with_403() {
    let scenario = Scenario::from_json(
        r#"{"broker":{"forbidden":{"send":["/events/*"],"subscribe":["/voice/*"]}}}"#,
    );
    let mut w = of(scenario.expect("a good scenario"), 3);
    w.say(1, "SUBSCRIBE\nid:0\ndestination:/events/queue/q1\n\n");
    send(&mut w, 1, "/events/queue/q1", "x");
    assert_eq!(error(&w, 1), "403 sending there is forbidden");
    send(&mut w, 2, "/voice/1", "x");
    w.say(2, "SUBSCRIBE\nid:0\ndestination:/voice/1\n\n");
    assert_eq!(error(&w, 2), "403 subscribing there is forbidden");
    send(&mut w, 3, "/topic/free", "x");
    assert!(!w.commands(3).contains(&"ERROR".to_owned()));
}

#[test]
fn rabbitmq_has_its_own_names() {
    let rabbit = || Scenario::builder().dialect(Dialect::RABBITMQ).build();
    let mut w = of(rabbit(), 2);
    w.say(1, "SUBSCRIBE\nid:0\ndestination:/amq/queue/q\n\n");
    for destination in ["/queue/q", "q"] {
        send(&mut w, 2, destination, destination);
    }
    assert_eq!(bodies(&w, 1), ["/queue/q", "q"]);
    for (destination, words) in [
        ("/queue/a/b", "not of the form"),
        ("/nonsense/a", "unknown destination"),
    ] {
        let mut w = of(rabbit(), 1);
        send(&mut w, 1, destination, "x");
        assert!(error(&w, 1).contains(words), "{destination}");
    }
}

#[test]
fn a_misspelt_dialect_is_told() {
    let error = Scenario::from_json(r#"{"broker":{"dialect":"rabitmq"}}"#).unwrap_err();
    assert!(
        error.message.contains("did you mean `rabbitmq`?"),
        "{error}"
    );
}

#[test]
fn deliveries_follow_the_order_of_the_subscriptions() {
    let mut w = world(1);
    for id in 0..3 {
        w.say(1, &format!("SUBSCRIBE\nid:{id}\ndestination:/topic/t\n\n"));
    }
    send(&mut w, 1, "/topic/t", "x");
    let sent = w.engine.transcript();
    let ids: Vec<&str> = sent
        .iter()
        .filter(|e| matches!(e.what, What::Sent(_)) && e.is_sent("MESSAGE"))
        .filter_map(|e| e.sent()?.header("subscription"))
        .collect();
    assert_eq!(ids, ["0", "1", "2"]);
}

#[test]
fn a_durable_subscription_keeps_what_comes_meanwhile() {
    const SUBSCRIBE: &str =
        "SUBSCRIBE\nid:d\ndestination:/topic/*\ndurable:true\nselector:n > 1\n\n";
    let mut w = world(0);
    w.connect(1, "login:alice\n");
    w.connect(2, "login:bob\n");
    w.say(1, SUBSCRIBE);
    let publish = |w: &mut World, n: u32| {
        w.say(2, &format!("SEND\ndestination:/topic/t\nn:{n}\n\n{n}"));
    };
    publish(&mut w, 2);
    assert_eq!(bodies(&w, 1), ["2"]);
    w.say(1, "DISCONNECT\n\n");
    for n in [1, 3, 4] {
        publish(&mut w, n);
    }
    w.connect(3, "login:alice\n");
    w.say(3, SUBSCRIBE);
    assert_eq!(bodies(&w, 3), ["3", "4"]);
    assert_eq!(messages(&w, 3)[0].header("destination"), Some("/topic/t"));
    w.say(3, "UNSUBSCRIBE\nid:d\ndurable:true\n\n");
    publish(&mut w, 5);
    w.say(3, SUBSCRIBE);
    assert_eq!(bodies(&w, 3), ["3", "4"], "it was ended");
    w.connect(4, "");
    w.say(4, SUBSCRIBE);
    assert!(error(&w, 4).contains("client-id"));
}

#[test]
fn activemq_names_its_durable_subscriptions() {
    const SUBSCRIBE: &str =
        "SUBSCRIBE\nid:0\ndestination:/topic/t\nactivemq.subscriptionName:n\n\n";
    let mut w = of(Scenario::builder().dialect(Dialect::ACTIVEMQ).build(), 0);
    w.connect(1, "client-id:c\n");
    w.say(1, SUBSCRIBE);
    w.say(1, "UNSUBSCRIBE\nid:0\n\n");
    send(&mut w, 1, "/topic/t", "kept");
    w.say(1, SUBSCRIBE);
    assert_eq!(bodies(&w, 1), ["kept"]);
    w.say(1, "UNSUBSCRIBE\nid:x\nactivemq.subscriptionName:n\n\n");
    assert_eq!(error(&w, 1), "the durable subscription is in use");
}
