//! What the terminal shows.

use std::{
    io::{IsTerminal, stdout},
    sync::Arc,
    time::{Duration, Instant},
};

use hobnail::Event;

use super::ledger::Report;

/// Prints lines with the time since the start; in colour on a terminal.
#[derive(Clone)]
pub(crate) struct Timeline(Arc<Inner>);

struct Inner {
    start: Instant,
    colour: bool,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self(Arc::new(Inner {
            start: Instant::now(),
            colour,
        }))
    }

    /// A new part of the ride begins.
    pub(crate) fn headline(&self, text: &str) {
        let at = self.0.start.elapsed().as_secs_f64();
        println!("{at:8.3}  {}", self.paint("1", &format!("── {text}")));
    }

    /// Something worth a line.
    pub(crate) fn line(&self, road: &str, who: &str, text: &str) {
        let at = self.0.start.elapsed().as_secs_f64();
        println!("{at:8.3}  {road:<6}{who:<8}{text}");
    }

    /// A step in the life of a client.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "events that come later are shown as they are"
    )]
    pub(crate) fn event(&self, road: &str, who: &str, event: &Event) {
        let (colour, text) = match event {
            Event::Connected(c) => (
                "32",
                format!(
                    "connected, STOMP {}, connection {}",
                    c.version, c.connection
                ),
            ),
            Event::Suspended => ("33", "suspended: the token was refused".into()),
            Event::Resumed { after } => (
                "32",
                format!("resumed with a new token after {}", ms(*after)),
            ),
            Event::Restored { subscription } => {
                ("32", format!("subscription {subscription} restored"))
            }
            Event::Refused {
                subscription,
                cause,
                ..
            } => (
                "31",
                format!("subscription {subscription} refused: {cause}"),
            ),
            Event::Disconnected {
                cause,
                retry_in: Some(delay),
            } => ("31", format!("{cause}; again in {}", ms(*delay))),
            Event::Disconnected {
                cause,
                retry_in: None,
            } => ("31", format!("{cause}; given up")),
            Event::Conflict { count } => ("31", format!("409: connected elsewhere ({count})")),
            Event::TokenFailed { cause } => ("31", format!("no token: {cause}")),
            Event::SlowConsumer {
                subscription,
                dropped,
            } => (
                "31",
                format!("{dropped} messages of {subscription} dropped"),
            ),
            Event::Expired { frames } => ("31", format!("{frames} frames never left")),
            Event::Closed { cause: None } => ("2", "closed".into()),
            Event::Closed { cause: Some(e) } => ("31", format!("closed: {e}")),
            _ => ("0", format!("{event:?}")),
        };
        self.line(road, who, &self.paint(colour, &text));
    }

    pub(crate) fn table(&self, reports: &[Report]) {
        println!();
        let head = [
            "road",
            "sent",
            "received",
            "duplicates",
            "lost",
            "rotations",
            "reconnects",
            "longest gap",
            "suspended",
            "close",
        ];
        println!("{}", self.paint("1", &row(&head.map(String::from))));
        for r in reports {
            let cells = [
                r.road.into(),
                r.sent.to_string(),
                r.received.to_string(),
                r.duplicates.to_string(),
                r.lost.to_string(),
                r.rotations.to_string(),
                r.reconnects.to_string(),
                ms(r.longest_gap),
                ms(r.longest_suspension),
                ms(r.close),
            ];
            let colour = if r.is_good() { "32" } else { "31" };
            println!("{}", self.paint(colour, &row(&cells)));
            if r.doubtful > 0 {
                println!("  {} publishes ended without a RECEIPT", r.doubtful);
            }
            if r.violations > 0 {
                println!("  {} frames left while suspended", r.violations);
            }
        }
        println!();
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.0.colour {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn row(cells: &[String]) -> String {
    let padded: Vec<_> = cells.iter().map(|cell| format!("{cell:>11}")).collect();
    padded.join(" ")
}

fn ms(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}
