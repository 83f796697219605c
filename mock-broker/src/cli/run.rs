//! `run` and `proxy`: a broker, what it sees, and the verdict.

use super::junit::junit;
use super::trace::{Color, Trace};
use super::{Failure, write};
use clap::Args;
use hobnail_mock_broker::script::Span;
use hobnail_mock_broker::verdict::Judge;
use hobnail_mock_broker::{Control, Entry, Listen, MockBroker, Report, Scenario, Upstream, What};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a signal may wait until it is seen.
const STEP: Duration = Duration::from_millis(50);

/// Where clients find the broker, what is told, and when it ends.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// The port on the loopback addresses; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Write the port to this file.
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// Speak TLS, with a certificate made for this run.
    #[arg(long)]
    tls: bool,
    /// Write the certificate of the authority to this file (needs --tls).
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_file: Option<PathBuf>,
    /// The seed of everything random, in place of the scenario's.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens, one line each; secrets are masked.
    #[arg(long)]
    trace: bool,
    /// Whether the trace is coloured. `auto`: on a terminal, unless NO_COLOR is
    /// set.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,
    /// End after so long, for example 30s. SIGINT and SIGTERM end it, too.
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    span: Option<Duration>,
    /// End when everything asserted is decided. What must *never* be seen is
    /// decided only at the end of its time.
    #[arg(long)]
    until_decided: bool,
    /// End when a client has come and none has been there for so long.
    #[arg(long, value_name = "TIME", value_parser = span)]
    until_idle: Option<Duration>,
    /// Put the control API and the page on a port of their own (0 is any free
    /// one); the second line of output is their URL. Without it they are on the
    /// broker's port, at / and /control/.
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    control: Option<SocketAddr>,
    /// No control API and no page.
    #[arg(long, conflicts_with = "control")]
    no_control: bool,
    /// Write the report as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as JUnit XML to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// `127.0.0.1:0`, and nothing that others could reach.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let at: SocketAddr = text
        .parse()
        .map_err(|_| "not an address such as 127.0.0.1:0".to_owned())?;
    if at.ip() == Ipv4Addr::LOCALHOST {
        Ok(at)
    } else {
        Err("only 127.0.0.1: whoever reaches it controls the broker".to_owned())
    }
}

fn span(text: &str) -> Result<Duration, String> {
    Span::parse(text)
        .filter(|s| s.min == s.max)
        .map(|s| s.min)
        .ok_or_else(|| "not a time such as 30s or 500ms".to_owned())
}

/// Runs a broker to its end and returns the exit code.
pub(crate) fn run(
    mut scenario: Scenario,
    run: &RunArgs,
    upstream: Option<&Upstream>,
) -> Result<u8, Failure> {
    scenario.seed = run.seed.unwrap_or(scenario.seed);
    let over = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A second signal does not wait for the report.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&over))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&over)))
            .map_err(Failure::broken)?;
    }
    let listen = Listen {
        port: run.port,
        tls: run.tls,
        control: match (run.no_control, run.control) {
            (true, _) => Control::Off,
            (false, Some(at)) => Control::Port(at.port()),
            (false, None) => Control::Here,
        },
    };
    let broker = match upstream {
        Some(upstream) => MockBroker::proxy_at(upstream, scenario, listen),
        None => MockBroker::start_at(scenario, listen),
    };
    let broker = broker.map_err(Failure::broken)?;
    if let (Some(file), Some(pem)) = (&run.ca_file, broker.ca_pem()) {
        write(file, pem)?;
    }
    if let Some(file) = &run.port_file {
        write(file, &format!("{}\n", broker.port()))?;
    }
    say(&broker.url())?;
    if let (Some(_), Some(url)) = (run.control, broker.control_url()) {
        say(&url)?;
    }
    let report = watch(&broker, run, &over)?;
    say(&report.to_string())?;
    if let Some(file) = &run.json {
        write(file, &format!("{:#}\n", report.to_json()))?;
    }
    if let Some(file) = &run.junit {
        write(file, &junit(&report).map_err(Failure::broken)?)?;
    }
    Ok(report.exit_code())
}

/// Follows the transcript until something ends the run.
fn watch(broker: &MockBroker, run: &RunArgs, over: &AtomicBool) -> Result<Report, Failure> {
    let mut judge = broker.judge();
    let mut presence = Presence::default();
    let trace = Trace::new(run.color);
    loop {
        let left = run.span.map_or(STEP, |s| s.saturating_sub(broker.age()));
        let (from, step) = (judge.wants(), STEP.min(left));
        if run.trace || judge.minds_frames() {
            let Ok(entries) = broker.journal().follow(from, step) else {
                return gone(broker, &judge);
            };
            for entry in &entries {
                judge.see(entry);
                presence.see(entry);
                if run.trace {
                    say(&trace.line(entry))?;
                }
            }
        } else {
            // Under load the frames alone would keep a core busy.
            let Ok(events) = broker.journal().follow_events(from, step) else {
                return gone(broker, &judge);
            };
            events.entries.iter().for_each(|entry| presence.see(entry));
            judge.see_events(&events);
        }
        let now = broker.age();
        judge.tick(now);
        let idle = run
            .until_idle
            .is_some_and(|t| presence.idle(now) >= Some(t));
        if over.load(Ordering::Relaxed)
            || idle
            || run.span.is_some_and(|span| now >= span)
            || (run.until_decided && judge.is_decided())
        {
            return Ok(judge.report(now));
        }
    }
}

/// There is nothing more to follow: the broker was stopped by the control API,
/// or it died.
fn gone(broker: &MockBroker, judge: &Judge) -> Result<Report, Failure> {
    if broker.was_stopped() {
        Ok(judge.report(broker.age()))
    } else {
        Err(Failure::broken("the broker died"))
    }
}

/// Which clients are there.
#[derive(Default)]
struct Presence {
    there: BTreeSet<u64>,
    left: Option<Duration>,
}

impl Presence {
    fn see(&mut self, entry: &Entry) {
        if matches!(entry.what, What::Upgrade { .. }) {
            self.there.insert(entry.conn);
        }
        if matches!(entry.what, What::Closed(_)) && self.there.remove(&entry.conn) {
            self.left = Some(entry.at);
        }
    }

    /// For how long nobody has been there; `None` while somebody is, or before
    /// the first came.
    fn idle(&self, now: Duration) -> Option<Duration> {
        let left = self.left.filter(|_| self.there.is_empty())?;
        Some(now.saturating_sub(left))
    }
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|e| Failure::broken(format!("stdout: {e}")))
}
