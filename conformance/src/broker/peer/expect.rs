//! What a case expects of a connection, and how a broker refuses.

use super::Peer;
use crate::grade::{Outcome, violated};
use crate::wire::show;
use crate::wire::stomp::Frame;
use std::time::{Duration, Instant};

impl Peer {
    /// The next frame, whatever it is.
    pub(crate) fn any(&mut self, within: Duration) -> Option<Frame> {
        self.until(within, |p| p.frames.pop_front())
            .map(|(_, frame)| frame)
    }

    /// The first frame that is wanted; others stay where they are.
    pub(crate) fn pick(
        &mut self,
        within: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Option<Frame> {
        self.until(within, |p| {
            let at = p.frames.iter().position(|(_, frame)| wanted(frame))?;
            p.frames.remove(at)
        })
        .map(|(_, frame)| frame)
    }

    /// Like [`Peer::pick`], but an ERROR or the end of the connection is the
    /// end of the case.
    pub(crate) fn expect(
        &mut self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame, Outcome> {
        let found = self.until(within, |p| {
            let found = |(_, f): &(Instant, Frame)| wanted(f) || f.command == "ERROR";
            let at = p.frames.iter().position(found)?;
            p.frames.remove(at)
        });
        match found {
            Some((_, frame)) if wanted(&frame) => Ok(frame),
            Some((_, error)) => violated(format!("expected {what}, got {error}")),
            None => violated(format!("expected {what}, got {}", self.instead(within))),
        }
    }

    /// What there was instead of what was expected.
    fn instead(&self, within: Duration) -> String {
        if let Some(why) = &self.breach {
            return format!("octets that break the protocol: {why}");
        }
        match (&self.close, self.eof) {
            (Some((Some(code), reason)), _) => format!("a Close with {code} \"{reason}\""),
            (Some((None, _)), _) => "a Close without a code".to_owned(),
            (None, Some(true)) => "a reset".to_owned(),
            (None, Some(false)) => "the end of the stream without a Close".to_owned(),
            (None, None) => match self.frames.front() {
                Some((_, frame)) => format!("{frame}"),
                None => format!("nothing within {:.1} s", within.as_secs_f64()),
            },
        }
    }

    pub(crate) fn receipt(&mut self, id: &str) -> Result<Frame, Outcome> {
        self.expect(
            &format!("RECEIPT {}", show::octets(id.as_bytes())),
            self.reply_due(),
            |f| f.command == "RECEIPT" && f.header("receipt-id") == Some(id),
        )
    }

    /// The next MESSAGE, of any subscription.
    pub(crate) fn message(&mut self) -> Result<Frame, Outcome> {
        let within = self.target().scaled(Duration::from_secs(5));
        self.expect("a MESSAGE", within, |f| f.command == "MESSAGE")
    }

    pub(crate) fn messages(&mut self, count: usize) -> Result<Vec<Frame>, Outcome> {
        (1..=count)
            .map(|n| {
                self.message().map_err(|outcome| {
                    outcome.reworded(|words| format!("MESSAGE {n} of {count}: {words}"))
                })
            })
            .collect()
    }

    /// No MESSAGE for a while.
    pub(crate) fn no_message(&mut self, within: Duration) -> Result<(), Outcome> {
        let within = self.target().scaled(within);
        match self.pick(within, |f| f.command == "MESSAGE") {
            None => Ok(()),
            Some(message) => violated(format!("expected no MESSAGE, got {message}")),
        }
    }

    /// Whether the connection has ended within a span of the list.
    pub(crate) fn ends_within(&mut self, within: Duration) -> bool {
        let within = self.target().scaled(within);
        self.until(within, |p| p.is_gone().then_some(())).is_some() || self.is_gone()
    }

    /// Waits for the broker to refuse: an ERROR, the end of the connection, or
    /// both. Says in which way.
    pub(crate) fn refusal(&mut self) -> Refusal {
        let within = self.reply_due();
        let error = self.until(within, |p| {
            let at = p.frames.iter().position(|(_, f)| f.command == "ERROR")?;
            p.frames.remove(at)
        });
        let closed = if error.is_some() || self.close.is_some() {
            let had = self.ends_within(Duration::from_secs(2)) || self.close.is_some();
            if had {
                Some(true)
            } else if self.ends_within(Duration::from_secs(3)) {
                Some(false)
            } else {
                None
            }
        } else {
            self.is_gone().then_some(true)
        };
        let receipt = self
            .frames
            .iter()
            .find(|(_, f)| {
                // That of the subscription may have come twice.
                let own = |id: &str| !id.starts_with("sub-");
                f.command == "RECEIPT" && f.header("receipt-id").is_some_and(own)
            })
            .map(|(_, f)| f.clone());
        Refusal {
            error: error.map(|(_, frame)| frame),
            closed,
            receipt,
        }
    }

    /// The frames that came and were not taken.
    pub(crate) fn rest(&mut self) -> Vec<Frame> {
        self.frames.drain(..).map(|(_, frame)| frame).collect()
    }
}

/// How a broker refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: Option<Frame>,
    /// The connection ended: in time, late, or not at all.
    pub(crate) closed: Option<bool>,
    /// A RECEIPT that came all the same.
    pub(crate) receipt: Option<Frame>,
}

impl Refusal {
    /// Whether there was any sign of it.
    pub(crate) fn happened(&self) -> bool {
        self.error.is_some() || self.closed.is_some()
    }

    pub(crate) fn words(&self) -> String {
        let error = match &self.error {
            Some(error) => format!("{error}"),
            None => "no ERROR".to_owned(),
        };
        let closed = match self.closed {
            Some(true) => "closed",
            Some(false) => "closed late",
            None => "left open",
        };
        format!("{error}; {closed}")
    }

    /// An ERROR, and then the end: as the text wants it. What the lack of
    /// either costs is for the requirement to say.
    pub(crate) fn whole(&self) -> Result<(), Outcome> {
        match (&self.error, self.closed) {
            (Some(_), Some(true)) => Ok(()),
            (None, Some(_)) => Err(Outcome::NonStrict("closed without an ERROR".to_owned())),
            (Some(_), Some(false)) => Err(Outcome::NonStrict(
                "ERROR, and closed only after 2 s".to_owned(),
            )),
            (Some(error), None) => violated(format!(
                "expected the end of the connection after {error}, it stayed open"
            )),
            (None, None) => violated(format!(
                "expected ERROR and the end of the connection, got {}",
                self.receipt
                    .as_ref()
                    .map_or("nothing".to_owned(), |r| format!("{r}"))
            )),
        }
    }
}
