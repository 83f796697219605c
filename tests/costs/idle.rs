//! Wake-ups and processor time of a client to which nothing comes but beats.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use hobnail_mock_broker::{MockBroker, Scenario, What};
use hobnail_tests::{client, start};

/// The beats of a connection of 10 s intervals, twenty times as fast. Ours leave
/// at four fifths of it, so that of both there are 13.5 in six intervals.
const BEAT: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_millis(3_500);

/// What does not come from the beats: the calls around what is measured.
const AROUND: u64 = 4;

/// More than a beat can cost, however cold the caches, and far less than an
/// interval of waiting in a loop.
const EACH: Duration = Duration::from_millis(20);

struct Thread(PathBuf);

impl Thread {
    fn this() -> Self {
        let own = fs::read_link("/proc/thread-self").expect("this is Linux");
        Self(Path::new("/proc").join(own))
    }

    /// The only one of that name in this process.
    fn named(name: &str) -> Self {
        let is_it = |task: &PathBuf| {
            let own = fs::read_to_string(task.join("comm"));
            own.is_ok_and(|own| own.trim_end() == name)
        };
        let tasks = fs::read_dir("/proc/self/task").expect("this is Linux");
        let tasks = tasks.map(|task| task.expect("an entry").path());
        Self(tasks.filter(is_it).last().expect("it runs"))
    }

    /// How often it has waited, and what it has run.
    fn spent(&self) -> (u64, Duration) {
        let status = fs::read_to_string(self.0.join("status")).expect("it lives");
        let waits = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let waits = waits.expect("a line").trim().parse().expect("a number");
        let ran = fs::read_to_string(self.0.join("schedstat")).expect("it lives");
        let ran = ran.split(' ').next().expect("a word").parse();
        (waits, Duration::from_nanos(ran.expect("a number")))
    }
}

fn beating() -> MockBroker {
    start(Scenario::builder().heart_beat(500, 500).build())
}

/// Both ways.
fn beats(broker: &MockBroker) -> u64 {
    let entries = broker.transcript();
    let is_beat = |what: &What| matches!(what, What::BeatIn | What::BeatOut);
    entries.iter().filter(|e| is_beat(&e.what)).count() as u64
}

/// Holds what a thread spent against the beats that came and left meanwhile.
fn check(before: (u64, Duration), after: (u64, Duration), beats: u64) {
    assert!(beats >= 8, "only {beats} beats came and left");
    let woken = after.0 - before.0;
    assert!(
        woken <= beats + AROUND,
        "woke up {woken} times for {beats} beats"
    );
    let ran = after.1 - before.1;
    let most = EACH * u32::try_from(beats + AROUND).expect("few");
    assert!(ran <= most, "ran {ran:?} for {beats} beats");
}

#[test]
fn a_client_with_a_thread_of_its_own_wakes_up_for_its_beats_only() {
    let broker = beating();
    let client = client(&broker).heart_beat(BEAT, BEAT).connect().unwrap();
    let handle = client.spawn().unwrap();
    // Its thread runs, for it has answered.
    let _all = handle.subscribe("/topic/a").unwrap();
    let thread = Thread::named("hobnail");
    let before = (thread.spent(), beats(&broker));
    thread::park_timeout(IDLE);
    let after = (thread.spent(), beats(&broker));
    check(before.0, after.0, after.1 - before.1);
    handle.close().unwrap();
}

#[test]
fn a_client_that_waits_in_the_callers_thread_wakes_up_for_its_beats_only() {
    let broker = beating();
    let mut client = client(&broker).heart_beat(BEAT, BEAT).connect().unwrap();
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    let thread = Thread::this();
    let before = (thread.spent(), beats(&broker));
    assert!(client.recv_timeout(IDLE).unwrap().is_none());
    let after = (thread.spent(), beats(&broker));
    check(before.0, after.0, after.1 - before.1);
    client.close().unwrap();
}
