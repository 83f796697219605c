//! What happens, one aligned line each, for a terminal.

use clap::ValueEnum;
use hobnail_mock_broker::Entry;
use serde_json::Value;
use std::fmt::Write;
use std::io::IsTerminal;

/// Characters of a line, at most; the transcript has the rest.
const WIDTH: usize = 400;

/// When a trace is coloured.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

pub(crate) struct Trace {
    coloured: bool,
}

impl Trace {
    pub(crate) fn new(color: Color) -> Self {
        let wanted = || std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let coloured = match color {
            Color::Auto => std::io::stdout().is_terminal() && wanted(),
            Color::Always => true,
            Color::Never => false,
        };
        Self { coloured }
    }

    /// Time, connection, direction and command (or kind), and the rest.
    pub(crate) fn line(&self, entry: &Entry) -> String {
        // The JSON form is masked, as is everything that is shown.
        let json = entry.to_json();
        let at = entry.at.as_secs_f64();
        let conn = match (&json["http"], entry.conn) {
            (Value::Number(n), _) => format!("http {n}"),
            (_, 0) => "-".to_owned(),
            (_, n) => format!("conn {n}"),
        };
        let kind = entry.what.kind();
        let (what, rest) = match json["command"].as_str() {
            Some(command) => {
                let arrow = if kind == "recv" { "->" } else { "<-" };
                (format!("{arrow} {command}"), frame(&json))
            }
            None => {
                let text = json["text"].as_str().unwrap_or_default();
                let (_, rest) = text.split_once(' ').unwrap_or((text, ""));
                (format!("-- {kind}"), rest.to_owned())
            }
        };
        let (what, rest) = (plain(&what), plain(&rest));
        let what = match self.colour(kind, json["command"] == "ERROR") {
            Some(code) => format!("\x1b[{code}m{what:<15}\x1b[0m"),
            None => format!("{what:<15}"),
        };
        let line = format!("{at:>9.3}  {conn:<8} {what} {rest}");
        line.trim_end().to_owned()
    }

    fn colour(&self, kind: &str, is_error: bool) -> Option<&'static str> {
        let code = match kind {
            _ if is_error => "1;31",
            "recv" => "36",
            "sent" => "32",
            "fault" | "fail" => "31",
            "note" => "33",
            "mark" | "signal" | "log" => "35",
            _ => "2",
        };
        self.coloured.then_some(code)
    }
}

/// Headers and body of a frame.
fn frame(json: &Value) -> String {
    let mut out = String::new();
    for pair in json["headers"].as_array().into_iter().flatten() {
        let (name, value) = (pair[0].as_str(), pair[1].as_str());
        let _ = write!(out, "{}:{} ", name.unwrap_or(""), value.unwrap_or(""));
    }
    match json["body"].as_str() {
        Some(body) => out.push_str(body),
        None if json["size"] != 0 => {
            let _ = write!(out, "[{} octets]", json["size"]);
        }
        None => {}
    }
    out
}

/// Text that moves no cursor, and not too much of it.
fn plain(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == WIDTH {
            out.push('…');
            break;
        }
        if is_odd(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hobnail_mock_broker::{Frame, What};
    use std::time::Duration;

    fn line(coloured: bool, conn: u64, what: What) -> String {
        let at = Duration::from_millis(1234);
        let seq = 1;
        Trace { coloured }.line(&Entry {
            seq,
            at,
            conn,
            what,
        })
    }

    #[test]
    fn lines_are_aligned_and_secrets_masked() {
        let frame = Frame::new("CONNECT")
            .with("host", "h")
            .with("passcode", "hunter2");
        assert_eq!(
            line(false, 1, What::Recv(frame)),
            "    1.234  conn 1   -> CONNECT      host:h passcode:***"
        );
        assert_eq!(
            line(false, 12, What::Sent(Frame::new("MESSAGE").body("hi"))),
            "    1.234  conn 12  <- MESSAGE      hi"
        );
        assert_eq!(
            line(false, 0, What::Mark("401".to_owned())),
            "    1.234  -        -- mark         401"
        );
        assert_eq!(line(false, 1, What::Tcp), "    1.234  conn 1   -- tcp");
    }

    #[test]
    fn what_a_client_sends_moves_no_cursor_and_fills_no_screen() {
        let odd = Frame::new("SEND")
            .with("a", "\x1b[2J\r\u{202e}")
            .body("x".repeat(9000));
        let line = line(false, 1, What::Recv(odd));
        assert!(!line.contains(['\x1b', '\r', '\n', '\u{202e}']), "{line:?}");
        assert!(line.chars().count() < WIDTH + 100, "{}", line.len());
        assert!(line.ends_with('…'), "{line}");
    }

    #[test]
    fn only_the_kind_is_coloured() {
        let line = line(
            true,
            1,
            What::Sent(Frame::new("ERROR").with("message", "no")),
        );
        assert_eq!(
            line,
            "    1.234  conn 1   \x1b[1;31m<- ERROR       \x1b[0m message:no"
        );
    }
}
