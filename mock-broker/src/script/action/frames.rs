//! Frames that the script writes, keeps back and damages.

/// How an ERROR is to be; see [`error`](crate::script::act::error).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorAction {
    /// The `code` header.
    pub code: Option<u16>,
    /// The `message` header (default: words for the code).
    pub message: Option<String>,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// The body (default: none).
    pub body: Vec<u8>,
    /// Whether Close follows. `None` means yes, unless the same list ends the
    /// connection by its own action.
    pub close: Option<bool>,
}

impl ErrorAction {
    /// The `message` header.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        self.message = Some(text.to_owned());
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The connection stays open. With code 401 the session is suspended.
    #[must_use]
    pub fn keep_open(mut self) -> Self {
        self.close = Some(false);
        self
    }
}

/// In which order held frames go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    #[default]
    AsHeld,
    /// By these positions; what is not named follows as it came.
    Positions(Vec<usize>),
    /// The last first.
    Reverse,
    /// As the seed has it.
    Shuffle,
}

/// How octets are damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// These octets are XORed in, from an offset on (negative: from the end).
    Xor {
        /// The offset.
        at: i64,
        /// The octets.
        with: Vec<u8>,
    },
    /// The NUL at the end is left out.
    StripNul,
    /// Octets are put in at an offset (negative: from the end).
    Insert {
        /// The offset.
        at: i64,
        /// The octets.
        octets: Vec<u8>,
    },
    /// Only so many octets are kept; a negative number is taken off the end.
    Truncate(i64),
}

/// Inside of which WebSocket message raw octets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawAs {
    /// A text message, even if they are not UTF-8.
    Text,
    /// A binary message.
    Binary,
    /// None: they go straight into the TCP stream.
    Stream,
}
