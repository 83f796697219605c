//! Frames that the script writes and keeps back.

use crate::engine::Engine;
use crate::engine::run::{Cx, Mangle, Run};
use crate::script::{Action, ErrorAction, Order};
use crate::transcript::{Note, What};
use crate::wire::Frame;

impl Engine {
    pub(super) fn act_error(&mut self, run: &mut Run, error: ErrorAction) {
        let conn = run.conn;
        run.done = true;
        let ends = |a: &Action| {
            matches!(
                a,
                Action::Close { .. } | Action::Fin { after: None } | Action::Rst
            )
        };
        let close = error.close.unwrap_or_else(|| !run.actions.iter().any(ends));
        let mut frame = Frame::new("ERROR");
        self.place_code(&mut frame, error.code, code_words(error.code));
        if let Some(message) = error.message {
            frame.set("message", message);
        }
        if let Cx::Recv(cause) | Cx::Overlap { frame: cause, .. } = &run.cx {
            if let Some(receipt) = self.receipt_of(cause) {
                frame = frame.with("receipt-id", receipt);
            }
        }
        for (name, value) in error.headers {
            frame.set(&name, value);
        }
        if !error.body.is_empty() {
            frame.body = error.body;
        }
        self.fault(conn, format!("error {}", error.code.unwrap_or_default()));
        self.send_scripted(conn, frame);
        if close {
            let code = if error.code.is_some() { 1008 } else { 1002 };
            self.shut_close(conn, code, "");
        } else if error.code == Some(401) {
            self.suspend(conn);
        }
    }

    pub(super) fn act_hold(&mut self, run: &mut Run, name: String) {
        let most = self.scenario.bounds.held;
        let (Cx::Send { frame, .. }, Some(c)) = (&run.cx, self.conns.get_mut(&run.conn)) else {
            return;
        };
        run.done = true;
        let held = c.held.entry(name).or_default();
        if held.len() < most {
            held.push(frame.clone());
            self.fault(run.conn, format!("hold {}", frame.command));
        } else {
            let subscription = frame.header("subscription").unwrap_or_default().to_owned();
            self.record(run.conn, What::Note(Note::Dropped { subscription }));
        }
    }

    pub(super) fn act_release(&mut self, conn: u64, name: &str, order: Order) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let held = c.held.remove(name).unwrap_or_default();
        self.fault(conn, format!("release {} frames", held.len()));
        let mut slots: Vec<Option<Frame>> = held.into_iter().map(Some).collect();
        let mut positions: Vec<usize> = match order {
            Order::AsHeld => Vec::new(),
            Order::Positions(positions) => positions,
            Order::Reverse => (0..slots.len()).rev().collect(),
            Order::Shuffle => {
                let mut all: Vec<usize> = (0..slots.len()).collect();
                for i in (1..all.len()).rev() {
                    all.swap(i, self.die(conn).between(0, i as u64) as usize);
                }
                all
            }
        };
        positions.extend(0..slots.len());
        for i in positions {
            if let Some(frame) = slots.get_mut(i).and_then(Option::take) {
                self.transmit(conn, &frame, &[], None);
            }
        }
    }

    /// Sets headers of the frame that triggered the run.
    pub(super) fn act_set(&mut self, run: &mut Run, headers: Vec<(String, String)>) {
        let mut filler = self.filler(run.conn);
        for (name, template) in headers {
            let value = filler.fill(self, &template);
            let leaving = matches!(run.cx, Cx::Send { .. });
            let Some(frame) = run.frame_mut() else {
                return;
            };
            if leaving && value != template {
                frame.set(&name, template);
                run.mangles.push(Mangle::Header(name, value));
            } else {
                frame.set(&name, value);
            }
        }
    }

    /// A frame of the script goes out without asking the rules again.
    pub(super) fn send_scripted(&mut self, conn: u64, mut frame: Frame) {
        let lengthen = |frame: &mut Frame| {
            if !frame.body.is_empty() && frame.header("content-length").is_none() {
                frame.set("content-length", frame.body.len().to_string());
            }
        };
        let mut mangles = Vec::new();
        if let Some(mut filled) = self.filled(conn, &frame) {
            lengthen(&mut filled);
            mangles.push(Mangle::Instead(Box::new(filled)));
        }
        lengthen(&mut frame);
        self.transmit(conn, &frame, &mangles, None);
    }
}

/// Words for an ERROR that the script gives only a code.
fn code_words(code: Option<u16>) -> &'static str {
    match code {
        Some(401) => "token expired",
        Some(409) => "already connected",
        Some(_) | None => "scripted error",
    }
}
