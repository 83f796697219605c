//! The vocabulary in Markdown, for the manual.

use super::key::{Group, Kind};
use super::{GROUPS, Place, places};

/// A heading and a table for each group of words.
pub fn markdown() -> String {
    let all = places();
    let mut text = String::new();
    for group in GROUPS {
        text.push_str(&format!("### {}\n\n{}\n\n", heading(group), group.about));
        text.push_str("| word | behind it | meaning |\n|---|---|---|\n");
        for place in all.iter().filter(|place| std::ptr::eq(place.group, *group)) {
            text.push_str(&row(place));
        }
        text.push('\n');
    }
    text
}

fn heading(group: &Group) -> String {
    let kind = match group.kind {
        Kind::File => "The file",
        Kind::Rule => "Rules",
        Kind::Trigger => "Triggers",
        Kind::Action => "Actions",
        Kind::Assertion => "Assertions",
        Kind::Broker => "The broker",
        Kind::Http => "Plain HTTP",
    };
    format!("{kind}: {}", group.name)
}

fn row(place: &Place) -> String {
    let key = place.key;
    let mut meaning = key.meaning.to_owned();
    if !key.default.is_empty() {
        meaning.push_str(&format!(" Default: {}.", key.default));
    }
    if key.needed {
        meaning.push_str(" Needed.");
    }
    let behind = key.behind();
    format!(
        "| `{}` | {} | {} |\n",
        place.name(),
        cell(&behind),
        cell(&meaning)
    )
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('*', "\\*")
        .replace("`\\*`", "`*`")
}
