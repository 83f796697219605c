//! Which WebSocket messages a dialect listens to.

use super::Engine;
use crate::transcript::{Note, What};
use std::time::Duration;

impl Engine {
    /// Whether the octets of a message are to be read as STOMP; if not, it was
    /// answered as the dialect does.
    pub(super) fn hears(&mut self, conn: u64, octets: &[u8], binary: bool) -> bool {
        let messages = self.scenario.dialect.messages;
        if messages.largest.is_some_and(|most| octets.len() > most) {
            let why = format!(
                "Text message size [{}] exceeds maximum size [{}]",
                octets.len(),
                messages.largest.unwrap_or_default()
            );
            self.close_for(conn, 1009, &why);
        } else if messages.text_refused && !binary {
            self.close_for(conn, 1003, "Text frames are not supported");
        } else if !(messages.binary_ignored && binary) {
            return true;
        }
        false
    }

    fn close_for(&mut self, conn: u64, code: u16, why: &str) {
        let why = why.to_owned();
        self.record(
            conn,
            What::Note(Note::WebSocket {
                code,
                why: why.clone(),
            }),
        );
        self.shut_close(conn, code, &why);
    }

    /// For so long after its end a token is still accepted.
    pub(super) fn leeway(&self) -> Duration {
        let bearer = self.scenario.auth.bearer.as_ref();
        bearer.map_or(Duration::ZERO, |b| b.leeway)
    }
}
