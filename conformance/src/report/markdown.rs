//! The report as Markdown, for a README: a badge-like line and a table.

use super::json::{Case, Run};
use crate::grade::Grade;
use crate::requirement::Level;
use std::fmt::Write as _;

const LEVELS: [Level; 6] = [
    Level::Must,
    Level::Implied,
    Level::Should,
    Level::DeFacto,
    Level::May,
    Level::Undefined,
];
const GRADES: [Grade; 8] = [
    Grade::Ok,
    Grade::Failed,
    Grade::NonStrict,
    Grade::Info,
    Grade::Unimplemented,
    Grade::Known,
    Grade::Inconclusive,
    Grade::Flaky,
];

pub(crate) fn of(runs: &[Run]) -> String {
    let mut out = String::new();
    for (at, run) in runs.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        one(&mut out, run);
    }
    out
}

fn one(out: &mut String, run: &Run) {
    let _ = writeln!(out, "### STOMP conformance: {}\n", cell(&run.name));
    let wrong = run.with(Grade::Failed) + run.with(Grade::Flaky);
    let known = run.with(Grade::Known);
    let asked: Vec<&Case> = run.cases.iter().filter(|c| counts(c)).collect();
    let met = asked.iter().filter(|c| c.grade == Grade::Ok).count();
    let mark = match (wrong, known) {
        (0, 0) => "✅",
        (0, _) => "☑️",
        _ => "❌",
    };
    let _ = writeln!(
        out,
        "{mark} **{met} of {}** cases of MUST and IMPLIED rules are OK; {wrong} failed, {known} known. \
         Requirements exercised {}/{}; passively observed {}.\n",
        asked.len(),
        run.coverage.exercised,
        run.coverage.requirements,
        run.coverage.passive
    );
    let used: Vec<Grade> = GRADES.into_iter().filter(|g| run.with(*g) > 0).collect();
    out.push_str("| level |");
    for grade in &used {
        let _ = write!(out, " {grade} |");
    }
    out.push_str("\n|---|");
    out.push_str(&"--:|".repeat(used.len()));
    out.push('\n');
    for level in LEVELS {
        let of_level: Vec<&Case> = run.cases.iter().filter(|c| c.level == level).collect();
        if of_level.is_empty() {
            continue;
        }
        let _ = write!(out, "| {level} |");
        for grade in &used {
            let count = of_level.iter().filter(|c| c.grade == *grade).count();
            match count {
                0 => out.push_str("  |"),
                count => {
                    let _ = write!(out, " {count} |");
                }
            }
        }
        out.push('\n');
    }
    let bad = |c: &&Case| matches!(c.grade, Grade::Failed | Grade::Flaky);
    let bad: Vec<&Case> = run.cases.iter().filter(bad).collect();
    if !bad.is_empty() {
        out.push_str("\n| case | level | observed |\n|---|---|---|\n");
        for case in bad {
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                case.id,
                case.level,
                cell(&case.observed)
            );
        }
    }
}

/// A case that a strict reader counts.
fn counts(case: &Case) -> bool {
    let heavy = matches!(case.level, Level::Must | Level::Implied);
    heavy && !matches!(case.grade, Grade::Info | Grade::Unimplemented)
}

/// What a cell of a table can hold.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '<' | '[' | ']' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
