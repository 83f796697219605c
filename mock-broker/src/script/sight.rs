//! What can be seen in a transcript.

use super::rule::Conns;
use super::trigger::is_command;
use super::units::glob;
use crate::transcript::{Entry, How, What};
use crate::wire::Frame;
use std::borrow::Cow;

/// What can be seen in the transcript. The functions of [`seen`] make them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Which kind of thing.
    pub sight: Sight,
    /// Its name, with the wildcards `*` and `?`; what the name is, see [`Sight`].
    pub pattern: String,
    /// On which connection.
    pub conn: ConnOf,
    /// Headers of the frame or the request, with wildcards.
    pub headers: Vec<(String, String)>,
    /// The frame's body, with wildcards.
    pub body: Option<String>,
    /// Only the n-th such thing that is seen through the window, over all the
    /// connections that are meant.
    pub nth: Option<u64>,
}

/// The kinds of things that can be seen, and what the name of each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sight {
    /// A connection was accepted; no name.
    Tcp,
    /// An upgrade was asked for; its path.
    Upgrade,
    /// The WebSocket is open; the agreed subprotocol, or nothing.
    Open,
    /// A request was answered without an upgrade; the status.
    Http,
    /// A frame came from the client; its command.
    Recv,
    /// A frame went to the client; its command.
    Send,
    /// A heart-beat; `in` or `out`.
    Beat,
    /// A ping came; its payload.
    Ping,
    /// A pong came; its payload.
    Pong,
    /// A connection ended; each of its [words](How::words).
    Closed,
    /// The broker noted something; its [word](crate::Note::word).
    Note,
    /// A mark was set; its name.
    Mark,
    /// A signal was given; its name.
    Signal,
    /// The scenario misbehaved; its words.
    Fault,
    /// The scenario wrote a line; that line.
    Log,
}

/// On which connection something is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnOf {
    /// On one of these.
    Of(Conns),
    /// On the one that was accepted next after the window was opened.
    Next,
    /// On the one of the entry that opened the window.
    Same,
}

impl Seen {
    fn new(sight: Sight, pattern: &str) -> Self {
        Self {
            sight,
            pattern: pattern.to_owned(),
            conn: ConnOf::Of(Conns::Any),
            headers: Vec::new(),
            body: None,
            nth: None,
        }
    }

    /// Only on the n-th connection, counted from 1 in the order of accept.
    #[must_use]
    pub fn conn(self, n: u64) -> Self {
        self.conns(n..=n)
    }

    /// Only on these connections.
    #[must_use]
    pub fn conns(mut self, conns: impl Into<Conns>) -> Self {
        self.conn = ConnOf::Of(conns.into());
        self
    }

    /// Only on the connection that is accepted next after `after`.
    #[must_use]
    pub fn on_next(mut self) -> Self {
        self.conn = ConnOf::Next;
        self
    }

    /// Only on the connection of `after`.
    #[must_use]
    pub fn on_same(mut self) -> Self {
        self.conn = ConnOf::Same;
        self
    }

    /// Only with such a header; `*` and `?` are wildcards. Of an upgrade the
    /// name may be in any letter case.
    #[must_use]
    pub fn matching(mut self, header: &str, pattern: &str) -> Self {
        self.headers.push((header.to_owned(), pattern.to_owned()));
        self
    }

    /// Only with such a body; `*` and `?` are wildcards.
    #[must_use]
    pub fn body(mut self, pattern: &str) -> Self {
        self.body = Some(pattern.to_owned());
        self
    }

    /// Only the n-th of them, from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.nth = Some(n);
        self
    }

    /// The thing in words, such as `CONNECT from the client on connection 2`.
    /// What a header or a body must fit is left out: it may be a secret.
    pub fn words(&self) -> String {
        let pattern = &self.pattern;
        let mut words = match self.sight {
            Sight::Tcp => "a connection".to_owned(),
            Sight::Upgrade => format!("an upgrade of {pattern}"),
            Sight::Open => "an open WebSocket".to_owned(),
            Sight::Http => format!("an answer {pattern}"),
            Sight::Recv => format!("{pattern} from the client"),
            Sight::Send => format!("{pattern} to the client"),
            Sight::Beat => format!("a heart-beat {pattern}"),
            Sight::Ping => "a ping".to_owned(),
            Sight::Pong => "a pong".to_owned(),
            Sight::Closed => format!("an end as `{pattern}`"),
            Sight::Note => format!("the note `{pattern}`"),
            Sight::Mark => format!("the mark `{pattern}`"),
            Sight::Signal => format!("the signal `{pattern}`"),
            Sight::Fault => format!("the fault `{pattern}`"),
            Sight::Log => format!("the line `{pattern}`"),
        };
        for (name, _) in &self.headers {
            words.push_str(&format!(" with the asked {name}"));
        }
        if self.body.is_some() {
            words.push_str(" with the asked body");
        }
        match &self.conn {
            ConnOf::Of(Conns::Any) => {}
            ConnOf::Of(conns) => words.push_str(&format!(" on connection {conns}")),
            ConnOf::Next => words.push_str(" on the next connection"),
            ConnOf::Same => words.push_str(" on the same connection"),
        }
        if let Some(n) = self.nth {
            words.push_str(&format!(" (number {n})"));
        }
        words
    }

    /// Whether an entry is this thing, without a window to tell "next" and
    /// "same".
    pub(crate) fn fits_anywhere(&self, entry: &Entry) -> bool {
        let there = match &self.conn {
            ConnOf::Of(conns) => conns.has(entry.conn),
            ConnOf::Next | ConnOf::Same => true,
        };
        there && self.fits(entry)
    }

    /// Whether an entry is of this kind, whatever its connection.
    pub(crate) fn fits(&self, entry: &Entry) -> bool {
        let named = |name: &str| glob(&self.pattern, name);
        match (self.sight, &entry.what) {
            (Sight::Tcp, What::Tcp) => true,
            (Sight::Upgrade, What::Upgrade { path, headers }) => {
                named(path) && self.headers_fit(|name| headers.get(name))
            }
            (Sight::Open, What::Open { subprotocol }) => {
                named(subprotocol.as_deref().unwrap_or_default())
            }
            (Sight::Http, What::Http { status }) => named(&status.to_string()),
            (Sight::Recv, What::Recv(frame)) | (Sight::Send, What::Sent(frame)) => {
                is_command(&self.pattern, &frame.command)
                    && self.headers_fit(|name| frame.header(name))
                    && self.body_fits(frame)
            }
            (Sight::Beat, What::BeatIn) => named("in"),
            (Sight::Beat, What::BeatOut) => named("out"),
            (Sight::Ping, What::Ping(octets)) | (Sight::Pong, What::Pong(octets)) => {
                named(&String::from_utf8_lossy(octets))
            }
            (Sight::Closed, What::Closed(how)) => {
                self.pattern == "*" || how.words().iter().any(|w| named(w))
            }
            (Sight::Note, What::Note(note)) => named(note.word()),
            (Sight::Mark, What::Mark(text))
            | (Sight::Signal, What::Signal(text))
            | (Sight::Fault, What::Fault(text))
            | (Sight::Log, What::Log(text)) => named(text),
            _ => false,
        }
    }

    fn headers_fit<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.headers
            .iter()
            .all(|(name, pattern)| get(name).is_some_and(|value| glob(pattern, value)))
    }

    fn body_fits(&self, frame: &Frame) -> bool {
        let fits = |pattern: &String| glob(pattern, &String::from_utf8_lossy(&frame.body));
        self.body.as_ref().is_none_or(fits)
    }
}

