//! The report as JUnit XML: a suite for each area.

use crate::finding::Finding;
use crate::grade::Grade;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

pub(crate) fn of(target: &str, findings: &[Finding], strict: bool) -> Result<String, String> {
    let mut report = Report::new("stomp-conformance");
    let mut areas: Vec<&str> = findings.iter().map(|f| f.requirement.area()).collect();
    areas.sort_unstable();
    areas.dedup();
    for area in areas {
        let mut suite = TestSuite::new(area);
        for finding in findings.iter().filter(|f| f.requirement.area() == area) {
            let name = format!("{} {}", finding.id, finding.requirement.statement);
            let mut case = TestCase::new(name, status(finding, strict));
            case.set_classname(format!(
                "stomp-conformance.{}.{area}",
                target.replace('.', "_")
            ));
            case.set_time(finding.took);
            if !finding.observed.is_empty() {
                case.set_system_out(format!("{}: {}", finding.grade, finding.observed));
            }
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| error.to_string())
}

fn status(finding: &Finding, strict: bool) -> TestCaseStatus {
    let not = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(finding.observed.clone());
        status
    };
    let skipped = || {
        let mut status = TestCaseStatus::skipped();
        status.set_message(finding.observed.clone());
        status
    };
    match finding.grade {
        Grade::Ok | Grade::Info => TestCaseStatus::success(),
        Grade::NonStrict if strict => not(NonSuccessKind::Failure),
        Grade::NonStrict => TestCaseStatus::success(),
        Grade::Failed | Grade::Flaky => not(NonSuccessKind::Failure),
        Grade::Inconclusive => not(NonSuccessKind::Error),
        Grade::Known | Grade::Unimplemented => skipped(),
    }
}
