//! Every word of the scenario vocabulary, by what it does on the wire: seen by
//! a peer of its own on a socket, or in virtual time by what leaves the engine.
//!
//! Each module begins with a table of the words it shows, and by which test.
//! The parser itself tells which words there are; one without a test is found.

mod assertions;
mod beats;
mod bounds;
mod connection;
mod flow;
mod frames;
mod http;
mod octets;
mod peer;
mod settings;
mod triggers;

use crate::world::World;
use hobnail_mock_broker::Scenario;
use hobnail_mock_broker::catalogue::{GROUPS, Kind, Shape};
use hobnail_mock_broker::engine::{Input, Output, Plan};
use hobnail_mock_broker::http::Response;
use hobnail_mock_broker::wire::Frame;
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Words, and the test that shows what they do.
type Shown = (&'static [&'static str], fn());

fn scenario(json: &str) -> Scenario {
    Scenario::from_json(json).unwrap_or_else(|e| panic!("{e}: {json}"))
}

fn world(json: &str) -> World {
    World::new(scenario(json))
}

/// A world with rules, and one session in it.
fn session(rules: &str) -> World {
    let mut world = world(&format!(
        r#"{{"broker":{{"heart-beat":"0,0"}},"rules":[{rules}]}}"#
    ));
    world.connect(1, "");
    world
}

/// The same, subscribed to `/topic/a`.
fn reader(rules: &str) -> World {
    let mut world = session(rules);
    subscribe(&mut world, 1);
    world
}

