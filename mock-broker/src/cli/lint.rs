//! `lint`: what is wrong with scenario files.

use super::{INVALID, SUSPECT};
use hobnail_mock_broker::lint::{Finding, Level, lint};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What was found in one file, or why it cannot be read.
struct Checked<'a> {
    path: &'a Path,
    unreadable: Option<String>,
    found: Vec<Finding>,
}

impl Checked<'_> {
    fn count(&self, level: Level) -> usize {
        let found = self.found.iter().filter(|f| f.level == level).count();
        found + usize::from(level == Level::Error && self.unreadable.is_some())
    }
}

/// Checks files; returns what is to be printed and the exit code.
pub(crate) fn check(paths: &[PathBuf], as_json: bool) -> (String, u8) {
    let all: Vec<Checked<'_>> = paths.iter().map(|path| one(path)).collect();
    let sum = |level| all.iter().map(|checked| checked.count(level)).sum();
    let (errors, warnings): (usize, usize) = (sum(Level::Error), sum(Level::Warning));
    let code = match (errors, warnings) {
        (0, 0) => 0,
        (0, _) => SUSPECT,
        (_, _) => INVALID,
    };
    let text = if as_json {
        let files: Vec<Value> = all.iter().map(value).collect();
        let report =
            json!({ "v": 1, "files": files, "errors": errors, "warnings": warnings, "exit": code });
        format!("{report:#}\n")
    } else {
        all.iter().map(lines).collect()
    };
    (text, code)
}

fn one(path: &Path) -> Checked<'_> {
    let (unreadable, found) = match std::fs::read_to_string(path) {
        Ok(text) => (None, lint(&text)),
        Err(error) => (Some(error.to_string()), Vec::new()),
    };
    Checked {
        path,
        unreadable,
        found,
    }
}

/// A line for each finding, as compilers write them.
fn lines(checked: &Checked<'_>) -> String {
    let name = checked.path.display();
    if let Some(why) = &checked.unreadable {
        return format!("{name}: error: {why}\n");
    }
    if checked.found.is_empty() {
        return format!("{name}: ok\n");
    }
    let line = |f: &Finding| {
        let (line, column, level) = (f.line, f.column, f.level.word());
        format!("{name}:{line}:{column}: {level}: {}\n", f.message)
    };
    checked.found.iter().map(line).collect()
}

fn value(checked: &Checked<'_>) -> Value {
    let finding = |f: &Finding| json!({ "line": f.line, "column": f.column, "level": f.level.word(), "message": f.message });
    let mut found: Vec<Value> = checked.found.iter().map(finding).collect();
    let unreadable = checked.unreadable.as_ref();
    found.extend(unreadable.map(|why| json!({ "level": "error", "message": why })));
    json!({ "file": checked.path.to_string_lossy(), "ok": found.is_empty(), "findings": found })
}
