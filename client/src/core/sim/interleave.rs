//! Every order of expiry, refresh, drop and calls, none left out: no CONNECT ever
//! leaves on a live session, but for the one that binds a suspended session to a
//! new token, and nothing else leaves while it is suspended.
//!
//! The laws look at each frame as it leaves; the broker, which shares no code
//! with the client, is the second witness.

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::OnExpiry,
    transcript::{Note, What},
};

use super::{
    app::Send,
    ms,
    pair::{Pair, no_source},
    secs,
    seeds::{self, Tally},
    source::Answer,
};
use crate::{config::Rotate, core::Phase, dialect::Dialect, error::Error, event::Event, rng::Rng};

#[derive(Debug, Clone, Copy)]
enum Move {
    /// The broker ends all tokens.
    Expire,
    /// Time for frames to cross, but not for a refresh.
    Cross,
    /// Time for a refresh to be answered, or to fail.
    Refresh,
    /// The next refresh fails.
    Fail,
    Drop,
    Publish,
    Subscribe,
}

const MOVES: [Move; 7] = [
    Move::Expire,
    Move::Cross,
    Move::Refresh,
    Move::Fail,
    Move::Drop,
    Move::Publish,
    Move::Subscribe,
];

/// How many moves there are in one order.
const LENGTH: u32 = 4;

fn world(seed: u64, dialect: Dialect, on_expiry: OnExpiry, rotate: Rotate) -> Pair {
    let mut p = Pair::with(
        seed,
        |c| c.dialect(dialect).token_source(no_source).rotate(rotate),
        |s| {
            s.auth_bearer(secs(3600))
                .on_expiry(on_expiry)
                .single_session(true)
                .receipt_id_header(true)
        },
    );
    p.source.usual = Answer::lives(secs(20));
    p.go_online();
    // A renewed token is at hand in half of the time that the moves take.
    p.pass(ms(15_400));
    p
}

fn perform(p: &mut Pair, n: usize, what: Move) {
    match what {
        Move::Expire => p.broker(Broker::Expire("all")),
        Move::Cross => p.pass(ms(13)),
        Move::Refresh => p.pass(ms(350)),
        Move::Fail => p.source.next.push_back(Answer::Fails { fatal: false }),
        Move::Drop if p.wire.is_some() => p.lose(),
        Move::Drop => {}
        Move::Publish => {
            p.send(Send::new(&n.to_string()).replay());
        }
        Move::Subscribe => {
            p.subscribe(&format!("/topic/{n}"));
        }
    }
}

/// CONNECTs that the broker saw although a session was live whose end the client
/// could have told it of.
fn overlaps(p: &Pair) -> usize {
    let is_one = |what: &What| match what {
        What::Note(Note::ConnectWhileLive { other }) => !p.ends[other].cut,
        _ => false,
    };
    let journal = p.engine.journal().snapshot();
    journal.entries.iter().filter(|e| is_one(&e.what)).count()
}

fn every_order(dialect: Dialect, on_expiry: OnExpiry, rotate: Rotate) {
    let orders = MOVES.len().pow(LENGTH);
    let mut suspensions = 0;
    for order in 0..orders {
        let mut p = world(1, dialect, on_expiry, rotate);
        let mut rest = order;
        for n in 0..LENGTH as usize {
            let what = MOVES[rest % MOVES.len()];
            rest /= MOVES.len();
            p.note(format!("order {order}: {what:?}"));
            perform(&mut p, n, what);
            suspensions += u32::from(p.core.phase() == Phase::Suspended);
        }
        // Whatever it was, it heals.
        p.pass(secs(12));
        p.until_phase(Phase::Online);
        assert_eq!(overlaps(&p), 0, "order {order}");
        p.finish();
    }
    let expected = dialect == Dialect::CONTACT_CENTRE;
    assert_eq!(suspensions > 100, expected, "{suspensions} suspensions");
}

#[test]
fn in_band_no_order_of_events_puts_a_connect_on_a_live_session() {
    every_order(Dialect::CONTACT_CENTRE, OnExpiry::Suspend, Rotate::Never);
}

#[test]
fn by_redial_no_order_of_events_puts_a_connect_on_a_live_session() {
    every_order(Dialect::STOMP, OnExpiry::ErrorClose, Rotate::Never);
}

#[test]
fn by_rotation_no_order_of_events_puts_a_connect_on_a_live_session() {
    every_order(Dialect::STOMP, OnExpiry::Nothing, Rotate::Planned);
}

/// A longer order, at times that no plan would hit, of more that can happen.
fn random_order(seed: u64) -> Tally {
    let mut rng = Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (dialect, on_expiry, rotate) = match rng.next() % 6 {
        0 => (Dialect::STOMP, OnExpiry::ErrorClose, Rotate::Never),
        1 => (Dialect::STOMP, OnExpiry::Nothing, Rotate::Planned),
        2 => (Dialect::CONTACT_CENTRE, OnExpiry::Suspend, Rotate::Planned),
        _ => (Dialect::CONTACT_CENTRE, OnExpiry::Suspend, Rotate::Never),
    };
    let mut p = world(seed, dialect, on_expiry, rotate);
    p.latency = ms(rng.next() % 60);
    let mut keys = Vec::new();
    for n in 0..5 + rng.next() % 40 {
        if p.core.phase() == Phase::Closed {
            break;
        }
        let is_up = p.wire.is_some();
        match rng.next() % 18 {
            0..=2 => perform(&mut p, n as usize, Move::Expire),
            3 => perform(&mut p, n as usize, Move::Fail),
            4 if rng.next() % 4 == 0 => p.source.next.push_back(Answer::Silence),
            5 => p.source.latency = ms(rng.next() % 900),
            6 => perform(&mut p, n as usize, Move::Drop),
            7 if is_up && rng.next() % 4 == 0 => p.half_open(),
            8 if is_up && rng.next() % 4 == 0 => p.inject("ERROR\ncode:409\n\n\0"),
            9 => p.writable = !p.writable,
            10 => keys.push(p.subscribe(&format!("/topic/{n}")).0),
            11 if !keys.is_empty() => {
                let key = keys.swap_remove(rng.next() as usize % keys.len());
                p.unsubscribe(key);
            }
            12 | 13 => perform(&mut p, n as usize, Move::Publish),
            _ => {
                let most = [20, 120, 700, 4_000][rng.next() as usize % 4];
                p.pass(ms(rng.next() % most));
            }
        }
    }
    p.unblock();
    p.until(|p| matches!(p.core.phase(), Phase::Online | Phase::Closed));
    if p.core.phase() == Phase::Closed {
        // All tokens were ended twice within moments, the fresh one too.
        let refused = |e: &Event| {
            matches!(
                e,
                Event::Closed {
                    cause: Some(Error::Auth(_))
                }
            )
        };
        assert_eq!(p.count(refused), 1);
    }
    assert_eq!(overlaps(&p), 0);
    p.finish();
    let suspensions = p.count(|e| matches!(e, Event::Suspended));
    Tally::of(&p, suspensions as u64)
}

#[test]
fn no_long_order_at_random_times_does_either() {
    let tally = seeds::play("no_long_order_at_random_times", 1..600, random_order);
    if seeds::asked().is_none() {
        assert!(tally.suspensions > 150 && tally.rebinds > 30, "{tally:?}");
        assert!(tally.rotations > 25, "{tally:?}");
    }
}
