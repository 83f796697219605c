//! The report as JUnit XML: a suite for each area.

use super::json::{Case, Run};
use crate::grade::Grade;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

pub(crate) fn of(runs: &[Run]) -> Result<String, String> {
    let mut report = Report::new("stomp-conformance");
    for run in runs {
        let mut areas: Vec<&str> = run.cases.iter().map(|c| c.area.as_str()).collect();
        areas.sort_unstable();
        areas.dedup();
        for area in areas {
            let cases = run.cases.iter().filter(|c| c.area == area);
            report.add_test_suite(suite(run, area, cases, runs.len() > 1));
        }
    }
    report.to_string().map_err(|error| error.to_string())
}

fn suite<'a>(
    run: &Run,
    area: &str,
    cases: impl Iterator<Item = &'a Case>,
    several: bool,
) -> TestSuite {
    let name = match several {
        true => format!("{} {area}", run.name),
        false => area.to_owned(),
    };
    let mut suite = TestSuite::new(name);
    let how = run.how.clone().unwrap_or_default();
    suite.add_property(Property::new("target", run.name.as_str()));
    suite.add_property(Property::new("profile", how.profile));
    if let Some(seed) = how.seed {
        suite.add_property(Property::new("seed", seed.to_string()));
    }
    // Dots part the packages of a class name.
    let target = run.name.replace('.', "_");
    for case in cases {
        let mut test = TestCase::new(
            format!("{} {}", case.id, case.rule),
            status(case, how.strict),
        );
        test.set_classname(format!("stomp-conformance.{target}.{area}"));
        test.set_time(Duration::from_millis(case.duration_ms.unwrap_or_default()));
        if !case.observed.is_empty() {
            test.set_system_out(format!("{}: {}", case.grade, case.observed));
        }
        suite.add_test_case(test);
    }
    suite
}

fn status(case: &Case, strict: bool) -> TestCaseStatus {
    let not = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(case.observed.clone());
        status.set_type(case.grade.name());
        status.set_description(format!(
            "rule:     {}\nsection:  {}\ntest:     {}\nobserved: {}",
            case.rule, case.section, case.expected, case.observed
        ));
        status
    };
    let skipped = |words: String| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(words);
        status
    };
    match case.grade {
        Grade::Ok | Grade::Info => TestCaseStatus::success(),
        Grade::NonStrict if strict => not(NonSuccessKind::Failure),
        Grade::NonStrict => TestCaseStatus::success(),
        Grade::Failed | Grade::Flaky => not(NonSuccessKind::Failure),
        Grade::Inconclusive => not(NonSuccessKind::Error),
        Grade::Unimplemented => skipped(case.observed.clone()),
        Grade::Known => skipped(match &case.known {
            Some(known) => format!("known {}: {}", known.grade, known.excuse.reason),
            None => case.observed.clone(),
        }),
    }
}
