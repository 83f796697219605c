//! `broker`: all that the command line says of a broker, and the run.

use super::options::{Judging, Reporting, Running};
use super::select::{Seen, Selection};
use super::verdict::Teller;
use super::{Failure, HARNESS, NOTHING, PRECONDITION, reports};
use crate::broker::cases::Case;
use crate::broker::probe::{self, Caps};
use crate::broker::runner::{self, Plan};
use crate::broker::target::Target;
use crate::finding::{Finding, Side};
use crate::report::json::Subject;
use crate::requirement;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Send binary messages, for bridges that take no text.
    #[arg(long)]
    binary: bool,
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
    /// A program that prints a fresh token: the passcode of each CONNECT.
    #[arg(long, value_name = "COMMAND")]
    token_cmd: Option<String>,
    /// How long such a token lives, for the cases that wait for its end.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = super::options::seconds)]
    token_life: f64,
    /// The versions that are tested, if the broker speaks them.
    #[arg(long, value_delimiter = ',', default_value = "1.0,1.1,1.2")]
    stomp: Vec<String>,
    /// What the broker can do: auto asks it, a list says it.
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    caps: Vec<String>,
    #[command(flatten)]
    judging: Judging,
    #[command(flatten)]
    running: Running,
    #[command(flatten)]
    reporting: Reporting,
}

pub(crate) fn run(args: &BrokerArgs) -> Result<u8, Failure> {
    let began = Instant::now();
    let target = Arc::new(target(args)?);
    let selection = Selection::parse(&args.select).map_err(Failure::usage)?;
    let given = given(&args.caps)?;
    let known = args.judging.known(&runner::ids())?;
    let (cases, rules) = pick(args, &selection);
    if cases.len() + rules.len() < args.judging.min_cases {
        eprintln!(
            "{} cases are selected; at least {} must run",
            cases.len() + rules.len(),
            args.judging.min_cases
        );
        return Ok(NOTHING);
    }
    let caps = probe::probe(&target, given.as_deref()).map_err(|words| Failure {
        code: PRECONDITION,
        words: format!("{}: no case can run: {words}", target.url()),
    })?;
    if !args.reporting.quiet {
        println!("{}: {}", target.url(), caps.name());
        println!("capabilities: {}\n", caps.words());
    }
    let mut teller = Teller::new(&args.judging, &args.reporting, known);
    teller.expect((cases.len() + rules.len()) * args.running.repeat.max(1));
    let plan = Plan {
        target: &target,
        caps: &caps,
        cases: &cases,
        passive: &rules,
        profile: args.judging.profile,
        jobs: args.running.jobs,
        seed: args.running.seed,
    };
    let mut findings = runner::run(&plan, |finding| teller.tell(finding));
    let skipped = cases.len() + rules.len() - findings.len();
    if skipped == 0 {
        for _ in 1..args.running.repeat {
            let again = runner::run(&plan, |finding| teller.again(finding));
            for (first, other) in findings.iter_mut().zip(&again) {
                first.again(other);
            }
        }
    }
    let exit = teller.conclude(&mut findings, skipped, false);
    report(args, &target, &caps, &findings, began).map_err(|words| Failure {
        code: HARNESS,
        words,
    })?;
    Ok(exit)
}

/// The cases and rules that are wanted.
fn pick(args: &BrokerArgs, selection: &Selection) -> (Vec<&'static Case>, Vec<&'static str>) {
    let (all, rules) = runner::everything();
    let wanted = |id: &str, requirement: &str, slow: bool| {
        requirement::by_id(requirement).is_some_and(|requirement| {
            let asked = args.judging.asks(requirement, selection.is_wanted());
            let spoken = spoken(requirement.family(), &args.stomp);
            let seen = Seen {
                id,
                requirement,
                slow,
            };
            asked && spoken && selection.takes(&seen)
        })
    };
    let cases = all.into_iter();
    let rules = rules.into_iter();
    (
        cases
            .filter(|c| wanted(&c.to_string(), c.requirement, c.slow))
            .collect(),
        rules
            .filter(|id| wanted(&format!("{id}/passive"), id, false))
            .collect(),
    )
}

/// Whether the requirements of a family are of a version that is tested.
fn spoken(family: &str, versions: &[String]) -> bool {
    let version = match family {
        "S10" => "1.0",
        "S11" => "1.1",
        _ => return true,
    };
    versions.iter().any(|v| v == version)
}

/// The capabilities that were given instead of a question to the broker.
fn given(words: &[String]) -> Result<Option<Vec<String>>, Failure> {
    if words == ["auto"] {
        return Ok(None);
    }
    for word in words {
        if !probe::NAMES.contains(&word.as_str()) {
            let near = crate::words::nearest(word, probe::NAMES).unwrap_or_default();
            return Err(Failure::usage(format!(
                "no capability is called \"{word}\"; \"{near}\" is one"
            )));
        }
    }
    Ok(Some(words.to_vec()))
}

fn report(
    args: &BrokerArgs,
    target: &Target,
    caps: &Caps,
    findings: &[Finding],
    began: Instant,
) -> Result<(), String> {
    let subject = Subject {
        side: Side::Broker,
        name: args.reporting.name.clone().unwrap_or_else(|| caps.name()),
        target: target.url(),
        caps: serde_json::to_value(caps).map_err(|error| error.to_string())?,
    };
    let how = reports::how(&args.judging, &args.running, began, &target.secrets);
    reports::write(&args.reporting, &subject, how, findings)
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
    target.binary = args.binary;
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
    target.keep_secrets();
    target.reply = Duration::from_secs_f64(args.running.timeout);
    target.scale = args.running.time_scale;
    target.seed = args.running.seed.unwrap_or_default();
    target.token_cmd.clone_from(&args.token_cmd);
    target.token_life = Duration::from_secs_f64(args.token_life);
    target.nul_beats = args.judging.profile == crate::profile::Profile::ContactCentre;
    for version in &args.stomp {
        if !["1.0", "1.1", "1.2"].contains(&version.as_str()) {
            return Err(Failure::usage(format!(
                "--stomp {version}: the versions are 1.0, 1.1 and 1.2"
            )));
        }
    }
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
