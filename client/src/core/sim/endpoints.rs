//! More endpoints than one: which is next, and when.

use super::{pair::Pair, secs};
use crate::{
    config::{Endpoint, FatalErrors, RetryPolicy},
    core::{Input, Phase},
    error::{Error, LinkError, RegionError, Stage},
    event::Event,
};

const HOSTS: [&str; 3] = ["broker.test", "b.test", "c.test"];

/// A client of three endpoints, of which all answer.
fn three() -> Pair {
    three_with(|c| c)
}

fn three_with(client: impl FnOnce(crate::config::Builder) -> crate::config::Builder) -> Pair {
    Pair::with(
        1,
        |c| {
            client(
                c.fallback("ws://b.test/stomp")
                    .fallback("ws://c.test/stomp"),
            )
        },
        |s| s,
    )
}

fn refused() -> LinkError {
    LinkError::Timeout {
        stage: Stage::Connect,
        limit: secs(10),
    }
}

fn nameless(host: &str) -> LinkError {
    LinkError::Resolve {
        host: host.into(),
        text: "no such host".into(),
    }
}

fn hosts(p: &Pair) -> Vec<&str> {
    p.opened.iter().map(|(_, host)| host.as_str()).collect()
}

/// Nobody answers for these.
fn kill(p: &mut Pair, hosts: &[&'static str]) {
    for host in hosts {
        p.dead.insert(host, refused());
    }
}

#[test]
fn the_first_connection_tries_all_endpoints_before_it_fails() {
    let mut p = three();
    kill(&mut p, &HOSTS[..2]);
    p.go_online();
    assert_eq!(hosts(&p), HOSTS);
    assert!(p.now < secs(1), "nobody is waited for");
    p.finish();

    let mut p = three();
    kill(&mut p, &HOSTS);
    let connect = p.connect();
    p.until(|p| p.answer(connect).is_some());
    assert!(matches!(p.expect_err(connect), Error::Link(_)));
    assert_eq!(hosts(&p), HOSTS);
    p.check_end();
}

#[test]
fn after_a_stable_session_the_last_good_endpoint_comes_first_then_the_others_at_once() {
    let mut p = three();
    p.go_online();
    p.pass(secs(40));
    p.lose();
    kill(&mut p, &HOSTS[..2]);
    let lost = p.now;
    p.until_phase(Phase::Online);
    assert_eq!(hosts(&p)[1..], HOSTS);
    assert!((secs(4)..secs(7)).contains(&(p.now - lost)));
    // From now on, the third is the good one.
    p.pass(secs(40));
    p.lose();
    p.until_phase(Phase::Online);
    assert_eq!(hosts(&p)[4], "c.test");
    p.finish();
}

#[test]
fn each_endpoint_has_a_back_off_of_its_own() {
    let mut p = three_with(|c| c.persistent(true).timeouts(patient()));
    kill(&mut p, &HOSTS);
    p.connect();
    p.pass(secs(300));
    for host in HOSTS {
        let at: Vec<_> = p.opened.iter().filter(|(_, h)| h == host).collect();
        let gaps: Vec<_> = at
            .windows(2)
            .map(|w| (w[1].0 - w[0].0).as_secs_f64())
            .collect();
        for (gap, base) in gaps.iter().zip([5.0, 10.0, 20.0, 40.0, 60.0]) {
            assert!(
                (base * 0.79..=base * 1.21).contains(gap),
                "{host}: {gaps:?}"
            );
        }
        assert!(gaps.len() >= 5, "{host}: {gaps:?}");
    }
    let close = p.close();
    p.until(|p| p.answer(close).is_some());
}

fn patient() -> crate::config::Timeouts {
    crate::config::Timeouts {
        overall: secs(10_000),
        ..Default::default()
    }
}

#[test]
fn a_broker_that_accepts_and_kills_sees_the_back_off_grow_and_the_loop_is_told() {
    let mut p = Pair::online();
    for _ in 0..11 {
        p.pass(secs(2));
        p.lose();
        p.until_phase(Phase::Online);
    }
    let waits: Vec<_> = p
        .events
        .iter()
        .filter_map(|(_, e)| match e {
            Event::Disconnected { retry_in, .. } => retry_in.map(|d| d.as_secs_f64()),
            _ => None,
        })
        .collect();
    for (wait, base) in waits.iter().zip([5.0, 10.0, 20.0, 40.0, 60.0, 60.0]) {
        assert!((base * 0.8..=base * 1.2).contains(wait), "{waits:?}");
    }
    let loops: Vec<_> = p
        .events
        .iter()
        .filter_map(|(_, e)| match e {
            Event::Looping { sessions } => Some(*sessions),
            _ => None,
        })
        .collect();
    assert_eq!(loops, [5, 10]);
    p.pass(secs(31));
    p.lose();
    p.until_phase(Phase::Online);
    assert_eq!(p.count(|e| matches!(e, Event::Looping { .. })), 2);
    p.finish();
}

#[test]
fn a_broker_that_accepts_and_kills_is_left_for_another() {
    let mut p = three();
    p.go_online();
    p.pass(secs(2));
    p.lose();
    p.until_phase(Phase::Online);
    assert_eq!(hosts(&p), HOSTS[..2]);
    p.finish();
}

#[test]
fn a_server_that_sends_its_clients_away_is_left_and_not_asked_too_soon() {
    for (code, least) in [(1012, 5), (1013, 60)] {
        let mut p = three();
        p.go_online();
        p.pass(secs(40));
        let sent = p.now;
        p.inject_close(code);
        p.until(|p| p.conns == 2 && p.core.phase() == Phase::Online);
        assert_eq!(hosts(&p)[1], "b.test");
        assert!(p.now - sent < secs(1), "the next one is free");
        p.finish();

        // With nowhere else to go, it waits.
        let mut p = Pair::online();
        p.pass(secs(40));
        let sent = p.now;
        p.inject_close(code);
        p.until(|p| p.conns == 2);
        let waited = p.now - sent;
        assert!(
            (secs(least)..secs(61)).contains(&waited),
            "{code}: {waited:?}"
        );
        p.finish();
    }
}

#[test]
fn a_name_that_cannot_be_resolved_is_tried_again() {
    let mut p = Pair::online();
    p.pass(secs(40));
    p.dead.insert("broker.test", nameless("broker.test"));
    p.lose();
    p.pass(secs(100));
    assert!(p.conns >= 4, "{}", p.conns);
    p.dead.clear();
    p.until_phase(Phase::Online);
    assert!(p.regions_asked.is_empty(), "nobody is there to be asked");
    p.finish();
}

fn regional() -> Pair {
    let unused = || -> Result<String, RegionError> { unreachable!("the world answers") };
    let mut p = three_with(|c| c.regions(unused));
    p.go_online();
    p.pass(secs(40));
    p
}

fn answer(p: &mut Pair, url: &str) {
    let (_, ticket) = *p.regions_asked.last().unwrap();
    p.input(Input::Region(ticket, Ok(Endpoint::parse(url).unwrap())));
}

#[test]
fn the_active_region_is_asked_for_when_a_name_fails_and_is_then_the_next() {
    let mut p = regional();
    for host in HOSTS {
        p.dead.insert(host, nameless(host));
    }
    p.lose();
    p.until(|p| !p.regions_asked.is_empty());
    p.until_phase(Phase::Waiting);
    p.pass(secs(1));
    answer(&mut p, "ws://d.test/stomp");
    p.until_phase(Phase::Online);
    assert_eq!(hosts(&p).last(), Some(&"d.test"));
    let named =
        |e: &Event| matches!(e, Event::Region { endpoint } if endpoint == "ws://d.test/stomp");
    assert_eq!(p.count(named), 1);
    p.finish();
}

#[test]
fn the_active_region_is_asked_for_when_every_endpoint_has_failed_and_once_at_a_time() {
    let mut p = regional();
    kill(&mut p, &HOSTS);
    p.lose();
    p.pass(secs(6));
    assert_eq!((p.conns, p.regions_asked.len()), (4, 1));
    p.pass(secs(20));
    assert_eq!(p.regions_asked.len(), 1, "it has not answered");
    // It is given up at its limit, and asked again after the next failure.
    p.pass(secs(60));
    let failed = |e: &Event| matches!(e, Event::RegionFailed { .. });
    assert!(p.count(failed) >= 1 && p.regions_asked.len() >= 2);
    p.dead.clear();
    p.until_phase(Phase::Online);
    p.finish();
}

#[test]
fn a_region_that_is_named_after_the_end_is_not_told() {
    for answer in ["ws://d.test/stomp", "nonsense"] {
        let mut p = regional();
        kill(&mut p, &HOSTS);
        p.lose();
        p.until(|p| !p.regions_asked.is_empty());
        p.finish();
        let (_, ticket) = p.regions_asked[0];
        let answer = Endpoint::parse(answer).map_err(|e| RegionError {
            text: e.to_string(),
        });
        p.input(Input::Region(ticket, answer));
        assert!(matches!(
            p.events.last(),
            Some((_, Event::Closed { cause: None }))
        ));
    }
}

#[test]
fn a_region_that_has_just_failed_is_not_hammered() {
    let mut p = regional();
    kill(&mut p, &HOSTS);
    p.lose();
    let mut answered = 0;
    let limit = p.now + secs(300);
    while p.step(limit) {
        if p.regions_asked.len() > answered {
            answered = p.regions_asked.len();
            answer(&mut p, "ws://b.test/stomp");
        }
    }
    assert!(p.conns < 40, "{}", p.conns);
    p.dead.clear();
    p.until_phase(Phase::Online);
    p.finish();
}

#[test]
fn credentials_for_tls_never_go_to_a_region_without() {
    let unused = || -> Result<String, RegionError> { unreachable!("the world answers") };
    let config = crate::config::Builder::new("wss://broker.test/")
        .proxy(None)
        .regions(unused);
    let now = crate::core::some_instant();
    let config = std::sync::Arc::new(config.persistent(true).build().unwrap());
    let mut core = crate::core::Core::new(config, 1, now);
    core.handle(
        now,
        Input::Command(crate::core::Command::Connect {
            waiter: crate::core::Waiter(1),
        }),
    );
    let mut outputs = Vec::new();
    let mut drain = |core: &mut crate::core::Core| {
        while let Some(output) = core.poll() {
            outputs.push(output);
        }
        std::mem::take(&mut outputs)
    };
    let ticket = drain(&mut core).iter().find_map(|o| match o {
        crate::core::Output::Open { ticket, .. } => Some(*ticket),
        _ => None,
    });
    core.handle(now, Input::LinkDown(ticket.unwrap(), &refused()));
    let asked = drain(&mut core).iter().find_map(|o| match o {
        crate::core::Output::NeedRegion(ticket) => Some(*ticket),
        _ => None,
    });
    let plain = Endpoint::parse("ws://evil.test/").unwrap();
    core.handle(now, Input::Region(asked.unwrap(), Ok(plain)));
    let told = drain(&mut core);
    assert!(
        matches!(
            &told[..],
            [crate::core::Output::Event(Event::RegionFailed { .. })]
        ),
        "{told:?}"
    );
}

#[test]
fn the_last_good_endpoint_is_remembered_and_begun_with() {
    let mut p = three_with(|c| c.remember_in("unused"));
    kill(&mut p, &HOSTS[..1]);
    p.go_online();
    assert_eq!(p.remembered, ["ws://b.test/stomp"]);
    p.finish();

    let mut p = three();
    p.core.prefer("ws://c.test/stomp");
    p.go_online();
    assert_eq!(hosts(&p), ["c.test"]);
    p.finish();

    let mut p = three();
    p.core.prefer("ws://elsewhere.test/stomp");
    p.go_online();
    assert_eq!(hosts(&p), HOSTS[..1], "only what was given is believed");
    p.finish();
}

#[test]
fn attempts_and_time_can_be_limited() {
    let policy = RetryPolicy {
        max_attempts: Some(3),
        ..RetryPolicy::default()
    };
    let mut p = Pair::online_with(|c| c.retry(policy), |s| s);
    p.pass(secs(40));
    p.listening = false;
    p.lose();
    p.until_phase(Phase::Closed);
    assert_eq!(p.conns, 4, "the first, and three attempts");
    p.check_end();

    let policy = RetryPolicy {
        max_elapsed: Some(secs(60)),
        ..RetryPolicy::default()
    };
    let mut p = Pair::online_with(|c| c.retry(policy), |s| s);
    p.pass(secs(40));
    p.listening = false;
    p.lose();
    let lost = p.now;
    p.until_phase(Phase::Closed);
    assert!((secs(20)..=secs(61)).contains(&(p.now - lost)));
    p.check_end();
}

#[test]
fn what_is_fatal_can_be_forgiven_and_what_is_not_can_be_made_so() {
    let forgiving = RetryPolicy {
        fatal: FatalErrors {
            refused: false,
            ..FatalErrors::default()
        },
        ..RetryPolicy::default()
    };
    let mut p = Pair::online_with(|c| c.retry(forgiving), |s| s);
    p.lose();
    p.until_phase(Phase::Handshaking);
    p.inject("ERROR\ncode:403\n\n\0");
    p.until_phase(Phase::Waiting);
    p.until_phase(Phase::Online);
    p.finish();

    let strict = RetryPolicy {
        fatal: FatalErrors {
            tls: true,
            ..FatalErrors::default()
        },
        ..RetryPolicy::default()
    };
    let mut p = Pair::online_with(|c| c.retry(strict), |s| s);
    let untrusted = LinkError::Tls {
        host: "broker.test".into(),
        text: "not trusted".into(),
    };
    p.dead.insert("broker.test", untrusted);
    p.lose();
    p.until_phase(Phase::Closed);
    assert_eq!(p.conns, 2);
    p.check_end();
}
