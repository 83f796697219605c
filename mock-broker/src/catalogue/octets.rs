//! How frames are laid on the wire.

use super::key::{Group, Key, Kind};
use super::notation::{FIXED, RATE};
use super::shape::{Object, Shape, Verbs};

/// The words that change how frames are laid on the wire.
pub(super) static OCTETS: Group = Group {
    kind: Kind::Action,
    name: "octets",
    about: "How frames are laid on the wire, in three layers: `split` and `join` of STOMP frames to WebSocket messages, `frag` of messages to WebSocket frames, `drip` and `rate` of the TCP stream. They combine, and hold until `plain`, or for the `next` n frames.",
    words: &OCTET_WORDS,
};

const SHAPES: &[&str] = &["split", "frag", "join", "type", "drip", "rate", "ws"];

static CUT: [Shape; 2] = [
    Shape::List(&Shape::Signed),
    Shape::Object(&Object::new("an object with `every`", &[&EVERY])),
];
static EVERY: [Key; 1] = [Key::new(
    "every",
    Shape::Whole(1, u64::MAX),
    "A cut after each so many octets.",
)
.needed()];

pub(super) static OCTET_WORDS: [Key; 12] = [
    Key::verb("split", Shape::Either(&CUT), "One STOMP frame goes over several WebSocket messages, cut at these offsets (negative: from the end) or after every so many octets.")
        .example(r#"{"rules": [{"conn": 1, "on": "open", "do": [{"split": [1, 17, -1]}]},
           {"conn": 2, "on": "open", "do": [{"split": {"every": 1}, "next": 3}]}]}"#),
    Key::verb("frag", Shape::Either(&CUT), "One WebSocket message goes as several WebSocket frames (continuations of RFC 6455), cut at these offsets.")
        .example(r#"{"rules": [{"on": "open", "do": [{"frag": [3, 9], "ping": "between"}]}]}"#),
    Key::new("pong", BETWEEN, "Unasked pongs go between the fragments.")
        .beside(&["frag"])
        .example(r#"{"rules": [{"on": "open", "do": [{"frag": {"every": 7}, "pong": "between"}]}]}"#),
    Key::new("empty", Shape::True, "Empty continuations go between the fragments.")
        .beside(&["frag"])
        .example(r#"{"rules": [{"on": "open", "do": [{"frag": {"every": 7}, "empty": true}]}]}"#),
    Key::verb("join", Shape::Whole(0, u64::MAX), "So many STOMP frames go in one WebSocket message.")
        .example(r#"{"rules": [{"on": "open", "do": [{"join": 3, "within": "50ms"}]}]}"#),
    Key::new("within", Shape::Written(&FIXED), "No frame waits longer than this for others.")
        .beside(&["join"])
        .default("\"50ms\"")
        .example(r#"{"rules": [{"on": "open", "do": [{"join": 10, "within": "200ms"}]}]}"#),
    Key::verb("type", Shape::Choice(&[
        ("text", "always text, even if the frame is not UTF-8"),
        ("binary", "always binary"),
        ("mixed", "turn and turn about, text as long as it is UTF-8"),
    ]), "Which kind of WebSocket message carries frames.")
        .example(r#"{"rules": [{"on": "open", "do": [{"type": "mixed"}]}]}"#),
    Key::verb("drip", Shape::Object(&Object::new("an object with `bytes` and `gap`", &[&DRIP])), "So many octets at a time in the TCP stream, with a pause after each piece; stands in place of `rate`.")
        .example(r#"{"rules": [{"on": "open", "do": [{"drip": {"bytes": 1, "gap": "20ms"}, "next": 5}]}]}"#),
    Key::verb("rate", Shape::Written(&RATE), "So many octets per second in the TCP stream; stands in place of `drip`.")
        .example(r#"{"rules": [{"on": "open", "do": [{"rate": "2KiB/s"}]}]}"#),
    Key::verb("ws", Shape::Object(&Object::new("an object with `rsv`, `opcode` or `mask`", &[&HEAD]).verbs(Verbs::Some)), "The heads of WebSocket frames are wrong.")
        .example(r#"{"rules": [{"conn": 1, "on": {"recv": "SUBSCRIBE"}, "do": ["pass", {"ws": {"rsv": 1}, "next": 1}]}]}"#),
    Key::verb("plain", Shape::True, "Frames are laid on the wire plainly again.").alone()
        .example(r#"{"rules": [{"on": "open", "do": [{"split": {"every": 1}}]},
           {"on": {"recv": "SUBSCRIBE"}, "do": ["plain"]}]}"#),
    Key::new("next", Shape::Whole(1, u64::MAX), "Only for the next so many frames.")
        .beside(SHAPES)
        .default("until `plain`")
        .example(r#"{"rules": [{"on": "connected", "do": [{"split": {"every": 2}, "next": 1}]}]}"#),
];

const BETWEEN: Shape = Shape::Choice(&[("between", "between the fragments")]);

static DRIP: [Key; 2] = [
    Key::new("bytes", Shape::Whole(1, u64::MAX), "Octets in one piece.").needed(),
    Key::new("gap", Shape::Written(&FIXED), "The pause after a piece.").needed(),
];

static HEAD: [Key; 3] = [
    Key::verb("rsv", Shape::Whole(1, 3), "This reserved bit is set."),
    Key::verb(
        "opcode",
        Shape::Whole(0, 15),
        "The first frame of a message has this opcode.",
    ),
    Key::verb(
        "mask",
        Shape::True,
        "The frames are masked, as only a client's may be.",
    ),
];
