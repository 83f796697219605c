//! What a rule does: frames, the connection, the handshake.

use super::key::{Group, Key, Kind};
use super::notation::{BASE64, GARBAGE, HEX, OCTETS as SIZE, SPAN};
use super::octets::OCTET_WORDS;
use super::session::{BEAT_WORDS, FLOW_WORDS, SESSION_WORDS};
use super::shape::{Object, Shape, Verbs};

/// One action.
pub(super) static ACTION: Object = Object::new(
    "an action",
    &[
        &FRAME_WORDS,
        &OCTET_WORDS,
        &CONNECTION_WORDS,
        &HANDSHAKE_WORDS,
        &BEAT_WORDS,
        &SESSION_WORDS,
        &FLOW_WORDS,
    ],
)
.named(
    "action",
    "One step of a rule: a bare word, or an object with one verb and its modifiers.",
)
.verbs(Verbs::One);

/// A list of actions.
pub(super) static ACTIONS: Shape = Shape::List(&Shape::Word(&ACTION));

/// What is done to frames.
pub(super) static FRAMES: Group = Group {
    kind: Kind::Action,
    name: "frames",
    about: "Frames: the one that triggered the rule, and others.",
    words: &FRAME_WORDS,
};

static FRAME_WORDS: [Key; 14] = [
    Key::bare("pass", "What triggered the rule takes place now, and not at the end of the list.")
        .example(r#"{"rules": [{"on": {"recv": "SUBSCRIBE"}, "do": ["pass", {"delay": "100ms"}, "rst"]}]}"#),
    Key::bare("drop", "What triggered the rule does not take place. Needs a frame, `token-expired`, `overlap` or `hb-due`.")
        .example(r#"{"rules": [{"on": {"send": "RECEIPT", "nth": 1}, "do": ["drop"]}]}"#),
    Key::verb("send", Shape::Object(&Object::new("an object with `command`", &[&SEND])), "Sends a frame; content-length is added if it has a body and no such header. `{port}` and `{token}` are filled in.")
        .example(r#"{"rules": [{"on": "connected", "do": [{"send": {"command": "MESSAGE", "body": "nobody asked",
   "headers": {"subscription": "none", "message-id": "x", "destination": "/topic/x"}}}]}]}"#),
    Key::verb("error", Shape::Object(&Object::new("an object such as {\"code\":401}", &[&ERROR])), "Sends an ERROR, in place of what triggered the rule.")
        .example(r#"{"rules": [{"on": {"after": "30s"}, "do": [{"error": {"code": 401, "message": "token expired", "close": false}}]}]}"#),
    Key::verb("delay", Shape::Written(&SPAN), "Waits before the rest of the list.")
        .example(r#"{"rules": [{"on": {"send": "RECEIPT"}, "do": [{"delay": "100..300ms"}, "pass"]}]}"#),
    Key::verb("dup", Shape::Whole(0, 10_000), "The frame leaves, or is processed, so many times altogether. Needs a frame.")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE", "nth": 1}, "do": [{"dup": 2}]}]}"#),
    Key::verb("set", Shape::Pairs, "Sets headers of the frame. Needs a frame.")
        .example(r#"{"rules": [{"on": {"send": "CONNECTED"}, "do": [{"set": {"heart-beat": "100,100"}}]}]}"#),
    Key::verb("unset", Shape::List(&Shape::Text), "Removes headers of the frame. Needs a frame.")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE"}, "do": [{"unset": ["content-length"]}]}]}"#),
    Key::verb("hold", Shape::Text, "Keeps the frame back under a name, until `release`. Needs a leaving frame.")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE", "nth": 1}, "do": [{"hold": "late"}]},
           {"on": {"send": "MESSAGE", "nth": 2}, "do": ["pass", {"release": "late"}]}]}"#),
    Key::verb("release", Shape::Text, "Lets the frames go that were kept back under a name.")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE"}, "times": 3, "do": [{"hold": "h"}]},
           {"on": {"after": "2s"}, "do": [{"release": "h", "order": [2, 0, 1]}]}]}"#),
    Key::new("order", Shape::Either(&[
        Shape::List(&Shape::Whole(0, u64::MAX)),
        Shape::Choice(&[("reverse", "the last first"), ("shuffle", "as the seed has it")]),
    ]), "In which order they go. By positions, from 0; what is not named follows as it came.")
        .beside(&["release"])
        .default("as they came")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE"}, "times": 5, "do": [{"hold": "h"}]},
           {"on": {"after": "2s"}, "do": [{"release": "h", "order": "shuffle"}]}]}"#),
    Key::verb("corrupt", Shape::Object(&Object::new("an object with `xor`, `strip`, `insert` or `truncate`", &[&CORRUPT]).verbs(Verbs::One)), "Damages the octets of the frame. Needs a leaving frame.")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE", "nth": 2}, "do": [{"corrupt": {"at": 12, "xor": "20"}}]},
           {"on": {"send": "MESSAGE", "nth": 3}, "do": [{"corrupt": {"strip": "nul"}}]}]}"#),
    Key::verb("pad", Shape::Object(&Object::new("an object with `headers` or `body`", &[&PAD]).verbs(Verbs::Some)), "Makes the frame large. Needs a leaving frame.")
        .example(r#"{"rules": [{"on": {"send": "MESSAGE", "nth": 1}, "do": [{"pad": {"body": "16MiB"}}]}]}"#),
    Key::verb("raw", Shape::Object(&Object::new("an object with `hex` or `text`", &[&RAW]).verbs(Verbs::One)), "Sends octets as they are.")
        .example(r#"{"rules": [{"on": "connected", "do": [{"raw": {"hex": "81 02 c3 28", "ws": "stream"}}]}]}"#),
];

static SEND: [Key; 4] = [
    Key::new("command", Shape::Text, "The command.").needed(),
    Key::new("headers", Shape::Pairs, "The headers, in this order."),
    Key::new("body", Shape::Text, "The body.").without(&["body_b64"]),
    Key::new("body_b64", Shape::Written(&BASE64), "The body in base64.").without(&["body"]),
];

static ERROR: [Key; 5] = [
    Key::new(
        "code",
        Shape::Whole(0, 65535),
        "The code; where it stands in the frame, `error-codes` says.",
    ),
    Key::new("message", Shape::Text, "The `message` header.").default("words for the code"),
    Key::new("headers", Shape::Pairs, "More headers."),
    Key::new("body", Shape::Text, "The body."),
    Key::new(
        "close",
        Shape::Bool,
        "Whether Close follows. With code 401 and `false` the session is suspended.",
    )
    .default("true, unless the same list ends the connection by itself"),
];

static CORRUPT: [Key; 5] = [
    Key::verb("xor", Shape::Written(&HEX), "These octets are XORed in."),
    Key::new(
        "at",
        Shape::Signed,
        "From this offset on (negative: from the end).",
    )
    .beside(&["xor"])
    .default("0"),
    Key::verb(
        "strip",
        Shape::Choice(&[("nul", "the NUL at the end")]),
        "What is left out.",
    ),
    Key::verb(
        "insert",
        Shape::Object(&Object::new("an object with `at` and `hex`", &[&INSERT])),
        "Octets are put in.",
    ),
    Key::verb(
        "truncate",
        Shape::Signed,
        "Only so many octets are kept; a negative number is taken off the end.",
    ),
];

static INSERT: [Key; 2] = [
    Key::new(
        "at",
        Shape::Signed,
        "At this offset (negative: from the end).",
    )
    .needed(),
    Key::new("hex", Shape::Written(&HEX), "The octets.").needed(),
];

static PAD: [Key; 2] = [
    Key::verb(
        "headers",
        Shape::Whole(0, 1_000_000),
        "So many extra headers.",
    ),
    Key::verb(
        "body",
        Shape::Written(&SIZE),
        "So many extra octets of body, 256MiB at most.",
    ),
];

static RAW: [Key; 3] = [
    Key::verb("hex", Shape::Written(&HEX), "The octets in hex."),
    Key::verb("text", Shape::Text, "The octets as text."),
    Key::new(
        "ws",
        Shape::Choice(&[
            ("text", "a text message, even if they are not UTF-8"),
            ("binary", "a binary message"),
            ("stream", "none: straight into the TCP stream"),
        ]),
        "Inside of which WebSocket message they go.",
    )
    .default("\"text\""),
];

/// What befalls the connection.
pub(super) static CONNECTION: Group = Group {
    kind: Kind::Action,
    name: "connection",
    about: "The connection as a whole.",
    words: &CONNECTION_WORDS,
};

const DIRECTION: Shape = Shape::Choice(&[
    ("both", "both directions"),
    ("in", "what the client sends"),
    ("out", "what the broker sends"),
]);

static CONNECTION_WORDS: [Key; 11] = [
    Key::verb("close", Shape::Object(&Object::new("an object with `code`", &[&CLOSE])), "Sends a WebSocket Close, after what is on its way.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "10s"}, "do": [{"close": {"code": 1012, "reason": "restart"}}]}]}"#),
    Key::verb("fin", Shape::Object(&Object::new("an object with `after-bytes`", &[&FIN])), "Ends TCP with FIN and without Close (1006 for the client): as a bare word now, or within the next WebSocket frame.").alone()
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "3s"}, "do": ["fin"]},
           {"conn": 2, "on": {"send": "MESSAGE", "nth": 3}, "do": [{"fin": {"after-bytes": 9}}]}]}"#),
    Key::bare("rst", "Resets TCP.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "3s"}, "do": ["rst"]}]}"#),
    Key::verb("blackhole", DIRECTION, "TCP stays, but nothing is read or written any more.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"blackhole": "both", "for": "60s"}]}]}"#),
    Key::new("for", Shape::Written(&SPAN), "For how long.")
        .beside(&["blackhole", "silence"])
        .default("for ever")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "5s"}, "do": [{"blackhole": "in", "for": "10s"}]}]}"#),
    Key::verb("stall-read", Shape::Written(&SPAN), "The broker does not read for so long.")
        .example(r#"{"rules": [{"on": {"after": "3s"}, "do": [{"stall-read": "5s"}]}]}"#),
    Key::verb("stall-write", Shape::Written(&SPAN), "The broker does not write for so long.")
        .example(r#"{"rules": [{"on": {"after": "3s"}, "do": [{"stall-write": "5s"}]}]}"#),
    Key::verb("ping", Shape::Text, "Sends a WebSocket ping with this payload. Beside `frag` it is \"between\": pings go between the fragments.")
        .beside(&["frag"])
        .example(r#"{"rules": [{"on": "connected", "do": [{"ping": "hello"}]},
           {"on": "open", "do": [{"frag": {"every": 7}, "ping": "between"}]}]}"#),
    Key::bare("mute-pong", "Answers no ping from now on.")
        .example(r#"{"rules": [{"on": "open", "do": ["mute-pong"]}]}"#),
    Key::verb("garbage", Shape::Written(&GARBAGE), "Sends what a broken proxy sends.")
        .example(r#"{"rules": [{"on": {"after": "3s"}, "do": [{"garbage": "html-502"}, "fin"]}]}"#),
    Key::verb("refuse", Shape::Written(&SPAN), "The listener goes down for so long; connections that stand are kept.")
        .example(r#"{"rules": [{"conn": 1, "on": {"after": "3s"}, "do": ["fin", {"refuse": "10s"}]}]}"#),
];

static CLOSE: [Key; 2] = [
    Key::new("code", Shape::Whole(0, 65535), "The code.").needed(),
    Key::new("reason", Shape::Text, "The reason.").default("none"),
];

static FIN: [Key; 1] = [Key::new(
    "after-bytes",
    Shape::Whole(0, u64::MAX),
    "After so many octets of the next WebSocket frame.",
)
.needed()];

/// What befalls the handshake.
pub(super) static HANDSHAKE: Group = Group {
    kind: Kind::Action,
    name: "handshake",
    about: "The answer to the upgrade (and to plain HTTP), and TLS.",
    words: &HANDSHAKE_WORDS,
};

static HANDSHAKE_WORDS: [Key; 6] = [
    Key::verb("http", Shape::Object(&Object::new("an object with `status`", &[&ANSWER])), "Answers the request with this. Needs `upgrade`, or an http rule.")
        .example(r#"{"rules": [{"conn": 1, "on": "upgrade", "do": [{"http": {"status": 401, "headers": {"WWW-Authenticate": "Bearer"}}}]}]}"#),
    Key::verb("redirect", Shape::Text, "Answers with 302 to this place; `{port}` is filled in. Needs `upgrade`, or an http rule.")
        .example(r#"{"rules": [{"conn": 1, "on": "upgrade", "do": [{"redirect": "ws://127.0.0.1:{port}/moved"}]}]}"#),
    Key::bare("hang", "Never answers. Needs `upgrade` or `tcp`, or an http rule.")
        .example(r#"{"rules": [{"conn": 1, "on": "upgrade", "do": ["hang"]}]}"#),
    Key::verb("tls", Shape::Choice(&[
        ("stall", "it is never answered"),
        ("alert", "the hello is answered with the fatal alert `handshake_failure`"),
        ("expired", "the certificate ended yesterday"),
        ("wrong-host", "the certificate is for another host"),
        ("self-signed", "the certificate is signed by itself and not by the authority"),
    ]), "Spoils the TLS handshake. Needs `tcp`, and a broker that speaks TLS (`--tls`, or the setting `tls`).")
        .example(r#"{"broker": {"tls": true}, "rules": [{"conn": 1, "on": "tcp", "do": [{"tls": "expired"}]}]}"#),
    Key::verb("subprotocol", Shape::Either(&[Shape::Text, Shape::Null]), "Answers with this subprotocol, offered or not; `null` is none. Needs `upgrade`.")
        .example(r#"{"rules": [{"conn": 1, "on": "upgrade", "do": [{"subprotocol": "mqtt"}]},
           {"conn": 2, "on": "upgrade", "do": [{"subprotocol": null}]}]}"#),
    Key::bare("bad-accept", "Answers with a wrong Sec-WebSocket-Accept. Needs `upgrade`.")
        .example(r#"{"rules": [{"conn": 1, "on": "upgrade", "do": ["bad-accept"]}]}"#),
];

static ANSWER: [Key; 4] = [
    Key::new("status", Shape::Whole(0, 65535), "The status.").needed(),
    Key::new("headers", Shape::Pairs, "The headers."),
    Key::new("body", Shape::Text, "The body.").without(&["json"]),
    Key::new(
        "json",
        Shape::Any,
        "The body as JSON; `{token}` is filled in.",
    )
    .without(&["body"]),
];
