//! What must, may and must not be seen.

use super::key::{Group, Key, Kind};
use super::notation::{BOUND, CONN_OF, FIXED};
use super::shape::{Object, Shape, Verbs};

/// One assertion.
pub(super) static ASSERTION: Object = Object::new("an assertion", &[&CLAIM_WORDS, &WINDOW_WORDS])
    .named("assertion", "One claim, and the window through which the transcript is looked at. Each entry that fits `after` opens one; `before` or the end of `within` closes it.")
    .verbs(Verbs::One);

/// What is seen.
static SIGHT: Object = Object::new("what is seen", &[&SIGHT_WORDS])
    .named("seen", "An entry of the transcript: one thing, on some connection. `conn` alone is the connection's accept.")
    .verbs(Verbs::One);

/// A bare word is a command.
const SEEN: Shape = Shape::Either(&[
    Shape::Named("a command that came, such as \"SEND\""),
    Shape::Object(&SIGHT),
]);
/// A bare word is a mark.
const MOMENT: Shape = Shape::Either(&[Shape::Named("a mark"), Shape::Object(&SIGHT)]);

/// The claims.
pub(super) static CLAIMS: Group = Group {
    kind: Kind::Assertion,
    name: "claims",
    about: "Each assertion makes one claim.",
    words: &CLAIM_WORDS,
};

