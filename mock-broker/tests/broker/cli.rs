//! The program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mock-broker"))
}

/// Ends its child.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("waited");
    }
}

fn lint(text: &str) -> (i32, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("scenario.json");
    std::fs::write(&file, text).expect("written");
    let Output { status, stdout, .. } = program().arg("lint").arg(&file).output().expect("it runs");
    (
        status.code().expect("a code"),
        String::from_utf8(stdout).expect("text"),
    )
}

#[test]
fn lint_names_file_line_column_and_word() {
    let (code, out) = lint("{\"rules\":[\n{\"on\":\"upgarde\",\"do\":[]}]}");
    assert_eq!(code, 2);
    assert!(out.contains("scenario.json:2:"), "{out}");
    assert!(out.contains("did you mean `upgrade`?"), "{out}");
    let (code, out) = lint("{}");
    assert_eq!(code, 0);
    assert!(out.contains("ok"), "{out}");
}

#[test]
fn lint_tells_warnings_from_errors_of_several_files() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let good = write("good.json", r#"{"v":1}"#);
    let odd = write("odd.json", "{\"rules\":[\n {\"on\":\"open\",\"do\":[]}]}");
    let bad = write("bad.json", r#"{"rulez":[],"nam":"x"}"#);
    let gone = dir.path().join("gone.json");
    for (files, code, words) in [
        (vec![&good], 0, "good.json: ok"),
        (vec![&good, &odd], 1, "odd.json:2:20: warning: "),
        (vec![&odd, &bad, &good], 2, "bad.json:1:13: error: "),
        (vec![&good, &gone], 2, "gone.json: error: "),
    ] {
        let out = program().arg("lint").args(&files).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert_eq!(out.status.code(), Some(code), "{text}");
        assert!(text.contains(words), "{text}");
        let out = program()
            .args(["lint", "--json"])
            .args(&files)
            .output()
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(out.status.code(), Some(code));
        assert_eq!(json["exit"], code);
        assert_eq!(json["files"].as_array().unwrap().len(), files.len());
    }
    let told = program()
        .args(["run", "--for", "1ms"])
        .arg(&odd)
        .output()
        .unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(
        told.contains("odd.json:2:20: warning: the rule does nothing"),
        "{told}"
    );
    let none = program().arg("lint").output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn words_are_listed_and_explained() {
    let run = |args: &[&str]| {
        let out = program().args(args).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let told = String::from_utf8(out.stderr).unwrap();
        (out.status.code().unwrap(), text, told)
    };
    let (code, all, _) = run(&["list"]);
    assert_eq!(code, 0);
    assert!(all.contains("  dup ") && all.contains("  heart-beat ") && all.contains("  never "));
    let (_, some, _) = run(&["list", "actions"]);
    assert!(
        some.contains("  dup ") && !some.contains("  never "),
        "{some}"
    );
    assert_eq!(run(&["list", "fruits"]).0, 2);
    for word in [
        "dup",
        "storm.rate",
        "bearer.ttl",
        "on-expiry",
        "hb-due",
        "gap",
    ] {
        let (code, text, _) = run(&["explain", word]);
        assert_eq!(code, 0, "{word}");
        assert!(text.contains(word) && text.contains("Example:"), "{text}");
    }
    let (code, text, told) = run(&["explain", "blackhol"]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(told.contains("did you mean `blackhole`?"), "{told}");
    let (_, json, _) = run(&["list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let words = json["words"].as_array().unwrap();
    assert!(words.len() > 150, "{}", words.len());
    let sound = |w: &serde_json::Value| {
        let example = w["example"].as_str().unwrap();
        hobnail_mock_broker::Scenario::from_json(example).is_ok()
    };
    assert!(words.iter().all(sound));
    let (_, schema, _) = run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema, hobnail_mock_broker::catalogue::schema());
}

#[test]
fn run_prints_its_url_first_and_writes_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let (port_file, ca_file) = (dir.path().join("port"), dir.path().join("ca.pem"));
    let child = program()
        .args(["run", "--tls", "--trace", "--port-file"])
        .arg(&port_file)
        .arg("--ca-file")
        .arg(&ca_file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    let port = std::fs::read_to_string(&port_file).unwrap();
    assert_eq!(url, format!("wss://localhost:{}/stomp", port.trim()));
    assert!(
        std::fs::read_to_string(&ca_file)
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE")
    );
    let port: u16 = port.trim().parse().unwrap();
    drop(std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
    let line = lines.next().unwrap().unwrap();
    assert!(line.ends_with("  conn 1   -- tcp"), "{line}");
}

#[test]
fn proxy_stands_in_front_of_a_broker() {
    let dir = tempfile::tempdir().unwrap();
    let (ca_file, scenario) = (dir.path().join("ca.pem"), dir.path().join("s.json"));
    let rules = r#"{"rules":[{"conn":1,"on":"upgrade","do":[{"http":{"status":503}}]}]}"#;
    std::fs::write(&scenario, rules).unwrap();
    let behind =
        hobnail_mock_broker::MockBroker::start_tls(hobnail_mock_broker::Scenario::default())
            .unwrap();
    std::fs::write(&ca_file, behind.ca_pem().unwrap()).unwrap();
    let child = program()
        .args(["proxy", &behind.url(), "--upstream-ca"])
        .args([&ca_file, &scenario])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    assert!(
        url.starts_with("ws://127.0.0.1:") && url.ends_with("/stomp"),
        "{url}"
    );
    let refused = tungstenite::connect(&url).unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
    tungstenite::connect(&url).expect("the second one passes");
}

#[test]
fn bad_usage_is_2() {
    for args in [
        &["run", "no-such-file.json"][..],
        &["dance"],
        &["run", "--ca-file", "x"],
        &["proxy"],
        &["proxy", "http://h/"],
        &["proxy", "ws://h:1/", "--upstream-ca", "no-such-file.pem"],
        &[],
    ] {
        let status = program().args(args).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(2), "{args:?}");
    }
}

/// Runs a scenario with one client that connects and sends `frame`.
fn verdict(scenario: &str, frame: &str) -> (i32, String, String, String) {
    use crate::support::Client;
    let dir = tempfile::tempdir().expect("it runs");
    let [file, json, junit] = ["s.json", "r.json", "r.xml"].map(|name| dir.path().join(name));
    std::fs::write(&file, scenario).expect("it runs");
    let mut child = program()
        .args(["run", "--until-idle", "1ms", "--for", "60s", "--json"])
        .arg(&json)
        .arg("--junit")
        .args([&junit, &file])
        .stdout(Stdio::piped())
        .spawn()
        .map(Running)
        .expect("it runs");
    let mut out = BufReader::new(child.0.stdout.take().expect("it runs"));
    let mut url = String::new();
    out.read_line(&mut url).expect("it runs");
    let mut client = Client::open_url(url.trim());
    client.send("CONNECT\naccept-version:1.2\nhost:h\n\n");
    client.expect("CONNECTED");
    client.confirmed(frame);
    drop(client);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut out, &mut text).expect("it runs");
    let code = child.0.wait().expect("it runs").code().expect("it runs");
    let read = |path| std::fs::read_to_string(path).expect("it runs");
    (code, text, read(&json), read(&junit))
}

#[test]
fn a_run_ends_with_a_verdict_reports_and_an_exit_code() {
    let scenario = r#"{"name":"ci","expect":[{"never":{"recv":"SEND"},"why":"only <readers>"}]}"#;
    let (code, text, json, junit) = verdict(scenario, "SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("clients=1 exit=0\n"), "{text}");
    assert!(json.contains(r#""exit": 0"#), "{json}");
    assert!(junit.contains(r#"name="never-1"#), "{junit}");
    let (code, text, json, junit) = verdict(scenario, "SEND\ndestination:/topic/a\n\nx");
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("FAILED") && text.contains("only <readers>"),
        "{text}"
    );
    assert!(json.contains(r#""outcome": "failed""#), "{json}");
    assert!(
        junit.contains("<failure") && junit.contains("&lt;readers&gt;"),
        "{junit}"
    );
}

#[test]
fn a_run_without_a_client_is_no_success() {
    let out = program().args(["run", "--for", "1ms"]).output().unwrap();
    assert_eq!(out.status.code(), Some(4));
    let wrong = program().args(["run", "--for", "soon"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn completions_are_printed() {
    let out = program().args(["completions", "bash"]).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).contains("until-idle"));
}

#[test]
fn a_trace_is_coloured_only_when_it_is_asked_for_or_seen() {
    use crate::support::Client;
    for (args, no_color, coloured) in [
        (&["--trace"][..], "", false),
        (&["--trace", "--color", "always"], "1", true),
        (&["--trace", "--color", "never"], "", false),
    ] {
        let mut child = program()
            .arg("run")
            .args(args)
            .args(["--until-idle", "1ms", "--for", "60s"])
            .env("NO_COLOR", no_color)
            .stdout(Stdio::piped())
            .spawn()
            .map(Running)
            .unwrap();
        let mut out = BufReader::new(child.0.stdout.take().unwrap());
        let mut url = String::new();
        out.read_line(&mut url).unwrap();
        let mut client = Client::open_url(url.trim());
        client.send("CONNECT\naccept-version:1.2\nhost:h\npasscode:hunter2\n\n");
        client.expect("CONNECTED");
        drop(client);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut out, &mut text).unwrap();
        assert_eq!(text.contains('\x1b'), coloured, "{args:?}: {text}");
        assert!(text.contains("-> CONNECT"), "{text}");
        assert!(text.contains("passcode:***"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
