//! `report`: runs that were written down, merged and rendered again.

use super::{Failure, HARNESS};
use crate::finding::Side;
use crate::report::json::Run;
use crate::report::{self, html, junit, markdown};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct ReportArgs {
    /// Reports as JSON; several become columns of one matrix.
    #[arg(required = true, value_name = "RESULTS.json")]
    results: Vec<PathBuf>,
    /// What to write: ..xml (JUnit), .md or .json says in which form.
    #[arg(short, long, required = true, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Of which cases the dialogue is kept.
    #[arg(long, value_enum, default_value_t = Dialogues::All)]
    dialogues: Dialogues,
    /// Without what differs from run to run: times, addresses, dialogues.
    #[arg(long)]
    stable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialogues {
    All,
    /// Of those that are wrong or known.
    Wrong,
    None,
}

pub(crate) fn run(args: &ReportArgs) -> Result<u8, Failure> {
    let mut runs: Vec<Run> = Vec::new();
    for path in &args.results {
        for run in Run::read(path).map_err(Failure::usage)? {
            merge(&mut runs, run);
        }
    }
    for case in runs.iter_mut().flat_map(|run| &mut run.cases) {
        let keep = match args.dialogues {
            Dialogues::All => true,
            Dialogues::Wrong => case.grade.is_worth_a_look(),
            Dialogues::None => false,
        };
        if !keep {
            case.dialogue.clear();
        }
    }
    if args.stable {
        runs.iter_mut().for_each(Run::stable);
    }
    for path in &args.output {
        let text = render(path, &runs).map_err(Failure::usage)?;
        report::write(path, &text).map_err(|words| Failure {
            code: HARNESS,
            words,
        })?;
    }
    for run in &runs {
        println!("{:<6} {:<40} {} cases", run.side, run.name, run.cases.len());
    }
    Ok(0)
}

/// Runs of one target become one: a later case takes the place of an earlier
/// one of the same id.
fn merge(runs: &mut Vec<Run>, new: Run) {
    let same = |run: &&mut Run| (run.side, &run.name) == (new.side, &new.name);
    let Some(run) = runs.iter_mut().find(same) else {
        return runs.push(new);
    };
    for case in new.cases {
        match run.cases.iter_mut().find(|c| c.id == case.id) {
            Some(old) => *old = case,
            None => run.cases.push(case),
        }
    }
    run.caps = new.caps;
    run.how = new.how;
    run.target = new.target;
    run.count();
}

fn render(path: &Path, runs: &[Run]) -> Result<String, String> {
    let form = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    match form {
        "html" => html::of(runs),
        "xml" => junit::of(runs),
        "md" => Ok(markdown::of(runs)),
        "json" => {
            let text = match runs {
                [one] => serde_json::to_string_pretty(one),
                several => serde_json::to_string_pretty(several),
            };
            text.map(|text| text + "\n").map_err(|e| e.to_string())
        }
        _ => Err(format!(
            "{}: a report ends in ..xml, .md or .json",
            path.display()
        )),
    }
}

/// `diff`: what became worse, and what better.
#[derive(clap::Args)]
pub(crate) struct DiffArgs {
    /// The report before.
    old: PathBuf,
    /// The report after.
    new: PathBuf,
}

pub(crate) fn diff(args: &DiffArgs) -> Result<u8, Failure> {
    let old = Run::read(&args.old).map_err(Failure::usage)?;
    let new = Run::read(&args.new).map_err(Failure::usage)?;
    let (mut worse, mut better, mut compared) = (0, 0, 0);
    for run in &new {
        let before = before(&old, run, new.len() == 1);
        let Some(before) = before else {
            println!("{} \"{}\" was not there before", run.side, run.name);
            continue;
        };
        for case in &run.cases {
            let then = before.cases.iter().find(|c| c.id == case.id);
            let Some(then) = then else {
                if case.grade.weight() >= 2 {
                    worse += 1;
                    println!(
                        "new         {:<32} {} {}",
                        case.id, case.grade, case.observed
                    );
                }
                continue;
            };
            compared += 1;
            let (was, is) = (then.grade, case.grade);
            let words = if is.weight() > was.weight() {
                worse += 1;
                "regression"
            } else if is.weight() < was.weight() {
                better += 1;
                "fixed"
            } else if is != was {
                "changed"
            } else {
                continue;
            };
            let line = format!(
                "{words:<11} {:<32} {was} -> {is} {}",
                case.id, case.observed
            );
            println!("{}", line.trim_end());
        }
        for then in &before.cases {
            if !run.cases.iter().any(|c| c.id == then.id) {
                println!("gone        {:<32} {} before", then.id, then.grade);
            }
        }
    }
    if compared == 0 {
        return Err(Failure::usage(format!(
            "{} and {} have no case in common",
            args.old.display(),
            args.new.display()
        )));
    }
    println!("\nDIFF regressions={worse} fixed={better} compared={compared}");
    Ok(u8::from(worse > 0))
}

/// The run to compare with: that of the same name or, if there is but one of
/// each, that of the same side.
fn before<'a>(old: &'a [Run], run: &Run, alone: bool) -> Option<&'a Run> {
    let of_side = |side: Side| old.iter().filter(move |o| o.side == side);
    let named = of_side(run.side).find(|o| o.name == run.name);
    named.or_else(|| match of_side(run.side).count() {
        1 if alone => of_side(run.side).next(),
        _ => None,
    })
}
