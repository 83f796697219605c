//! The JSON Schema of scenario files: held against the catalogue it is made
//! of, the files that come with the program, and the parser.

use hobnail_mock_broker::{Scenario, catalogue};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// One of so many mutants is tried.
const PART: usize = 8;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenario.schema.json");

fn validator() -> Validator {
    jsonschema::draft7::new(&catalogue::schema()).expect("a schema")
}

/// The eight scenarios that any program of this kind should play, as they were
/// given. Those in `scenarios/` assert more.
const GIVEN: &str = include_str!("examples.json");

/// The files in `scenarios/`, the examples of the catalogue and the given ones.
fn good() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = std::fs::read_dir(folder).expect("the folder");
    let mut paths: Vec<PathBuf> = files.map(|f| f.expect("a file").path()).collect();
    paths.sort();
    let mut all: Vec<(String, String)> = paths
        .iter()
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read_to_string(path).expect("text"),
            )
        })
        .collect();
    let places = catalogue::places();
    let examples = places.iter().filter(|p| !p.key.example.is_empty());
    all.extend(examples.map(|p| (p.name(), p.key.example.to_owned())));
    let read = |(name, text): (String, String)| (name, serde_json::from_str(&text).expect("JSON"));
    all.into_iter().map(read).chain(given()).collect()
}

fn given() -> Vec<(String, Value)> {
    let given: Vec<Value> = serde_json::from_str(GIVEN).expect("JSON");
    let name = |one: &Value| format!("given: {}", one["name"]);
    given.into_iter().map(|one| (name(&one), one)).collect()
}

