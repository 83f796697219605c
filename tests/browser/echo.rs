//! The judge before a browser: a page with @stomp/stompjs that echoes what it is
//! sent. `tests/foreign/install` puts stompjs into `target/foreign`.

use crate::DESK;
use crate::chromium::Chromium;
use serde_json::Value;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;

const KNOWN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../conformance/expected/stompjs-browser.toml"
);

/// A folder with the page and the library that it loads.
fn page() -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let library = "target/foreign/stompjs/node_modules/@stomp/stompjs/bundles/stomp.umd.min.js";
    for file in ["conformance/shims/stompjs/echo.html", library] {
        let name = Path::new(file).file_name().unwrap();
        std::fs::copy(root.join(file), folder.path().join(name))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    folder
}

/// An address where nobody listens yet.
fn address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_page_with_stompjs_is_judged_by_its_echo() {
    let (folder, address) = (page(), address());
    let report = folder.path().join("report.json");
    let args = [
        "stomp-conformance",
        "client",
        "--passive",
        "--quiet",
        "!tag:slow",
        "--time-scale=1.5",
        "--known-strict",
        "--known",
        KNOWN,
        "--listen",
        &address,
        "--json",
    ];
    let args = args.into_iter().map(OsString::from);
    let args: Vec<OsString> = args.chain([report.clone().into()]).collect();
    let judge = std::thread::spawn(move || hobnail_conformance::cli::run(args));
    let url = format!(
        "file://{}/echo.html?url=http://{address}",
        folder.path().display()
    );
    let mut page = Chromium::open(&url, DESK);
    let exit = judge.join().unwrap();
    page.until("document.getElementById('state').textContent.startsWith('done')");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    let cases = report["cases"].as_array().unwrap();
    let of = |grade: &str| cases.iter().filter(|c| c["grade"] == grade).count();
    let wrong = cases.iter().filter(|c| {
        let grade = c["grade"].as_str().unwrap();
        !["OK", "INFO", "KNOWN", "UNIMPLEMENTED"].contains(&grade)
    });
    let wrong: Vec<String> = wrong
        .map(|c| format!("{} {} {}", c["id"], c["grade"], c["observed"]))
        .collect();
    assert_eq!(exit, 0, "{wrong:#?}");
    assert!(of("OK") > 80, "{} cases are OK", of("OK"));
    assert_eq!(report["name"], "stompjs in a browser");
}
