//! Breaches: which words answer them, and in what they end.

use super::Engine;
use crate::dialect::Ending;
use crate::script::CodePlace;
use crate::transcript::{Note, What};
use crate::wire::{Frame, WireErrorKind};

/// What kind of breach it is: dialects end them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Frame,
    Command,
    Octets,
    Length,
    Login,
    Version,
    Conflict,
    SecondConnect,
    Twin,
    Silence,
    StaleToken,
}

/// Why a frame is answered with ERROR.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: Option<u16>,
    /// Without the code.
    pub(super) words: String,
    pub(super) fault: Fault,
}

impl Refused {
    /// A breach of the protocol.
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self {
            code: None,
            words: words.into(),
            fault: Fault::Frame,
        }
    }

    /// A matter of credentials, sessions or permissions.
    pub(super) fn coded(code: u16, words: &str) -> Self {
        Self {
            code: Some(code),
            words: words.to_owned(),
            fault: if code == 401 {
                Fault::Login
            } else {
                Fault::Conflict
            },
        }
    }

    /// Octets that are no frame.
    pub(super) fn octets(kind: &WireErrorKind) -> Self {
        let fault = match kind {
            WireErrorKind::BadContentLength | WireErrorKind::NoNulAfterBody => Fault::Length,
            WireErrorKind::BadEscape
            | WireErrorKind::NoColon
            | WireErrorKind::SecondColon
            | WireErrorKind::EmptyName
            | WireErrorKind::LoneCarriageReturn
            | WireErrorKind::NulInHead
            | WireErrorKind::NotUtf8
            | WireErrorKind::TooLarge(_) => Fault::Octets,
        };
        Self::new(kind.to_string()).of(fault)
    }

    pub(super) fn of(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }
}

impl Engine {
    /// In what a breach ends with this dialect.
    pub(super) fn ending(&self, fault: Fault) -> Ending {
        let endings = &self.scenario.dialect.endings;
        match fault {
            Fault::Frame => endings.frame,
            Fault::Command => endings.command,
            Fault::Octets => endings.octets,
            Fault::Length => endings.length,
            Fault::Login => endings.login,
            Fault::Version => endings.version,
            Fault::Conflict => Ending::Error(1008),
            Fault::SecondConnect => endings.second_connect,
            Fault::Twin => endings.twin,
            Fault::Silence => endings.silence,
            Fault::StaleToken => endings.stale_token,
        }
    }

    /// Answers a breach as the dialect does. Nothing but the ERROR is sent any
    /// more if the connection is to end, so the session ends first.
    pub(super) fn refuse(
        &mut self,
        conn: u64,
        receipt: Option<String>,
        refused: Refused,
        frame: Option<&Frame>,
    ) {
        let error = self.error_frame(&refused, receipt, frame);
        let message = error.header("message").unwrap_or_default().to_owned();
        self.record(conn, What::Note(Note::Refused { message }));
        match self.ending(refused.fault) {
            Ending::Error(code) => {
                self.end_session(conn);
                self.emit(conn, error, Some((code, String::new())));
            }
            Ending::ErrorOpen => {
                self.emit(conn, error, None);
                if let Some(c) = self.conns.get_mut(&conn) {
                    if matches!(refused.fault, Fault::Octets | Fault::Length) {
                        c.decoder.discard();
                    }
                }
            }
            Ending::Close(code, reason) => self.shut_close(conn, code, reason),
            Ending::Fine => {}
        }
    }

    pub(super) fn error_frame(
        &self,
        refused: &Refused,
        receipt: Option<String>,
        frame: Option<&Frame>,
    ) -> Frame {
        let dialect = &self.scenario.dialect;
        let mut error = Frame::new("ERROR");
        self.place_code(&mut error, refused.code, &refused.words);
        if refused.fault == Fault::Version || dialect.error_version {
            let list: Vec<&str> = self.scenario.versions.iter().map(|v| v.as_str()).collect();
            error = error.with("version", list.join(","));
        }
        if let Some(receipt) = receipt.filter(|_| dialect.error_receipt) {
            error = error.with("receipt-id", receipt);
        }
        if error.body.is_empty() {
            let message = error.header("message").unwrap_or_default();
            let body = match frame {
                Some(frame) => format!("{}: {message}\n", frame.command.escape_debug()),
                None => format!("{message}\n"),
            };
            error = error.with("content-type", "text/plain").body(body);
        }
        let length = error.body.len().to_string();
        error.with("content-length", length)
    }

    /// Says words and their code where the scenario wants codes (DLX-05).
    pub(super) fn place_code(&self, error: &mut Frame, code: Option<u16>, words: &str) {
        let places = &self.scenario.error_codes;
        let code = code.map(|code| code.to_string());
        let at = |place| code.as_deref().filter(|_| places.contains(&place));
        error.set(
            "message",
            match at(CodePlace::Message) {
                Some(code) => format!("{code} {words}"),
                None => words.to_owned(),
            },
        );
        if let Some(code) = at(CodePlace::Code) {
            error.set("code", code);
        }
        if let Some(code) = at(CodePlace::Status) {
            error.set("status", code);
        }
        if let Some(code) = at(CodePlace::Body) {
            let words = serde_json::Value::from(words);
            error.set("content-type", "application/json");
            error.body = format!("{{\"code\":{code},\"message\":{words}}}").into_bytes();
        }
    }
}
