//! The scenario files that ask for more than a client library does: a
//! contact-centre desk written around @stomp/stompjs, which renews tokens, takes
//! its time and comes back.

use super::storms::{fallen, scenario};
use super::{folder, plan};
use hobnail_mock_broker::{Entry, MockBroker};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// More than any of them takes, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(100);

/// A scenario before the desk.
pub(super) struct Desk {
    pub(super) scenario: &'static str,
    /// What is particular to its plan.
    plan: fn(&MockBroker, &mut Value),
    /// What must have happened, besides what is asserted.
    done: fn(&MockBroker) -> bool,
    /// What the desk must have seen.
    saw: fn(&Value) -> bool,
    /// This token ends as soon as the desk has subscribed.
    expires: Option<&'static str>,
    tls: bool,
    /// How many desks with the same identity.
    desks: usize,
}

const fn desk(scenario: &'static str) -> Desk {
    Desk {
        scenario,
        plan: |_, _| {},
        done: |_| true,
        saw: |_| true,
        expires: None,
        tls: false,
        desks: 1,
    }
}

/// A desk whose token ends.
const fn with_token(scenario: &'static str) -> Desk {
    Desk {
        plan: |_, plan| plan["token"] = "passcode".into(),
        expires: Some("t1"),
        ..desk(scenario)
    }
}

pub(super) const DESKS: &[Desk] = &[
    Desk {
        plan: |_, plan| plan["token"] = "Authorization".into(),
        done: renewed,
        saw: |seen| seen["connected"] == 1 && seen["renewed"] == 1,
        ..with_token("token-401-rebind")
    },
    Desk {
        saw: |seen| seen["connected"] == 1 && seen["renewed"] == 1,
        done: renewed,
        ..with_token("token-401-in-body")
    },
    Desk {
        saw: |seen| seen["connected"] == 1 && seen["renewed"] == 1,
        done: renewed,
        ..with_token("token-401-in-status")
    },
    Desk {
        saw: |seen| seen["connected"] == 2,
        ..with_token("token-401-close")
    },
    Desk {
        desks: 2,
        ..desk("overlap-409")
    },
    Desk {
        // CONNECTED comes with an octet each 20 ms.
        plan: |_, plan| plan["timeout_ms"] = 30_000.into(),
        saw: |seen| seen["connected"] == 4,
        ..desk("cut-everywhere")
    },
    Desk {
        saw: |seen| seen["connected"] == 1,
        ..desk("refusals")
    },
    Desk {
        plan: |_, plan| plan["publish"]["count"] = 10.into(),
        done: |broker| sent(broker, "10"),
        saw: |seen| {
            let order = ["1", "1", "3", "1", "2"];
            seen["longest"].as_u64() >= Some(16 << 20)
                && seen["order"].as_array().is_some_and(|o| o[..5] == order)
        },
        ..desk("receipts-and-order")
    },
    Desk {
        plan: |broker, plan| {
            plan["token"] = "passcode".into();
            let url = broker.url().replace("ws://", "http://");
            plan["token_url"] = url.replace("/stomp", "/oauth/token").into();
        },
        ..desk("regions-and-oauth")
    },
    Desk {
        // The broker stops reading from the third to the eighth second.
        done: |broker| broker.age() > Duration::from_secs(9),
        ..desk("storm-with-slow-reader")
    },
    desk("try-again-later"),
    Desk {
        tls: true,
        ..desk("expired-certificate")
    },
    desk("lost-in-mid-frame"),
];

/// After the CONNECT that renewed the session something was published.
fn renewed(broker: &MockBroker) -> bool {
    let all = broker.transcript();
    let connects = all.iter().filter(|e| e.is_recv("CONNECT"));
    let second = connects.map(|e| e.seq).nth(1);
    let last = all.iter().rfind(|e| e.is_sent("MESSAGE"));
    second.is_some_and(|seq| last.is_some_and(|e| e.seq > seq))
}

/// The message of this number went to the desk.
fn sent(broker: &MockBroker, seq: &str) -> bool {
    let all = broker.transcript();
    let mut frames = all.iter().filter_map(Entry::sent);
    frames.any(|f| f.command == "MESSAGE" && f.header("seq") == Some(seq))
}

/// What even a desk cannot play here, and why.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    (
        "event-storm",
        "the pinger of stompjs is a timer of Node's: on a loaded machine it misses the 500 ms",
    ),
    ("late-heart-beats", "the same, at 400 ms"),
];

#[test]
fn a_desk_on_stompjs_weathers_the_storms() {
    let mut wrong = Vec::new();
    // Half of them at a time: most of a day is waiting.
    for some in DESKS.chunks(8) {
        std::thread::scope(|scope| {
            let each: Vec<_> = some.iter().map(|d| scope.spawn(|| weathered(d))).collect();
            wrong.extend(each.into_iter().filter_map(|one| one.join().unwrap()));
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A desk that must be ended, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A day of a desk; says what is wrong.
fn weathered(desk: &Desk) -> Option<String> {
    let scenario = scenario(desk.scenario);
    let broker = if desk.tls {
        MockBroker::start_tls(scenario)
    } else {
        MockBroker::start(scenario)
    };
    let broker = broker.unwrap();
    let mut plan = plan(PATIENCE.as_millis() as u64);
    plan["publish"]["count"] = 1000.into();
    plan["heart_beat"] = json!([0, 0]);
    plan["timeout_ms"] = 3000.into();
    (desk.plan)(&broker, &mut plan);
    let ca = authority(&broker);
    let mut running: Vec<Running> = (0..desk.desks)
        .map(|_| {
            let mut node = Command::new("node");
            node.arg(folder().join("stompjs/desk.mjs"));
            node.arg(broker.url()).arg(plan.to_string());
            if let Some((_, file)) = &ca {
                node.env("NODE_EXTRA_CA_CERTS", file);
            }
            node.stdin(Stdio::piped()).stdout(Stdio::piped());
            Running(node.spawn().expect("node; run tests/foreign/install"))
        })
        .collect();
    let mut expires = desk.expires;
    let began = Instant::now();
    let deadline = began + PATIENCE;
    loop {
        // It is asked again when something has happened, or after a while.
        let step = Duration::from_millis(100);
        let _ = broker.journal().follow_events(u64::MAX, step);
        let subscribed = || broker.transcript().iter().any(|e| e.is_recv("SUBSCRIBE"));
        if let Some(token) = expires.filter(|_| subscribed()) {
            broker.expire_token(token);
            expires = None;
        }
        let report = broker.report();
        let good = report.clients > 0 && fallen(&report).is_empty();
        if (good && (desk.done)(&broker)) || Instant::now() > deadline {
            break;
        }
    }
    let first = running.remove(0);
    let seen = left(first);
    drop(running);
    let report = broker.report();
    let good = fallen(&report).is_empty() && (desk.saw)(&seen);
    println!("{}: {:.1?}: {seen}", desk.scenario, began.elapsed());
    (!good).then(|| format!("{}: saw {seen}\n{report}", desk.scenario))
}

/// Tells a desk to leave; returns what it saw.
fn left(mut desk: Running) -> Value {
    drop(desk.0.stdin.take());
    let out = desk.0.stdout.take().unwrap();
    serde_json::from_reader(out).unwrap_or(Value::Null)
}

/// The file with the broker's own authority, which goes with its folder.
fn authority(broker: &MockBroker) -> Option<(tempfile::TempDir, PathBuf)> {
    let pem = broker.ca_pem()?;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    Some((folder, file))
}
