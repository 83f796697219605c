//! Imports only go down: the layering, kept by a test.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{fs, path::Path};

/// The library from the bottom up. A part imports only from layers below its
/// own; parts of one layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &[
        "clock", "dialect", "errand", "frame", "health", "ledger", "metrics", "rng", "secret",
        "thread", "wheel",
    ],
    &["error"],
    &["http"],
    &["auth", "event", "region"],
    &["config"],
    &["core", "net", "queue"],
    &["acknowledge", "slot"],
    &["message"],
    &["run", "sink", "spool"],
    &["post"],
    &["mailbox"],
    &["delivery", "offload"],
    &["reactor"],
    API,
    &["lib"],
];

/// What users call is one layer whose parts do know each other.
const API: &[&str] = &[
    "client",
    "drain",
    "handle",
    "port",
    "publish",
    "request",
    "subscription",
    "transaction",
];

#[test]
fn imports_only_go_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    visit(&source, &mut |path, text| {
        let inner = path.strip_prefix(&source).unwrap();
        let part = inner.iter().next().unwrap().to_str().unwrap();
        let part = part.trim_end_matches(".rs");
        for name in imports(text).filter(|name| *name != part) {
            seen += 1;
            let together = API.contains(&part) && API.contains(&name);
            assert!(
                together || layer(name) < layer(part),
                "{} may not import crate::{name}",
                inner.display()
            );
        }
    });
    assert!(seen > 100, "only {seen} imports were found");
}

fn layer(part: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&part))
        .unwrap_or_else(|| panic!("{part} has no place in the layering"))
}

/// The first segments of all paths into the crate, outside of comments and tests.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines()
        .scan(false, |within, line| {
            // `use crate::{` lists one part a line, indented once.
            let opens = line.ends_with("use crate::{");
            let name = if *within {
                line.strip_prefix("    ").filter(|l| !l.starts_with(' '))
            } else if line.trim_start().starts_with("//") {
                None
            } else {
                line.split_once("crate::").map(|(_, rest)| rest)
            };
            *within = opens || (*within && line != "};");
            Some(name)
        })
        .flatten()
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
        .filter(|name| !name.is_empty())
}

fn visit(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") && !path.ends_with("sim") {
                visit(&path, each);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            each(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
