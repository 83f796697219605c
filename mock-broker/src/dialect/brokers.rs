//! The dialects themselves: what each does otherwise than the one above it.

use super::{
    AckId, ContentLength, Dialect, Durable, Ending, Endings, HeartBeat, Messages, Nack, Naming,
    Receipts, Transactions, Wildcards,
};
use crate::OnExpiry;
use crate::wire::{EscapeRule, Rules};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// `/topic/a.*.>`
const DOTTED: Wildcards = Wildcards {
    separators: &['/', '.'],
    one: "*",
    many: &[],
    rest: Some(">"),
};

impl Dialect {
    /// What the specification says.
    pub const STOMP: Self = Self {
        name: "stomp",
        subprotocols: &[],
        unasked_subprotocol: None,
        server: Some(concat!("hobnail-mock-broker/", env!("CARGO_PKG_VERSION"))),
        rules: Rules::STRICT,
        messages: Messages {
            one_frame: false,
            binary_ignored: false,
            text_refused: false,
            send_binary: false,
            send_text: false,
            largest: None,
        },
        trailing_lf: false,
        connected_escapes: false,
        no_escapes: false,
        content_length: ContentLength::Always,
        beat: b"\n",
        heart_beat: HeartBeat::Own,
        tolerance: 0.5,
        grace: SECOND,
        idle: None,
        receipts: Receipts::All,
        receipt_id_header: false,
        connect_receipt: false,
        error_receipt: true,
        error_codes: true,
        error_version: false,
        endings: Endings {
            login: Ending::Error(1008),
            second_connect: Ending::Error(1008),
            ..Endings::all(Ending::Error(1002))
        },
        farewell: (1000, ""),
        host_required: true,
        id_required: true,
        any_ack_mode: false,
        begin_twice: false,
        message_id_refused: false,
        leaks: false,
        jms_headers: false,
        ack_id: AckId::Plain,
        ack_connection_wide: false,
        nack: Nack::Again,
        dead_letters: Some("/queue/DLQ"),
        transactions: Transactions::Full,
        selectors: true,
        prefetch: Some("prefetch-count"),
        naming: Naming::Free,
        wildcards: Wildcards {
            separators: &['/'],
            one: "*",
            many: &["**"],
            rest: Some(">"),
        },
        durable: Durable::Header,
        on_expiry: OnExpiry::Suspend,
        single_session: false,
    };

    /// RabbitMQ 3.10's Web STOMP: most ERRORs leave the connection open
    /// (DLX-06) and name no receipt (DLX-09), the worst breaches end without
    /// one (DLX-10, DLX-11), escapes count in CONNECT too (DLX-12), heart-beats
    /// are mirrored (DLX-14), ACK reaches over subscriptions (DLX-15), a LF
    /// follows every frame (DLX-16), DISCONNECT gets no RECEIPT, and a token
    /// that ends does nothing by itself.
    pub const RABBITMQ: Self = Self {
        name: "rabbitmq",
        error_codes: false,
        server: Some("RabbitMQ/3.10.8"),
        rules: Rules {
            escapes: EscapeRule::CarriageReturn,
            connect_escapes: true,
            send_bodies_only: true,
            ..Rules::STRICT
        },
        messages: Messages {
            send_text: true,
            ..Self::STOMP.messages
        },
        trailing_lf: true,
        connected_escapes: true,
        content_length: ContentLength::WithBody,
        heart_beat: HeartBeat::Mirrored { seconds: true },
        tolerance: 2.0,
        grace: Duration::ZERO,
        receipts: Receipts::NotDisconnect,
        error_receipt: false,
        error_version: true,
        endings: Endings {
            octets: Ending::Close(1007, "{header_no_value,\"..\"}"),
            length: Ending::Close(1011, ""),
            second_connect: Ending::Close(1011, ""),
            twin: Ending::Close(1000, "STOMP died"),
            silence: Ending::Close(1000, "STOMP died"),
            stale_token: Ending::Close(1000, "STOMP died"),
            ..Endings::all(Ending::ErrorOpen)
        },
        farewell: (1000, "STOMP died"),
        host_required: false,
        id_required: false,
        begin_twice: true,
        message_id_refused: true,
        leaks: true,
        ack_id: AckId::Rabbit,
        ack_connection_wide: true,
        nack: Nack::Forever,
        dead_letters: None,
        selectors: false,
        naming: Naming::Rabbit,
        wildcards: Wildcards {
            separators: &['/', '.'],
            one: "*",
            many: &["#"],
            rest: None,
        },
        on_expiry: OnExpiry::Nothing,
        ..Self::STOMP
    };

