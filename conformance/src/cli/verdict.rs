//! What a run says on the terminal, and its exit code.

use super::{FAILED, HARNESS};
use crate::finding::Finding;
use crate::grade::Grade;

/// One line for a case that is over; with `quiet` only if it costs something.
pub(super) fn tell(finding: &Finding, quiet: bool) {
    let silent = matches!(
        finding.grade,
        Grade::Ok | Grade::Info | Grade::Unimplemented
    );
    if !quiet || !silent {
        println!(
            "{:<14} {:<32} {}",
            finding.grade, finding.id, finding.observed
        );
    }
}

/// Another run of the same cases: grades that differ are FLAKY.
pub(super) fn compare(findings: &mut [Finding], again: Vec<Finding>) {
    for (first, other) in findings.iter_mut().zip(again) {
        if first.grade != other.grade && first.grade != Grade::Flaky {
            first.observed = format!(
                "{} before, then {}: {}{}",
                first.grade, other.grade, first.observed, other.observed
            );
            first.grade = Grade::Flaky;
        }
    }
}

/// Repeats what failed, prints the RESULT line, and says the exit code.
pub(super) fn conclude(findings: &[Finding], strict: bool) -> u8 {
    let fails = |grade: Grade| match grade {
        Grade::Failed | Grade::Flaky => true,
        Grade::NonStrict => strict,
        Grade::Inconclusive | Grade::Known | Grade::Unimplemented | Grade::Info | Grade::Ok => {
            false
        }
    };
    let failed: Vec<&Finding> = findings.iter().filter(|f| fails(f.grade)).collect();
    if !failed.is_empty() {
        println!("\nWhat is wrong:");
    }
    for finding in &failed {
        println!(
            "\n{} {} ({})",
            finding.grade, finding.id, finding.requirement.level
        );
        println!("  rule:     {}", finding.requirement.statement);
        println!("  observed: {}", finding.observed);
        println!("  section:  {}", finding.requirement.section);
    }
    let count = |grade: Grade| findings.iter().filter(|f| f.grade == grade).count();
    let exit = if !failed.is_empty() {
        FAILED
    } else if count(Grade::Inconclusive) == findings.len() {
        HARNESS
    } else {
        0
    };
    println!(
        "\nRESULT failed={} nonstrict={} ok={} info={} unimpl={} inconclusive={} known={} flaky={} exit={exit}",
        count(Grade::Failed),
        count(Grade::NonStrict),
        count(Grade::Ok),
        count(Grade::Info),
        count(Grade::Unimplemented),
        count(Grade::Inconclusive),
        count(Grade::Known),
        count(Grade::Flaky),
    );
    exit
}
