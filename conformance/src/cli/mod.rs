//! The command line, and what the exit code says.

mod broker;
mod client;
mod explain;
mod list;
mod options;
mod replay;
mod report;
mod reports;
mod select;
mod shim_check;
mod verdict;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What the exit code of the program says.
const EXIT_CODES: &str = "\
Exit codes:
  0  every case that ran is OK, or costs nothing
  1  at least one failed; diff: a regression; replay: an answer differs
  2  the command line, a file of known failures or a report makes no sense
  3  no case could run: no connection, or no session
  4  nothing ran, or fewer cases than --min-cases
  5  the judge itself is at fault, a shim broke its protocol, or with --fail-on
     inconclusive a case was
  6  entries of known failures are stale (--known-strict)";

pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const PRECONDITION: u8 = 3;
pub(crate) const NOTHING: u8 = 4;
pub(crate) const HARNESS: u8 = 5;
pub(crate) const STALE: u8 = 6;

/// Judges STOMP-over-WebSocket brokers by the requirement list.
#[derive(Parser)]
#[command(name = "stomp-conformance", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Test a broker.
    Broker(Box<broker::BrokerArgs>),
    /// Test a client through its shim.
    Client(Box<client::ClientArgs>),
    /// Try a shim: hello, canary, every verb once.
    ShimCheck(shim_check::ShimCheckArgs),
    /// Print the protocol that shims speak.
    ShimProtocol,
    /// Send again what a case sent, and show how the answers differ.
    Replay(replay::ReplayArgs),
    /// Merge reports and render them again.
    Report(report::ReportArgs),
    /// Compare two reports; a regression is exit code 1.
    Diff(report::DiffArgs),
    /// Show what would run.
    List(list::ListArgs),
    /// Show a requirement: its text, the octets, the outcomes.
    Explain {
        /// For example S12-FRM-001.
        id: String,
    },
}

/// Why the program could not do what it was asked to.
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn usage(words: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            words: words.into(),
        }
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    env_logger::init();
    end_with_the_reader();
    ExitCode::from(run(std::env::args_os()))
}

/// Whoever reads what is printed may have enough of it, as `head` has: that ends the
/// program as SIGPIPE would, and is no panic.
fn end_with_the_reader() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let words = info.payload().downcast_ref::<String>();
        if words.is_some_and(|w| w.starts_with("failed printing to stdout")) {
            std::process::exit(141);
        }
        others(info);
    }));
}

/// The program without its process: the exit code of a command line.
pub fn run(args: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { 0 };
        }
    };
    let done = match cli.verb {
        Verb::Broker(args) => broker::run(&args),
        Verb::Client(args) => client::run(&args),
        Verb::ShimCheck(args) => shim_check::run(&args),
        Verb::ShimProtocol => {
            print!("{}", include_str!("../../shims/PROTOCOL.md"));
            Ok(0)
        }
        Verb::Replay(args) => replay::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Diff(args) => report::diff(&args),
        Verb::List(args) => list::run(&args),
        Verb::Explain { id } => explain::run(&id),
    };
    match done {
        Ok(code) => code,
        Err(Failure { code, words }) => {
            eprintln!("error: {words}");
            code
        }
    }
}
