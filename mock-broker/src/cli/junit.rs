//! The report as JUnit XML.

use hobnail_mock_broker::Report;
use hobnail_mock_broker::verdict::Outcome;
use quick_junit::{NonSuccessKind, Property, Report as Junit, TestCase, TestCaseStatus, TestSuite};

/// One test case a verdict; a run that came to nothing is an error.
pub(crate) fn junit(report: &Report) -> Result<String, quick_junit::SerializeError> {
    let name = if report.scenario.is_empty() {
        "scenario"
    } else {
        &report.scenario
    };
    let mut suite = TestSuite::new(name);
    suite.add_property(Property::new("seed", report.seed.to_string()));
    suite.set_time(report.took);
    let mut add = |title: &str, status: TestCaseStatus| {
        let mut case = TestCase::new(title, status);
        case.set_classname(format!("mock-broker.{name}"));
        suite.add_test_case(case);
    };
    let bad = |kind, message: &str| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(message);
        status
    };
    for verdict in &report.verdicts {
        let status = match verdict.outcome {
            Outcome::Held => TestCaseStatus::success(),
            Outcome::Failed => bad(NonSuccessKind::Failure, &verdict.words),
            Outcome::NotReached | Outcome::Inconclusive => {
                bad(NonSuccessKind::Error, &verdict.words)
            }
        };
        add(&format!("{} {}", verdict.id, verdict.asked), status);
    }
    for fail in &report.fails {
        add("fail", bad(NonSuccessKind::Failure, fail));
    }
    if report.clients == 0 {
        add(
            "a client comes",
            bad(NonSuccessKind::Error, "no client came"),
        );
    }
    let mut junit = Junit::new("mock-broker");
    junit.add_test_suite(suite);
    junit.to_string()
}
