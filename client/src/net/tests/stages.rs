//! Every stage ends at its deadline, whatever the peer does.

use std::{
    io::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::support::{Driver, LIMIT, closed_port, config, read_head, read_to_end, serve};
use crate::{
    config::Proxy,
    error::{LinkError, Stage},
    net::LinkEvent,
};

fn assert_timeout(event: &LinkEvent, stage: Stage, limit: Duration) {
    match event {
        LinkEvent::Down(LinkError::Timeout { stage: s, limit: l }) => {
            assert_eq!((*s, *l), (stage, limit));
        }
        other => panic!("{other:?}"),
    }
}

/// Turns the loop until the link is in `stage` and idle.
fn reach(driver: &mut Driver, stage: Stage) {
    loop {
        let now = Instant::now();
        assert!(now < driver.start + LIMIT, "never came to {stage}");
        assert!(matches!(driver.look(now), LinkEvent::Idle));
        if driver.link.stage() == stage {
            return;
        }
        driver.wait(Duration::from_millis(100));
    }
}

#[test]
fn the_resolver_has_a_deadline() {
    let mut driver = Driver::to("ws://broker.example:61613/");
    let start = driver.start;
    let event = driver.look(start);
    assert!(
        matches!(&event, LinkEvent::Resolve { host, port: 61613 } if host == "broker.example"),
        "{event:?}"
    );
    assert!(matches!(driver.look(start), LinkEvent::Idle), "asked once");
    assert_eq!(driver.link.stage(), Stage::Resolve);
    assert_eq!(
        driver.link.next_deadline(),
        Some(start + Duration::from_secs(5))
    );
    assert!(matches!(
        driver.look(start + Duration::from_millis(4999)),
        LinkEvent::Idle
    ));
    let event = driver.look(start + Duration::from_secs(5));
    assert_timeout(&event, Stage::Resolve, Duration::from_secs(5));
    driver.link.resolved(start, Ok(vec![closed_port()]));
    assert!(
        matches!(driver.look(start), LinkEvent::Idle),
        "a late answer is ignored"
    );
}

#[test]
fn a_name_without_address_is_told() {
    for answer in [Ok(Vec::new()), Err("no such host".to_owned())] {
        let mut driver = Driver::to("ws://broker.example/");
        let start = driver.start;
        driver.look(start);
        driver.link.resolved(start, answer);
        let event = driver.look(start);
        assert!(
            matches!(&event, LinkEvent::Down(LinkError::Resolve { host, .. }) if host == "broker.example"),
            "{event:?}"
        );
    }
}

#[test]
fn the_proxys_name_is_resolved_instead_of_the_brokers() {
    let mut config = config("ws://broker.example/");
    config.proxy = Some(Proxy::parse("http://proxy.example:3128").unwrap());
    let mut driver = Driver::new(config);
    let event = driver.look(driver.start);
    assert!(
        matches!(&event, LinkEvent::Resolve { host, port: 3128 } if host == "proxy.example"),
        "{event:?}"
    );
}

#[test]
fn a_swallowed_syn_ends_at_the_deadline() {
    // Readiness is never handed on: to the link, the peer is a black hole.
    let (address, server) = serve(drop);
    let mut driver = Driver::to(&format!("ws://{address}/"));
    let start = driver.start;
    assert!(matches!(
        driver.look(start + Duration::from_secs(9)),
        LinkEvent::Idle
    ));
    assert_eq!(
        driver.link.next_deadline(),
        Some(start + Duration::from_secs(10))
    );
    let event = driver.look(start + Duration::from_secs(10));
    assert_timeout(&event, Stage::Connect, Duration::from_secs(10));
    server.join().unwrap();
}

#[test]
fn each_address_gets_its_share_of_the_time() {
    let (address, server) = serve(drop);
    let mut driver = Driver::to("ws://broker.example/");
    let start = driver.start;
    driver.look(start);
    driver.link.resolved(start, Ok(vec![address; 4]));
    let at = |ms| start + Duration::from_millis(ms);
    assert!(matches!(driver.look(at(0)), LinkEvent::Idle));
    assert_eq!(driver.link.next_deadline(), Some(at(2500)));
    assert!(matches!(driver.look(at(2500)), LinkEvent::Idle));
    assert_eq!(driver.link.next_deadline(), Some(at(5000)));
    // The third begins late, and gets half of what is left.
    assert!(matches!(driver.look(at(6000)), LinkEvent::Idle));
    assert_eq!(driver.link.next_deadline(), Some(at(8000)));
    // The fourth gets the least share, but not beyond the end.
    assert!(matches!(driver.look(at(9900)), LinkEvent::Idle));
    assert_eq!(driver.link.next_deadline(), Some(at(10_000)));
    assert_timeout(
        &driver.look(at(10_000)),
        Stage::Connect,
        Duration::from_secs(10),
    );
    server.join().unwrap();
}

#[test]
fn all_addresses_are_tried_and_the_last_error_names_its_address() {
    let bad: Vec<SocketAddr> = vec![closed_port(), closed_port()];
    let (good, server) = serve(|mut s| read_to_end(&mut s));
    let mut driver = Driver::to("ws://broker.example/");
    driver.look(driver.start);
    let now = Instant::now();
    driver
        .link
        .resolved(now, Ok(bad.iter().copied().chain([good]).collect()));
    reach(&mut driver, Stage::Upgrade);
    drop(driver);
    server.join().unwrap();

    let mut driver = Driver::to("ws://broker.example/");
    driver.look(driver.start);
    driver.link.resolved(now, Ok(bad.clone()));
    let e = driver.expect_down();
    assert!(
        matches!(
            &e,
            LinkError::Io {
                stage: Stage::Connect,
                ..
            }
        ),
        "{e}"
    );
    assert!(e.to_string().contains(&bad[1].to_string()), "{e}");
}

#[test]
fn a_silent_peer_ends_at_the_deadline_of_its_stage() {
    for (url, proxy, stage) in [
        ("ws", false, Stage::Upgrade),
        ("wss", false, Stage::Tls),
        ("ws", true, Stage::Tunnel),
    ] {
        let (address, server) = serve(|mut s| read_to_end(&mut s));
        let mut config = config(&format!("{url}://{address}/"));
        if proxy {
            config.proxy = Some(Proxy::parse(&address.to_string()).unwrap());
        }
        config.timeouts.tls = Duration::from_secs(3);
        config.timeouts.tunnel = Duration::from_secs(3);
        config.timeouts.upgrade = Duration::from_secs(3);
        let mut driver = Driver::new(config);
        reach(&mut driver, stage);
        let until = driver.link.next_deadline().unwrap();
        assert!(matches!(
            driver.look(until - Duration::from_millis(1)),
            LinkEvent::Idle
        ));
        assert_timeout(&driver.look(until), stage, Duration::from_secs(3));
        drop(driver);
        server.join().unwrap();
    }
}

#[test]
fn a_trickling_peer_cannot_postpone_the_deadline() {
    let (address, server) = serve(|mut s| {
        read_head(&mut s);
        let mut octets = b"HTTP/1.1 101 x\r\nX: "
            .iter()
            .copied()
            .chain(std::iter::repeat(b'y'));
        // Until the client goes away.
        while s.write_all(&[octets.next().unwrap_or_default()]).is_ok() {
            std::thread::yield_now();
            s.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            let mut none = [0];
            if let Ok(0) = std::io::Read::read(&mut s, &mut none) {
                return;
            }
        }
    });
    let mut config = config(&format!("ws://{address}/"));
    config.timeouts.upgrade = Duration::from_millis(200);
    let mut driver = Driver::new(config);
    let event = driver.next();
    assert_timeout(&event, Stage::Upgrade, Duration::from_millis(200));
    assert!(driver.start.elapsed() < Duration::from_secs(5));
    drop(driver);
    server.join().unwrap();
}

#[test]
fn the_whole_attempt_has_a_deadline_too() {
    let (address, server) = serve(|mut s| read_to_end(&mut s));
    let mut config = config(&format!("ws://{address}/"));
    config.timeouts.overall = Duration::from_secs(2);
    let mut driver = Driver::new(config);
    let start = driver.start;
    reach(&mut driver, Stage::Upgrade);
    assert_eq!(
        driver.link.next_deadline(),
        Some(start + Duration::from_secs(2))
    );
    let event = driver.look(start + Duration::from_secs(2));
    assert_timeout(&event, Stage::Upgrade, Duration::from_secs(2));
    drop(driver);
    server.join().unwrap();
}

#[test]
fn limits_without_end_do_no_harm() {
    let (address, server) = serve(|mut s| read_to_end(&mut s));
    let mut config = config(&format!("ws://{address}/"));
    config.timeouts.connect = Duration::MAX;
    config.timeouts.upgrade = Duration::MAX;
    config.timeouts.overall = Duration::MAX;
    let mut driver = Driver::new(config);
    reach(&mut driver, Stage::Upgrade);
    drop(driver);
    server.join().unwrap();
}

#[test]
fn an_attempt_can_be_given_up() {
    let (address, server) = serve(|mut s| read_to_end(&mut s));
    let mut driver = Driver::to(&format!("ws://{address}/"));
    driver.link.close(Instant::now(), 1000, "");
    let e = driver.expect_down();
    assert!(
        matches!(&e, LinkError::Lost(text) if text.contains("connecting")),
        "{e}"
    );
    drop(driver);
    server.join().unwrap();
}
