//! hobnail and the reference break no rule.

use super::{REFERENCE, observed, report, wrong};

const HOBNAIL: &str = env!("CARGO_BIN_EXE_hobnail-shim");

/// The slow cases run in the whole judgement of `.ci/run`.
const CASES: &[&str] = &["!tag:slow", "--strict", "--time-scale=3", "--jobs=12"];

#[test]
fn hobnail_breaks_no_rule() {
    let (exit, report) = report(CASES, &[HOBNAIL]);
    assert_eq!(
        wrong(&report),
        Vec::<String>::new(),
        "{}",
        observed(&report)
    );
    assert_eq!(exit, 0);
}

#[test]
fn the_reference_breaks_no_rule() {
    let (exit, report) = report(CASES, &[REFERENCE]);
    assert_eq!(
        wrong(&report),
        Vec::<String>::new(),
        "{}",
        observed(&report)
    );
    assert_eq!(exit, 0);
}

#[test]
fn one_process_may_do_many_cases() {
    let (exit, report) = report(
        &["S12-ENC-*", "--reuse-shim", "--jobs=1", "--time-scale=3"],
        &[REFERENCE],
    );
    assert_eq!(
        wrong(&report),
        Vec::<String>::new(),
        "{}",
        observed(&report)
    );
    assert_eq!(exit, 0);
}

/// A token that ends in the session, 409, heart-beats of NUL: hobnail takes all of it,
/// a client by the text not the last.
#[test]
fn a_contact_centre_can_be_served() {
    let asked = ["DLX-*", "--time-scale=3"];
    let (exit, report_of_hobnail) = report(&asked, &[HOBNAIL]);
    assert_eq!(exit, 0, "{}", observed(&report_of_hobnail));
    let cases = report_of_hobnail["cases"].as_array().unwrap();
    assert!(
        cases.len() == 3 && cases.iter().all(|c| c["grade"] == "OK"),
        "{cases:?}"
    );
    let (exit, report) = report(&asked, &[REFERENCE]);
    assert_eq!(wrong(&report), ["DLX-NUL-beat"], "{}", observed(&report));
    assert_eq!(exit, 1);
}
