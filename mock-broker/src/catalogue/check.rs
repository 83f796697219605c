//! Whether JSON is made of the words of the vocabulary: everything that is
//! wrong with it, each with its place.

use super::key::Key;
use super::shape::{Object, Shape, Verbs};
use super::{find, suggestion};
use crate::json::{Node, Value};
use crate::script::units::nearest;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The offset where it stands.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// Whether something is missing: perhaps it is there, but misspelt.
    missing: bool,
}

/// So many are told at most.
const MOST: usize = 100;
/// Characters that are told of a string.
const SHOWN: usize = 40;

/// Everything in a value that is not as the vocabulary has it, in the order
/// of the text, but what is missing at the end.
pub(crate) fn check(object: &'static Object, node: &Node<'_>) -> Vec<Wrong> {
    let mut found = Vec::new();
    object_is(object, object.what, node, &mut found);
    found.sort_by_key(|wrong| (wrong.missing, wrong.at));
    found.truncate(MOST);
    found
}

fn tell(found: &mut Vec<Wrong>, at: usize, message: String) {
    if found.len() < MOST {
        found.push(Wrong {
            at,
            message,
            missing: false,
        });
    }
}

/// `who` is what the value is of: `a rule`, or a key in backticks.
fn value_is(shape: &'static Shape, who: &str, node: &Node<'_>, found: &mut Vec<Wrong>) {
    match (shape, &node.value) {
        (Shape::Object(object), Value::Object(_)) => object_is(object, who, node, found),
        (Shape::Word(object), Value::Object(_)) => object_is(object, object.what, node, found),
        (Shape::Word(object), Value::Text(text)) => word_is(object, text, node, found),
        (Shape::List(shape), Value::List(items)) => {
            let who = format!("what stands in {who}");
            for item in items {
                value_is(shape, &who, item, found);
            }
        }
        (Shape::Pairs, Value::Object(members)) => {
            for member in members {
                let who = format!("`{}`", member.key);
                value_is(&Shape::Scalar, &who, &member.node, found);
            }
        }
        (Shape::Table(_), Value::Object(members)) => {
            for member in members {
                let who = format!("`{}`", member.key);
                value_is(&Shape::Text, &who, &member.node, found);
            }
        }
        (Shape::Choice(words), Value::Text(text)) => {
            if !words.iter().any(|(word, _)| word == text) {
                let known = words.iter().map(|(word, _)| *word);
                let message = match nearest(text, known) {
                    Some(near) => {
                        format!("{who} is never `{}`, did you mean `{near}`?", clip(text))
                    }
                    None => format!("{who} is {}, never `{}`", shape.words(), clip(text)),
                };
                tell(found, node.from, message);
            }
        }
        (Shape::Either(shapes), _) => match shapes.iter().find(|s| takes(s, node)) {
            Some(shape) => value_is(shape, who, node, found),
            None => tell(found, node.from, mismatch(shape, who, node)),
        },
        (_, _) if fits(shape, node) => {}
        (_, _) => tell(found, node.from, mismatch(shape, who, node)),
    }
}

fn mismatch(shape: &Shape, who: &str, node: &Node<'_>) -> String {
    let itself = matches!(shape, Shape::Object(object) if object.what == who);
    let what = if itself {
        "an object".to_owned()
    } else {
        shape.words()
    };
    format!("{who} is {what}, not {}", told(node))
}

