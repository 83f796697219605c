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
    source::Answer,
};
use crate::{config::Rotate, core::Phase, dialect::Dialect};

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

fn world(dialect: Dialect, on_expiry: OnExpiry, rotate: Rotate) -> Pair {
    let mut p = Pair::with(
        1,
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

fn every_order(dialect: Dialect, on_expiry: OnExpiry, rotate: Rotate) {
    let orders = MOVES.len().pow(LENGTH);
    let mut suspensions = 0;
    for order in 0..orders {
        let mut p = world(dialect, on_expiry, rotate);
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
        let journal = p.engine.journal().snapshot();
        let overlaps = journal
            .entries
            .iter()
            .filter(|e| matches!(&e.what, What::Note(Note::ConnectWhileLive { .. })));
        assert_eq!(overlaps.count(), 0, "order {order}");
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
