//! `mock-broker`: a STOMP broker that plays a scenario.

mod cli;

use clap::{CommandFactory, Parser, Subcommand};
use cli::run::{RunArgs, run};
use cli::{Failure, explain, lint};
use hobnail_mock_broker::lint::Finding;
use hobnail_mock_broker::{Scenario, Upstream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A STOMP-over-WebSocket broker that is correct, and misbehaves on command.
///
/// Start it, run the client, and read the verdict.
#[derive(Parser)]
#[command(version, after_help = cli::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a broker; the first line of output is its URL, the last its RESULT.
    Run {
        /// The scenario; without one the broker is correct and lets everybody in.
        scenario: Option<PathBuf>,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Play a scenario in front of a real broker.
    ///
    /// What the rules do not touch passes as it came. Of the scenario's
    /// `broker` only `path`, `limits` and `bounds` have a meaning here.
    Proxy {
        /// The broker, for example ws://127.0.0.1:15674/ws
        upstream: String,
        /// The scenario; without one all passes.
        scenario: Option<PathBuf>,
        /// Trust this authority's certificate (PEM) upstream, too.
        #[arg(long, value_name = "FILE")]
        upstream_ca: Option<PathBuf>,
        /// Take any certificate upstream.
        #[arg(long)]
        insecure: bool,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// List the words of scenario files.
    List {
        /// Only those of a kind or a group: triggers, actions, frames, broker, ...
        choice: Option<String>,
        /// Print them as JSON, with what `explain` says of each.
        #[arg(long)]
        json: bool,
    },
    /// Say what a word of scenario files means, with an example.
    Explain {
        /// The word: fin, storm.rate, on-expiry, ...
        word: String,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
    /// Check scenario files: what is wrong, and what could never do anything.
    Lint {
        /// The files.
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
        /// Print what was found as JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let filter = "warn,tungstenite=off,mio=warn";
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter)).init();
    let result = match Cli::parse().verb {
        Verb::Run { scenario, run: how } => {
            read_or_default(scenario.as_deref()).and_then(|s| run(s, &how, None))
        }
        Verb::Proxy {
            upstream,
            scenario,
            upstream_ca,
            insecure,
            run: how,
        } => read_or_default(scenario.as_deref()).and_then(|scenario| {
            let upstream = behind(&upstream, upstream_ca.as_deref(), insecure);
            run(scenario, &how, Some(&upstream.map_err(Failure::invalid)?))
        }),
        Verb::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "mock-broker", &mut std::io::stdout());
            Ok(0)
        }
        Verb::List { choice, json } => explain::list(choice.as_deref(), json).map(show),
        Verb::Explain { word, json } => explain::explain(&word, json).map(show),
        Verb::Schema => Ok(show(explain::schema())),
        Verb::Lint { scenarios, json } => {
            let (text, code) = lint::check(&scenarios, json);
            show(text);
            Ok(code)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, words }) => {
            eprintln!("mock-broker: {words}");
            ExitCode::from(code)
        }
    }
}

/// Prints it all; that nobody reads on is no failure.
fn show(text: String) -> u8 {
    use std::io::Write;
    let _closed = std::io::stdout().write_all(text.as_bytes());
    0
}

fn behind(url: &str, ca: Option<&Path>, insecure: bool) -> Result<Upstream, String> {
    let upstream = Upstream::new(url).map_err(|e| e.to_string())?;
    let upstream = upstream.insecure(insecure);
    let Some(file) = ca else { return Ok(upstream) };
    let pem = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(upstream.ca_pem(&pem))
}

fn read_or_default(path: Option<&Path>) -> Result<Scenario, Failure> {
    path.map_or_else(|| Ok(Scenario::default()), read)
        .map_err(Failure::invalid)
}

fn read(path: &Path) -> Result<Scenario, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
    let scenario = Scenario::from_json(&text)
        .map_err(|e| format!("{name}:{}:{}: {}", e.line, e.column, e.message))?;
    // It may be played nevertheless; nobody should wonder why nothing happens.
    for Finding {
        line,
        column,
        message,
        ..
    } in hobnail_mock_broker::lint::lint(&text)
    {
        eprintln!("{name}:{line}:{column}: warning: {message}");
    }
    Ok(scenario)
}
