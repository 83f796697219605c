//! SCENARIOS.md: its tables are those of the catalogue and of the folder, and
//! its examples are sound.

use hobnail_mock_broker::lint::lint;
use hobnail_mock_broker::{Scenario, catalogue};
use std::path::Path;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/SCENARIOS.md");

fn storms() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut all: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the folder of sound storms")
        .map(|file| {
            let path = file.expect("the folder of sound storms").path();
            let scenario = Scenario::from_json(
                &std::fs::read_to_string(path).expect("the folder of sound storms"),
            )
            .expect("the folder of sound storms");
            (scenario.name, scenario.about)
        })
        .collect();
    all.sort();
    let row = |(name, about): &(String, String)| {
        format!("| [{name}](scenarios/{name}.json) | {about} |\n")
    };
    let rows: String = all.iter().map(row).collect();
    format!("| storm | what happens |\n|---|---|\n{rows}")
}

/// Puts a text between its marks.
fn put(manual: &str, name: &str, text: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = manual.split_once(&begin).expect("it begins");
    let (_, after) = rest.split_once(&end).expect("it ends");
    format!("{before}{begin}{text}{end}{after}")
}

#[test]
fn the_manual_has_all_words_and_storms() {
    let manual = std::fs::read_to_string(FILE).unwrap();
    let fresh = put(
        &put(&manual, "storms", &storms()),
        "words",
        &catalogue::markdown(),
    );
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &fresh).unwrap();
    } else {
        assert!(
            manual == fresh,
            "SCENARIOS.md is stale: run this test with UPDATE=1"
        );
    }
}

#[test]
fn the_examples_of_the_manual_and_the_readme_are_sound() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    for (file, least) in [(FILE, 6), (readme, 2)] {
        let text = std::fs::read_to_string(file).unwrap();
        let blocks = text
            .split("```json\n")
            .skip(1)
            .filter_map(|b| b.split("```").next());
        let mut seen = 0;
        for block in blocks {
            assert_eq!(lint(block), [], "{file}: {block}");
            seen += 1;
        }
        assert!(seen >= least, "{file}: {seen}");
    }
}
