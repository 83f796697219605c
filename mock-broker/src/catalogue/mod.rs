//! The vocabulary of scenario files, as data: the one place where each word
//! stands with its meaning.
//!
//! Scenario files are checked by it before they are read, `mock-broker explain`
//! prints it, the [JSON Schema](schema) and the tables of the manual are made
//! of it. [`find`] looks a word up.

mod actions;
mod assertions;
mod broker;
mod check;
mod key;
mod manual;
mod notation;
mod octets;
mod scenario;
mod schema;
mod session;
mod shape;
mod triggers;

pub(crate) use check::{Wrong, check};
pub use key::{Group, Key, Kind};
pub use manual::markdown;
pub use notation::Notation;
pub(crate) use scenario::SCENARIO;
pub use schema::schema;
pub use shape::{Object, Shape, Verbs};

use crate::script::units::nearest;

/// Every group of words, in the order of a scenario file.
pub static GROUPS: &[&Group] = &[
    &scenario::FILE,
    &scenario::RULES,
    &triggers::STAGES,
    &triggers::FRAMES,
    &triggers::EVENTS,
    &triggers::CONDITIONS,
    &actions::FRAMES,
    &octets::OCTETS,
    &actions::CONNECTION,
    &actions::HANDSHAKE,
    &session::HEART_BEAT,
    &session::SESSION,
    &session::FLOW,
    &assertions::CLAIMS,
    &assertions::WINDOW,
    &assertions::SIGHTS,
    &broker::SETTINGS,
    &scenario::HTTP,
];

/// Where a word stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The word.
    pub key: &'static Key,
    /// Its group, or that of the word behind which it stands.
    pub group: &'static Group,
    /// The words behind which it stands, the outermost first; mostly none.
    pub path: [Option<&'static Key>; DEPTH],
}

/// How deep settings stand in one another.
const DEPTH: usize = 4;

impl Place {
    /// The word with those behind which it stands: `auth.bearer.ttl`.
    pub fn name(&self) -> String {
        let mut words: Vec<&str> = self.path.iter().flatten().map(|key| key.word).collect();
        words.push(self.key.word);
        words.join(".")
    }

    /// The word of its group that has an example of it.
    pub fn top(&self) -> &'static Key {
        self.path[0].unwrap_or(self.key)
    }
}

/// Every word, in order; what stands behind a word follows it.
pub fn places() -> Vec<Place> {
    let mut all = Vec::new();
    for group in GROUPS {
        for key in group.words {
            let top = Place {
                key,
                group,
                path: [None; DEPTH],
            };
            all.push(top);
            descend(top, &key.shape, 0, &mut all);
        }
    }
    all
}

fn descend(from: Place, shape: &'static Shape, depth: usize, all: &mut Vec<Place>) {
    let mut path = from.path;
    if depth >= DEPTH {
        return;
    }
    for key in shape.inner() {
        path[depth] = Some(from.key);
        let place = Place {
            key,
            group: from.group,
            path,
        };
        all.push(place);
        descend(place, &key.shape, depth + 1, all);
    }
}

/// Every place where a word stands: `recv` is a trigger, and seen by
/// assertions. Of settings the end is enough: `bearer.ttl`, or `ttl`.
pub fn find(word: &str) -> Vec<Place> {
    let matches = |place: &Place| {
        let name = place.name();
        let end = name.len().checked_sub(word.len());
        let whole = end.is_some_and(|at| at == 0 || name[..at].ends_with('.'));
        name.ends_with(word) && whole && !word.is_empty()
    };
    let mut found: Vec<Place> = places().into_iter().filter(matches).collect();
    // A word itself comes before those that stand behind others.
    found.sort_by_key(|place| place.path.iter().flatten().count());
    found
}

/// The word that was perhaps meant.
pub fn suggestion(word: &str) -> Option<&'static str> {
    nearest(word, places().iter().map(|place| place.key.word))
}
