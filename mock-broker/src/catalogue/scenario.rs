//! The file itself, its rules, and its rules for plain HTTP.

use super::actions::{ACTION, ACTIONS};
use super::assertions::ASSERTION;
use super::broker::BROKER;
use super::key::{Group, Key, Kind};
use super::notation::{CONNS, REQUEST, TIMES};
use super::shape::{Object, Shape, Verbs};
use super::triggers::TRIGGER;

/// A whole file.
pub(crate) static SCENARIO: Object = Object::new("a scenario", &[&FILE_WORDS]);

/// One rule.
static RULE: Object = Object::new("a rule", &[&RULE_WORDS])
    .named("rule", "One trigger and what it sets off. What triggered it still takes place at the end of its list, unless the list has `pass` (then there) or an action that stands in its place.");

/// One rule for plain HTTP.
static HTTP_RULE: Object = Object::new("an http rule", &[&HTTP_WORDS])
    .named("http-rule", "Answers plain HTTP: the first rule that fits and has firings left is taken. A list without an answer ends in what the broker says by itself.")
    .verbs(Verbs::One);

/// The keys of a file.
pub(super) static FILE: Group = Group {
    kind: Kind::File,
    name: "keys",
    about: "The keys of a scenario file. All may be left out: `{}` is a correct broker that lets everybody in.",
    words: &FILE_WORDS,
};

