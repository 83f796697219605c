//! How the broker is set up.

use super::key::{Group, Key, Kind};
use super::notation::{BEATS, FIXED, OCTETS};
use super::shape::{Object, Shape};

/// What stands behind `broker`.
pub(super) static BROKER: Object = Object::new("`broker`", &[&SETTING_WORDS]).named(
    "broker",
    "How the broker is set up. Without a word of it, it is correct and lets everybody in.",
);

/// The settings.
pub(super) static SETTINGS: Group = Group {
    kind: Kind::Broker,
    name: "settings",
    about: "The settings of the broker, all under the key `broker`.",
    words: &SETTING_WORDS,
};

const NAMES: Shape = Shape::List(&Shape::Text);
const ANY: u64 = u64::MAX;

static SETTING_WORDS: [Key; 18] = [
    Key::new("dialect", Shape::Choice(&[
        ("stomp", "what the specification says"),
        ("rabbitmq", "RabbitMQ with its STOMP and Web STOMP plugins"),
        ("activemq", "ActiveMQ Classic"),
        ("artemis", "ActiveMQ Artemis"),
        ("spring-simple", "Spring's simple broker"),
        ("emqx", "the STOMP gateway of EMQX"),
        ("contact-centre", "a contact-centre gateway: NUL beats, 401 in band, 409, one session for each user"),
    ]), "Which broker it acts like.")
        .default("\"stomp\"")
        .example(r#"{"broker": {"dialect": "rabbitmq"}}"#),
    Key::new("websockify", Shape::Bool, "As if behind a websockify bridge: everything is binary, the only subprotocol is `binary`.")
        .default("false")
        .example(r#"{"broker": {"dialect": "activemq", "websockify": true}}"#),
    Key::new("versions", Shape::List(&Shape::Choice(&[("1.0", "STOMP 1.0"), ("1.1", "STOMP 1.1"), ("1.2", "STOMP 1.2")])), "The versions that are accepted.")
        .default("all three")
        .example(r#"{"broker": {"versions": ["1.2"]}}"#),
    Key::new("heart-beat", Shape::Written(&BEATS), "How often the broker can send heart-beats and wants them.")
        .default("\"10000,10000\"")
        .example(r#"{"broker": {"heart-beat": "5000,5000"}}"#),
    Key::new("subprotocols", NAMES, "Subprotocols that are preferred to `v12.stomp`, `v11.stomp` and `v10.stomp`.")
        .default("none")
        .example(r#"{"broker": {"subprotocols": ["v10.stomp.example"]}}"#),
    Key::new("path", Shape::Text, "The only path that is upgraded.")
        .default("any")
        .example(r#"{"broker": {"path": "/ws"}}"#),
    Key::new("auth", Shape::Object(&Object::new("an object with `basic`, `bearer` or `oauth`", &[&AUTH])), "Who may connect.")
        .default("everybody")
        .example(r#"{"broker": {"auth": {"basic": {"agent": "secret"}, "bearer": {"ttl": "60s", "header": "Authorization"}}}}"#),
    Key::new("single-session", Shape::Bool, "One live session per identity; a second CONNECT is answered with 409.")
        .default("as the dialect has it: false")
        .example(r#"{"broker": {"single-session": true}}"#),
    Key::new("on-expiry", Shape::Choice(&[
        ("suspend", "ERROR 401; the session is suspended and waits for a CONNECT with a live token"),
        ("error-close", "ERROR 401 and Close"),
        ("none", "nothing: the session lives on"),
    ]), "What becomes of a live session whose token ends.")
        .default("as the dialect has it: \"suspend\"")
        .example(r#"{"broker": {"auth": {"bearer": {"ttl": "60s"}}, "on-expiry": "error-close"}}"#),
    Key::new("suspend-grace", Shape::Written(&FIXED), "For so long after the suspension, frames that were on their way are still processed.")
        .default("\"0s\"")
        .example(r#"{"broker": {"auth": {"bearer": {"ttl": "60s"}}, "suspend-grace": "200ms"}}"#),
    Key::new("error-codes", Shape::List(&Shape::Choice(&[
        ("message", "the first word of the `message` header"),
        ("code", "the `code` header"),
        ("status", "the `status` header"),
        ("body", "a JSON body, as {\"code\":401}"),
    ])), "Where an ERROR says its code.")
        .default("as the dialect has it: `message` and `code`")
        .example(r#"{"broker": {"error-codes": ["status", "body"]}}"#),
    Key::new("receipt-headers", Shape::List(&Shape::Choice(&[
        ("receipt", "as STOMP has it"),
        ("receipt-id", "beside it, on frames of clients"),
    ])), "Which headers ask for a receipt.")
        .default("as the dialect has it: `receipt`")
        .example(r#"{"broker": {"receipt-headers": ["receipt", "receipt-id"]}}"#),
    Key::new("require-host", Shape::Bool, "Whether CONNECT must carry `host`, as 1.1 and 1.2 ask.")
        .default("as the dialect has it: true")
        .example(r#"{"broker": {"require-host": false}}"#),
    Key::new("forbidden", Shape::Object(&Object::new("an object with `send` or `subscribe`", &[&FORBIDDEN])), "Destinations that are answered with ERROR 403; `*` stands for any text.")
        .default("none")
        .example(r#"{"broker": {"forbidden": {"send": ["/queue/admin*"], "subscribe": ["/topic/secret/*"]}}}"#),
    Key::new(
        "tls",
        Shape::Bool,
        "Whether TLS is spoken, with a certificate of an authority made for the run.",
    )
    .default("false; `--tls` turns it on, too")
    .example(r#"{"broker": {"tls": true}, "rules": [{"conn": 1, "on": "tcp", "do": [{"tls": "expired"}]}]}"#),
    Key::new("max-deliveries", Shape::Whole(0, 4_294_967_295), "Deliveries of a message before a NACK sends it to the dead letters.")
        .default("5")
        .example(r#"{"broker": {"max-deliveries": 2}}"#),
    Key::new("limits", Shape::Object(&Object::new("an object of bounds on frames", &[&LIMITS])), "Bounds on received frames.")
        .example(r#"{"broker": {"limits": {"headers": 50, "body": "64KiB"}}}"#),
    Key::new("bounds", Shape::Object(&Object::new("an object of bounds on what is kept", &[&BOUNDS])), "Bounds on what the broker keeps.")
        .example(r#"{"broker": {"bounds": {"out": "1MiB", "queue": 100, "handshake": "5s"}}}"#),
];

static AUTH: [Key; 3] = [
    Key::new(
        "basic",
        Shape::Table("passcode"),
        "Each `login` and its `passcode`.",
    ),
    Key::new(
        "bearer",
        Shape::Object(&Object::new("an object with `ttl`", &[&BEARER])),
        "Tokens: in the header named by `header`, in `Authorization` (as `Bearer x`) or `passcode` of CONNECT, or in `Authorization` of the upgrade.",
    ),
    Key::new(
        "oauth",
        Shape::Object(&Object::new("an object with `clients`", &[&OAUTH])),
        "A token endpoint of OAuth2 on the broker's port.",
    ),
];

static BEARER: [Key; 4] = [
    Key::new(
        "ttl",
        Shape::Written(&FIXED),
        "The life of a token that was not issued, from when it is first seen.",
    )
    .needed(),
    Key::new(
        "header",
        Shape::Text,
        "One more header of CONNECT or of the upgrade that may carry the token.",
    ),
    Key::new(
        "issued-only",
        Shape::Bool,
        "Whether only issued tokens are accepted.",
    )
    .default("false"),
    Key::new(
        "leeway",
        Shape::Written(&FIXED),
        "For so long after its end a token is still accepted.",
    )
    .default("\"0s\""),
];

static OAUTH: [Key; 2] = [
    Key::new("path", Shape::Text, "Where it is.").default("\"/oauth/token\""),
    Key::new(
        "clients",
        Shape::List(&Shape::Object(&Object::new(
            "an object with `id`",
            &[&CLIENT],
        ))),
        "Who may ask for tokens.",
    )
    .default("everybody, with any id, secret and scope"),
];

static CLIENT: [Key; 5] = [
    Key::new("id", Shape::Text, "The client's id.").needed(),
    Key::new("secret", Shape::Text, "Its secret.").default("none: a public client"),
    Key::new(
        "scopes",
        NAMES,
        "What it may ask for, and gets if it asks for nothing.",
    )
    .default("none"),
    Key::new("ttl", Shape::Written(&FIXED), "The life of its tokens.").default("\"1h\""),
    Key::new(
        "refresh",
        Shape::Choice(&[
            ("none", "it gets none"),
            ("keep", "one that can be used again and again"),
            ("rotate", "a new one each time; the old one is then dead"),
        ]),
        "Which refresh tokens it gets.",
    )
    .default("\"none\""),
];

static FORBIDDEN: [Key; 2] = [
    Key::new("send", NAMES, "Nobody may send there."),
    Key::new("subscribe", NAMES, "Nobody may subscribe there."),
];

static LIMITS: [Key; 4] = [
    Key::new("headers", Shape::Whole(0, ANY), "Headers of a frame.").default("1000"),
    Key::new(
        "line",
        Shape::Written(&OCTETS),
        "Octets of one line of its head.",
    )
    .default("\"64KiB\""),
    Key::new("head", Shape::Written(&OCTETS), "Octets of its head.").default("\"256KiB\""),
    Key::new("body", Shape::Written(&OCTETS), "Octets of its body.").default("\"16MiB\""),
];

static BOUNDS: [Key; 12] = [
    Key::new("out", Shape::Written(&OCTETS), "Octets that may wait for one connection that does not read; beyond that it is reset.").default("\"32MiB\""),
    Key::new("queue", Shape::Whole(0, ANY), "Messages in one queue; a SEND beyond that is refused.").default("100000"),
    Key::new("queue-octets", Shape::Written(&OCTETS), "Octets in one queue; a SEND beyond that is refused.").default("\"256MiB\""),
    Key::new("queues", Shape::Whole(0, ANY), "Queues.").default("100000"),
    Key::new("subscriptions", Shape::Whole(0, ANY), "Subscriptions and temporary queues of one session.").default("10000"),
    Key::new("held", Shape::Whole(0, ANY), "Frames kept for one suspended session; more are dropped and noted.").default("10000"),
    Key::new("unacked", Shape::Whole(0, ANY), "Unacknowledged messages of one subscription; queues then wait, topic messages are dropped and noted.").default("10000"),
    Key::new("unacked-octets", Shape::Written(&OCTETS), "Octets that one subscription has not acknowledged.").default("\"256MiB\""),
    Key::new("transaction", Shape::Whole(0, ANY), "Frames in one open transaction, and open transactions of one session.").default("10000"),
    Key::new("transcript", Shape::Whole(0, ANY), "Entries of the transcript.").default("100000"),
    Key::new("transcript-octets", Shape::Written(&OCTETS), "Octets in the transcript.").default("\"128MiB\""),
    Key::new("handshake", Shape::Written(&FIXED), "How long a connection may take to send its whole request, and then its first frame.").default("\"30s\""),
];
