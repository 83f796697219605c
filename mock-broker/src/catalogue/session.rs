//! What a rule does: heart-beats, sessions, and the flow of the script.

use super::actions::ACTIONS;
use super::key::{Group, Key, Kind};
use super::notation::{BEAT, SIZE, SPAN};
use super::shape::{Object, Shape, Verbs};

/// Heart-beats.
pub(super) static HEART_BEAT: Group = Group {
    kind: Kind::Action,
    name: "heart-beat",
    about: "The broker's heart-beats.",
    words: &BEAT_WORDS,
};

pub(super) static BEAT_WORDS: [Key; 1] = [Key::verb(
    "hb",
    Shape::Either(&[
        Shape::Choice(&[("stop", "none any more"), ("start", "as agreed again")]),
        Shape::Object(
            &Object::new("an object with `late`, `jitter` or `as`", &[&HB]).verbs(Verbs::One),
        ),
    ]),
    "Changes the broker's heart-beats.",
)
.example(
    r#"{"broker": {"heart-beat": "1000,1000"},
 "rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"hb": "stop"}]},
           {"conn": 2, "on": "connected", "do": [{"hb": {"late": 1.5}}, {"hb": {"as": "nul"}}]}]}"#,
)];

static HB: [Key; 3] = [
    Key::verb(
        "late",
        Shape::Real(0.0, 1e6),
        "They come at so many times the agreed interval.",
    ),
    Key::verb(
        "jitter",
        Shape::Written(&SPAN),
        "Each comes later by a random time up to this.",
    ),
    Key::verb(
        "as",
        Shape::Written(&BEAT),
        "Which octets, or how many at a time (1 to 1000).",
    ),
];

/// Sessions.
pub(super) static SESSION: Group = Group {
    kind: Kind::Action,
    name: "session",
    about: "Sessions, tokens, and what is published.",
    words: &SESSION_WORDS,
};

pub(super) static SESSION_WORDS: [Key; 5] = [
    Key::verb("rebind", Shape::True, "Takes the CONNECT on a live session as a renewal of its credentials. Needs `recv` CONNECT or `overlap`.").alone()
        .example(r#"{"rules": [{"on": {"recv": "CONNECT", "nth": 2}, "do": [{"rebind": true}]}]}"#),
    Key::bare("kick", "Ends the older session of the same identity with FIN.")
        .example(r#"{"rules": [{"on": "overlap", "do": ["kick"]}]}"#),
    Key::verb("expire", Shape::Text, "Ends the life of a token, named by itself or by its identity, or of `all`.")
        .example(r#"{"broker": {"auth": {"bearer": {"ttl": "1h"}}},
 "rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"expire": "all"}]}]}"#),
    Key::verb("storm", Shape::Object(&Object::new("an object with `dest`, `rate` and `for`", &[&STORM])), "Publishes many messages, 100 million at most.")
        .example(r#"{"rules": [{"on": {"recv": "SUBSCRIBE"}, "do": ["pass",
   {"storm": {"dest": "/topic/ev", "rate": 1000, "for": "5s", "size": "200..2000", "burst": 50}}]}]}"#),
    Key::verb("silence", Shape::Text, "No MESSAGE of a destination reaches the connection any more; `*` and `?` are wildcards.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"silence": "/topic/ev", "for": "10s"}]}]}"#),
];

static STORM: [Key; 6] = [
    Key::new("dest", Shape::Text, "Where they are published. A `*` as the last segment stands for the id of what the event tells of.").needed(),
    Key::new("rate", Shape::Real(0.0, 1e6), "Messages per second.").needed(),
    Key::new("for", Shape::Written(&SPAN), "For how long.").needed(),
    Key::new("size", Shape::Written(&SIZE), "Octets of each body, 64MiB at most.").default("100"),
    Key::new("burst", Shape::Whole(1, 1_000_000), "So many at a time, at the same rate.").default("1"),
    Key::new("kind", Shape::Choice(&[
        ("queue", "figures of a queue"),
        ("user", "the state of a user"),
        ("conversation", "the course of a conversation"),
    ]), "What the bodies tell.").default("what lives at the destination, or a number"),
];

/// The flow of the script.
pub(super) static FLOW: Group = Group {
    kind: Kind::Action,
    name: "flow",
    about: "The script itself.",
    words: &FLOW_WORDS,
};

pub(super) static FLOW_WORDS: [Key; 6] = [
    Key::verb("goto", Shape::Text, "The connection goes into another state, which rules may ask for.")
        .example(r#"{"rules": [{"state": "start", "on": {"recv": "SUBSCRIBE"}, "do": ["pass", {"goto": "busy"}]},
           {"state": "busy", "on": {"recv": "SEND"}, "do": ["rst"]}]}"#),
    Key::verb("mark", Shape::Text, "Sets a mark in the transcript, which triggers other rules and opens windows of assertions.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"mark": "cut"}, "fin"]}],
 "expect": [{"expect": {"conn": "next", "recv": "CONNECT"}, "after": "cut", "within": "10s"}]}"#),
    Key::verb("log", Shape::Text, "Writes a line to the transcript.")
        .example(r#"{"rules": [{"on": "disconnect", "do": [{"log": "it says good-bye"}]}]}"#),
    Key::verb("fail", Shape::Text, "Says that the client has failed, and why; the verdict is then not 0.")
        .example(r#"{"rules": [{"on": {"recv": "SEND", "match": {"destination": "/queue/forbidden"}}, "do": [{"fail": "it sent what it must not"}]}]}"#),
    Key::verb("seq", Shape::List(&ACTIONS), "The n-th firing of the rule does the n-th list; later ones do nothing.")
        .example(r#"{"rules": [{"on": "upgrade", "do": [{"seq": [[{"http": {"status": 401}}], [{"http": {"status": 503}}], ["hang"]]}]}]}"#),
    Key::verb("pick", Shape::List(&ACTIONS), "Does one of the lists, picked by the seed.")
        .example(r#"{"rules": [{"on": {"after": "3..9s"}, "do": [{"pick": [["fin"], ["rst"], [{"blackhole": "both"}]]}]}]}"#),
];
