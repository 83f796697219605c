//! `docs/guide-coverage.md` says which tests prove what: it must not go stale.

use std::{collections::BTreeMap, fs, path::Path};

/// Rows of the guide, and rows of bad input.
const ROWS: [(char, usize); 2] = [('G', 28), ('B', 16)];

/// The tests that each row names, as file and name.
fn rows(page: &str) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = line.trim_matches('|').split(" | ");
        let id = cells.next().unwrap_or_default().trim();
        let Some(tests) = cells.nth(1).filter(|_| id.contains('-')) else {
            continue;
        };
        let tests = tests.split('`').filter_map(|t| t.split_once("::"));
        let twice = rows.insert(id, tests.collect());
        assert_eq!(twice, None, "{id} stands there twice");
    }
    rows
}

#[test]
fn every_row_of_the_guide_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/guide-coverage.md")).unwrap();
    let rows = rows(&page);
    let expected = ROWS.iter().flat_map(|(letter, most)| {
        let number = move |n| format!("{letter}-{n:02}");
        (1..=*most).map(number)
    });
    let expected: Vec<_> = expected.collect();
    let mut found: Vec<_> = rows.keys().copied().collect();
    found.sort_unstable();
    let mut wanted: Vec<_> = expected.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    for (id, tests) in rows {
        assert!(!tests.is_empty(), "{id} names no test");
        let real = tests.iter().any(|(file, _)| file.starts_with("tests/"));
        assert!(real || id.starts_with('B'), "{id} has no test over sockets");
        for (file, name) in tests {
            let text = fs::read_to_string(root.join(file));
            let text = text.unwrap_or_else(|e| panic!("{id}: {file}: {e}"));
            let found = text.find(&format!("fn {name}()"));
            let at = found.unwrap_or_else(|| panic!("{id}: {file} has no test {name}"));
            let before = text[..at].trim_end();
            assert!(before.ends_with(']'), "{id}: {file}: {name} is no test");
        }
    }
}
