//! The judge before clients: hobnail, a right one, wrong ones, and programs that
//! are no shims.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hobnail;
mod passive;
mod planted;
mod strange;

use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

const REFERENCE: &str = env!("CARGO_BIN_EXE_reference-shim");

/// The judge's exit code.
fn judge(args: &[&str]) -> u8 {
    let args = args.iter().map(OsString::from);
    hobnail_conformance::cli::run(std::iter::once("stomp-conformance".into()).chain(args))
}

/// Judges a client, with these arguments before its command; the exit code, and
/// the report.
fn report(args: &[&str], shim: &[&str]) -> (u8, Value) {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let n = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("judged-{}-{n}.json", std::process::id());
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let path = file.to_str().unwrap();
    let all = [&["client", "--quiet", "--json", path], args, &["--"], shim].concat();
    let exit = judge(&all);
    let report = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    (exit, serde_json::from_str(&report).unwrap())
}

/// The cases that cost something, in the order of their ids.
fn wrong(report: &Value) -> Vec<String> {
    let cases = report["cases"].as_array().unwrap().iter();
    let fine = |c: &&Value| {
        let grade = c["grade"].as_str().unwrap();
        !["OK", "INFO", "UNIMPLEMENTED"].contains(&grade)
    };
    let mut ids: Vec<String> = cases
        .filter(fine)
        .map(|c| c["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// What was seen in the cases that cost something, for people.
fn observed(report: &Value) -> String {
    let cases = report["cases"].as_array().unwrap().iter();
    let lines = cases.filter(|c| !["OK", "INFO"].contains(&c["grade"].as_str().unwrap()));
    lines
        .map(|c| format!("{} {} {}\n", c["id"], c["grade"], c["observed"]))
        .collect()
}
