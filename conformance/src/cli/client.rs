//! `client`: a client judged through its shim.

use super::options::{Judging, Reporting, Running};
use super::select::{Seen, Selection};
use super::verdict::Teller;
use super::{Failure, HARNESS, NOTHING, PRECONDITION, reports};
use crate::client::cases::{self, Case};
use crate::client::door::Door;
use crate::client::passive;
use crate::client::runner::{self, Plan, Reach, Settings};
use crate::client::shim::Hello;
use crate::finding::{Finding, Side};
use crate::report::json::Subject;
use crate::requirement;
use crate::secrets::Secrets;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct ClientArgs {
    /// Ids with *, areas, level:…, needs:…, tag:slow; ! takes away.
    select: Vec<String>,
    /// The shim: a program and its arguments.
    #[arg(last = true, required_unless_present = "passive", value_name = "SHIM")]
    shim: Vec<String>,
    /// Without a shim: a program that asks for its cases and echoes what it is sent.
    #[arg(long, conflicts_with_all = ["shim", "reuse_shim"])]
    passive: bool,
    /// Where such a program asks.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9100",
        requires = "passive"
    )]
    listen: SocketAddr,
    /// Let one process of the shim do many cases.
    #[arg(long)]
    reuse_shim: bool,
    #[command(flatten)]
    judging: Judging,
    #[command(flatten)]
    running: Running,
    #[command(flatten)]
    reporting: Reporting,
}

pub(crate) fn run(args: &ClientArgs) -> Result<u8, Failure> {
    let began = Instant::now();
    let known = args.judging.known(&runner::ids())?;
    let (cases, rules) = pick(args)?;
    let wanted = cases.len() + rules.len();
    if wanted < args.judging.min_cases {
        eprintln!(
            "{wanted} cases are selected; at least {} must run",
            args.judging.min_cases
        );
        return Ok(NOTHING);
    }
    let reach = reach(args)?;
    let settings = Settings {
        reach: reach.clone(),
        scale: args.running.time_scale,
        reuse: args.reuse_shim,
    };
    let hello = runner::probe(&settings).map_err(|words| Failure {
        code: PRECONDITION,
        words: format!("no case can run: {words}"),
    })?;
    if !args.reporting.quiet {
        let text = format!("{} {} ({})", hello.name, hello.version, hello.lang);
        println!("{}", text.trim_end_matches("()").trim_end());
        println!("capabilities: {}\n", hello.caps.join(", "));
    }
    let mut teller = Teller::new(&args.judging, &args.reporting, known);
    teller.expect(wanted * args.running.repeat.max(1));
    let plan = Plan {
        settings: &settings,
        hello: &hello,
        cases: &cases,
        passive: &rules,
        profile: args.judging.profile,
        jobs: args.running.jobs,
        seed: args.running.seed,
    };
    let mut run = runner::run(&plan, |finding| teller.tell(finding));
    let skipped = wanted - run.findings.len();
    if skipped == 0 {
        for _ in 1..args.running.repeat {
            let again = runner::run(&plan, |finding| teller.again(finding));
            for (first, other) in run.findings.iter_mut().zip(&again.findings) {
                first.again(other);
            }
            run.fault = run.fault.or(again.fault);
        }
    }
    if let Reach::Echo(door) = &reach {
        door.close();
    }
    let exit = teller.conclude(&mut run.findings, skipped, run.fault.is_some());
    report(args, &hello, &run.findings, began).map_err(|words| Failure {
        code: HARNESS,
        words,
    })?;
    if let Some(words) = run.fault {
        return Err(Failure {
            code: HARNESS,
            words: match args.passive {
                true => format!("the program is gone: {words}"),
                false => format!("the shim broke its protocol in {words}"),
            },
        });
    }
    Ok(exit)
}

/// How the client is reached; a program without a shim is told where, and waited for.
fn reach(args: &ClientArgs) -> Result<Reach, Failure> {
    if !args.passive {
        return Ok(Reach::Shim(args.shim.clone()));
    }
    let door = Door::open(args.listen)
        .map_err(|error| Failure::usage(format!("--listen {}: {error}", args.listen)))?;
    println!("STOMP_CONFORMANCE_URL=http://{}", door.address());
    let patience = Duration::from_secs(60).mul_f64(args.running.time_scale);
    match door.is_visited(patience) {
        true => Ok(Reach::Echo(door)),
        false => Err(Failure {
            code: PRECONDITION,
            words: format!(
                "no case can run: within {:.0} s no program asks for /next",
                patience.as_secs_f64()
            ),
        }),
    }
}

/// The cases and rules that are wanted.
fn pick(args: &ClientArgs) -> Result<(Vec<&'static Case>, Vec<&'static str>), Failure> {
    let selection = Selection::parse(&args.select).map_err(Failure::usage)?;
    let wanted = |id: &str, requirement: &str, slow: bool| {
        requirement::by_id(requirement).is_some_and(|requirement| {
            let seen = Seen {
                id,
                requirement,
                slow,
            };
            args.judging.asks(requirement, selection.is_wanted()) && selection.takes(&seen)
        })
    };
    let mut all = cases::all();
    all.retain(|c| wanted(&c.to_string(), c.requirement, c.slow));
    let mut rules = passive::RULES.to_vec();
    rules.retain(|id| wanted(&format!("{id}/passive"), id, false));
    Ok((all, rules))
}

fn report(
    args: &ClientArgs,
    hello: &Hello,
    findings: &[Finding],
    began: Instant,
) -> Result<(), String> {
    let name = format!("{} {}", hello.name, hello.version);
    let name = name.trim_end().to_owned();
    let subject = Subject {
        side: Side::Client,
        name: args.reporting.name.clone().unwrap_or(name),
        target: match args.passive {
            true => "echo convention".to_owned(),
            false => args.shim.join(" "),
        },
        caps: serde_json::to_value(hello).map_err(|error| error.to_string())?,
    };
    let how = reports::how(&args.judging, &args.running, began, &Secrets::default());
    reports::write(&args.reporting, &subject, how, findings)
}
