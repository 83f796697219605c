//! `{port}` and `{token}` in what the script says.

use super::Engine;
use super::conn::Conn;
use crate::wire::Frame;
use std::time::Duration;

const PORT: &str = "{port}";
const TOKEN: &str = "{token}";
/// How long a token lives if the scenario names no lifetime.
const TTL: Duration = Duration::from_secs(3600);
/// Sets the tokens of templates apart from those that a handle issues.
const TEMPLATES: u64 = 0x7465_6d70_6c61_7465;

/// Whether there is anything to fill in.
fn is_template(text: &str) -> bool {
    text.contains(PORT) || text.contains(TOKEN)
}

impl Engine {
    /// What stands for the templates in one action: every `{token}` of it is
    /// the same new token, of the connection's identity.
    pub(super) fn filler(&self, conn: u64) -> Filler {
        let session = self
            .conns
            .get(&conn)
            .and_then(|c: &Conn| c.session.as_ref());
        Filler {
            identity: session.and_then(|s| s.identity.clone()),
            token: None,
        }
    }

    /// The frame as it goes to the wire, if it differs from what the script
    /// wrote. A token never gets into the transcript.
    pub(super) fn filled(&mut self, conn: u64, frame: &Frame) -> Option<Frame> {
        let texts = frame.headers.iter().any(|(_, v)| is_template(v));
        if !texts && !frame.text().is_some_and(is_template) {
            return None;
        }
        let mut filler = self.filler(conn);
        let mut filled = frame.clone();
        for (_, value) in &mut filled.headers {
            *value = filler.fill(self, value);
        }
        if let Some(text) = frame.text() {
            filled.body = filler.fill(self, text).into_bytes();
        }
        Some(filled)
    }

    /// Fills in what may be seen in the transcript: no token.
    pub(super) fn fill_port(&self, text: &str) -> String {
        text.replace(PORT, &self.port.to_string())
    }
}

/// Holds a token: no `Debug`.
pub(super) struct Filler {
    identity: Option<String>,
    token: Option<String>,
}

impl Filler {
    pub(super) fn fill(&mut self, engine: &mut Engine, text: &str) -> String {
        let text = engine.fill_port(text);
        if !text.contains(TOKEN) {
            return text;
        }
        let token = self.token.get_or_insert_with(|| {
            engine.issued += 1;
            let token = super::token_text(engine.scenario.seed ^ TEMPLATES, engine.issued);
            let bearer = engine.scenario.auth.bearer.as_ref();
            let ends = engine.now.saturating_add(bearer.map_or(TTL, |b| b.ttl));
            let identity = self.identity.as_deref().unwrap_or("bearer");
            engine.tokens.issue(&token, Some(identity), ends);
            token
        });
        text.replace(TOKEN, token)
    }
}
