//! The scenario files that come with the mock broker, before ordinary programs on
//! the foreign clients: what each of them holds, and where it falls short. What
//! asks for more than such a program does is the desk's.

use super::desk::{DESKS, LEFT_OUT};
use super::{plan, ride_one, riders};
use hobnail_mock_broker::verdict::Outcome;
use hobnail_mock_broker::{MockBroker, Report, Scenario};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// More than any of them takes, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a client stays that fails an assertion, as it is known to.
const ENOUGH: Duration = Duration::from_secs(8);

/// A scenario before both clients.
struct Ride {
    scenario: &'static str,
    /// The assertions which @stomp/stompjs and stomp.py do not hold.
    fails: [&'static [&'static str]; 2],
    /// Whether it is about heart-beats. A loaded machine makes them late.
    beats: bool,
}

const fn ride(scenario: &'static str) -> Ride {
    Ride {
        scenario,
        fails: [&[], &[]],
        beats: false,
    }
}

const RIDES: &[Ride] = &[
    ride("delayed-receipts"),
    ride("duplicates"),
    ride("frame-over-messages"),
    ride("proxy-fragments"),
    ride("two-frames-in-a-message"),
    ride("slow-drip"),
    ride("kicked"),
    ride("portal-in-the-stream"),
    ride("reset"),
    ride("hanging-upgrade"),
    ride("token-refused-at-upgrade"),
    ride("planned-restart"),
    Ride {
        beats: true,
        ..ride("dead-peer")
    },
    // Neither publishes again what was not confirmed.
    Ride {
        fails: [&["expect-1"], &["expect-1"]],
        ..ride("lost-receipt")
    },
    // stomp.py is content with a 101 for another subprotocol.
    Ride {
        fails: [&[], &["never-1", "expect-2"]],
        ..ride("wrong-upgrades")
    },
];

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../mock-broker/scenarios")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(scenarios().join(name).with_extension("json")).unwrap()
}

pub(super) fn scenario(name: &str) -> Scenario {
    Scenario::from_json(&text(name)).unwrap()
}

#[test]
fn each_scenario_is_ridden_or_left_out_for_a_reason() {
    let files: BTreeSet<String> = std::fs::read_dir(scenarios())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let ridden = RIDES.iter().map(|ride| ride.scenario.to_owned());
    let desks = DESKS.iter().map(|desk| desk.scenario.to_owned());
    let left = LEFT_OUT.iter().map(|(name, _)| (*name).to_owned());
    let all: Vec<String> = ridden.chain(desks).chain(left).collect();
    assert_eq!(all.len(), files.len(), "none twice");
    assert_eq!(BTreeSet::from_iter(all), files);
}

#[test]
fn the_verdicts_on_the_storms_are_as_they_were() {
    let mut wrong = Vec::new();
    // A few at a time: most of a ride is waiting.
    for some in RIDES.chunks(3) {
        std::thread::scope(|scope| {
            let mut each = Vec::new();
            for ride in some {
                for (rider, fails) in riders().into_iter().zip(ride.fails) {
                    each.push(scope.spawn(move || judged(ride, rider, fails)));
                }
            }
            wrong.extend(each.into_iter().filter_map(|one| one.join().unwrap()));
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rides one client; says what is other than it was known.
fn judged(ride: &Ride, (name, rider): (&'static str, Command), fails: &[&str]) -> Option<String> {
    let mut plan = plan(PATIENCE.as_millis() as u64);
    plan["publish"]["count"] = 1000.into();
    // Who acknowledges a duplicate as well is refused, and rightly.
    plan["ack"] = "auto".into();
    if !ride.beats {
        plan["heart_beat"] = serde_json::json!([0, 0]);
    }
    let mut came = None;
    let enough = |broker: &MockBroker| {
        let report = broker.report();
        if report.clients > 0 {
            came.get_or_insert_with(Instant::now);
        }
        let late = !fails.is_empty() && came.is_some_and(|at| at.elapsed() > ENOUGH);
        late || (report.clients > 0 && fallen(&report).is_empty())
    };
    let (_, _, report) = ride_one(name, rider, &text(ride.scenario), &plan, enough);
    let found = fallen(&report);
    (found != fails).then(|| format!("{}, {name}: {found:?}\n{report}", ride.scenario))
}

/// The assertions that do not hold.
pub(super) fn fallen(report: &Report) -> Vec<&str> {
    let all = report.verdicts.iter();
    let fallen = all.filter(|v| v.outcome != Outcome::Held);
    fallen.map(|v| v.id.as_str()).collect()
}
