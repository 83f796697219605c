//! What a run leaves: JSON by its schema, JUnit by the common one, a page that
//! needs nothing beside it, and no secret anywhere.

use crate::support::{Folder, broker, told};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

const SECRET: &str = "s3cr3t-passcode";

/// One run with a failure in it, in all forms.
fn run(folder: &Folder, name: &str, scenario: &str) -> String {
    let broker = broker(scenario);
    let [json, junit, html, md, wire] =
        ["json", "xml", "html", "md", "wire"].map(|form| folder.path(&format!("{name}.{form}")));
    let (_, text) = told(&[
        "broker",
        &broker.url(),
        "S12-RCT-10*",
        "S12-FRM-00*",
        "S12-CON-003",
        "S12-TXN-00*",
        "WS-FRM-003",
        "--login=u",
        &format!("--passcode={SECRET}"),
        "--ws-header=Authorization:s3cr3t-header",
        "--name",
        "a <b>&\"broker\"",
        "--json",
        &json,
        "--junit",
        &junit,
        "--html",
        &html,
        "--md",
        &md,
        "--wire",
        &wire,
        "--trace-wire",
        "--verbose",
    ]);
    text
}

const RIGHT: &str = r#"{"broker":{"auth":{"basic":{"u":"s3cr3t-passcode"}}}}"#;
const WRONG: &str = r#"{"broker":{"auth":{"basic":{"u":"s3cr3t-passcode"}}},"rules":[
    {"on":{"send":"RECEIPT","match":{"receipt-id":"r1"}},"times":"inf","do":[{"set":{"receipt-id":"<r>&"}},"pass"]},
    {"on":{"recv":"BEGIN"},"times":"inf","do":[{"error":{"message":"no s3cr3t-passcode here"}}]}]}"#;

#[test]
fn every_report_is_whole_and_holds_no_secret() {
    let folder = Folder::new();
    let text = run(&folder, "wrong", WRONG);
    assert!(text.contains("\nWhat is wrong:\n"), "{text}");
    assert!(text.contains("  expected: RECEIPT r1\n"), "{text}");
    let report = folder.json("wrong.json");
    let schema = include_str!("../../report.schema.json");
    conforms(&report, &serde_json::from_str(schema).unwrap(), "$");
    junit(&folder.read("wrong.xml"));

    let page = folder.read("wrong.html");
    for fetch in [
        "src=",
        "href=",
        "url(",
        "@import",
        "fetch(",
        "XMLHttpRequest",
        "<b>",
    ] {
        assert!(!page.contains(fetch), "the page has {fetch}");
    }
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(folder.read("wrong.md").contains("| MUST |"));

    let hex: String = SECRET.bytes().map(|o| format!("{o:02x}")).collect();
    let log = std::fs::read_dir(folder.path("wrong.wire")).unwrap();
    let log = log.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let all = ["wrong.json", "wrong.xml", "wrong.html", "wrong.md"].map(|name| folder.read(name));
    for text in log.chain(all).chain([text]) {
        assert!(!text.contains("s3cr3t") && !text.contains(&hex), "{text}");
    }
}

#[test]
fn runs_are_merged_and_compared() {
    let folder = Folder::new();
    run(&folder, "right", RIGHT);
    run(&folder, "wrong", WRONG);
    let [right, wrong] = ["right.json", "wrong.json"].map(|name| folder.path(name));
    let [html, xml, md, json] = ["o.html", "o.xml", "o.md", "o.json"].map(|name| folder.path(name));

    let (exit, text) = told(&["diff", &right, &wrong]);
    assert_eq!(exit, 1, "{text}");
    assert!(
        text.contains("regression  S12-RCT-101") && text.contains("DIFF regressions="),
        "{text}"
    );
    let (exit, text) = told(&["diff", &wrong, &right]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("fixed       S12-RCT-101"), "{text}");

    let (exit, text) = told(&[
        "report", &right, &wrong, "-o", &html, "-o", &xml, "-o", &md, "-o", &json, "--stable",
    ]);
    assert_eq!(exit, 0, "{text}");
    junit(&folder.read("o.xml"));
    // The same name: the later cases count.
    let merged = folder.json("o.json");
    let cases = merged["cases"].as_array().unwrap();
    let receipt = cases.iter().find(|c| c["id"] == "S12-RCT-101").unwrap();
    assert_eq!(receipt["grade"], "FAILED");
    assert!(merged.get("how").is_none() && receipt.get("duration_ms").is_none());
    conforms(
        &merged,
        &serde_json::from_str(include_str!("../../report.schema.json")).unwrap(),
        "$",
    );
    let (exit, text) = told(&["report", &right, "-o", &folder.path("o.pdf")]);
    assert_eq!(exit, 2, "{text}");
}

