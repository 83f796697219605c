//! Programs without a shim, which echo what they are sent: here the reference
//! client, right and with bugs.

use super::{REFERENCE, observed, wrong};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A run of the judge that waits for a program.
struct Passive {
    judge: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where it is asked for cases.
    place: String,
    report: PathBuf,
}

impl Passive {
    fn start(name: &str, args: &[&str]) -> Self {
        let report = format!("passive-{}-{name}.json", std::process::id());
        let report = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(report);
        let mut judge = Command::new(env!("CARGO_BIN_EXE_judge"))
            .args(["client", "--passive", "--listen=127.0.0.1:0", "--quiet"])
            .arg("--json")
            .arg(&report)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(judge.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let place = first.strip_prefix("STOMP_CONFORMANCE_URL=http://");
        let place = place.expect("it says where it is").to_owned();
        Self {
            judge,
            lines,
            place,
            report,
        }
    }

    /// The exit code, what it said on stderr, and the report.
    fn end(mut self) -> (i32, String, Value) {
        self.lines.by_ref().map_while(Result::ok).for_each(drop);
        let mut said = String::new();
        let mut stderr = self.judge.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let exit = self.judge.wait().unwrap().code().unwrap();
        let report = std::fs::read_to_string(&self.report).unwrap_or_else(|_| "null".to_owned());
        let _ = std::fs::remove_file(&self.report);
        (exit, said, serde_json::from_str(&report).unwrap())
    }
}

/// The next case, if there is one.
fn next(place: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(place).unwrap();
    let request = format!("GET /next?agent=an%20echo HTTP/1.1\r\nHost: {place}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    match head.split(' ').nth(1) {
        Some("204") => None,
        Some("200") => Some(serde_json::from_str(body).unwrap()),
        _ => panic!("{answer}"),
    }
}

/// Does as the convention says until there are no more cases.
fn echo(place: &str, bug: &[&str]) {
    while let Some(case) = next(place) {
        let mut shim = Command::new(REFERENCE)
            .args(bug)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shim.stdin.take().unwrap();
        let url = case["url"].as_str().unwrap();
        let ack = url.split_once("?ack=").unwrap().1;
        let mut number = 0;
        let mut tell = |stdin: &mut ChildStdin, mut command: Value| {
            number += 1;
            command["id"] = number.into();
            // One who has gone needs no commands.
            let _ = writeln!(stdin, "{command}");
        };
        writeln!(stdin, r#"{{"hello":"stomp-conformance-shim/1"}}"#).unwrap();
        let mut connect = json!({"do": "connect", "url": url, "heartbeat": [0, 0]});
        for field in ["login", "passcode"] {
            if case[field].is_string() {
                connect[field] = case[field].clone();
            }
        }
        tell(&mut stdin, connect);
        let lines = BufReader::new(shim.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            let event: Value = serde_json::from_str(&line).unwrap();
            match event["ev"].as_str() {
                Some("connected") => tell(
                    &mut stdin,
                    json!({"do": "subscribe", "sub": "0", "dest": "/conf/in", "ack": ack}),
                ),
                Some("message") => {
                    let headers = event["headers"].as_array().unwrap().iter();
                    let conf = |h: &&Value| h[0].as_str().unwrap().starts_with("conf-");
                    let headers: Vec<&Value> = headers.filter(conf).collect();
                    let asked = headers.iter().find(|h| h[0] == "conf-do");
                    tell(
                        &mut stdin,
                        json!({"do": "send", "dest": "/conf/out", "headers": headers,
                               "body_b64": event["body_b64"]}),
                    );
                    match asked.map(|h| h[1].as_str().unwrap()) {
                        Some("unsubscribe") => {
                            tell(&mut stdin, json!({"do": "unsubscribe", "sub": "0"}));
                        }
                        Some(_) => {
                            tell(&mut stdin, json!({"do": "disconnect", "timeout_ms": 5000}));
                        }
                        None => {}
                    }
                    if ack != "auto" {
                        tell(&mut stdin, json!({"do": "ack", "msg": event["msg"]}));
                    }
                }
                Some("closed") => break,
                Some(_) | None => {}
            }
        }
        drop(stdin);
        let _ = shim.kill();
        shim.wait().unwrap();
    }
}

#[test]
fn a_program_that_echoes_rightly_breaks_no_rule() {
    let run = Passive::start("right", &["!tag:slow", "--time-scale=3"]);
    echo(&run.place, &[]);
    let (exit, said, report) = run.end();
    assert_eq!(
        wrong(&report),
        Vec::<String>::new(),
        "{}",
        observed(&report)
    );
    assert_eq!(exit, 0, "{said}");
    assert_eq!(report["name"], "an echo");
    let cases = report["cases"].as_array().unwrap().iter();
    let ok = cases.filter(|c| c["grade"] == "OK").count();
    assert!(ok > 120, "{ok} cases are OK");
}

#[test]
fn bugs_show_in_what_is_echoed() {
    for (bug, asked, fails) in [
        ("unescapes-never", "S12-ENC-002", "S12-ENC-002"),
        ("trims-headers", "S12-ENC-014", "S12-ENC-014"),
        ("content-length-ignored", "S12-HDR-002", "S12-HDR-002"),
        ("lenient-length", "S12-HDR-003", "S12-HDR-003"),
        ("drops-second-frame", "S12-FRM-021", "S12-FRM-021"),
        ("answers-no-ping", "WS-FRM-009", "WS-FRM-009"),
        ("acks-by-message-id", "S12-ACK-001", "S12-ACK-001"),
        ("masks-constantly", "WS-FRM-001", "WS-FRM-001"),
    ] {
        let run = Passive::start(bug, &[asked, "S12-FRM-002", "--time-scale=2"]);
        echo(&run.place, &["--bug", bug]);
        let (exit, said, report) = run.end();
        assert_eq!(wrong(&report), [fails], "{bug}:\n{}", observed(&report));
        assert_eq!(exit, 1, "{bug}: {said}");
    }
}

#[test]
fn a_program_that_goes_away_has_failed_and_ends_the_run() {
    let run = Passive::start("gone", &["S12-CON-001", "S12-FRM-002", "--time-scale=0.2"]);
    next(&run.place).expect("a case");
    let (exit, said, report) = run.end();
    assert_eq!(exit, 5, "{said}");
    assert!(said.contains("the program is gone"), "{said}");
    let cases = report["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 1, "{report}");
}

#[test]
fn without_a_program_no_case_can_run() {
    let run = Passive::start("none", &["S12-CON-001", "--time-scale=0.05"]);
    let (exit, said, _) = run.end();
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("no program asks for /next"), "{said}");
}
