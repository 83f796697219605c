//! What stands on a frame's first line, and the version that rules the rest.

use std::fmt;

/// A version of STOMP, which decides escapes and line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0: headers are never escaped.
    V1_0,
    /// STOMP 1.1: LF, colon and backslash are escaped.
    V1_1,
    /// STOMP 1.2: CR is escaped too, and a line may end in CR LF.
    V1_2,
}

/// As headers write it.
impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Version {
    /// The version as headers write it, for example `1.2`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// Reads what [`as_str`](Self::as_str) writes, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1.0" => Some(Self::V1_0),
            "1.1" => Some(Self::V1_1),
            "1.2" => Some(Self::V1_2),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The commands of STOMP (1.2 §Augmented BNF).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// `CONNECT`, from the client.
    Connect,
    /// `STOMP`, from the client: CONNECT by another name (1.2 §CONNECT or STOMP Frame).
    Stomp,
    /// `CONNECTED`, from the server.
    Connected,
    /// `SEND`, from the client.
    Send,
    /// `SUBSCRIBE`, from the client.
    Subscribe,
    /// `UNSUBSCRIBE`, from the client.
    Unsubscribe,
    /// `ACK`, from the client.
    Ack,
    /// `NACK`, from the client.
    Nack,
    /// `BEGIN`, from the client.
    Begin,
    /// `COMMIT`, from the client.
    Commit,
    /// `ABORT`, from the client.
    Abort,
    /// `DISCONNECT`, from the client.
    Disconnect,
    /// `MESSAGE`, from the server.
    Message,
    /// `RECEIPT`, from the server.
    Receipt,
    /// `ERROR`, from the server.
    Error,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::Stomp,
        Self::Connected,
        Self::Send,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Ack,
        Self::Nack,
        Self::Begin,
        Self::Commit,
        Self::Abort,
        Self::Disconnect,
        Self::Message,
        Self::Receipt,
        Self::Error,
    ];

    /// The command as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Stomp => "STOMP",
            Self::Connected => "CONNECTED",
            Self::Send => "SEND",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Ack => "ACK",
            Self::Nack => "NACK",
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Abort => "ABORT",
            Self::Disconnect => "DISCONNECT",
            Self::Message => "MESSAGE",
            Self::Receipt => "RECEIPT",
            Self::Error => "ERROR",
        }
    }

    /// Reads a command line without its line end. Commands are case-sensitive
    /// (1.2 §STOMP Frames).
    #[must_use]
    pub fn from_octets(line: &[u8]) -> Option<Self> {
        Some(match line {
            b"MESSAGE" => Self::Message,
            b"RECEIPT" => Self::Receipt,
            b"ERROR" => Self::Error,
            b"CONNECTED" => Self::Connected,
            b"SEND" => Self::Send,
            b"ACK" => Self::Ack,
            b"NACK" => Self::Nack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"UNSUBSCRIBE" => Self::Unsubscribe,
            b"BEGIN" => Self::Begin,
            b"COMMIT" => Self::Commit,
            b"ABORT" => Self::Abort,
            b"CONNECT" => Self::Connect,
            b"STOMP" => Self::Stomp,
            b"DISCONNECT" => Self::Disconnect,
            _ => return None,
        })
    }

    /// Whether a client sends it.
    #[must_use]
    pub const fn is_client(self) -> bool {
        !self.is_server()
    }

    /// Whether a server sends it.
    #[must_use]
    pub const fn is_server(self) -> bool {
        matches!(
            self,
            Self::Connected | Self::Message | Self::Receipt | Self::Error
        )
    }

    /// Whether the frame may carry a body: SEND, MESSAGE and ERROR may, no
    /// other frame does (1.2 §Body).
    #[must_use]
    pub const fn may_have_body(self) -> bool {
        matches!(self, Self::Send | Self::Message | Self::Error)
    }

    /// CONNECT and CONNECTED are never escaped, so that a 1.0 peer reads them
    /// (1.2 §Value Encoding); STOMP is to be handled like CONNECT.
    pub(super) const fn is_exempt_from_escaping(self) -> bool {
        matches!(self, Self::Connect | Self::Stomp | Self::Connected)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No command line is longer than this, a CR included: what has no line end by
/// then is not STOMP.
pub(super) const LONGEST_LINE: usize = "UNSUBSCRIBE\r".len();
