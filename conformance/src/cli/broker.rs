//! `broker`: all that the command line says of a broker, and the run.

use super::select::{Seen, Selection};
use super::{Failure, HARNESS, NOTHING, PRECONDITION, verdict};
use crate::broker::cases::Case;
use crate::broker::probe::{self, Caps};
use crate::broker::runner;
use crate::broker::target::Target;
use crate::finding::{Finding, Side};
use crate::report;
use crate::requirement;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct BrokerArgs {
    /// The broker, for example ws://127.0.0.1:15674/ws
    url: String,
    /// Ids with *, areas, level:…, needs:…, tag:slow; ! takes away.
    select: Vec<String>,
    /// The login of CONNECT.
    #[arg(long)]
    login: Option<String>,
    /// The passcode of CONNECT.
    #[arg(long, env = "STOMP_CONFORMANCE_PASSCODE", hide_env_values = true)]
    passcode: Option<String>,
    /// The virtual host; without it the URL's host.
    #[arg(long)]
    host: Option<String>,
    /// One more header of CONNECT, as name:value.
    #[arg(long, value_name = "NAME:VALUE")]
    header: Vec<String>,
    /// One more header of the upgrade, as name:value.
    #[arg(long, value_name = "NAME:VALUE")]
    ws_header: Vec<String>,
    /// The subprotocols to offer; empty for none.
    #[arg(long)]
    subprotocol: Option<String>,
    /// Trust this authority's certificate (PEM), too.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Take any certificate.
    #[arg(long)]
    insecure: bool,
    /// Dial this host:port instead of the URL's.
    #[arg(long, value_name = "HOST:PORT")]
    connect_to: Option<String>,
    /// Queues of the cases; {uuid} becomes something new.
    #[arg(long, default_value = "/queue/conf-{uuid}")]
    dest_template: String,
    /// Topics of the cases.
    #[arg(long, default_value = "/topic/conf-{uuid}")]
    topic_template: String,
    /// A destination that the broker refuses.
    #[arg(long)]
    bad_dest: Option<String>,
    /// A reply is due within it, in seconds.
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    timeout: f64,
    /// Stretch all times, for slow machines.
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// Cases at once.
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// Run each case so often; grades that differ are FLAKY.
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Fewer cases than these are a failure.
    #[arg(long, default_value_t = 1)]
    min_cases: usize,
    /// NON-STRICT fails as well.
    #[arg(long)]
    strict: bool,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write what went over the wire, one file for each case.
    #[arg(long, value_name = "FOLDER")]
    wire: Option<PathBuf>,
    /// Only the failures and the last line.
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: &BrokerArgs) -> Result<u8, Failure> {
    let target = Arc::new(target(args)?);
    let selection = Selection::parse(&args.select).map_err(Failure::usage)?;
    let (all, rules) = runner::everything();
    let picked = |c: &&Case| {
        let requirement = requirement::by_id(c.requirement);
        requirement.is_some_and(|requirement| {
            selection.takes(&Seen {
                id: &c.to_string(),
                requirement,
                slow: c.slow,
            })
        })
    };
    let cases: Vec<&'static Case> = all.into_iter().filter(picked).collect();
    let rules: Vec<&'static str> = rules
        .into_iter()
        .filter(|id| {
            let requirement = requirement::by_id(id);
            requirement.is_some_and(|requirement| {
                selection.takes(&Seen {
                    id: &format!("{id}/passive"),
                    requirement,
                    slow: false,
                })
            })
        })
        .collect();
    if cases.len() < args.min_cases {
        eprintln!(
            "{} cases are selected; at least {} must run",
            cases.len(),
            args.min_cases
        );
        return Ok(NOTHING);
    }
    let caps = probe::probe(&target).map_err(|words| Failure {
        code: PRECONDITION,
        words: format!("{}: no case can run: {words}", target.url()),
    })?;
    if !args.quiet {
        println!(
            "{}: {}",
            target.url(),
            caps.server
                .as_deref()
                .unwrap_or("a broker that does not say its name")
        );
        println!("capabilities: {}\n", caps.words());
    }
    let told = |finding: &Finding| verdict::tell(finding, args.quiet);
    let mut findings = runner::run(&target, &caps, &cases, &rules, args.jobs, told);
    for _ in 1..args.repeat {
        let again = runner::run(&target, &caps, &cases, &rules, args.jobs, |_| {});
        verdict::compare(&mut findings, again);
    }
    let exit = verdict::conclude(&findings, args.strict);
    write(args, &target, &caps, &findings).map_err(|words| Failure {
        code: HARNESS,
        words,
    })?;
    Ok(exit)
}

fn write(
    args: &BrokerArgs,
    target: &Target,
    caps: &Caps,
    findings: &[Finding],
) -> Result<(), String> {
    if let Some(folder) = &args.wire {
        report::json::write_wire(folder, findings)?;
    }
    if let Some(path) = &args.json {
        let subject = report::json::Subject {
            side: Side::Broker,
            name: target.url(),
            caps: serde_json::to_value(caps).map_err(|error| error.to_string())?,
        };
        let run = report::json::of(&subject, findings, args.wire.is_some());
        let text = serde_json::to_string_pretty(&run).map_err(|error| error.to_string())?;
        report::write(path, &text)?;
    }
    if let Some(path) = &args.junit {
        let text = report::junit::of(
            &format!("{}:{}", target.host, target.port),
            findings,
            args.strict,
        )?;
        report::write(path, &text)?;
    }
    Ok(())
}

fn target(args: &BrokerArgs) -> Result<Target, Failure> {
    let mut target = Target::of(&args.url).map_err(Failure::usage)?;
    if let Some(host) = &args.host {
        target.virtual_host.clone_from(host);
    }
    target.login.clone_from(&args.login);
    target.passcode.clone_from(&args.passcode);
    target.headers = pairs(&args.header)?;
    target.ws_headers = pairs(&args.ws_header)?;
    if let Some(list) = &args.subprotocol {
        target.subprotocols.clone_from(list);
    }
    if let Some(path) = &args.tls_ca {
        let pem =
            std::fs::read(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
        target.ca = Some(pem);
    }
    target.insecure = args.insecure;
    target.connect_to.clone_from(&args.connect_to);
    for (flag, template) in [
        ("--dest-template", &args.dest_template),
        ("--topic-template", &args.topic_template),
    ] {
        if !template.contains("{uuid}") {
            return Err(Failure::usage(format!(
                "{flag} must hold {{uuid}}, or the cases meet"
            )));
        }
    }
    target.queue.clone_from(&args.dest_template);
    target.topic.clone_from(&args.topic_template);
    target.bad.clone_from(&args.bad_dest);
    let sane = |v: f64, flag: &str| match v {
        v if (0.05..=600.0).contains(&v) => Ok(v),
        v => Err(Failure::usage(format!(
            "{flag} {v} is not between 0.05 and 600"
        ))),
    };
    target.reply = Duration::from_secs_f64(sane(args.timeout, "--timeout")?);
    target.scale = sane(args.time_scale, "--time-scale")?;
    Ok(target)
}

fn pairs(words: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |word: &String| match word.split_once(':') {
        Some((name, value)) if !name.is_empty() && !word.contains(['\r', '\n', '\0']) => {
            Ok((name.to_owned(), value.trim_start().to_owned()))
        }
        // The value may be a secret, so it is not repeated.
        Some(_) | None => Err(Failure::usage("a header must be name:value, on one line")),
    };
    words.iter().map(pair).collect()
}
