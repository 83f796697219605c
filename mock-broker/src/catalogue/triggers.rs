//! When a rule fires.

use super::key::{Group, Key, Kind};
use super::notation::{PERIOD, SIZE, SPAN};
use super::shape::{Object, Shape, Verbs};

/// What stands behind `on`.
pub(super) static TRIGGER: Object = Object::new(
    "a trigger",
    &[&STAGE_WORDS, &FRAME_WORDS, &EVENT_WORDS, &CONDITION_WORDS],
)
.named("trigger", "When a rule fires: a bare word, or an object. Several words in an object must come together: one event and any conditions.")
.verbs(Verbs::Some);

/// The stages of a connection.
pub(super) static STAGES: Group = Group {
    kind: Kind::Trigger,
    name: "stages",
    about: "A connection reaches a stage. Bare words, or `true` behind them in an object.",
    words: &STAGE_WORDS,
};

static STAGE_WORDS: [Key; 6] = [
    Key::verb("tcp", Shape::True, "TCP was accepted.").alone()
        .example(r#"{"rules": [{"conn": 1, "on": "tcp", "do": ["hang"]}]}"#),
    Key::verb("upgrade", Shape::True, "The request for the upgrade was read and is about to be answered.").alone()
        .example(r#"{"rules": [{"conn": 1, "on": "upgrade", "do": [{"http": {"status": 503, "headers": {"Retry-After": "2"}}}]}]}"#),
    Key::verb("open", Shape::True, "The upgrade is done.").alone()
        .example(r#"{"rules": [{"on": "open", "do": [{"split": {"every": 1}}]}]}"#),
    Key::verb("connected", Shape::True, "CONNECTED was sent.").alone()
        .example(r#"{"rules": [{"conn": 1, "on": "connected", "do": [{"hb": "stop"}]}]}"#),
    Key::verb("disconnect", Shape::True, "DISCONNECT was read, its RECEIPT not yet sent.").alone()
        .example(r#"{"rules": [{"on": "disconnect", "do": ["fin"]}]}"#),
    Key::verb("closed", Shape::True, "The connection is over.").alone()
        .example(r#"{"rules": [{"conn": 1, "on": "closed", "do": [{"refuse": "2s"}]}]}"#),
];

/// Frames.
pub(super) static FRAMES: Group = Group {
    kind: Kind::Trigger,
    name: "frames",
    about: "A frame comes or is about to leave. Frames are counted for each connection; those count that fit everything else the rule asks for.",
    words: &FRAME_WORDS,
};

static FRAME_WORDS: [Key; 5] = [
    Key::verb("recv", Shape::Named("a command such as \"SEND\""), "A frame with this command came from the client. `*` and `?` are wildcards; CONNECT means STOMP as well.")
        .without(&["send"])
        .example(r#"{"rules": [{"on": {"recv": "SUBSCRIBE", "nth": 2}, "do": [{"error": {"code": 403}}]}]}"#),
    Key::verb("send", Shape::Named("a command such as \"MESSAGE\""), "A frame with this command is about to leave for the client. `*` and `?` are wildcards.")
        .without(&["recv"])
        .example(r#"{"rules": [{"on": {"send": "MESSAGE", "nth": 5}, "do": [{"fin": {"after-bytes": 9}}]}]}"#),
    Key::new("nth", Shape::Whole(1, u64::MAX), "Only the n-th such frame of each connection, from 1.")
        .beside(&["recv", "send"])
        .default("each")
        .example(r#"{"rules": [{"on": {"send": "RECEIPT", "nth": 1}, "do": ["drop"]}]}"#),
    Key::verb("every", Shape::Written(&PERIOD), "Beside `recv` or `send`, only every n-th such frame of each connection. Alone, again and again after so long, from CONNECTED or `of`.")
        .beside(&["recv", "send"])
        .example(r#"{"rules": [{"on": {"send": "MESSAGE", "every": 3}, "do": [{"dup": 2}]},
           {"on": {"every": "10s"}, "do": [{"ping": "still there?"}]}]}"#),
    Key::new("match", Shape::Pairs, "Only frames with these headers; `*` and `?` are wildcards.")
        .beside(&["recv", "send"])
        .example(r#"{"rules": [{"on": {"recv": "SUBSCRIBE", "match": {"destination": "/topic/a*"}}, "do": ["drop"]}]}"#),
];

/// Other events.
pub(super) static EVENTS: Group = Group {
    kind: Kind::Trigger,
    name: "events",
    about: "These happen in a moment, as stages and frames do. Two events never happen together.",
    words: &EVENT_WORDS,
};

static EVENT_WORDS: [Key; 4] = [
    Key::verb("token-expired", Shape::True, "The token of a live session has ended; the broker is about to do what `on-expiry` says.").alone()
        .example(r#"{"broker": {"auth": {"bearer": {"ttl": "60s"}}},
 "rules": [{"on": "token-expired", "do": [{"error": {"code": 401, "message": "token expired", "close": false}}]}]}"#),
    Key::verb("overlap", Shape::True, "A CONNECT came for an identity that has a live session.").alone()
        .example(r#"{"rules": [{"on": "overlap", "do": [{"error": {"code": 409, "message": "already connected"}}, {"close": {"code": 1008}}]}]}"#),
    Key::verb("hb-due", Shape::True, "A heart-beat of the broker is about to leave.").alone()
        .example(r#"{"rules": [{"on": "hb-due", "times": 2, "do": ["drop"]}]}"#),
    Key::verb("idle", Shape::Written(&SPAN), "Not one octet has come or left on the open connection for so long.")
        .example(r#"{"rules": [{"on": {"idle": "30s"}, "do": ["fin"]}]}"#),
];

/// Conditions.
pub(super) static CONDITIONS: Group = Group {
    kind: Kind::Trigger,
    name: "conditions",
    about: "These hold from some moment on. Alone they fire when they come true; beside an event they must hold when it happens.",
    words: &CONDITION_WORDS,
};

static CONDITION_WORDS: [Key; 7] = [
    Key::verb("after", Shape::Written(&SPAN), "So long has passed since CONNECTED, or since `of`; once per connection.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "30s"}, "do": [{"error": {"code": 401, "close": false}}]}]}"#),
    Key::new("of", Shape::Named("`connected`, `open`, `tcp`, `start` (of the broker) or a mark"), "What `after` and `every` count from. From a mark they count on the connection that set it; rules for certain connections count on each of these that is open.")
        .beside(&["after", "every"])
        .default("\"connected\"")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "2s", "of": "open"}, "do": [{"mark": "quiet"}, {"blackhole": "both"}]},
           {"on": {"after": "5s", "of": "quiet"}, "do": ["rst"]}]}"#),
    Key::verb("frames_in", Shape::Whole(0, u64::MAX), "So many frames came on the connection.")
        .example(r#"{"rules": [{"on": {"frames_in": 100}, "do": [{"error": {"code": 401, "close": false}}]}]}"#),
    Key::verb("frames_out", Shape::Whole(0, u64::MAX), "So many frames left on the connection.")
        .example(r#"{"rules": [{"on": {"frames_out": 100}, "do": ["rst"]}]}"#),
    Key::verb("bytes_out", Shape::Written(&SIZE), "So many octets of STOMP left on the connection.")
        .example(r#"{"rules": [{"on": {"bytes_out": "64KiB"}, "do": ["fin"]}]}"#),
    Key::verb("signal", Shape::Text, "A signal of this name was given: `POST /control/signal/NAME`, or `MockBroker::signal`.")
        .example(r#"{"rules": [{"on": {"signal": "cut"}, "do": ["rst"]}]}"#),
    Key::verb("mark", Shape::Text, "A mark of this name was set by an action.")
        .example(r#"{"rules": [{"conn": 1, "on": {"recv": "SEND", "nth": 3}, "do": [{"mark": "busy"}]},
           {"conn": 2, "on": {"mark": "busy"}, "do": ["fin"]}]}"#),
];
