//! Brokers with one planted bug each: the cases that name it fail, and no
//! other case of a MUST, IMPLIED or SHOULD rule.

use crate::support::{Folder, broker, graded, told};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A bug, the scenario that plants it, and the cases that must fail.
struct Bug {
    name: &'static str,
    scenario: &'static str,
    fails: &'static [&'static str],
}

const fn bug(name: &'static str, scenario: &'static str, fails: &'static [&'static str]) -> Bug {
    Bug {
        name,
        scenario,
        fails,
    }
}

/// `{"on":{"send":COMMAND},"times":"inf","do":[ACTIONS,"pass"]}`
macro_rules! sending {
    ($command:literal, $do:literal) => {
        concat!(
            r#"{"rules":[{"on":{"send":""#,
            $command,
            r#""},"times":"inf","do":["#,
            $do,
            r#","pass"]}]}"#
        )
    };
}

const BUGS: &[Bug] = &[
    bug(
        "no message-id",
        sending!("MESSAGE", r#"{"unset":["message-id"]}"#),
        &["S12-MSG-003/passive"],
    ),
    bug(
        "no subscription",
        sending!("MESSAGE", r#"{"unset":["subscription"]}"#),
        &[
            "S12-MSG-004/plain",
            "S12-MSG-004/escapes",
            "S12-MSG-004/utf-8",
            "S12-MSG-004/zeros",
            "S10-MSG-001",
            "S12-MSG-004/passive",
        ],
    ),
    bug(
        "no destination",
        sending!("MESSAGE", r#"{"unset":["destination"]}"#),
        &[
            "S12-MSG-001",
            "S12-MSG-001/passive",
            "S12-SND-002/space",
            "S12-SND-002/percent",
            "S12-SND-002/colon",
            "S12-SND-002/utf-8",
            "S12-MSG-002",
        ],
    ),
    bug(
        "another destination",
        sending!("MESSAGE", r#"{"set":{"destination":"/queue/x"}}"#),
        &[
            "S12-SND-002/space",
            "S12-SND-002/percent",
            "S12-SND-002/colon",
            "S12-SND-002/utf-8",
            "S12-MSG-002",
        ],
    ),
    bug(
        "content-type is lost",
        sending!("MESSAGE", r#"{"unset":["content-type"]}"#),
        &[
            "S12-HDR-011",
            "S12-HDR-014",
            "S12-HDR-015/xml",
            "S12-HDR-015/html",
            "S12-HDR-017",
        ],
    ),
    bug(
        "user headers are lost",
        sending!("MESSAGE", r#"{"unset":["conf-a"]}"#),
        &["S12-SND-005", "S12-MSG-007"],
    ),
    bug(
        "no ack header",
        sending!("MESSAGE", r#"{"unset":["ack"]}"#),
        &["S12-MSG-005/client", "S12-MSG-005/client-individual"],
    ),
    bug(
        "RECEIPT twice",
        sending!("RECEIPT", r#"{"dup":2}"#),
        &["S12-RCT-004", "S12-HDR-021/receipt"],
    ),
    bug(
        "RECEIPT with a body",
        sending!("RECEIPT", r#"{"pad":{"body":3}}"#),
        &["S12-BDY-002", "S10-RCT-001", "S12-BDY-002/passive"],
    ),
    bug(
        "no version",
        sending!("CONNECTED", r#"{"unset":["version"]}"#),
        &[
            "S12-CON-004",
            "S12-CON-011",
            "S12-VER-003/all",
            "S12-VER-003/no-1.2",
            "S12-VER-003/1.0-and-1.1",
            "S12-VER-006/order",
            "S12-VER-006/twice",
            "S12-VER-006/unknown",
            "S11-CON-001",
        ],
    ),
    bug(
        "one session for all",
        sending!("CONNECTED", r#"{"set":{"session":"s"}}"#),
        &["S12-CON-013"],
    ),
    bug(
        "a server without a name",
        sending!("CONNECTED", r#"{"set":{"server":"/1.0"}}"#),
        &["S12-CON-014"],
    ),
    bug(
        "CONNECTED twice",
        sending!("CONNECTED", r#"{"dup":2}"#),
        &["S12-CON-002"],
    ),
    bug(
        "ERROR without a message",
        sending!("ERROR", r#"{"unset":["message"]}"#),
        &["S12-ERR-003", "S12-ERR-003/passive"],
    ),
    bug(
        "ERROR without receipt-id",
        sending!("ERROR", r#"{"unset":["receipt-id"]}"#),
        &["S12-ERR-005"],
    ),
    bug(
        "masked frames",
        r#"{"rules":[{"on":"open","times":"inf","do":[{"ws":{"mask":true}}]}]}"#,
        &["WS-FRM-003/passive"],
    ),
    bug(
        "RSV bits",
        r#"{"rules":[{"on":"open","times":"inf","do":[{"ws":{"rsv":1}}]}]}"#,
        &["WS-FRM-005/passive"],
    ),
    bug(
        "no pong",
        r#"{"rules":[{"on":"open","times":"inf","do":["mute-pong"]}]}"#,
        &[
            "WS-FRM-009",
            "WS-CTL-001/before-connect",
            "WS-CTL-001/in-session",
        ],
    ),
    bug(
        "a subprotocol that nobody offers",
        r#"{"rules":[{"on":"upgrade","times":"inf","do":[{"subprotocol":"mqtt"}]}]}"#,
        &["WS-HSK-004/ours"],
    ),
    bug(
        "a body's end is not looked at",
        r#"{"broker":{"dialect":"artemis"}}"#,
        &["S12-HDR-003", "S12-TXN-008/abort"],
    ),
];

#[test]
fn each_planted_bug_fails_what_names_it_and_nothing_else() {
    let work = |bug: &Bug| {
        let broker = broker(bug.scenario);
        // What a bug hides from the probe is asked all the same.
        let caps = "--caps=receipts,tx,nack,queue,binary,1.0,1.1";
        let args = [
            "level:must",
            "level:implied",
            "level:should",
            "--strict",
            caps,
        ];
        let mut failed = failing(&broker.url(), &args, bug.fails, &["FAILED", "NON-STRICT"]);
        failed.sort_unstable();
        let mut wanted = bug.fails.to_vec();
        wanted.sort_unstable();
        (failed != wanted).then(|| format!("{}: {failed:?}", bug.name))
    };
    let wrong = some_at_once(BUGS, &work);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The mock broker acting as others do: what their profile knows is all that
/// is wrong with it.
#[test]
fn a_profile_knows_its_broker() {
    let names = [
        "rabbitmq",
        "activemq",
        "artemis",
        "spring-simple",
        "emqx",
        "contact-centre",
    ];
    let wrong = some_at_once(&names, &|name: &&str| {
        // There, each session needs an identity of its own.
        let (auth, login) = match *name {
            "contact-centre" => ("{}", "--login=agent-{uuid}"),
            _ => (r#"{"basic":{"u":"a-passcode"}}"#, "--login=u"),
        };
        let scenario = format!(
            r#"{{"broker":{{"dialect":"{name}","heart-beat":"1000,1000","auth":{auth}}}}}"#
        );
        let broker = broker(&scenario);
        let profile = format!("--profile={name}");
        let mut args = vec![login, "--passcode=a-passcode", &profile];
        if *name == "rabbitmq" {
            args.extend([
                "--known",
                concat!(env!("CARGO_MANIFEST_DIR"), "/expected/rabbitmq.toml"),
            ]);
        }
        let failed = failing(&broker.url(), &args, &[], &["FAILED"]);
        (!failed.is_empty()).then(|| format!("{name}: {failed:?}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tokens that end, one session for each identity, NUL beats, `receipt-id`.
#[test]
fn what_only_a_contact_centre_does_is_seen() {
    let cases = [
        "DLX-401-rebind",
        "DLX-409",
        "DLX-NUL-beat",
        "DLX-receipt-id",
    ];
    let asked = |scenario: &str, grade: &str| {
        let broker = broker(scenario);
        let folder = Folder::new();
        let file = folder.path("report.json");
        let (exit, text) = told(&[
            "broker",
            &broker.url(),
            "DLX-*",
            "--profile=contact-centre",
            "--login=agent-{uuid}",
            "--token-cmd=cat /proc/sys/kernel/random/uuid",
            "--token-life=4",
            "--time-scale=2",
            "--json",
            &file,
        ]);
        let report = folder.json("report.json");
        let ids: Vec<String> = graded(&report, grade)
            .iter()
            .filter_map(|f| f.split(": ").next().map(str::to_owned))
            .collect();
        (exit, ids, text)
    };
    let auth = r#""heart-beat":"1000,1000","auth":{"bearer":{"ttl":"4s"}}"#;
    let gateway = format!(r#"{{"broker":{{"dialect":"contact-centre",{auth}}}}}"#);
    let (exit, ok, text) = asked(&gateway, "OK");
    assert_eq!(exit, 0, "{text}");
    assert_eq!(ok, [cases[0], cases[1], cases[3]], "{text}");
    // A broker by the text does none of it.
    let plain = format!(r#"{{"broker":{{"on-expiry":"error-close",{auth}}}}}"#);
    let (exit, failed, text) = asked(&plain, "FAILED");
    assert_eq!(exit, 1, "{text}");
    assert_eq!(failed, cases, "{text}");
}

/// The ids of cases with one of these grades. What is not wanted is asked once
/// more, by itself: a machine under load is no bug of the broker.
fn failing(url: &str, args: &[&str], wanted: &[&str], grades: &[&str]) -> Vec<String> {
    let quick = [
        "!tag:slow",
        "!S12-LIM-*",
        "!*/every-cut",
        "--jobs=32",
        "--time-scale=2",
    ];
    let failed = graded_by(url, &[args, &quick].concat(), grades);
    let (strange, mut failed): (Vec<String>, Vec<String>) = failed
        .into_iter()
        .partition(|id| !wanted.contains(&id.as_str()));
    if strange.is_empty() {
        return failed;
    }
    let mut again: Vec<&str> = strange.iter().map(String::as_str).collect();
    again.extend(args.iter().filter(|a| !a.starts_with("level:")));
    again.extend(["--jobs=4", "--time-scale=4"]);
    failed.extend(graded_by(url, &again, grades));
    failed
}

fn graded_by(url: &str, args: &[&str], grades: &[&str]) -> Vec<String> {
    let folder = Folder::new();
    let file = folder.path("report.json");
    let (exit, text) = told(&[&["broker", url, "--json", &file][..], args].concat());
    assert!(exit <= 1, "{text}");
    let report = folder.json("report.json");
    let found = grades.iter().flat_map(|grade| graded(&report, grade));
    found
        .filter_map(|f| f.split(": ").next().map(str::to_owned))
        .collect()
}

/// Does it with each, some at a time; says what was wrong.
fn some_at_once<T: Sync>(all: &[T], work: &(impl Fn(&T) -> Option<String> + Sync)) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // They wait far more than they compute.
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = work(one);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}
