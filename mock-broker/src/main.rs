//! `mock-broker`: a STOMP broker that plays a scenario.

use clap::{Args, Parser, Subcommand};
use hobnail_mock_broker::{Listen, MockBroker, Scenario, Upstream};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A STOMP-over-WebSocket broker that is correct, and misbehaves on command.
///
/// Exit codes: 0 all is well, 2 usage or scenario error.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a broker until it is killed; the first line of output is its URL.
    Run {
        /// The scenario; without one the broker is correct and lets everybody in.
        scenario: Option<PathBuf>,
        #[command(flatten)]
        serve: Serve,
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
        serve: Serve,
    },
    /// Check scenario files.
    Lint {
        /// The files.
        #[arg(required = true)]
        scenarios: Vec<PathBuf>,
    },
}

/// Where clients find it, and what is told of it.
#[derive(Args)]
struct Serve {
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
    /// Print everything that happens, one line each.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let filter = "warn,tungstenite=off,mio=warn";
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter)).init();
    let result = match Cli::parse().verb {
        Verb::Run { scenario, serve } => start(scenario.as_deref(), &serve, None),
        Verb::Proxy {
            upstream,
            scenario,
            upstream_ca,
            insecure,
            serve,
        } => behind(&upstream, upstream_ca.as_deref(), insecure)
            .and_then(|upstream| start(scenario.as_deref(), &serve, Some(&upstream))),
        Verb::Lint { scenarios } => return lint(&scenarios),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("mock-broker: {words}");
            ExitCode::from(2)
        }
    }
}

fn behind(url: &str, ca: Option<&Path>, insecure: bool) -> Result<Upstream, String> {
    let upstream = Upstream::new(url).map_err(|e| e.to_string())?;
    let upstream = upstream.insecure(insecure);
    let Some(file) = ca else { return Ok(upstream) };
    let pem = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(upstream.ca_pem(&pem))
}

fn start(
    scenario: Option<&Path>,
    serve: &Serve,
    upstream: Option<&Upstream>,
) -> Result<(), String> {
    let scenario = scenario.map_or_else(|| Ok(Scenario::default()), read)?;
    let listen = Listen {
        port: serve.port,
        tls: serve.tls,
    };
    let broker = match upstream {
        Some(upstream) => MockBroker::proxy_at(upstream, scenario, listen),
        None => MockBroker::start_at(scenario, listen),
    };
    let broker = broker.map_err(|e| e.to_string())?;
    if let (Some(file), Some(pem)) = (&serve.ca_file, broker.ca_pem()) {
        write(file, pem)?;
    }
    if let Some(file) = &serve.port_file {
        write(file, &format!("{}\n", broker.port()))?;
    }
    let mut out = std::io::stdout();
    let mut say = |line: &str| {
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|e| format!("stdout: {e}"))
    };
    say(&broker.url())?;
    // The default action of SIGTERM and SIGINT ends the process.
    let mut next = 1;
    if !serve.trace {
        broker.wait();
        return Err("the broker died".to_owned());
    }
    while let Ok(entries) = broker.journal().follow(next, Duration::from_secs(3600)) {
        for entry in entries {
            next = entry.seq + 1;
            say(&entry.to_string())?;
        }
    }
    Err("the broker died".to_owned())
}

fn read(path: &Path) -> Result<Scenario, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
    Scenario::from_json(&text).map_err(|e| format!("{name}:{}:{}: {}", e.line, e.column, e.message))
}

/// Writes a file whole or not at all, so that a reader never sees half of it.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|e| format!("{}: {e}", path.display()))
}

fn lint(scenarios: &[PathBuf]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in scenarios {
        match read(path) {
            Ok(_) => println!("{}: ok", path.display()),
            Err(words) => {
                println!("{words}");
                code = ExitCode::from(2);
            }
        }
    }
    code
}