fn subscribe(world: &mut World, conn: u64) {
    world.say(conn, "SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
}

/// An action that says something which can be told from everything else.
fn says(word: &str) -> String {
    format!(r#"{{"send":{{"command":"MESSAGE","headers":{{"says":"{word}"}}}}}}"#)
}

/// What such actions have said to a connection, and when.
fn said(world: &World, conn: u64) -> Vec<(Duration, String)> {
    let says = |(at, frame): (Duration, Frame)| Some((at, frame.header("says")?.to_owned()));
    world.frames(conn).into_iter().filter_map(says).collect()
}

fn words_said(world: &World, conn: u64) -> Vec<String> {
    said(world, conn)
        .into_iter()
        .map(|(_, word)| word)
        .collect()
}

/// Somebody publishes a body, under a header `n` with the same text.
fn publish(world: &mut World, destination: &str, body: &str) {
    world.tell(Input::Publish {
        destination,
        headers: &[("n", body)],
        body: body.as_bytes(),
    });
}

/// The bodies of the MESSAGEs that came to a connection, and when.
fn bodies(world: &World, conn: u64) -> Vec<(Duration, String)> {
    let of = |(at, f): (Duration, Frame)| {
        let text = f.text().unwrap_or_default().to_owned();
        (f.command == "MESSAGE").then_some((at, text))
    };
    world.frames(conn).into_iter().filter_map(of).collect()
}

fn texts(world: &World, conn: u64) -> Vec<String> {
    bodies(world, conn).into_iter().map(|(_, b)| b).collect()
}

/// The WebSocket messages for a connection: octets, binary, and how they are laid.
fn messages(world: &World, to: u64) -> Vec<(Vec<u8>, bool, Plan)> {
    let mut found = Vec::new();
    for (_, output) in &world.outputs {
        if let Output::Message {
            conn,
            octets,
            binary,
            how,
        } = output
        {
            if *conn == to {
                found.push((octets.clone(), *binary, how.clone()));
            }
        }
    }
    found
}

/// When outputs left for which something holds.
fn when(world: &World, is: impl Fn(&Output) -> bool) -> Vec<Duration> {
    let outputs = world.outputs.iter();
    outputs.filter(|(_, o)| is(o)).map(|(at, _)| *at).collect()
}

/// The answers to requests that led to no WebSocket.
fn responses(world: &World) -> Vec<Response> {
    let mut found = Vec::new();
    for (_, output) in &world.outputs {
        if let Output::Http { response, .. } = output {
            found.push(response.clone());
        }
    }
    found
}

fn code(world: &World, conn: u64) -> Option<String> {
    let frames = world.frames(conn);
    let error = frames.iter().rev().find(|(_, f)| f.command == "ERROR")?;
    error.1.header("code").map(str::to_owned)
}

/// The words that a place of a scenario knows, as the parser tells them to one
/// who writes something else. `@` is that place; a key or a word.
pub(crate) fn known(place: &str) -> BTreeSet<String> {
    const NONE: &str = "no such word whatsoever";
    let key = format!("\"{NONE}\":0");
    let text = place
        .replace("@k", &key)
        .replace("@w", &format!("\"{NONE}\""));
    let error = Scenario::from_json(&text).expect_err(place).message;
    assert!(error.contains(NONE), "{place}: {error}");
    let listed = ["expected ", "known are ", "alone stand "];
    let listed = listed.iter().find_map(|before| error.split_once(before));
    let words: BTreeSet<String> = if let Some((_, all)) = listed {
        let quoted = all.split('`').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    } else if error.contains("mock-broker list") {
        // They are too many for an error.
        let actions = GROUPS.iter().filter(|g| g.kind == Kind::Action);
        let inside = actions
            .flat_map(|g| g.words)
            .filter(|key| !matches!(key.shape, Shape::Nothing));
        inside.map(|key| key.word.to_owned()).collect()
    } else {
        let quoted = error.split('"').skip(1).step_by(2);
        quoted
            .filter(|word| *word != NONE)
            .map(str::to_owned)
            .collect()
    };
    assert!(!words.is_empty(), "{place}: {error}");
    words
}

/// Where words stand, and what the place is called.
const PLACES: &[(&str, &str)] = &[
    ("scenario", r#"{@k}"#),
    ("rule", r#"{"rules":[{@k}]}"#),
    ("on", r#"{"rules":[{"on":{@k}}]}"#),
    ("on", r#"{"rules":[{"on":@w}]}"#),
    ("do", r#"{"rules":[{"on":"open","do":[{@k}]}]}"#),
    ("do", r#"{"rules":[{"on":"open","do":[@w]}]}"#),
    ("send", r#"{"rules":[{"on":"open","do":[{"send":{@k}}]}]}"#),
    (
        "error",
        r#"{"rules":[{"on":"open","do":[{"error":{@k}}]}]}"#,
    ),
    (
        "corrupt",
        r#"{"rules":[{"on":"open","do":[{"corrupt":{@k}}]}]}"#,
    ),
    (
        "corrupt strip",
        r#"{"rules":[{"on":"open","do":[{"corrupt":{"strip":@w}}]}]}"#,
    ),
    (
        "corrupt insert",
        r#"{"rules":[{"on":"open","do":[{"corrupt":{"insert":{@k}}}]}]}"#,
    ),
    ("pad", r#"{"rules":[{"on":"open","do":[{"pad":{@k}}]}]}"#),
    ("raw", r#"{"rules":[{"on":"open","do":[{"raw":{@k}}]}]}"#),
    (
        "raw ws",
        r#"{"rules":[{"on":"open","do":[{"raw":{"ws":@w}}]}]}"#,
    ),
    ("cut", r#"{"rules":[{"on":"open","do":[{"split":{@k}}]}]}"#),
    ("cut", r#"{"rules":[{"on":"open","do":[{"frag":{@k}}]}]}"#),
    (
        "frag ping",
        r#"{"rules":[{"on":"open","do":[{"frag":[1],"ping":@w}]}]}"#,
    ),
    (
        "frag pong",
        r#"{"rules":[{"on":"open","do":[{"frag":[1],"pong":@w}]}]}"#,
    ),
    (
        "release order",
        r#"{"rules":[{"on":"open","do":[{"release":"h","order":@w}]}]}"#,
    ),
    ("type", r#"{"rules":[{"on":"open","do":[{"type":@w}]}]}"#),
    ("drip", r#"{"rules":[{"on":"open","do":[{"drip":{@k}}]}]}"#),
    ("ws", r#"{"rules":[{"on":"open","do":[{"ws":{@k}}]}]}"#),
    (
        "close",
        r#"{"rules":[{"on":"open","do":[{"close":{@k}}]}]}"#,
    ),
    ("fin", r#"{"rules":[{"on":"open","do":[{"fin":{@k}}]}]}"#),
    (
        "blackhole",
        r#"{"rules":[{"on":"open","do":[{"blackhole":@w}]}]}"#,
    ),
    (
        "garbage",
        r#"{"rules":[{"on":"open","do":[{"garbage":@w}]}]}"#,
    ),
    (
        "http",
        r#"{"rules":[{"on":"upgrade","do":[{"http":{@k}}]}]}"#,
    ),
    ("tls", r#"{"rules":[{"on":"tcp","do":[{"tls":@w}]}]}"#),
    ("hb", r#"{"rules":[{"on":"open","do":[{"hb":{@k}}]}]}"#),
    ("hb", r#"{"rules":[{"on":"open","do":[{"hb":@w}]}]}"#),
    (
        "hb as",
        r#"{"rules":[{"on":"open","do":[{"hb":{"as":@w}}]}]}"#,
    ),
    (
        "storm",
        r#"{"rules":[{"on":"open","do":[{"storm":{@k}}]}]}"#,
    ),
    (
        "storm kind",
        r#"{"rules":[{"on":"open","do":[{"storm":{"kind":@w}}]}]}"#,
    ),
    ("http rule", r#"{"http":[{@k}]}"#),
    ("assertion", r#"{"expect":[{@k}]}"#),
    ("seen", r#"{"expect":[{"expect":{@k}}]}"#),
    ("seen note", r#"{"expect":[{"expect":{"note":@w}}]}"#),
    ("seen closed", r#"{"expect":[{"expect":{"closed":@w}}]}"#),
    ("seen beat", r#"{"expect":[{"expect":{"beat":@w}}]}"#),
    ("broker", r#"{"broker":{@k}}"#),
    ("dialect", r#"{"broker":{"dialect":@w}}"#),
    ("error-codes", r#"{"broker":{"error-codes":[@w]}}"#),
    ("versions", r#"{"broker":{"versions":[@w]}}"#),
    ("forbidden", r#"{"broker":{"forbidden":{@k}}}"#),
    ("auth", r#"{"broker":{"auth":{@k}}}"#),
    ("bearer", r#"{"broker":{"auth":{"bearer":{@k}}}}"#),
    ("oauth", r#"{"broker":{"auth":{"oauth":{@k}}}}"#),
    (
        "client",
        r#"{"broker":{"auth":{"oauth":{"clients":[{@k}]}}}}"#,
    ),
    (
        "refresh",
        r#"{"broker":{"auth":{"oauth":{"clients":[{"id":"c","refresh":@w}]}}}}"#,
    ),
    ("on-expiry", r#"{"broker":{"on-expiry":@w}}"#),
    ("receipt-headers", r#"{"broker":{"receipt-headers":[@w]}}"#),
    ("limits", r#"{"broker":{"limits":{@k}}}"#),
    ("bounds", r#"{"broker":{"bounds":{@k}}}"#),
];

#[test]
fn every_word_is_shown_by_a_test() {
    let tables = [
        triggers::SHOWN,
        frames::SHOWN,
        octets::SHOWN,
        connection::SHOWN,
        beats::SHOWN,
        flow::SHOWN,
        http::SHOWN,
        settings::SHOWN,
        bounds::SHOWN,
        assertions::SHOWN,
    ];
    let shown: BTreeSet<String> = tables
        .concat()
        .iter()
        .flat_map(|(words, _)| words.iter().map(|w| (*w).to_owned()))
        .collect();
    let mut all = BTreeSet::new();
    for (name, place) in PLACES {
        all.extend(
            known(place)
                .into_iter()
                .map(|word| format!("{name}: {word}")),
        );
    }
    let missing: Vec<_> = all.difference(&shown).collect();
    let strange: Vec<_> = shown.difference(&all).collect();
    assert!(missing.is_empty(), "no test shows {missing:#?}");
    assert!(strange.is_empty(), "no words are {strange:#?}");
}
