//! The vocabulary as a JSON Schema, for editors and other validators.

use super::key::Key;
use super::notation::Notation;
use super::scenario::SCENARIO;
use super::shape::{Object, Shape, Verbs};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The JSON Schema (draft 7) of scenario files.
///
/// What it refuses, the broker refuses, too. The broker refuses a little more:
/// what only has no meaning, such as `dup` without a frame.
pub fn schema() -> Value {
    let mut definitions = BTreeMap::new();
    let mut schema = object(&SCENARIO, &mut definitions);
    put(
        &mut schema,
        "$schema",
        json!("http://json-schema.org/draft-07/schema#"),
    );
    put(&mut schema, "title", json!("A scenario of mock-broker"));
    let words = "What goes wrong at a STOMP-over-WebSocket broker, and what must be seen. SCENARIOS.md is the manual.";
    put(&mut schema, "description", json!(words));
    put(&mut schema, "definitions", json!(definitions));
    schema
}

/// Named parts; `None` while one is being made that may hold itself.
type Definitions = BTreeMap<&'static str, Option<Value>>;

fn put(schema: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = schema {
        map.insert(key.to_owned(), value);
    }
}

fn reference(
    name: &'static str,
    definitions: &mut Definitions,
    make: impl FnOnce(&mut Definitions) -> Value,
) -> Value {
    if !definitions.contains_key(name) {
        definitions.insert(name, None);
        let made = make(definitions);
        definitions.insert(name, Some(made));
    }
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn shape(shape: &'static Shape, definitions: &mut Definitions) -> Value {
    match shape {
        Shape::Nothing => json!(false),
        Shape::True => json!({ "const": true }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Null => json!({ "type": "null" }),
        Shape::Any => json!(true),
        Shape::Text | Shape::Named(_) => json!({ "type": "string" }),
        Shape::Scalar => json!({ "type": ["string", "integer"] }),
        Shape::Whole(min, u64::MAX) => json!({ "type": "integer", "minimum": min }),
        Shape::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Signed => json!({ "type": "integer" }),
        Shape::Real(min, max) => json!({ "type": "number", "minimum": min, "maximum": max }),
        Shape::Choice(words) => {
            let (words, meanings): (Vec<&str>, Vec<&str>) = words.iter().copied().unzip();
            json!({ "enum": words, "enumDescriptions": meanings })
        }
        Shape::Written(notation) => reference(notation.name, definitions, |_| written(notation)),
        Shape::Pairs => json!({
            "type": "object", "additionalProperties": { "type": ["string", "integer"] }
        }),
        Shape::Table(_) => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item, definitions) }),
        Shape::Object(of) if of.name.is_empty() => object(of, definitions),
        Shape::Object(of) => reference(of.name, definitions, |d| {
            let mut schema = object(of, d);
            put(&mut schema, "description", json!(of.about));
            schema
        }),
        Shape::Word(of) => reference(of.name, definitions, |d| {
            let (words, meanings): (Vec<&str>, Vec<&str>) =
                of.bare().map(|key| (key.word, key.meaning)).unzip();
            json!({
                "description": of.about,
                "anyOf": [{ "enum": words, "enumDescriptions": meanings }, object(of, d)]
            })
        }),
        Shape::Either(shapes) => {
            let all: Vec<Value> = shapes.iter().map(|s| self::shape(s, definitions)).collect();
            json!({ "anyOf": all })
        }
    }
}

fn written(notation: &Notation) -> Value {
    let words = format!(
        "{}, such as {}. {}",
        notation.what, notation.such_as, notation.more
    );
    let text = json!({ "type": "string", "pattern": notation.pattern });
    let mut schema = match notation.number {
        Some(least) => json!({ "anyOf": [text, { "type": "integer", "minimum": least }] }),
        None => text,
    };
    put(&mut schema, "description", json!(words.trim_end()));
    schema
}

fn object(object: &'static Object, definitions: &mut Definitions) -> Value {
    let mut properties = Map::new();
    let mut dependencies = Map::new();
    for key in object.inside() {
        properties.insert(key.word.to_owned(), property(key, definitions));
        let mut conditions = Vec::new();
        if !key.verb && !key.beside.is_empty() {
            conditions.push(any(key.beside));
        }
        if !key.without.is_empty() {
            conditions.push(json!({ "not": any(key.without) }));
        }
        let condition = match conditions.len() {
            0 => continue,
            1 => conditions.swap_remove(0),
            _ => json!({ "allOf": conditions }),
        };
        dependencies.insert(key.word.to_owned(), condition);
    }
    let mut schema = json!({
        "type": "object", "properties": properties, "additionalProperties": false
    });
    let needed: Vec<&str> = object
        .inside()
        .filter(|k| k.needed)
        .map(|k| k.word)
        .collect();
    if !needed.is_empty() {
        put(&mut schema, "required", json!(needed));
    }
    if !dependencies.is_empty() {
        put(&mut schema, "dependencies", Value::Object(dependencies));
    }
    let verbs: Vec<Value> = object.inside().filter(|k| k.verb).map(verb).collect();
    match object.verbs {
        Verbs::None => {}
        Verbs::One => put(&mut schema, "oneOf", json!(verbs)),
        Verbs::Some => put(&mut schema, "anyOf", json!(verbs)),
    }
    schema
}

/// A verb is there, and no modifier of another.
fn verb(key: &Key) -> Value {
    if key.beside.is_empty() {
        json!({ "required": [key.word] })
    } else {
        json!({ "required": [key.word], "not": any(key.beside) })
    }
}

fn any(words: &[&str]) -> Value {
    let all: Vec<Value> = words.iter().map(|w| json!({ "required": [w] })).collect();
    json!({ "anyOf": all })
}

fn property(key: &'static Key, definitions: &mut Definitions) -> Value {
    let mut schema = shape(&key.shape, definitions);
    // Beside a reference nothing else has a meaning in draft 7.
    if schema.get("$ref").is_some() {
        schema = json!({ "allOf": [schema] });
    } else if !schema.is_object() {
        schema = json!({});
    }
    let mut words = key.meaning.to_owned();
    if !key.default.is_empty() {
        words.push_str(&format!(" Default: {}.", key.default));
        if let Ok(default) = serde_json::from_str::<Value>(key.default) {
            put(&mut schema, "default", default);
        }
    }
    if !key.example.is_empty() {
        let shown = format!("{words}\n\n```json\n{}\n```", key.example);
        put(&mut schema, "markdownDescription", json!(shown));
    }
    put(&mut schema, "description", json!(words));
    schema
}
