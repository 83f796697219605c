//! What a run says on the terminal, and its exit code.

use super::options::{Judging, Reporting};
use super::{FAILED, HARNESS, STALE};
use crate::finding::Finding;
use crate::grade::Grade;
use crate::known::{self, Known};
use crate::wire::log::{Dir, Entry, Layer};
use crate::wire::show;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::ops::ControlFlow;

/// Tells what happens while cases run, and what came of it.
pub(super) struct Teller<'a> {
    judging: &'a Judging,
    reporting: &'a Reporting,
    known: Known,
    today: String,
    colours: bool,
    bar: ProgressBar,
}

impl<'a> Teller<'a> {
    pub(super) fn new(judging: &'a Judging, reporting: &'a Reporting, known: Known) -> Self {
        let wanted = !reporting.no_color && std::env::var_os("NO_COLOR").is_none();
        Self {
            judging,
            reporting,
            known,
            today: known::today(),
            colours: wanted && std::io::stdout().is_terminal(),
            bar: ProgressBar::hidden(),
        }
    }

    /// Draws a bar for so many cases, if somebody looks.
    pub(super) fn expect(&mut self, cases: usize) {
        if self.reporting.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let template = "{wide_bar} {pos}/{len} cases, {elapsed}, {eta} to go";
        let style = ProgressStyle::with_template(template);
        let cases = u64::try_from(cases).unwrap_or(u64::MAX);
        let target = ProgressDrawTarget::stderr();
        self.bar = ProgressBar::with_draw_target(Some(cases), target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    }

    /// A case is over. Breaks off if that was enough.
    pub(super) fn tell(&self, finding: &mut Finding) -> ControlFlow<()> {
        self.known.mark(finding, &self.today);
        let grade = finding.counted();
        let silent = matches!(
            grade,
            Grade::Ok | Grade::Info | Grade::Unimplemented | Grade::Known
        );
        if self.reporting.verbose || (!self.reporting.quiet && !silent) {
            let mut line = format!("{} {:<32}", self.paint(grade, 13), finding.id);
            if self.reporting.verbose {
                let _ = write!(line, " {:>6} ms", finding.took.as_millis());
            }
            let _ = write!(line, " {}", finding.observed);
            self.print(line.trim_end());
        }
        if self.reporting.trace_wire {
            self.print(&format!("--- {}", finding.id));
            for entry in &finding.log {
                self.print(&trace(entry));
            }
        }
        self.bar.inc(1);
        if self.judging.fail_fast && self.judging.fails(grade) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// A case is over that ran before.
    pub(super) fn again(&self, _finding: &mut Finding) -> ControlFlow<()> {
        self.bar.inc(1);
        ControlFlow::Continue(())
    }

    fn print(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }

    /// A grade's name in its colour, as wide as asked for.
    fn paint(&self, grade: Grade, width: usize) -> String {
        let name = format!("{grade:<width$}");
        if !self.colours {
            return name;
        }
        let colour = match grade {
            Grade::Failed | Grade::Flaky => 31,
            Grade::Inconclusive => 35,
            Grade::NonStrict => 33,
            Grade::Known | Grade::Unimplemented | Grade::Info => 36,
            Grade::Ok => 32,
        };
        format!("\x1b[{colour}m{name}\x1b[0m")
    }

    /// Repeats what failed, prints the RESULT line, and says the exit code.
    /// So many cases were left out. After a fault of the shim no grade counts.
    pub(super) fn conclude(&self, findings: &mut [Finding], skipped: usize, fault: bool) -> u8 {
        self.bar.finish_and_clear();
        for finding in findings.iter_mut() {
            self.known.mark(finding, &self.today);
        }
        let wrong = |f: &&Finding| {
            let inconclusive =
                f.counted() == Grade::Inconclusive && self.judging.fails_inconclusive();
            inconclusive || self.judging.fails(f.counted())
        };
        let failed: Vec<&Finding> = findings.iter().filter(wrong).collect();
        if !failed.is_empty() {
            println!("\nWhat is wrong:");
        }
        for finding in &failed {
            self.explain(finding);
        }
        let stale = self.known.stale(findings, &self.today);
        if !stale.is_empty() {
            println!("\nStale entries of known failures:");
        }
        for words in &stale {
            println!("  {words}");
        }
        let count = |grade: Grade| findings.iter().filter(|f| f.counted() == grade).count();
        let inconclusive = count(Grade::Inconclusive);
        let exit = if fault {
            HARNESS
        } else if failed.iter().any(|f| f.counted() != Grade::Inconclusive) {
            FAILED
        } else if !failed.is_empty() || inconclusive == findings.len() {
            HARNESS
        } else if !stale.is_empty() && self.judging.known_strict {
            STALE
        } else {
            0
        };
        println!(
            "\nRESULT failed={} nonstrict={} ok={} info={} unimpl={} inconclusive={inconclusive} skipped={skipped} known={} flaky={} exit={exit}",
            count(Grade::Failed),
            count(Grade::NonStrict),
            count(Grade::Ok),
            count(Grade::Info),
            count(Grade::Unimplemented),
            count(Grade::Known),
            count(Grade::Flaky),
        );
        exit
    }

    fn explain(&self, finding: &Finding) {
        let requirement = finding.requirement;
        let grade = finding.counted();
        println!(
            "\n{} {} ({}, {})",
            self.paint(grade, 0),
            finding.id,
            requirement.level,
            requirement.section
        );
        println!("  rule:     {}", requirement.statement);
        match finding.observed.strip_prefix("expected ").and_then(got) {
            Some((expected, observed)) => {
                println!("  expected: {expected}");
                println!("  observed: {observed}");
            }
            None => println!("  observed: {}", finding.observed),
        }
        println!("  more:     stomp-conformance explain {}", requirement.id);
    }
}

/// Takes "a RECEIPT, got nothing" apart.
fn got(words: &str) -> Option<(&str, &str)> {
    words.split_once(", got ")
}

/// An entry of the wire log on one line.
fn trace(entry: &Entry) -> String {
    let arrow = match entry.dir {
        Dir::Out => "->",
        Dir::In => "<-",
    };
    let layer = match entry.layer {
        Layer::Tcp => "tcp",
        Layer::Http => "http",
        Layer::Ws => "ws",
        Layer::Stomp => "stomp",
    };
    let (t, conn) = (entry.t_us, entry.conn);
    format!(
        "{:>5}.{:03} {conn} {arrow} {layer:<5} {:<20} {}",
        t / 1_000_000,
        t / 1_000 % 1_000,
        entry.what,
        show::octets(&entry.octets)
    )
    .trim_end()
    .to_owned()
}