static CLAIM_WORDS: [Key; 5] = [
    Key::verb("expect", SEEN, "It is seen through every window.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"mark": "cut"}, "fin"]}],
 "expect": [{"expect": {"conn": 2, "recv": "CONNECT"}, "after": "cut", "within": "10s"}]}"#),
    Key::verb("never", SEEN, "It is seen through none.")
        .example(r#"{"rules": [{"on": {"after": "5s"}, "do": [{"mark": "401"}, {"error": {"code": 401, "close": false}}]}],
 "expect": [{"never": {"recv": "SEND"}, "after": "401", "before": {"recv": "CONNECT"}}]}"#),
    Key::verb("count", SEEN, "How often it is seen through a window: `min`, `max`, in any stretch of so long (`in`).")
        .example(r#"{"expect": [{"count": {"recv": "CONNECT"}, "max": 3, "in": "10s"}]}"#),
    Key::verb("gap", SEEN, "How long after what opened the window it is first seen: `min`, `max`. Without `after`, how long after the time before.")
        .example(r#"{"rules": [{"on": "overlap", "do": [{"mark": "409"}, {"error": {"code": 409}}]}],
 "expect": [{"gap": {"conn": "next"}, "after": "409", "min": "500ms"}]}"#),
    Key::verb("order", Shape::List(&SEEN), "Each is seen only after those before it.")
        .example(r#"{"expect": [{"order": ["CONNECT", "SUBSCRIBE", "SEND"], "conn": 1}]}"#),
];

/// What goes with a claim.
pub(super) static WINDOW: Group = Group {
    kind: Kind::Assertion,
    name: "windows and bounds",
    about: "When a claim is looked at, and how it is told.",
    words: &WINDOW_WORDS,
};

static WINDOW_WORDS: [Key; 11] = [
    Key::new("after", MOMENT, "What opens a window: a mark, or anything that can be seen.")
        .default("the first connection, once")
        .example(r#"{"rules": [{"on": "token-expired", "do": [{"mark": "401"}]}], "broker": {"auth": {"bearer": {"ttl": "5s"}}},
 "expect": [{"expect": "CONNECT", "after": "401", "within": "3s"}]}"#),
    Key::new("before", MOMENT, "What closes it: a mark, or anything that can be seen.")
        .example(r#"{"expect": [{"never": "SEND", "before": {"send": "CONNECTED"}}]}"#),
    Key::new("within", Shape::Written(&FIXED), "How long a window is open at most.")
        .example(r#"{"expect": [{"expect": "SUBSCRIBE", "after": {"send": "CONNECTED"}, "within": "2s"}]}"#),
    Key::new("in", Shape::Written(&FIXED), "The stretch of a `count`: `max` holds for each one, `min` for one of them.")
        .beside(&["count"])
        .example(r#"{"expect": [{"count": {"recv": "CONNECT"}, "max": 6, "in": "30s"}]}"#),
    Key::new("min", Shape::Written(&BOUND), "At least.")
        .beside(&["count", "gap"])
        .example(r#"{"expect": [{"gap": {"recv": "CONNECT"}, "min": "100ms"}]}"#),
    Key::new("max", Shape::Written(&BOUND), "At most.")
        .beside(&["count", "gap"])
        .example(r#"{"expect": [{"count": {"recv": "SUBSCRIBE"}, "max": 5}]}"#),
    Key::new("conn", Shape::Written(&CONN_OF), "On which connection all of the `order` is seen.")
        .beside(&["order"])
        .example(r#"{"expect": [{"order": ["CONNECT", "SUBSCRIBE"], "conn": "2"}]}"#),
    Key::new("optional", Shape::Bool, "Whether it is no matter if the run never came to it.")
        .default("false")
        .example(r#"{"rules": [{"on": "overlap", "do": [{"mark": "409"}]}],
 "expect": [{"expect": {"closed": "client"}, "after": "409", "optional": true}]}"#),
    Key::new("why", Shape::Text, "Words that are added when it fails.")
        .example(r#"{"expect": [{"never": {"note": "connect-while-live"}, "why": "one session per user"}]}"#),
    Key::new("id", Shape::Text, "A name for reports.")
        .example(r#"{"expect": [{"id": "no-hammering", "count": "CONNECT", "max": 5, "in": "10s"}]}"#),
    Key::new("about", Shape::Text, "What it is there for, for readers.")
        .example(r#"{"expect": [{"about": "It says good-bye.", "expect": "DISCONNECT"}]}"#),
];

/// What can be seen.
pub(super) static SIGHTS: Group = Group {
    kind: Kind::Assertion,
    name: "sights",
    about: "What can be seen in the transcript; `*` and `?` are wildcards in all names.",
    words: &SIGHT_WORDS,
};

const NAMED: &[&str] = &[
    "upgrade", "open", "http", "recv", "send", "beat", "ping", "pong", "closed", "note", "mark",
    "signal", "fault", "log",
];

static SIGHT_WORDS: [Key; 18] = [
    Key::verb("conn", Shape::Written(&CONN_OF), "On which connection; alone, that it was accepted.")
        .beside(NAMED)
        .default("\"any\"")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"mark": "cut"}, "rst"]}],
 "expect": [{"expect": {"conn": "next"}, "after": "cut", "within": "10s"}]}"#),
    Key::verb("upgrade", Shape::Named("a path with its query"), "An upgrade was asked for.")
        .example(r#"{"expect": [{"expect": {"upgrade": "/stomp", "match": {"Sec-WebSocket-Protocol": "*v12.stomp*"}}}]}"#),
    Key::verb("open", Shape::Named("a subprotocol, or \"\""), "The WebSocket is open, with this subprotocol.")
        .example(r#"{"expect": [{"expect": {"open": "v12.stomp"}}]}"#),
    Key::verb("http", Shape::Scalar, "A request was answered without an upgrade, with this status.")
        .example(r#"{"rules": [{"conn": 1, "on": "upgrade", "do": [{"http": {"status": 503}}]}],
 "expect": [{"expect": {"conn": 2, "open": "*"}, "after": {"http": 503}}]}"#),
    Key::verb("recv", Shape::Named("a command such as \"SEND\""), "A frame with this command came from the client; CONNECT means STOMP as well.")
        .example(r#"{"expect": [{"expect": {"recv": "SEND", "match": {"destination": "/queue/*"}, "body": "*"}}]}"#),
    Key::verb("send", Shape::Named("a command such as \"MESSAGE\""), "A frame with this command went to the client.")
        .example(r#"{"expect": [{"never": {"send": "ERROR"}}]}"#),
    Key::verb("beat", Shape::Named("\"in\", \"out\" or a pattern"), "A heart-beat came or went.")
        .example(r#"{"broker": {"heart-beat": "1000,1000"}, "expect": [{"gap": {"beat": "in"}, "max": "1500ms"}]}"#),
    Key::verb("ping", Shape::Named("a payload"), "A WebSocket ping came.")
        .example(r#"{"expect": [{"never": {"ping": "*"}}]}"#),
    Key::verb("pong", Shape::Named("a payload"), "A WebSocket pong came.")
        .example(r#"{"rules": [{"on": "connected", "do": [{"mark": "asked"}, {"ping": "x"}]}],
 "expect": [{"expect": {"pong": "x"}, "after": "asked", "within": "1s"}]}"#),
    Key::verb("closed", Shape::Scalar, "A connection ended: by `client` or `broker`, as `http`, `failed` or `stopped`, with a code (1005 for none, 1006 without a Close), `clean` if Close frames went both ways, `lost`, `fin` or `rst` without one.")
        .example(r#"{"expect": [{"expect": {"closed": "clean"}}, {"never": {"closed": 1006}}]}"#),
    Key::verb("note", Shape::Named("`sent-while-suspended`, `connect-while-live`, `refused`, `websocket`, `handshake`, `heart-beat-lost`, `slow-consumer`, `dropped`, `script-loop`, `upstream` or a pattern"), "The broker noted something, mostly a breach by the client.")
        .example(r#"{"expect": [{"never": {"note": "sent-while-suspended"}}]}"#),
    Key::verb("mark", Shape::Text, "A mark was set.")
        .example(r#"{"rules": [{"on": {"recv": "SEND", "nth": 3}, "do": [{"mark": "third"}]}],
 "expect": [{"expect": {"mark": "third"}}]}"#),
    Key::verb("signal", Shape::Text, "A signal was given.")
        .example(r#"{"expect": [{"expect": "DISCONNECT", "after": {"signal": "done"}, "within": "2s"}]}"#),
    Key::verb("fault", Shape::Text, "The scenario misbehaved; as the trace tells it.")
        .example(r#"{"rules": [{"on": {"after": "5s"}, "do": ["fin"]}],
 "expect": [{"expect": "CONNECT", "after": {"fault": "fin*"}, "within": "10s"}]}"#),
    Key::verb("log", Shape::Text, "The scenario wrote a line.")
        .example(r#"{"rules": [{"on": "disconnect", "do": [{"log": "good-bye"}]}],
 "expect": [{"expect": {"log": "good-bye"}}]}"#),
    Key::new("match", Shape::Pairs, "Only with these headers, of the frame or the upgrade; `*` and `?` are wildcards.")
        .beside(&["recv", "send", "upgrade"])
        .example(r#"{"expect": [{"expect": {"recv": "CONNECT", "match": {"Authorization": "Bearer *"}}}]}"#),
    Key::new("body", Shape::Text, "Only with this body; `*` and `?` are wildcards.")
        .beside(&["recv", "send"])
        .example(r#"{"expect": [{"never": {"recv": "SEND", "body": "*secret*"}}]}"#),
    Key::new("nth", Shape::Whole(1, u64::MAX), "Only the n-th such thing that is seen through the window.")
        .example(r#"{"expect": [{"expect": {"recv": "SUBSCRIBE", "nth": 3}, "within": "5s"}]}"#),
];
