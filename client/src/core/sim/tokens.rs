//! Tokens: fetched when needed, renewed before they end.

use super::{
    pair::{Pair, no_source},
    secs,
    source::Answer,
};
use crate::{
    auth::TokenReason,
    core::Phase,
    error::{Error, Stage},
    event::Event,
};

fn pair() -> Pair {
    Pair::with(
        1,
        |c| c.token_source(no_source),
        |s| s.auth_bearer(secs(3600)),
    )
}

fn online() -> Pair {
    let mut p = pair();
    p.go_online();
    p
}

fn failures(p: &Pair) -> usize {
    p.count(|e| matches!(e, Event::TokenFailed { .. }))
}

#[test]
fn a_token_is_fetched_before_the_first_link_is_opened() {
    let mut p = pair();
    p.connect();
    assert_eq!((p.conns, p.source.asked.len()), (0, 1));
    assert_eq!(p.source.asked[0].1, TokenReason::Connect);
    p.until_phase(Phase::Online);
    assert_eq!(p.presented(), [p.source.given[0].as_str()]);
    p.finish();
}

#[test]
fn a_token_is_renewed_at_75_to_80_percent_of_its_life_and_held() {
    let mut p = online();
    p.until(|p| p.source.asked.len() == 2);
    let (at, reason) = p.source.asked[1];
    assert_eq!(reason, TokenReason::Renew);
    assert!((secs(2700)..=secs(2881)).contains(&at), "{at:?}");
    p.pass(secs(30));
    assert_eq!(
        (p.sent("CONNECT").len(), p.core.phase()),
        (1, Phase::Online)
    );
    // The held one is used for the next connection, without another question.
    p.lose();
    p.until_phase(Phase::Online);
    assert_eq!(p.presented()[1], p.source.given[1]);
    assert_eq!(p.source.asked.len(), 2);
    p.finish();
}

#[test]
fn a_token_that_does_not_say_when_it_ends_is_not_renewed() {
    let mut p = pair();
    p.source.usual = Answer::Token {
        lives: secs(1_000_000),
        says: None,
    };
    p.go_online();
    p.pass(secs(100_000));
    assert_eq!(p.source.asked.len(), 1);
    p.finish();
}

#[test]
fn a_renewal_that_fails_is_tried_again_and_the_session_goes_on() {
    let mut p = online();
    for _ in 0..3 {
        p.source.next.push_back(Answer::Fails { fatal: false });
    }
    p.until(|p| p.source.given.len() == 2);
    assert_eq!((p.source.asked.len(), failures(&p)), (5, 3));
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 1));
    p.finish();
}

#[test]
fn a_renewal_that_fails_for_good_is_not_tried_again_until_a_token_is_needed() {
    let mut p = online();
    p.source.usual = Answer::Fails { fatal: true };
    p.pass(secs(3500));
    assert_eq!((p.source.asked.len(), failures(&p)), (2, 1));
    assert_eq!(p.core.phase(), Phase::Online);
    p.until_phase(Phase::Closed);
    let closed = |e: &Event| matches!(e, Event::Closed { cause: Some(Error::Auth(e)) } if e.fatal);
    assert_eq!(p.count(closed), 1);
    p.check_end();
}

#[test]
fn a_fetch_that_fails_before_the_first_connection_is_told_at_once() {
    for fatal in [false, true] {
        let mut p = pair();
        p.source.next.push_back(Answer::Fails { fatal });
        let connect = p.connect();
        p.until(|p| p.answer(connect).is_some());
        assert!(matches!(p.expect_err(connect), Error::Auth(e) if e.fatal == fatal));
        assert_eq!(p.conns, 0);
        p.check_end();
    }
}

#[test]
fn a_fetch_that_fails_while_reconnecting_counts_as_a_failed_attempt() {
    let mut p = online();
    p.pass(secs(100));
    p.source.usual = Answer::Fails { fatal: false };
    p.listening = false;
    p.lose();
    p.pass(secs(7200));
    assert_eq!(p.core.phase(), Phase::Waiting);
    p.source.usual = Answer::lives(secs(3600));
    p.listening = true;
    p.until_phase(Phase::Online);
    p.finish();
}

#[test]
fn a_source_that_never_answers_runs_into_its_limit() {
    let mut p = pair();
    p.source.next.push_back(Answer::Silence);
    let connect = p.connect();
    p.until(|p| p.answer(connect).is_some());
    assert!(matches!(
        p.expect_err(connect),
        Error::Timeout(Stage::Token)
    ));
    assert_eq!(p.ended_at(connect), secs(30));
    p.check_end();
}

#[test]
fn an_answer_that_comes_after_its_limit_is_ignored() {
    let mut p = Pair::with(
        1,
        |c| {
            c.token_source(no_source)
                .persistent(true)
                .timeouts(crate::config::Timeouts {
                    token: secs(2),
                    ..Default::default()
                })
        },
        |s| s.auth_bearer(secs(3600)),
    );
    p.source.latency = secs(9);
    let connect = p.connect();
    p.pass(secs(3));
    assert_eq!(failures(&p), 1);
    p.source.latency = secs(1);
    p.until(|p| p.answer(connect).is_some());
    p.expect_ok(connect);
    assert_eq!(p.source.asked.len(), 2);
    p.finish();
}

#[test]
fn a_token_that_lives_for_no_time_at_all_is_not_renewed_in_a_loop() {
    let mut p = pair();
    p.source.latency = secs(0);
    p.source.usual = Answer::Token {
        lives: secs(3600),
        says: Some(secs(0)),
    };
    p.go_online();
    p.pass(secs(60));
    assert!(p.source.asked.len() <= 61, "{}", p.source.asked.len());
    p.finish();
}

#[test]
fn a_close_asks_for_no_token() {
    let mut p = pair();
    p.connect();
    let close = p.close();
    p.expect_ok(close);
    p.pass(secs(10));
    p.check_end();
}