/// As much of JSON Schema as the schema uses.
fn conforms(value: &Value, schema: &Value, at: &str) {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if let Some(kind) = schema.get("type") {
        let number = kind == "number" && name == "integer";
        assert!(kind == name || number, "{at} is {name}, not {kind}");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        assert!(words.contains(value), "{at} is {value}");
    }
    if let Some(items) = schema.get("items") {
        for (n, item) in value.as_array().unwrap().iter().enumerate() {
            conforms(item, items, &format!("{at}[{n}]"));
        }
    }
    if let Some(object) = value.as_object() {
        for needed in schema["required"].as_array().into_iter().flatten() {
            assert!(
                object.contains_key(needed.as_str().unwrap()),
                "{at} has no {needed}"
            );
        }
        for (key, inner) in object {
            let known = schema["properties"].get(key);
            match known.or_else(|| schema.get("additionalProperties")) {
                Some(Value::Bool(true)) | None => {}
                Some(Value::Bool(false)) => {
                    panic!("{at} has {key}, which the schema does not know")
                }
                Some(schema) => conforms(inner, schema, &format!("{at}.{key}")),
            }
        }
    }
}

/// What the common schema of JUnit allows: an element, its attributes (those
/// it needs first), and what may lie in it.
type Rule = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const JUNIT: [Rule; 9] = [
    (
        "testsuites",
        &[],
        &[
            "name",
            "skipped",
            "disabled",
            "tests",
            "failures",
            "errors",
            "time",
            "uuid",
            "timestamp",
        ],
        &["testsuite"],
    ),
    (
        "testsuite",
        &["name"],
        &[
            "tests",
            "failures",
            "errors",
            "disabled",
            "skipped",
            "time",
            "timestamp",
            "hostname",
            "id",
            "package",
        ],
        &["properties", "testcase", "system-out", "system-err"],
    ),
    ("properties", &[], &[], &["property"]),
    ("property", &["name", "value"], &[], &[]),
    (
        "testcase",
        &["name", "classname"],
        &["assertions", "time", "status", "timestamp"],
        &["skipped", "error", "failure", "system-out", "system-err"],
    ),
    ("skipped", &[], &["message"], &[]),
    ("error", &[], &["message", "type"], &[]),
    ("failure", &[], &["message", "type"], &[]),
    ("system-out", &[], &[], &[]),
];

fn junit(xml: &str) {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<String> = Vec::new();
    let mut tests = 0;
    let check = |element: &BytesStart<'_>, within: Option<&String>| {
        let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
        let rule = |name: &str| {
            *JUNIT
                .iter()
                .find(|r| r.0 == name)
                .unwrap_or_else(|| panic!("<{name}>"))
        };
        let (_, needs, may, _) = rule(&name);
        match within {
            Some(outer) => assert!(
                rule(outer).3.contains(&name.as_str()),
                "<{name}> in <{outer}>"
            ),
            None => assert_eq!(name, "testsuites"),
        }
        let attributes: Vec<String> = element
            .attributes()
            .map(|a| String::from_utf8(a.unwrap().key.as_ref().to_vec()).unwrap())
            .collect();
        for needed in needs {
            assert!(
                attributes.iter().any(|a| a == needed),
                "<{name}> without {needed}"
            );
        }
        for a in &attributes {
            assert!(
                needs.contains(&a.as_str()) || may.contains(&a.as_str()),
                "<{name} {a}>"
            );
        }
        name
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                let name = check(&element, open.last());
                tests += usize::from(name == "testcase");
                open.push(name);
            }
            Event::Empty(element) => {
                tests += usize::from(check(&element, open.last()) == "testcase");
            }
            Event::End(_) => drop(open.pop()),
            Event::Eof => break,
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
    assert!(open.is_empty() && tests > 15, "{tests} tests");
}

#[test]
fn a_case_is_sent_again() {
    let folder = Folder::new();
    run(&folder, "right", RIGHT);
    let wire = folder.path("right.wire");
    let passcode = format!("--passcode={SECRET}");
    let replay = |broker: &str, case: &str| {
        told(&[
            "replay",
            case,
            "--wire",
            &wire,
            "--to",
            broker,
            &passcode,
            "--timeout=5s",
        ])
    };
    let same = broker(RIGHT);
    let (exit, text) = replay(&same.url(), "S12-RCT-101");
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("= 1 RECEIPT\\nreceipt-id:r1"), "{text}");
    let other = broker(WRONG);
    let (exit, text) = replay(&other.url(), "S12-RCT-101");
    assert_eq!(exit, 1, "{text}");
    assert!(
        text.contains("- 1 RECEIPT\\nreceipt-id:r1") && text.contains("+ 1 RECEIPT"),
        "{text}"
    );
    assert!(!text.contains("s3cr3t"), "{text}");
    let (exit, text) = replay(&same.url(), "S12-NONE-001");
    assert_eq!(exit, 2, "{text}");
}