impl From<&str> for Seen {
    /// A mark.
    fn from(mark: &str) -> Self {
        seen::mark(mark)
    }
}

impl How {
    /// The words for this end that assertions know: who ended it (`client`,
    /// `broker`, `http`, `failed`, `stopped`), the code that the client saw or
    /// sent (1005 for a Close without one, 1006 without a Close), `clean` if
    /// Close frames went both ways, and `lost`, `fin` or `rst` without a Close.
    pub fn words(&self) -> Vec<Cow<'static, str>> {
        let code = |code: Option<u16>| Cow::Owned(code.unwrap_or(1005).to_string());
        match self {
            Self::Peer { code: c } => vec!["client".into(), code(*c), "clean".into()],
            Self::Broker { code: c, answered } => {
                let mut words = vec!["broker".into(), code(Some(*c))];
                words.extend(answered.then_some("clean".into()));
                words
            }
            Self::PeerGone => vec!["client".into(), "1006".into(), "lost".into()],
            Self::Fin => vec!["broker".into(), "1006".into(), "fin".into()],
            Self::Rst => vec!["broker".into(), "1006".into(), "rst".into()],
            Self::Http => vec!["http".into()],
            Self::Failed(_) => vec!["failed".into(), "1006".into()],
            Self::Stopped => vec!["stopped".into()],
        }
    }
}

/// The words for [`Seen`]. `*` and `?` are wildcards in all of them.
pub mod seen {
    use super::*;

    /// A connection was accepted.
    pub fn tcp() -> Seen {
        Seen::new(Sight::Tcp, "*")
    }

    /// The next connection was accepted.
    pub fn next_conn() -> Seen {
        tcp().on_next()
    }

    /// An upgrade was asked for, at this path (with its query).
    pub fn upgrade(path: &str) -> Seen {
        Seen::new(Sight::Upgrade, path)
    }

    /// The WebSocket is open, with this subprotocol.
    pub fn open(subprotocol: &str) -> Seen {
        Seen::new(Sight::Open, subprotocol)
    }

    /// A request was answered with this status.
    pub fn http(status: &str) -> Seen {
        Seen::new(Sight::Http, status)
    }

    /// A frame came from the client.
    pub fn recv(command: &str) -> Seen {
        Seen::new(Sight::Recv, command)
    }

    /// A frame went to the client.
    pub fn sent(command: &str) -> Seen {
        Seen::new(Sight::Send, command)
    }

    /// A heart-beat came from the client.
    pub fn beat_in() -> Seen {
        Seen::new(Sight::Beat, "in")
    }

    /// A heart-beat went to the client.
    pub fn beat_out() -> Seen {
        Seen::new(Sight::Beat, "out")
    }

    /// A ping came.
    pub fn ping(payload: &str) -> Seen {
        Seen::new(Sight::Ping, payload)
    }

    /// A pong came.
    pub fn pong(payload: &str) -> Seen {
        Seen::new(Sight::Pong, payload)
    }

    /// A connection ended so; see [`How::words`].
    pub fn closed(how: &str) -> Seen {
        Seen::new(Sight::Closed, how)
    }

    /// The broker noted this; see [`Note::word`](crate::Note::word).
    pub fn note(word: &str) -> Seen {
        Seen::new(Sight::Note, word)
    }

    /// A mark was set.
    pub fn mark(name: &str) -> Seen {
        Seen::new(Sight::Mark, name)
    }

    /// A signal was given.
    pub fn signal(name: &str) -> Seen {
        Seen::new(Sight::Signal, name)
    }

    /// The scenario misbehaved.
    pub fn fault(words: &str) -> Seen {
        Seen::new(Sight::Fault, words)
    }

    /// The scenario wrote a line.
    pub fn log(line: &str) -> Seen {
        Seen::new(Sight::Log, line)
    }
}