    /// ActiveMQ Classic 5.17 over WebSocket: one message is one frame
    /// (DLX-17), headers are read loosely (DLX-18), a late heart-beat is the
    /// last (DLX-19), ERRORs that are not fatal leave the connection open
    /// (DLX-07), `stomp` is named as subprotocol though nobody offers it.
    pub const ACTIVEMQ: Self = Self {
        name: "activemq",
        error_codes: false,
        unasked_subprotocol: Some("stomp"),
        server: Some("ActiveMQ/5.17.2"),
        rules: Rules {
            escapes: EscapeRule::Lenient,
            connect_escapes: true,
            colonless: true,
            trim: true,
            send_bodies_only: true,
            ..Rules::STRICT
        },
        messages: Messages {
            one_frame: true,
            binary_ignored: true,
            send_text: true,
            largest: Some(64 << 10),
            ..Self::STOMP.messages
        },
        content_length: ContentLength::AsSent,
        heart_beat: HeartBeat::Mirrored { seconds: false },
        tolerance: 0.0,
        grace: Duration::ZERO,
        connect_receipt: true,
        endings: Endings {
            command: Ending::Error(1000),
            octets: Ending::Error(1000),
            length: Ending::Error(1000),
            login: Ending::Error(1000),
            version: Ending::Error(1000),
            twin: Ending::Fine,
            silence: Ending::Close(1000, ""),
            ..Endings::all(Ending::ErrorOpen)
        },
        host_required: false,
        any_ack_mode: true,
        jms_headers: true,
        ack_id: AckId::Colons,
        nack: Nack::Bury,
        dead_letters: Some("/queue/ActiveMQ.DLQ"),
        prefetch: Some("activemq.prefetchSize"),
        wildcards: DOTTED,
        durable: Durable::Named,
        ..Self::STOMP
    };

    /// Artemis: NACK is ACK and acknowledgements pass transactions by
    /// (DLX-21), `host` is ignored, heart-beats are never faster than 500 ms
    /// and silence ends after a minute (DLX-22), what follows the body is not
    /// looked at (DLX-23), messages are binary (DLX-24), a second CONNECT is
    /// done again (DLX-44).
    pub const ARTEMIS: Self = Self {
        name: "artemis",
        error_codes: false,
        server: Some("ActiveMQ-Artemis/2.31.0 ActiveMQ Artemis Messaging Engine"),
        rules: Rules {
            unchecked_end: true,
            trim_1_0: true,
            ..Rules::STRICT
        },
        messages: Messages {
            send_binary: true,
            ..Self::STOMP.messages
        },
        heart_beat: HeartBeat::Floor(500),
        tolerance: 1.0,
        grace: Duration::ZERO,
        idle: Some(Duration::from_secs(60)),
        endings: Endings {
            second_connect: Ending::Fine,
            ..Endings::all(Ending::Error(1000))
        },
        host_required: false,
        nack: Nack::Ack,
        dead_letters: Some("/queue/DLQ"),
        transactions: Transactions::SendsOnly,
        wildcards: Wildcards {
            separators: &['/', '.'],
            one: "*",
            many: &["#"],
            rest: None,
        },
        durable: Durable::Header,
        ..Self::STOMP
    };

    /// Spring's simple broker: no RECEIPT but for DISCONNECT, no ACK, no
    /// transactions, no queues (DLX-26), Close 1002 after every ERROR, no
    /// heart-beats (DLX-27), a bad content-length is ignored (DLX-28).
    pub const SPRING_SIMPLE: Self = Self {
        name: "spring-simple",
        error_codes: false,
        server: None,
        rules: Rules {
            bad_length: true,
            ..Rules::STRICT
        },
        heart_beat: HeartBeat::None,
        receipts: Receipts::Disconnect,
        error_receipt: false,
        endings: Endings::all(Ending::Error(1002)),
        host_required: false,
        nack: Nack::Nothing,
        dead_letters: None,
        transactions: Transactions::Ignored,
        selectors: false,
        prefetch: None,
        naming: Naming::Topics,
        wildcards: Wildcards {
            separators: &['/'],
            one: "*",
            many: &["**"],
            rest: None,
        },
        durable: Durable::None,
        ..Self::STOMP
    };

    /// EMQX 5.0: no escapes, no CR LF, no colon in a passcode, no tolerance
    /// for late heart-beats (DLX-36), ERROR without Close (DLX-08); destinations
    /// are topics of MQTT.
    pub const EMQX: Self = Self {
        name: "emqx",
        error_codes: false,
        server: Some("emqx-stomp/1.2"),
        rules: Rules {
            escapes: EscapeRule::Raw,
            one_colon: true,
            crlf: false,
            ..Rules::STRICT
        },
        messages: Messages {
            send_binary: true,
            ..Self::STOMP.messages
        },
        no_escapes: true,
        tolerance: 0.0,
        grace: Duration::ZERO,
        endings: Endings {
            login: Ending::Error(1000),
            silence: Ending::Close(1000, ""),
            ..Endings::all(Ending::ErrorOpen)
        },
        host_required: false,
        selectors: false,
        prefetch: None,
        naming: Naming::Topics,
        wildcards: Wildcards {
            separators: &['/'],
            one: "+",
            many: &["#"],
            rest: None,
        },
        durable: Durable::None,
        dead_letters: None,
        ..Self::STOMP
    };

    /// The contact-centre gateway: heart-beats are NUL (DLX-01), `receipt-id`
    /// asks for receipts (DLX-02), 401 waits for a CONNECT on the same socket
    /// (DLX-03), a second session of an identity costs both (DLX-04).
    pub const CONTACT_CENTRE: Self = Self {
        name: "contact-centre",
        subprotocols: &["v10.stomp.*", "v11.stomp.*", "v12.stomp.*"],
        beat: b"\0",
        receipt_id_header: true,
        on_expiry: OnExpiry::Suspend,
        single_session: true,
        ..Self::STOMP
    };
}