static FILE_WORDS: [Key; 9] = [
    Key::new(
        "$schema",
        Shape::Text,
        "Where editors find the schema of scenario files.",
    )
    .example(r#"{"$schema": "./scenario.schema.json", "rules": []}"#),
    Key::new("v", Shape::Whole(1, 1), "The version of the vocabulary.")
        .default("1")
        .example(r#"{"v": 1}"#),
    Key::new("name", Shape::Text, "A name for reports.").example(r#"{"name": "token-ends"}"#),
    Key::new("about", Shape::Text, "What it is there for, for readers.")
        .example(r#"{"about": "A token ends within a transaction."}"#),
    Key::new(
        "seed",
        Shape::Whole(0, u64::MAX),
        "The seed of everything random: one seed, one run.",
    )
    .default("0")
    .example(r#"{"seed": 7, "rules": [{"on": {"send": "MESSAGE"}, "p": 0.1, "do": ["drop"]}]}"#),
    Key::new(
        "broker",
        Shape::Object(&BROKER),
        "How the broker is set up.",
    )
    .default("a correct broker that lets everybody in")
    .example(r#"{"broker": {"versions": ["1.2"], "heart-beat": "5000,5000"}}"#),
    Key::new(
        "rules",
        Shape::List(&Shape::Object(&RULE)),
        "What goes wrong, in order.",
    )
    .default("nothing")
    .example(r#"{"rules": [{"conn": 1, "on": {"after": "5s"}, "do": ["fin"]}]}"#),
    Key::new(
        "http",
        Shape::List(&Shape::Object(&HTTP_RULE)),
        "What answers plain HTTP, in order.",
    )
    .example(r#"{"http": [{"on": "GET /health/eu", "do": [{"http": {"status": 503}}]}]}"#),
    Key::new(
        "expect",
        Shape::List(&Shape::Object(&ASSERTION)),
        "What must, may and must not be seen.",
    )
    .example(r#"{"expect": [{"never": {"note": "connect-while-live"}}]}"#),
];

/// The keys of a rule.
pub(super) static RULES: Group = Group {
    kind: Kind::Rule,
    name: "keys",
    about: "A rule is one trigger and what it sets off. All rules whose trigger fits fire, in order.",
    words: &RULE_WORDS,
};

static RULE_WORDS: [Key; 9] = [
    Key::new("about", Shape::Text, "What it is there for, for readers.")
        .example(r#"{"rules": [{"about": "The first one is lost.", "on": {"send": "RECEIPT", "nth": 1}, "do": ["drop"]}]}"#),
    Key::new("id", Shape::Text, "A name for the transcript.")
        .example(r#"{"rules": [{"id": "lost", "on": {"send": "RECEIPT", "nth": 1}, "do": ["drop"]}]}"#),
    Key::new("conn", Shape::Written(&CONNS), "For which connections.")
        .default("\"any\"")
        .example(r#"{"rules": [{"conn": "1..3", "on": {"after": "2s"}, "do": ["rst"]}]}"#),
    Key::new("state", Shape::Text, "Only for connections in this state. Each one begins in `start`; `goto` leads to another.")
        .default("in any state")
        .example(r#"{"rules": [{"state": "start", "on": {"recv": "SUBSCRIBE"}, "do": ["pass"], "goto": "busy"},
           {"state": "busy", "on": {"recv": "SEND"}, "do": [{"error": {"code": 503}}]}]}"#),
    Key::new("on", Shape::Word(&TRIGGER), "When.")
        .needed()
        .example(r#"{"rules": [{"on": {"recv": "SEND", "nth": 3}, "do": ["rst"]}]}"#),
    Key::new("times", Shape::Written(&TIMES), "How often at most, over all connections.")
        .default("\"inf\"")
        .example(r#"{"rules": [{"on": {"recv": "SEND"}, "times": 2, "do": ["drop"]}]}"#),
    Key::new("p", Shape::Real(0.0, 1.0), "With which probability; the seed decides.")
        .default("1")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE"}, "p": 0.05, "do": [{"dup": 2}]}]}"#),
    Key::new("do", Shape::List(&Shape::Word(&ACTION)), "What is done, in order.")
        .needed()
        .example(r#"{"rules": [{"on": {"send": "RECEIPT"}, "do": [{"delay": "2s"}, "pass"]}]}"#),
    Key::new("goto", Shape::Text, "The state into which the connection goes at the end of the list; no rule is needed for `end`.")
        .example(r#"{"rules": [{"state": "start", "on": {"recv": "SEND"}, "do": ["drop"], "goto": "end"}]}"#),
];

/// The keys of a rule for plain HTTP.
pub(super) static HTTP: Group = Group {
    kind: Kind::Http,
    name: "keys",
    about: "An http rule answers plain HTTP on the broker's port: health endpoints, token endpoints that fail. Of the actions, `http`, `redirect`, `delay`, `hang`, `drip`, `fin`, `rst`, `pass`, `mark`, `log`, `expire`, `refuse`, `seq` and `pick` have a meaning here.",
    words: &HTTP_WORDS,
};

static HTTP_WORDS: [Key; 6] = [
    Key::new("about", Shape::Text, "What it is there for, for readers.")
        .example(r#"{"http": [{"about": "Down for good.", "on": "GET /health/eu", "do": [{"http": {"status": 503}}]}]}"#),
    Key::new("id", Shape::Text, "A name for reports.")
        .example(r#"{"http": [{"id": "down", "on": "GET /health/eu", "do": [{"http": {"status": 503}}]}]}"#),
    Key::new("on", Shape::Written(&REQUEST), "Which requests. HEAD is answered as GET.")
        .needed()
        .example(r#"{"http": [{"on": "GET /health/*", "do": [{"http": {"status": 200, "json": {"status": "UP"}}}]}]}"#),
    Key::new("times", Shape::Whole(0, u64::MAX), "How often at most.")
        .default("without end; with `seq`, as often as it has lists")
        .example(r#"{"http": [{"on": "GET /health/eu", "times": 2, "do": [{"http": {"status": 503}}]}]}"#),
    Key::verb("do", Shape::List(&Shape::Word(&ACTION)), "What is done.")
        .example(r#"{"http": [{"on": "POST /oauth/token", "do": [{"delay": "5s"}]}]}"#),
    Key::verb("seq", Shape::List(&ACTIONS), "The n-th request gets the n-th list; when they are used up, the rule is, too.")
        .example(r#"{"http": [{"on": "GET /health/eu", "seq": [[{"http": {"status": 200}}], [{"http": {"status": 503}}], ["hang"]]}]}"#),
];
