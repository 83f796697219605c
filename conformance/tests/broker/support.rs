//! The program, brokers for it, and what it wrote.

use hobnail_mock_broker::{MockBroker, Scenario};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) fn judge(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_stomp-conformance");
    Command::new(program).args(args).output().unwrap()
}

/// The exit code, and all that was printed.
pub(crate) fn told(args: &[&str]) -> (i32, String) {
    let output = judge(args);
    let mut text = String::from_utf8(output.stdout).unwrap();
    text.push_str(&String::from_utf8(output.stderr).unwrap());
    (output.status.code().unwrap(), text)
}

pub(crate) fn broker(scenario: &str) -> MockBroker {
    MockBroker::start(Scenario::from_json(scenario).unwrap()).unwrap()
}

/// The ids of cases with a grade.
pub(crate) fn graded(report: &Value, grade: &str) -> Vec<String> {
    let cases = report["cases"].as_array().unwrap().iter();
    let cases = cases.filter(|c| c["grade"] == grade);
    cases
        .map(|c| format!("{}: {}", c["id"].as_str().unwrap(), c["observed"]))
        .collect()
}

/// A folder of one test's own; gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
