//! Answers without an end known before: the transcript as lines, and its
//! entries as they happen.
//!
//! Nothing is queued for those who watch. The server asks for more when a
//! socket can take it, and gets what the transcript's ring still holds; who is
//! too slow is told how much it has missed.

use super::Engine;
use super::{Output, Timer};
use crate::http::{Request, Response};
use serde_json::json;
use std::time::Duration;

/// Who watches at once, at most.
const MOST: usize = 64;
/// Octets of a piece, about.
const PIECE: usize = 64 << 10;
/// Octets of a body that an event shows.
const BODY: usize = 8 << 10;
/// Between two pictures of the broker's state.
const PAUSE: Duration = Duration::from_millis(250);

/// One who watches.
pub(super) struct Watch {
    /// The entry that is next.
    next: u64,
    form: Form,
}

enum Form {
    /// JSON lines, up to an entry.
    Lines { end: u64 },
    /// Server-sent events, without end; between them the broker's state, not
    /// before `due` and only if something happened since.
    Events { due: Duration, stale: bool },
}

impl Engine {
    /// Answers with the transcript, from an entry on.
    pub(super) fn show_transcript(&mut self, conn: u64, request: &Request) {
        let next = number(request, "from").unwrap_or(1);
        let end = self.journal.next();
        let form = Form::Lines { end };
        self.begin_watch(conn, "application/x-ndjson", Watch { next, form });
    }

    /// Answers with entries as they happen.
    pub(super) fn show_events(&mut self, conn: u64, request: &Request) {
        let end = self.journal.next();
        let header = request.headers.get("Last-Event-ID");
        let last = header.and_then(|id| id.trim().parse::<u64>().ok());
        let next = last
            .map(|last| last.saturating_add(1))
            .or_else(|| number(request, "from"))
            .or_else(|| number(request, "tail").map(|n| end.saturating_sub(n).max(1)))
            .unwrap_or(end);
        let form = Form::Events {
            due: self.now,
            stale: true,
        };
        self.begin_watch(conn, "text/event-stream", Watch { next, form });
    }

    fn begin_watch(&mut self, conn: u64, kind: &str, watch: Watch) {
        if self.web.watches.len() >= MOST {
            let words = format!("{MOST} others watch already");
            return self.answer(conn, Response::json(503, &json!({"error": words})));
        }
        let header = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let response = Response {
            status: 200,
            headers: vec![
                header("Content-Type", kind),
                header("Cache-Control", "no-store"),
            ],
            body: Vec::new(),
        };
        if self.is_head(conn) {
            return self.answer(conn, response);
        }
        self.record(conn, crate::transcript::What::Http { status: 200 });
        self.web.watches.insert(conn, watch);
        self.outputs
            .push_back(Output::HttpStream { conn, response });
    }

    /// The connections whose answers may go on, see [`Engine::more`].
    pub fn watchers(&self) -> Vec<u64> {
        self.web.watches.keys().copied().collect()
    }

    /// More of an answer that was begun by [`Output::HttpStream`]: to be asked
    /// for while the connection can take it. `None` means not now;
    /// [`Output::HttpEnd`] says that the answer is whole.
    pub fn more(&mut self, now: Duration, conn: u64) -> Option<Vec<u8>> {
        self.now = self.now.max(now);
        let now = self.now;
        let mut watch = self.web.watches.remove(&conn)?;
        let mut out = Vec::new();
        let newest = self.journal.next();
        let events = matches!(watch.form, Form::Events { .. });
        if watch.next > newest && events {
            // The number is one of another run: this broker is a new one.
            out.extend_from_slice(b"event: reset\ndata: {}\n\n");
            watch.next = 1;
        }
        let end = match watch.form {
            Form::Lines { end } => end,
            Form::Events { .. } => u64::MAX,
        };
        let (entries, missed) = self.journal.range(watch.next, end, PIECE);
        if missed > 0 {
            let missed = json!({"missed": missed});
            let (before, after) = if events {
                ("event: missed\ndata: ", "\n\n")
            } else {
                ("", "\n")
            };
            out.extend_from_slice(format!("{before}{missed}{after}").as_bytes());
        }
        for entry in &entries {
            watch.next = entry.seq + 1;
            let text = if events {
                let json = entry.to_json_within(BODY);
                format!("id: {}\ndata: {json}\n\n", entry.seq)
            } else {
                format!("{}\n", entry.to_json())
            };
            out.extend_from_slice(text.as_bytes());
        }
        match &mut watch.form {
            Form::Lines { end } => {
                if watch.next >= *end || entries.is_empty() {
                    self.over(conn);
                    self.outputs.push_back(Output::HttpEnd { conn });
                    return (!out.is_empty()).then_some(out);
                }
            }
            Form::Events { due, stale } => {
                let fresh = !entries.is_empty() && !*stale;
                *stale |= fresh;
                if *stale && *due <= now {
                    *stale = false;
                    *due = now.saturating_add(PAUSE);
                    let state = self.state(super::status::SHOWN);
                    out.extend_from_slice(format!("event: state\ndata: {state}\n\n").as_bytes());
                } else if fresh {
                    // For the loop to come by again.
                    self.arm(*due, Timer::Watch);
                }
            }
        }
        self.web.watches.insert(conn, watch);
        (!out.is_empty()).then_some(out)
    }
}

/// A number of the query.
pub(super) fn number(request: &Request, name: &str) -> Option<u64> {
    let query = request.query();
    let (_, value) = query.iter().find(|(n, _)| n == name)?;
    value.parse().ok()
}
