//! `list`, `explain` and `schema`: the vocabulary for people and programs.

use super::Failure;
use hobnail_mock_broker::catalogue::{self, GROUPS, Group, Key, Place, Shape};
use serde_json::{Value, json};
use std::fmt::Write;

/// Where a line ends, if it can.
const WIDTH: usize = 78;

/// Prints the words whose kind or group begins so; all without a choice.
pub(crate) fn list(choice: Option<&str>, as_json: bool) -> Result<String, Failure> {
    let wanted = |group: &Group| {
        choice.is_none_or(|c| {
            let c = c.strip_suffix('s').unwrap_or(c);
            [group.kind.word(), group.name]
                .iter()
                .any(|name| name.starts_with(c))
        })
    };
    let groups: Vec<&&Group> = GROUPS.iter().filter(|group| wanted(group)).collect();
    if groups.is_empty() {
        let mut kinds: Vec<&str> = GROUPS.iter().map(|group| group.kind.word()).collect();
        kinds.dedup();
        let choice = choice.unwrap_or_default();
        let known = kinds.join(", ");
        return Err(Failure::invalid(format!(
            "no words of `{choice}`; there are {known}"
        )));
    }
    if as_json {
        let chosen = |place: &Place| groups.iter().any(|g| std::ptr::eq(**g, place.group));
        let words: Vec<Value> = catalogue::places()
            .iter()
            .filter(|p| chosen(p))
            .map(value)
            .collect();
        return Ok(pretty(&json!({ "v": 1, "words": words })));
    }
    let mut text = String::new();
    for group in groups {
        let _ = writeln!(text, "{} · {}", group.kind.word(), group.name);
        for key in group.words {
            let _ = writeln!(text, "  {:15} {}", key.word, first_sentence(key.meaning));
        }
        text.push('\n');
    }
    text.push_str("mock-broker explain WORD says more, with an example.\n");
    Ok(text)
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

/// Prints everything about a word.
pub(crate) fn explain(word: &str, as_json: bool) -> Result<String, Failure> {
    let found = catalogue::find(word);
    if found.is_empty() {
        if let Ok(group) = list(Some(word), as_json) {
            return Ok(group);
        }
        let hint = match catalogue::suggestion(word) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`mock-broker list` shows them all".to_owned(),
        };
        return Err(Failure::invalid(format!("unknown word `{word}`, {hint}")));
    }
    if as_json {
        let words: Vec<Value> = found.iter().map(value).collect();
        return Ok(pretty(&json!({ "v": 1, "words": words })));
    }
    let texts: Vec<String> = found.iter().map(one).collect();
    Ok(texts.join("\n"))
}

/// The JSON Schema of scenario files.
pub(crate) fn schema() -> String {
    pretty(&catalogue::schema())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn value(place: &Place) -> Value {
    let key = place.key;
    json!({
        "word": place.name(),
        "kind": place.group.kind.word(),
        "group": place.group.name,
        "meaning": key.meaning,
        "behind": key.behind(),
        "bare": key.bare,
        "needed": key.needed,
        "default": key.default,
        "beside": key.beside,
        "example": place.top().example,
    })
}

fn one(place: &Place) -> String {
    let key = place.key;
    let mut text = format!(
        "{}  ({}, {})\n",
        place.name(),
        place.group.kind.word(),
        place.group.name
    );
    paragraph(&mut text, 2, key.meaning);
    text.push('\n');
    if key.bare {
        let _ = writeln!(text, "  \"{}\"", key.word);
    }
    if !matches!(key.shape, Shape::Nothing) {
        let behind = format!("\"{}\": {}", key.word, key.shape.words());
        paragraph(&mut text, 2, &behind);
    }
    notes(&mut text, key);
    details(&mut text, &key.shape);
    let _ = writeln!(text, "\n  Example:\n");
    for line in place.top().example.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

fn notes(text: &mut String, key: &Key) {
    if !key.default.is_empty() {
        paragraph(text, 2, &format!("Default: {}.", key.default));
    }
    let words = |words: &[&str]| {
        let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        quoted.join(", ")
    };
    if !key.beside.is_empty() && !key.verb {
        paragraph(text, 2, &format!("Stands beside {}.", words(key.beside)));
    }
    if !key.without.is_empty() {
        paragraph(
            text,
            2,
            &format!("Never stands beside {}.", words(key.without)),
        );
    }
    if key.needed {
        paragraph(text, 2, "Needed.");
    }
}

/// What stands behind a word, a line each.
fn details(text: &mut String, shape: &'static Shape) {
    if let Shape::Choice(words) = shape {
        for (word, meaning) in *words {
            let _ = writeln!(text, "    {:15} {meaning}", format!("\"{word}\""));
        }
    } else if let Shape::Written(notation) = shape {
        if !notation.more.is_empty() {
            paragraph(text, 2, notation.more);
        }
    } else if let Shape::Object(object) | Shape::Word(object) = shape {
        // What has a name has an explanation of its own.
        let brief = !object.name.is_empty();
        for key in object.words() {
            let line = if brief {
                first_sentence(key.meaning).to_owned()
            } else {
                in_full(key)
            };
            hanging(text, key.word, &line);
        }
    } else if let Shape::List(shape) = shape {
        details(text, shape);
    } else if let Shape::Either(shapes) = shape {
        shapes.iter().for_each(|shape| details(text, shape));
    }
}

fn in_full(key: &Key) -> String {
    let needed = if key.needed { " Needed." } else { "" };
    let default = match key.default {
        "" => String::new(),
        default => format!(" Default: {default}."),
    };
    format!(
        "{}{needed}{default} It is {}.",
        key.meaning,
        key.shape.words()
    )
}

fn hanging(text: &mut String, word: &str, line: &str) {
    let mut wrapped = String::new();
    paragraph(&mut wrapped, 20, line);
    let _ = writeln!(text, "    {word:15} {}", wrapped.trim());
}

/// Words in lines, indented.
fn paragraph(text: &mut String, indent: usize, words: &str) {
    let blank = " ".repeat(indent);
    let mut line = blank.clone();
    for word in words.split(' ') {
        if line.len() > indent && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = blank.clone();
        }
        if line.len() > indent {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
