//! The broker's heart-beats, in virtual time.

use super::*;

pub(super) const SHOWN: &[Shown] = &[
    (&["do: hb", "hb: stop", "hb: start"], beats_stop_and_go_on),
    (&["hb: late"], beats_are_late),
    (&["hb: jitter"], beats_waver),
    (
        &[
            "hb: as",
            "hb as: lf",
            "hb as: crlf",
            "hb as: nul",
            "hb as: burst:5",
        ],
        beats_have_the_octets_asked_for,
    ),
];

/// A session that was promised a beat a second, which leaves after 0.8 s.
fn beating(seed: u64, rules: &str) -> World {
    let json = format!(r#"{{"seed":{seed},"broker":{{"heart-beat":"1000,0"}},"rules":[{rules}]}}"#);
    let mut world = world(&json);
    world.connect(1, "heart-beat:0,1000\n");
    world
}

/// When something that is no STOMP frame left for the client.
fn times(world: &World) -> Vec<f64> {
    let is = |o: &Output| matches!(o, Output::Message { octets, .. } if octets.len() < 3);
    when(world, is).iter().map(Duration::as_secs_f64).collect()
}

#[test]
fn beats_stop_and_go_on() {
    let mut world = beating(
        0,
        r#"{"on":{"after":"2s"},"do":[{"hb":"stop"}]}, {"on":{"after":"10s"},"do":[{"hb":"start"}]}"#,
    );
    world.pass(12 * SECOND);
    let times = times(&world);
    assert_eq!(times[..2], [0.8, 1.6]);
    assert!(times[2] >= 10.0 && times[2] <= 10.8, "{times:?}");
    assert!(times.len() >= 4, "{times:?}");
}

#[test]
fn beats_are_late() {
    let mut world = beating(0, r#"{"on":"connected","do":[{"hb":{"late":1.5}}]}"#);
    world.pass(5 * SECOND);
    assert_eq!(times(&world), [1.5, 3.0, 4.5]);
}

#[test]
fn beats_waver() {
    let run = |seed| {
        let mut world = beating(
            seed,
            r#"{"on":"connected","do":[{"hb":{"jitter":"300ms"}}]}"#,
        );
        world.pass(60 * SECOND);
        times(&world)
    };
    let times = run(1);
    let gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(gaps.iter().all(|g| (0.799..=1.101).contains(g)), "{gaps:?}");
    let spread =
        gaps.iter().cloned().fold(0.0, f64::max) - gaps.iter().cloned().fold(9.0, f64::min);
    assert!(spread > 0.1, "{spread}");
    assert_eq!(run(1), times);
    assert_ne!(run(2), times);
}

#[test]
fn beats_have_the_octets_asked_for() {
    for (word, octets, count) in [
        ("lf", &b"\n"[..], 1),
        ("crlf", b"\r\n", 1),
        ("nul", b"\0", 1),
        ("burst:5", b"\n", 5),
    ] {
        let rule = format!(r#"{{"on":"connected","do":[{{"hb":{{"as":"{word}"}}}}]}}"#);
        let mut world = beating(0, &rule);
        world.pass(SECOND);
        let beats = messages(&world, 1).split_off(1);
        assert_eq!(beats.len(), count, "{word}");
        assert!(
            beats.iter().all(|(o, _, _)| o == octets),
            "{word}: {beats:?}"
        );
    }
}