#[test]
fn the_given_examples_are_scenarios() {
    let given = given();
    assert_eq!(given.len(), 8);
    for (name, one) in given {
        Scenario::from_json(&one.to_string()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn the_schema_in_the_repository_is_the_catalogue_s() {
    let schema = catalogue::schema();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, format!("{schema:#}\n")).expect("written");
    }
    let kept: Value = std::fs::read_to_string(FILE)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    assert!(
        kept == schema,
        "{FILE} is stale: mock-broker schema > mock-broker/scenario.schema.json"
    );
    jsonschema::draft7::meta::validate(&schema).expect("a schema of draft 7");
}

#[test]
fn good_files_are_valid() {
    let validator = validator();
    for (name, file) in good() {
        let wrong: Vec<String> = validator
            .iter_errors(&file)
            .map(|e| e.to_string())
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
}

#[test]
fn wrong_files_are_refused_by_schema_and_parser() {
    let validator = validator();
    for wrong in [
        json!([]),
        json!({"v": 2}),
        json!({"rulez": []}),
        json!({"name": 7}),
        json!({"rules": {"on": "open", "do": []}}),
        json!({"rules": [{"do": []}]}),
        json!({"rules": [{"on": "open"}]}),
        json!({"rules": [["about", "id"]]}),
        json!({"rules": [{"on": "conected", "do": []}]}),
        json!({"rules": [{"on": {}, "do": []}]}),
        json!({"rules": [{"on": {"nth": 2}, "do": []}]}),
        json!({"rules": [{"on": {"recv": "A", "send": "B"}, "do": []}]}),
        json!({"rules": [{"on": {"recv": "A", "nth": 0}, "do": []}]}),
        json!({"rules": [{"on": {"after": "soon"}, "do": []}]}),
        json!({"rules": [{"on": {"idle": "1s", "of": "open"}, "do": []}]}),
        json!({"rules": [{"on": {"tcp": false}, "do": []}]}),
        json!({"rules": [{"on": "open", "do": "fin"}]}),
        json!({"rules": [{"on": "open", "do": ["mark"]}]}),
        json!({"rules": [{"on": "open", "do": [{"pass": true}]}]}),
        json!({"rules": [{"on": "open", "do": [{}]}]}),
        json!({"rules": [{"on": "open", "do": [{"mark": "x", "log": "y"}]}]}),
        json!({"rules": [{"on": "open", "do": [{"mark": "x", "next": 2}]}]}),
        json!({"rules": [{"on": "open", "do": [{"close": 1001}]}]}),
        json!({"rules": [{"on": "open", "do": [{"close": {"code": 70_000}}]}]}),
        json!({"rules": [{"on": "open", "do": [{"storm": {"dest": "/a", "rate": 1}}]}]}),
        json!({"rules": [{"on": "open", "do": [{"storm": {"dest": "/a", "rate": 1e9, "for": "1s"}}]}]}),
        json!({"rules": [{"on": "open", "do": [{"type": "txt"}]}]}),
        json!({"rules": [{"on": {"send": "A"}, "do": [{"corrupt": {"strip": "nul", "truncate": 1}}]}]}),
        json!({"rules": [{"on": {"send": "A"}, "do": [{"dup": -1}]}]}),
        json!({"rules": [{"on": "open", "p": 1.5, "do": []}]}),
        json!({"rules": [{"conn": "2-3", "on": "open", "do": []}]}),
        json!({"rules": [{"conn": 0, "on": "open", "do": []}]}),
        json!({"broker": {"tls": "yes"}}),
        json!({"broker": {"versions": ["2.0"]}}),
        json!({"broker": {"heart-beat": "1s,1s"}}),
        json!({"broker": {"auth": {"basic": {"u": 5}}}}),
        json!({"broker": {"auth": {"bearer": {}}}}),
        json!({"broker": {"auth": {"oauth": {"clients": [{"secret": "s"}]}}}}),
        json!({"http": [{"on": "/health", "do": []}]}),
        json!({"http": [{"on": "GET /health"}]}),
        json!({"http": [{"on": "GET /health", "do": [], "seq": []}]}),
        json!({"expect": [{}]}),
        json!({"expect": [{"recv": "SEND"}]}),
        json!({"expect": [{"expect": {}}]}),
        json!({"expect": [{"expect": "SEND", "never": "SEND"}]}),
        json!({"expect": [{"expect": {"recv": "A", "send": "B"}}]}),
        json!({"expect": [{"expect": "SEND", "min": 1}]}),
        json!({"expect": [{"expect": "SEND", "within": 5}]}),
    ] {
        assert!(
            Scenario::from_json(&wrong.to_string()).is_err(),
            "read: {wrong}"
        );
        assert!(!validator.is_valid(&wrong), "valid: {wrong}");
    }
}

/// Each value in a file in turn is put out of shape in several ways.
fn mutants(file: &Value) -> Vec<Value> {
    fn paths(value: &Value, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        if let Value::Object(map) = value {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                paths(inner, &format!("{at}/{key}"), all);
            }
        } else if let Value::Array(items) = value {
            for (n, inner) in items.iter().enumerate() {
                paths(inner, &format!("{at}/{n}"), all);
            }
        }
    }
    let mut all = Vec::new();
    paths(file, "", &mut all);
    let mut out = Vec::new();
    for path in all {
        let mut with = |change: &dyn Fn(&mut Value)| {
            let mut copy = file.clone();
            change(copy.pointer_mut(&path).expect("it is there"));
            out.push(copy);
        };
        for other in [
            json!(null),
            json!(true),
            json!(-1),
            json!(0),
            json!(3),
            json!(1.5),
            json!("zz"),
            json!("5s"),
            json!("1..3"),
            json!({}),
            json!([]),
            json!([1]),
            json!({"every": 2}),
        ] {
            with(&|value| *value = other.clone());
        }
        with(&|value| *value = json!([value.clone()]));
        let Some(Value::Object(map)) = file.pointer(&path) else {
            continue;
        };
        let put = |value: &mut Value, change: &dyn Fn(&mut Map<String, Value>)| {
            value.as_object_mut().map(change).expect("an object");
        };
        for key in map.keys() {
            with(&|value| put(value, &|map| drop(map.remove(key))));
            with(&|value| {
                put(value, &|map| {
                    let moved = map.remove(key).unwrap_or_default();
                    map.insert(format!("{key}x"), moved);
                });
            });
        }
        for (key, more) in [
            ("next", json!(1)),
            ("for", json!("1s")),
            ("order", json!("shuffle")),
            ("nth", json!(2)),
            ("match", json!({"a": "b"})),
            ("every", json!(2)),
            ("of", json!("x")),
            ("conn", json!(1)),
            ("recv", json!("SEND")),
            ("mark", json!("m")),
            ("ping", json!("between")),
            ("body", json!("b")),
            ("max", json!(3)),
            ("after", json!("5s")),
            ("within", json!("1s")),
            ("at", json!(1)),
        ] {
            with(&|value| put(value, &|map| drop(map.insert(key.to_owned(), more.clone()))));
        }
    }
    out
}

#[test]
fn what_the_parser_reads_the_schema_takes_and_seldom_more() {
    let validator = validator();
    let (mut refused, mut lenient) = (0, 0);
    for (name, file) in good() {
        // A part of them is enough, and another one for each file.
        let skipped = name.len() % PART;
        for mutant in mutants(&file).into_iter().skip(skipped).step_by(PART) {
            let valid = validator.is_valid(&mutant);
            match Scenario::from_json(&mutant.to_string()) {
                Ok(_) => assert!(valid, "{name}: read, but not valid: {mutant}"),
                Err(error) => {
                    refused += 1;
                    lenient += u32::from(valid);
                    if valid && std::env::var_os("SHOW").is_some() {
                        println!("{error}: {mutant}");
                    }
                }
            }
        }
    }
    assert!(refused > 2_000, "{refused}");
    // What has no meaning is in the right shape nevertheless.
    assert!(lenient * 20 < refused, "{lenient} of {refused}");
}