/// What stands there, in words.
fn told(node: &Node<'_>) -> String {
    match &node.value {
        Value::Null => "`null`".to_owned(),
        Value::Bool(yes) => format!("`{yes}`"),
        Value::Number(number) => format!("the number {}", clip(number)),
        Value::Text(text) => format!("the string \"{}\"", clip(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn clip(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// Whether a value is of the type of JSON that a shape is written in.
fn takes(shape: &Shape, node: &Node<'_>) -> bool {
    match (shape, &node.value) {
        (Shape::Object(_) | Shape::Pairs | Shape::Table(_), Value::Object(_))
        | (Shape::List(_), Value::List(_))
        | (Shape::Choice(_), Value::Text(_))
        | (Shape::Word(_), Value::Text(_) | Value::Object(_)) => true,
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| takes(shape, node)),
        _ => fits(shape, node),
    }
}

/// Whether a value without parts is as its shape wants it.
fn fits(shape: &Shape, node: &Node<'_>) -> bool {
    let value = &node.value;
    match shape {
        Shape::Any => true,
        Shape::True => matches!(value, Value::Bool(true)),
        Shape::Bool => matches!(value, Value::Bool(_)),
        Shape::Null => matches!(value, Value::Null),
        Shape::Text | Shape::Named(_) => matches!(value, Value::Text(_)),
        Shape::Scalar => match value {
            Value::Text(_) => true,
            Value::Number(n) => n.parse::<u64>().is_ok() || n.parse::<i64>().is_ok(),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => false,
        },
        Shape::Whole(min, max) => number::<u64>(value).is_some_and(|n| (*min..=*max).contains(&n)),
        Shape::Signed => number::<i64>(value).is_some(),
        Shape::Real(min, max) => number::<f64>(value).is_some_and(|n| (*min..=*max).contains(&n)),
        Shape::Written(notation) => match value {
            Value::Text(text) => (notation.fits)(text),
            Value::Number(n) => {
                let least = notation.number;
                let number = n.parse::<u64>().ok();
                least.zip(number).is_some_and(|(min, n)| n >= min)
            }
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => false,
        },
        Shape::Nothing
        | Shape::Choice(_)
        | Shape::Pairs
        | Shape::Table(_)
        | Shape::List(_)
        | Shape::Object(_)
        | Shape::Word(_)
        | Shape::Either(_) => false,
    }
}

fn number<T: std::str::FromStr>(value: &Value<'_>) -> Option<T> {
    if let Value::Number(text) = value {
        text.parse().ok()
    } else {
        None
    }
}

/// A bare word.
fn word_is(object: &'static Object, text: &str, node: &Node<'_>, found: &mut Vec<Wrong>) {
    let what = object.what;
    let message = match object.key(text) {
        Some(key) if key.bare => return,
        Some(key) => format!(
            "`{text}` does not stand alone: {{\"{text}\": ..}} with {} behind it",
            key.shape.words()
        ),
        None => {
            let name = what.trim_start_matches("an ").trim_start_matches("a ");
            let shown = clip(text);
            let bare: Vec<String> = object.bare().map(|key| format!("`{}`", key.word)).collect();
            match nearest(text, object.words().map(|key| key.word)) {
                Some(near) => format!("unknown {name} `{shown}`, did you mean `{near}`?"),
                None => format!("unknown {name} `{shown}`; alone stand {}", bare.join(", ")),
            }
        }
    };
    tell(found, node.from, message);
}

fn object_is(object: &'static Object, who: &str, node: &Node<'_>, found: &mut Vec<Wrong>) {
    let who = if object.name.is_empty() {
        who
    } else {
        object.what
    };
    let Value::Object(members) = &node.value else {
        let message = format!("{who} is an object, not {}", told(node));
        tell(found, node.from, message);
        return;
    };
    let has = |word: &str| members.iter().any(|m| m.key == word);
    let mut verbs: Vec<&Key> = Vec::new();
    for (n, member) in members.iter().enumerate() {
        let Some(key) = object.key(&member.key) else {
            tell(found, member.at, stranger(object, who, &member.key));
            continue;
        };
        let word = key.word;
        if members[..n].iter().any(|m| m.key == word) {
            tell(found, member.at, format!("`{word}` stands twice"));
            continue;
        }
        if matches!(key.shape, Shape::Nothing) {
            let message = format!("`{word}` stands alone: \"{word}\", without braces");
            tell(found, member.at, message);
            verbs.push(key);
            continue;
        }
        value_is(&key.shape, &format!("`{word}`"), &member.node, found);
        let beside = key.beside.iter().any(|other| has(other));
        if key.verb && !beside {
            verbs.push(key);
        } else if !key.verb && !key.beside.is_empty() && !beside {
            let message = format!("`{word}` needs {} beside it", names(key.beside, "or"));
            tell(found, member.at, message);
        }
        if let Some(other) = key.without.iter().find(|other| has(other)) {
            // Told once, at the later of the two.
            if members[..n].iter().any(|m| m.key == **other) {
                let message = format!("`{other}` and `{word}` exclude each other");
                tell(found, member.at, message);
            }
        }
    }
    for key in object.words().filter(|key| key.needed && !has(key.word)) {
        let message = format!("{who} needs `{}`: {}", key.word, key.shape.words());
        tell(found, node.from, message);
        if let Some(last) = found.last_mut() {
            last.missing = true;
        }
    }
    count(object, who, &verbs, node, found);
}

/// How many verbs there are.
fn count(
    object: &'static Object,
    who: &str,
    verbs: &[&Key],
    node: &Node<'_>,
    found: &mut Vec<Wrong>,
) {
    let strange = found.iter().any(|w| (node.from..node.to).contains(&w.at));
    let words: Vec<&str> = verbs.iter().map(|key| key.word).collect();
    match (object.verbs, verbs.len()) {
        (Verbs::None, _) | (Verbs::One, 1) | (Verbs::Some, 1..) => {}
        // A misspelt verb is told already.
        (Verbs::One | Verbs::Some, 0) if strange => {}
        (Verbs::One | Verbs::Some, 0) => {
            let all: Vec<&str> = object.inside().filter(|k| k.verb).map(|k| k.word).collect();
            let message = if all.len() < 16 {
                format!("{who} needs {}", names(&all, "or"))
            } else {
                format!("{who} without a verb is empty; `mock-broker list` shows what there is")
            };
            tell(found, node.from, message);
        }
        (Verbs::One, 2..) => {
            let message = format!(
                "{who} is one thing, not {}; write one for each",
                names(&words, "and")
            );
            tell(found, node.from, message);
        }
    }
}

/// A key that is not known here.
fn stranger(object: &'static Object, who: &str, word: &str) -> String {
    let shown = clip(word);
    let known = object.inside().map(|key| key.word);
    if let Some(near) = nearest(word, known.clone()) {
        return format!("unknown key `{shown}` of {who}, did you mean `{near}`?");
    }
    let all: Vec<&str> = known.collect();
    let hint = if all.len() < 24 {
        format!("known are {}", names(&all, "and"))
    } else if let Some(place) = find(word).first() {
        let kind = place.group.kind.word();
        format!("it is one of the {kind} words (`mock-broker explain {shown}`)")
    } else if let Some(near) = suggestion(word) {
        format!("`{near}` is known, but not here")
    } else {
        "`mock-broker list` shows what there is".to_owned()
    };
    format!("unknown key `{shown}` of {who}; {hint}")
}

/// `a`, `b` or `c`, in backticks.
fn names(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}
