//! `lint`: errors, and what could never do anything.

use hobnail_mock_broker::catalogue;
use hobnail_mock_broker::lint::{Finding, Level, lint};

fn only(text: &str) -> Finding {
    let mut found = lint(text);
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

#[test]
fn what_can_never_happen_is_a_warning_with_its_place() {
    for (text, shown, words) in [
        (
            r#"{"rules":[{"on":{"mark":"ex"},"do":[{"mark":"ey"}]}]}"#,
            "\"ex\"",
            "no action sets the mark `ex`, did you mean `ey`?",
        ),
        (
            r#"{"rules":[{"on":{"after":"1s","of":"gone"},"do":["fin"]}]}"#,
            "\"gone\"",
            "/control/mark/gone",
        ),
        (
            r#"{"expect":[{"expect":"SEND","after":"gone"}]}"#,
            "\"gone\"",
            "no action sets",
        ),
        (
            r#"{"expect":[{"never":"SEND","before":{"mark":"gone"}}]}"#,
            "\"gone\"",
            "no action sets",
        ),
        (
            r#"{"expect":[{"order":["SEND",{"mark":"gone"}]}]}"#,
            "\"gone\"",
            "no action sets",
        ),
        (
            r#"{"expect":[{"expect":{"log":"x"}}]}"#,
            "\"x\"",
            "no action writes",
        ),
        (
            r#"{"rules":[{"state":"buzy","on":"open","do":["fin"]},{"on":"open","do":[],"goto":"end"}]}"#,
            "\"buzy\"",
            "no `goto` leads to the state `buzy`",
        ),
        (
            r#"{"rules":[{"state":"busy","on":"open","do":["fin"]},{"on":"open","do":["pass"],"goto":"busi"},{"on":"tcp","do":[{"goto":"busy"}]}]}"#,
            "\"busi\"",
            "did you mean `busy`?",
        ),
        (
            r#"{"rules":[{"state":"a","on":"open","do":["pass"],"goto":"a"}]}"#,
            "\"a\"",
            "only what is never reached",
        ),
        (
            r#"{"rules":[{"on":{"send":"MESSAGE"},"do":[{"hold":"h1"}]},{"on":"open","do":[{"release":"h2"}]}]}"#,
            "\"h2\"",
            "did you mean `h1`?",
        ),
        (
            r#"{"rules":[{"on":"open","times":0,"do":["fin"]}]}"#,
            "0",
            "`times` is 0",
        ),
        (
            r#"{"rules":[{"on":"open","p":0,"do":["fin"]}]}"#,
            "0",
            "`p` is 0",
        ),
        (r#"{"rules":[{"on":"open","do":[]}]}"#, "[]", "does nothing"),
        (
            r#"{"rules":[{"on":"open","do":[{"pick":[]}]}]}"#,
            "{\"pick\"",
            "an empty list",
        ),
        (
            r#"{"rules":[{"on":"open","do":[{"split":[]}]}]}"#,
            "{\"split\"",
            "an empty list",
        ),
        (
            r#"{"rules":[{"on":"open","do":[{"seq":[[{"frag":[],"pong":"between"}]]}]}]}"#,
            "{\"frag\"",
            "an empty list",
        ),
        (
            r#"{"rules":[{"on":{"send":"MESSAGE"},"do":[{"unset":[]}]}]}"#,
            "{\"unset\"",
            "an empty list",
        ),
        (
            r#"{"rules":[{"conn":2000000000,"on":"open","do":["fin"]}]}"#,
            "2000000000",
            "no connection",
        ),
        (
            r#"{"rules":[{"on":"upgrade","times":1,"do":[{"seq":[["hang"],["hang"]]}]}]}"#,
            "{\"seq\"",
            "2 lists",
        ),
        (
            r#"{"rules":[{"on":{"recv":"SEND","nth":3,"every":2},"do":["drop"]}]}"#,
            "3",
            "no multiple",
        ),
        (
            r#"{"rules":[{"on":{"recv":"SEND","match":{"a":"x*","a":"y"}},"do":["drop"]}]}"#,
            "{\"a\"",
            "cannot be both",
        ),
        (
            r#"{"rules":[{"on":{"recv":"SEDN"},"do":["drop"]}]}"#,
            "\"SEDN\"",
            "did you mean `SEND`?",
        ),
        (
            r#"{"rules":[{"on":{"recv":"MESSAGE"},"do":["drop"]}]}"#,
            "\"MESSAGE\"",
            "`send`, not `recv`",
        ),
        (
            r#"{"rules":[{"on":{"send":"SUBSCRIBE"},"do":["drop"]}]}"#,
            "\"SUBSCRIBE\"",
            "`recv`, not `send`",
        ),
        (
            r#"{"broker":{"versions":["1.0"]},"rules":[{"on":{"recv":"NACK"},"do":["drop"]}]}"#,
            "\"NACK\"",
            "no NACK",
        ),
        (r#"{"broker":{"versions":[]}}"#, "[]", "nobody can connect"),
        (
            r#"{"broker":{"heart-beat":"0,5"},"rules":[{"on":"hb-due","do":["drop"]}]}"#,
            "\"hb-due\"",
            "no heart-beats",
        ),
        (
            r#"{"rules":[{"on":"token-expired","do":["drop"]}]}"#,
            "\"token-expired\"",
            "no token",
        ),
        (
            r#"{"rules":[{"on":{"frames_in":0},"do":["fin"]}]}"#,
            "{\"frames_in\"",
            "never fires",
        ),
        (
            r#"{"rules":[{"on":{"upgrade":true,"frames_in":2},"do":["hang"]}]}"#,
            "{\"upgrade\"",
            "no frame has come",
        ),
        (
            r#"{"rules":[{"on":{"mark":"a"},"do":[{"mark":"a"}]}]}"#,
            "{\"mark\"",
            "without end",
        ),
        (
            r#"{"http":[{"on":"* /a*","do":["hang"]},{"on":"GET /ab","do":["hang"]}]}"#,
            "\"GET /ab\"",
            "one before it",
        ),
        (
            r#"{"expect":[{"expect":"SEND","within":"0s"}]}"#,
            "\"0s\"",
            "no time",
        ),
        (
            r#"{"expect":[{"expect":{"send":"RECIEPT"}}]}"#,
            "\"RECIEPT\"",
            "did you mean `RECEIPT`?",
        ),
        (
            r#"{"rules":[{"id":"x","on":"open","do":["fin"]},{"id":"x","on":"tcp","do":["fin"]}]}"#,
            "\"x\",\"on\":\"tcp\"",
            "`x`, too",
        ),
    ] {
        let found = only(text);
        assert_eq!(found.level, Level::Warning, "{text}");
        assert!(found.message.contains(words), "{text}: {}", found.message);
        assert_eq!(found.line, 1);
        assert!(
            text[found.column - 1..].starts_with(shown),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn what_can_happen_is_no_warning() {
    for text in [
        r#"{"rules":[{"on":{"mark":"a"},"times":3,"do":[{"mark":"a"}]},{"on":"open","do":[{"mark":"a"}]}]}"#,
        r#"{"rules":[{"on":{"mark":"a"},"do":[{"delay":"1s"},{"mark":"a"}]},{"on":"open","do":[{"mark":"a"}]}]}"#,
        r#"{"rules":[{"on":{"recv":"SEND","match":{"a":"x*","a":"xy"}},"do":["drop"]}]}"#,
        r#"{"rules":[{"on":{"recv":"*"},"do":["drop"]},{"on":{"send":"REC*"},"do":["drop"]}]}"#,
        r#"{"rules":[{"on":"open","do":[{"send":{"command":"FOO"}}]},{"on":{"send":"FOO"},"do":["drop"]}]}"#,
        r#"{"expect":[{"never":{"recv":"ERROR"}}]}"#,
        r#"{"http":[{"on":"GET /a","times":1,"do":["hang"]},{"on":"GET /a","do":[{"mark":"x"}]}],"expect":[{"expect":"SEND","after":"x"}]}"#,
        r#"{"rules":[{"state":"start","on":"open","do":["pass"],"goto":"b"},{"state":"b","on":{"recv":"SEND"},"do":[{"pick":[[{"goto":"start"}],[{"goto":"end"}]]}]}]}"#,
    ] {
        assert_eq!(lint(text), [], "{text}");
    }
}

#[test]
fn examples_and_scenarios_are_clean() {
    for place in catalogue::places() {
        let example = place.top().example;
        assert_eq!(lint(example), [], "{}: {example}", place.name());
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(lint(&text), [], "{}", path.display());
    }
}

#[test]
fn all_errors_are_told_at_once() {
    let text =
        "{\"rules\":[{\"on\":\"opne\",\"do\":[\"fni\"]},\n{\"on\":\"open\"}],\n\"exepct\":[]}";
    let found = lint(text);
    assert!(found.iter().all(|f| f.level == Level::Error), "{found:?}");
    let places: Vec<(usize, usize)> = found.iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(places, [(1, 17), (1, 30), (2, 1), (3, 1)], "{found:?}");
    // What is well written but has no meaning is told of each rule.
    let found = lint(r#"{"rules":[{"on":"open","do":["hang"]},{"on":"open","do":[{"dup":2}]}]}"#);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn hostile_files_are_refused_in_words() {
    let deep = "[".repeat(200_000);
    let deeper = format!("{{\"rules\":{deep}");
    let nested = format!("{}\"fin\"{}", r#"{"seq":[["#.repeat(60), "]]}".repeat(60));
    let nested = format!(r#"{{"rules":[{{"on":"open","do":[{nested}]}}]}}"#);
    let many = format!(
        r#"{{"rules":[{}]}}"#,
        vec![r#"{"on":"opne","do":[]}"#; 20_000].join(",")
    );
    for text in [
        "",
        "nul",
        "\u{feff}{}",
        "{\"a\":",
        deep.as_str(),
        &deeper,
        &nested,
        &many,
    ] {
        let found = lint(text);
        assert!((1..=100).contains(&found.len()), "{}", found.len());
        assert!(
            found
                .iter()
                .all(|f| f.level == Level::Error && f.line > 0 && f.column > 0)
        );
    }
    for (number, words) in [
        (
            r#"{"storm":{"dest":"/a","rate":1e300,"for":"1s"}}"#,
            "from 0 to 1000000",
        ),
        (
            r#"{"storm":{"dest":"/a","rate":1000000,"for":"8760h"}}"#,
            "at most 1e8 messages",
        ),
        (r#"{"delay":"99999999h"}"#, "a duration"),
        (
            r#"{"pad":{"headers":99999999999999999999}}"#,
            "from 0 to 1000000",
        ),
        (r#"{"drip":{"bytes":0,"gap":"1s"}}"#, "from 1 on"),
    ] {
        let found = only(&format!(
            r#"{{"rules":[{{"on":{{"send":"MESSAGE"}},"do":[{number}]}}]}}"#
        ));
        assert!(found.message.contains(words), "{number}: {}", found.message);
    }
}
