//! The parser and the catalogue know the same words, no more and no fewer.

use super::raw::RawScenario;
use crate::catalogue::{self, Key, Object, SCENARIO, Shape};
use crate::script::Scenario;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, Visitor};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

const STRANGE: &str = "no such word";

/// JSON, read with an error that keeps the words which serde expected.
struct Probe(Value);

/// What the parser said of the strange word.
#[derive(Debug)]
enum Told {
    /// The keys that it knows.
    Keys(&'static [&'static str]),
    Words(String),
}

impl Error for Told {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::Words(words.to_string())
    }
    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Keys(expected)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Told {}

impl IntoDeserializer<'_, Told> for Probe {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Told;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(yes) => visitor.visit_bool(yes),
            Value::Number(n) => visitor.visit_u64(n.as_u64().unwrap_or(0)),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Probe)))
            }
            Value::Object(map) => {
                let pairs = map.into_iter().map(|(k, v)| (k, Self(v)));
                visitor.visit_map(MapDeserializer::new(pairs))
            }
        }
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        visitor.visit_some(self)
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes
        byte_buf unit unit_struct newtype_struct seq tuple tuple_struct map struct
        enum identifier ignored_any
    }
}

/// The words that the parser would rather have read.
fn expected(file: Value) -> BTreeSet<String> {
    match RawScenario::deserialize(Probe(file.clone())) {
        Err(Told::Keys(keys)) => keys.iter().map(|&k| k.to_owned()).collect(),
        Err(Told::Words(text)) if text.contains(STRANGE) => {
            let quoted = text.split('`').skip(1).step_by(2);
            quoted
                .filter(|w| *w != STRANGE)
                .map(str::to_owned)
                .collect()
        }
        Err(other) => panic!("{file}: {other}"),
        Ok(_) => panic!("{file} is read"),
    }
}

fn words<'a>(keys: impl Iterator<Item = &'a Key>) -> BTreeSet<String> {
    keys.map(|key| key.word.to_owned()).collect()
}

/// Walks through all objects and choices of the catalogue and asks the parser
/// at each place what it knows there.
struct Walk {
    seen: Vec<&'static Object>,
    places: usize,
}

impl Walk {
    fn object(&mut self, object: &'static Object, wrap: &dyn Fn(Value) -> Value) {
        if self.seen.iter().any(|o| std::ptr::eq(*o, object)) {
            return;
        }
        self.seen.push(object);
        self.places += 1;
        let known = words(
            object
                .words()
                .filter(|k| !matches!(k.shape, Shape::Nothing)),
        );
        let file = wrap(json!({ STRANGE: null }));
        assert_eq!(expected(file.clone()), known, "{file}");
        for key in object.words() {
            self.shape(&key.shape, &|inner| wrap(json!({ key.word: inner })));
        }
    }

    fn shape(&mut self, shape: &'static Shape, wrap: &dyn Fn(Value) -> Value) {
        if let Shape::Object(object) = shape {
            self.object(object, wrap);
        } else if let Shape::Word(object) = shape {
            self.object(object, wrap);
            let bare = words(object.words().filter(|key| key.bare));
            assert_eq!(expected(wrap(json!(STRANGE))), bare, "{}", object.what);
        } else if let Shape::List(item) = shape {
            self.shape(item, &|inner| wrap(json!([inner])));
        } else if let Shape::Either(shapes) = shape {
            for shape in *shapes {
                self.shape(shape, wrap);
            }
        } else if let Shape::Choice(choice) = shape {
            self.places += 1;
            let known = choice.iter().map(|(word, _)| (*word).to_owned()).collect();
            let file = wrap(json!(STRANGE));
            assert_eq!(expected(file.clone()), known, "{file}");
        }
    }
}

#[test]
fn parser_and_catalogue_know_the_same_words() {
    let mut walk = Walk {
        seen: Vec::new(),
        places: 0,
    };
    walk.object(&SCENARIO, &|inner| inner);
    assert!(walk.places > 40, "{}", walk.places);
    // What was walked through is all that there is to list.
    for group in catalogue::GROUPS {
        let reached = |key: &Key| {
            walk.seen
                .iter()
                .any(|o| o.words().any(|k| std::ptr::eq(k, key)))
        };
        assert!(group.words.iter().all(reached), "{}", group.name);
    }
    for object in &walk.seen {
        let listed = |key: &Key| catalogue::places().iter().any(|p| std::ptr::eq(p.key, key));
        assert!(object.words().all(listed), "{}", object.what);
        assert_eq!(
            words(object.words()).len(),
            object.words().count(),
            "{}",
            object.what
        );
    }
}

#[test]
fn each_word_has_an_example_that_uses_it() {
    for place in catalogue::places() {
        let (name, key) = (place.name(), place.key);
        assert!(key.meaning.ends_with('.'), "{name}");
        let top = place.path.iter().flatten().next().is_none();
        assert_eq!(top, !key.example.is_empty(), "{name}");
        let used = format!("\"{}\"", key.word);
        assert!(!top || key.example.contains(&used), "{name}");
        if let Err(error) = Scenario::from_json(place.top().example) {
            panic!("{name}: {error}\n{}", place.top().example);
        }
    }
}

#[test]
fn the_names_of_dialects_are_all_there() {
    let place = catalogue::find("dialect").into_iter().next().unwrap();
    let Shape::Choice(choice) = &place.key.shape else {
        panic!("no choice")
    };
    let names: Vec<&str> = crate::Dialect::ALL.iter().map(|d| d.name).collect();
    assert_eq!(
        choice.iter().map(|(word, _)| *word).collect::<Vec<_>>(),
        names
    );
}
