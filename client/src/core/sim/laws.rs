//! What is true at every step, whatever happens.

use std::collections::BTreeSet;

use super::{
    ms,
    pair::Pair,
    wire::{Left, Sent, State},
};
use crate::{
    core::{Link, Phase, io::Output, timers::Once},
    error::{Error, Stage},
};

/// A deadline is rounded up to a tick; some steps of a close take one each.
const SLACK: std::time::Duration = ms(5);

impl Pair {
    /// Of every frame and heart-beat, at the moment when it leaves.
    pub(super) fn check_leaving(&self, left: &Left) {
        let phase = self.core.phase();
        let connect = matches!(&left.what, Sent::Frame(f) if f.command == "CONNECT");
        let first = !self.left.iter().any(|l| l.conn == left.conn);
        match phase {
            Phase::Handshaking => assert!(connect && first, "{left:?} before CONNECTED"),
            Phase::Suspended => assert!(connect, "{left:?} while suspended"),
            Phase::Online | Phase::Closing => {
                assert!(!connect, "CONNECT on a live session");
            }
            Phase::Idle | Phase::Dialing | Phase::Waiting | Phase::Closed => {
                panic!("{left:?} in {phase:?}");
            }
        }
    }

    /// Of the state between two steps.
    pub(super) fn check_laws(&self) {
        let core = &self.core;
        let state = self.wire.as_ref().map(|wire| wire.state);
        let seen = match core.link {
            Link::None => None,
            Link::Opening(_) => Some(State::Opening),
            Link::Up(_) => Some(State::Up),
            Link::Closing(_) => Some(State::Closing),
        };
        assert_eq!(seen, state, "the core is wrong about its link");
        self.check_progress();
        for call in &self.app.calls {
            if let (None, Some(deadline)) = (&call.answer, call.deadline) {
                assert!(self.now <= deadline + SLACK, "{} is overdue", call.what);
            }
        }
    }

    /// Every phase ends by itself, and holds no deadline that belongs to another.
    fn check_progress(&self) {
        let (core, timers) = (&self.core, &self.core.timers);
        let armed = |which| timers.is_armed(which);
        let fetching = armed(Once::Fetch);
        match core.phase {
            Phase::Idle => assert_eq!(core.link, Link::None),
            Phase::Dialing => match core.link {
                Link::None => assert!(fetching, "dialing without token or link"),
                Link::Opening(_) => {}
                Link::Up(_) | Link::Closing(_) => panic!("dialing over {:?}", core.link),
            },
            Phase::Handshaking => assert!(armed(Once::Open)),
            Phase::Online => {
                assert!(matches!(core.link, Link::Up(_)));
                assert!(!armed(Once::Open));
                assert!(core.beats.is_live());
            }
            Phase::Suspended => {
                assert!(matches!(core.link, Link::Up(_)));
                assert_eq!(armed(Once::Open), core.reauth.is_asked());
                assert!(fetching || core.reauth.is_asked(), "suspended for ever");
            }
            Phase::Waiting => {
                assert_eq!(core.link, Link::None);
                assert!(armed(Once::Redial));
            }
            Phase::Closing => assert!(armed(Once::Close)),
            Phase::Closed => {
                assert_eq!(core.link, Link::None);
                assert_eq!(core.next_deadline(), None);
            }
        }
        if core.link == Link::None {
            for which in [Once::Open, Once::Close, Once::Stable] {
                assert!(!armed(which), "{which:?} outlived its link");
            }
            assert!(!core.beats.is_live());
        }
        if core.phase != Phase::Waiting {
            assert!(!armed(Once::Redial));
        }
    }

    /// Of the end: everybody was answered, and nothing is held.
    pub(super) fn check_end(&mut self) {
        assert_eq!(self.core.phase(), Phase::Closed);
        for call in &self.app.calls {
            assert!(call.answer.is_some(), "{} was never answered", call.what);
        }
        assert!(self.wire.is_none());
        assert_eq!(self.core.operations.len(), 0);
        assert_eq!(self.core.operations.requests(), 0);
        assert_eq!(self.core.requests.octets(), 0);
        let poll: Option<Output> = self.core.poll();
        assert!(poll.is_none());
    }

    /// What a RECEIPT confirmed had reached the broker; what is said never to have
    /// left had not.
    pub(super) fn check_confirmed(&self) {
        let journal = self.engine.journal().snapshot();
        let sent = journal.entries.iter().filter_map(|e| e.received());
        let reached: BTreeSet<_> = sent
            .filter(|frame| frame.command == "SEND")
            .map(|frame| String::from_utf8_lossy(&frame.body).into_owned())
            .collect();
        for call in &self.app.calls {
            let (Some(body), Some((_, answer))) = (call.what.strip_prefix("Send "), &call.answer)
            else {
                continue;
            };
            match answer {
                Ok(_) => assert!(
                    reached.contains(body),
                    "{body} was confirmed and never came"
                ),
                Err(Error::Timeout(Stage::Outbox | Stage::Suspended)) if !body.is_empty() => {
                    assert!(
                        !reached.contains(body),
                        "{body} came and is said not to have left"
                    );
                }
                Err(_) => {}
            }
        }
    }
}
