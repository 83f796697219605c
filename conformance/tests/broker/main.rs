//! The judge before a broker: a right one, wrong ones, and none at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hostile;
mod reports;
mod support;
mod wrong;

use serde_json::Value;
use std::net::TcpListener;
use support::{broker, graded, told};

#[test]
fn the_reference_breaks_no_rule() {
    let broker =
        broker(r#"{"broker":{"heart-beat":"1000,1000","auth":{"basic":{"u":"s3cr3t-p"}}}}"#);
    let url = broker.url();
    let folder = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let json = folder.join("report.json");
    let junit = folder.join("report.xml");
    let wire = folder.join("wire");
    let (exit, text) = told(&[
        "broker",
        &url,
        "!tag:slow",
        "--login=u",
        "--passcode=s3cr3t-p",
        "--strict",
        "--time-scale=2",
        "--jobs=16",
        "--json",
        json.to_str().unwrap(),
        "--junit",
        junit.to_str().unwrap(),
        "--wire",
        wire.to_str().unwrap(),
    ]);
    let json = std::fs::read_to_string(json).unwrap();
    let xml = std::fs::read_to_string(junit).unwrap();
    let report: Value = serde_json::from_str(&json).unwrap();
    for grade in ["FAILED", "NON-STRICT", "INCONCLUSIVE", "FLAKY"] {
        assert_eq!(graded(&report, grade), Vec::<String>::new(), "{grade}");
    }
    assert_eq!(exit, 0, "{text}");
    assert!(graded(&report, "OK").len() > 200, "{text}");
    assert!(text.trim_end().ends_with("exit=0"), "{text}");
    assert!(xml.contains("<testsuite name=\"FRM\""), "{xml}");
    let mut all = format!("{text}{json}{xml}");
    for file in std::fs::read_dir(wire).unwrap() {
        all.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    assert!(!all.contains("s3cr3t-p"), "a secret in a report");
    let hex: String = b"s3cr3t-p".iter().map(|o| format!("{o:02x}")).collect();
    assert!(!all.contains(&hex), "a secret in a wire log");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_target_that_is_none() {
    // Nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (exit, text) = told(&["broker", &format!("ws://127.0.0.1:{port}/")]);
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("no case can run"), "{text}");

    let html = broker(
        r#"{"rules":[{"on":"upgrade","times":"inf","do":[{"http":{"status":200,"body":"<html>"}}]}]}"#,
    );
    let (exit, text) = told(&["broker", &html.url()]);
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("answered by 200"), "{text}");
}

#[test]
fn a_command_line_without_sense() {
    for args in [
        &["broker", "http://x/"][..],
        &["broker", "ws://127.0.0.1:1/", "colour:red"],
        &["broker", "ws://127.0.0.1:1/", "--dest-template=/queue/x"],
        &["broker", "ws://127.0.0.1:1/", "--header=s3cr3t"],
        &["broker", "ws://127.0.0.1:1/", "--time-scale=NaN"],
        &["explain", "S12-FRM-0001"],
    ] {
        let (exit, text) = told(args);
        assert_eq!(exit, 2, "{args:?}: {text}");
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    let (exit, _) = told(&["broker", "ws://127.0.0.1:1/", "S12-NONE-*"]);
    assert_eq!(exit, 4);
    let (exit, _) = told(&["list", "S12-NONE-*"]);
    assert_eq!(exit, 4);
}

#[test]
fn what_is_there_can_be_listed_and_explained() {
    let (exit, text) = told(&["list"]);
    assert_eq!(exit, 0);
    assert!(text.lines().count() > 300, "{}", text.lines().count());
    let (exit, text) = told(&["explain", "s12-frm-020/every-cut"]);
    assert_eq!(exit, 0);
    assert!(
        text.contains("octet stream") && text.contains("S12-FRM-020/every-cut"),
        "{text}"
    );
}

#[test]
fn a_reader_that_has_enough_ends_it_without_a_panic() {
    let script = format!(
        "{} list | head -n 1",
        env!("CARGO_BIN_EXE_stomp-conformance")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "");
    assert!(!output.stdout.is_empty());
}
