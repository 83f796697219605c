//! Storms of contact-centre events.

use crate::world::World;
use hobnail_mock_broker::engine::Output;
use hobnail_mock_broker::wire::Frame;
use hobnail_mock_broker::{Rule, Scenario, act, recv, storm};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A storm with events of the destination it blows at.
fn stormy(dest: &str, json: &str) -> Vec<Frame> {
    let json = format!(
        r#"{{"seed":3,"rules":[{{"on":{{"recv":"SUBSCRIBE"}},"do":["pass",
            {{"storm":{{"dest":"{dest}","rate":100,"for":"1s","size":"300..600"{json}}}}}]}}]}}"#
    );
    let mut world = World::new(Scenario::from_json(&json).expect("a good scenario"));
    world.connect(1, "");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:**\n\n");
    world.pass(2 * SECOND);
    let frames = world.frames(1).into_iter().map(|(_, f)| f);
    frames.filter(|f| f.command == "MESSAGE").collect()
}

#[test]
fn storms_tell_of_what_lives_at_their_destination() {
    for (dest, more, kind, field) in [
        ("/events/queue/*", "", "queue.metrics", "queueId"),
        ("/events/user/*", "", "user.state", "userId"),
        ("/voice/*", "", "conversation.update", "conversationId"),
        (
            "/messaging/v2/*",
            "",
            "conversation.update",
            "conversationId",
        ),
        ("/topic/*", r#","kind":"user""#, "user.state", "userId"),
    ] {
        let events = stormy(dest, more);
        assert_eq!(events.len(), 100, "{dest}");
        let mut before = String::new();
        for (seq, event) in (1u64..).zip(&events) {
            let json: serde_json::Value = serde_json::from_slice(&event.body).expect("JSON");
            assert_eq!(json["eventType"], kind);
            assert_eq!(json["seq"], seq);
            assert!(
                (300..=600).contains(&event.body.len()),
                "{}",
                event.body.len()
            );
            let at = json["timestamp"].as_str().expect("a timestamp").to_owned();
            assert!(at >= before, "time does not go back");
            before = at;
            let place = event.header("destination").unwrap_or_default();
            assert_eq!(place.rsplit('/').next(), json[field].as_str(), "{place}");
        }
        assert_eq!(stormy(dest, more), events, "the seed repeats it");
    }
    let plain = stormy("/topic/ev", "");
    assert!(
        plain[0]
            .text()
            .is_some_and(|t| t.starts_with("{\"seq\":1,\"pad\""))
    );
}

#[test]
fn a_storm_of_absurd_size_is_refused_or_bounded() {
    for bad in [
        r#"{"storm":{"dest":"/t","rate":1000000,"for":"1h"}}"#,
        r#"{"storm":{"dest":"/t","rate":2000000,"for":"1s"}}"#,
        r#"{"storm":{"dest":"/t","rate":1,"for":"1s","size":"100MiB"}}"#,
        r#"{"storm":{"dest":"/t","rate":1,"for":"1s","burst":0}}"#,
        r#"{"storm":{"dest":"/t","rate":1,"for":"1s","kind":"queues"}}"#,
    ] {
        let json = format!(r#"{{"rules":[{{"on":"connected","do":[{bad}]}}]}}"#);
        assert!(Scenario::from_json(&json).is_err(), "{bad}");
    }
    // A step never publishes more than so many octets, however fast it is.
    let rule = Rule::on(recv("SUBSCRIBE"))
        .then(act::pass())
        .then(storm("/topic/t", 1e6, SECOND, 4usize << 20).burst(1000));
    let mut world = World::new(Scenario::builder().rule(rule).build());
    world.connect(1, "");
    world.say(1, "SUBSCRIBE\nid:0\ndestination:/topic/t\n\n");
    let sent: usize = world
        .outputs
        .iter()
        .map(|(_, o)| {
            if let Output::Message { octets, .. } = o {
                octets.len()
            } else {
                0
            }
        })
        .sum();
    assert!(sent < 32 << 20, "{sent} octets at once");
}
