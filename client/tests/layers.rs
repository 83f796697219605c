//! Imports only go down: the layering, kept by a test.

use std::{collections::BTreeMap, fs, path::Path};

/// What each part of the library may import from the crate.
const ALLOWED: &[(&str, &[&str])] = &[
    ("error", &["frame"]),
    ("frame", &[]),
    ("wheel", &[]),
    ("dialect", &[]),
    ("metrics", &[]),
    ("clock", &[]),
    ("event", &["error", "frame"]),
    ("auth", &["config", "error"]),
    ("config", &["auth", "dialect", "error"]),
    (
        "core",
        &[
            "auth", "config", "dialect", "error", "event", "frame", "metrics", "wheel",
        ],
    ),
    ("net", &["config", "error"]),
    ("queue", &["clock", "config"]),
    (
        "mailbox",
        &[
            "auth", "clock", "config", "core", "error", "queue", "reactor",
        ],
    ),
    ("offload", &["auth", "core", "error", "mailbox", "net"]),
    (
        "message",
        &[
            "clock", "core", "error", "frame", "mailbox", "publish", "AckMode",
        ],
    ),
    (
        "reactor",
        &[
            "clock", "config", "core", "error", "event", "frame", "mailbox", "message", "net",
            "offload", "queue",
        ],
    ),
    (
        "port",
        &[
            "client", "clock", "core", "error", "handle", "mailbox", "reactor",
        ],
    ),
    (
        "publish",
        &[
            "clock", "core", "error", "frame", "mailbox", "message", "port", "Client",
        ],
    ),
    (
        "subscription",
        &[
            "clock", "config", "core", "error", "handle", "mailbox", "message", "port", "queue",
            "reactor", "Client",
        ],
    ),
    (
        "transaction",
        &["core", "error", "frame", "message", "port", "publish"],
    ),
    (
        "handle",
        &[
            "client",
            "clock",
            "error",
            "event",
            "mailbox",
            "metrics",
            "port",
            "publish",
            "queue",
            "subscription",
            "transaction",
            "Client",
        ],
    ),
    (
        "client",
        &[
            "clock",
            "config",
            "core",
            "error",
            "event",
            "handle",
            "mailbox",
            "message",
            "metrics",
            "port",
            "publish",
            "queue",
            "reactor",
            "subscription",
            "transaction",
            "Subscription",
        ],
    ),
    ("lib", &[]),
];

#[test]
fn imports_only_go_down() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    visit(&source, &mut |path, text| {
        let inner = path.strip_prefix(&source).unwrap();
        let part = inner.iter().next().unwrap().to_str().unwrap();
        let part = part.trim_end_matches(".rs");
        let list = allowed
            .get(part)
            .unwrap_or_else(|| panic!("{part} has no place in the layering"));
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for name in imports(code) {
            seen += 1;
            assert!(
                name == part || list.contains(&name.as_str()),
                "{} may not import crate::{name}",
                inner.display()
            );
        }
    });
    assert!(seen > 50, "only {seen} imports were found");
}

/// The first segments of all paths that begin with `crate::`.
fn imports(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut head = true;
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.push(std::mem::take(&mut word));
                        head = true;
                    }
                    ':' if depth == 0 => head = false,
                    c if depth == 0 && head && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ => {}
                }
            }
            names.push(word);
        } else {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            names.push(rest[..end].to_owned());
        }
    }
    names.retain(|name| !name.is_empty());
    names
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
