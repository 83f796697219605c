//! All that happens in one case, in one place: what the shim says, and what each
//! connection brings. Threads write it down; the case waits for it.

use super::passive::Passive;
use super::serve::Wire;
use crate::grade::Ending;
use crate::secrets::Secrets;
use crate::wire::log::Log;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) passive: Passive,
    state: Mutex<State>,
    changed: Condvar,
    /// No shim tells what happens: what the program sends does.
    pub(crate) echo: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// What the shim told and nobody took yet.
    pub(crate) events: Vec<Event>,
    /// What it answered, by the command's id.
    pub(crate) answers: BTreeMap<u64, Answer>,
    pub(crate) wires: Vec<Wire>,
    /// How many of them the case has accepted.
    pub(crate) accepted: usize,
    pub(crate) manners: Manners,
    /// The shim broke its protocol: how.
    pub(crate) fault: Option<String>,
    /// The shim's process is gone: how it ended.
    pub(crate) died: Option<String>,
}

/// What the serving side does by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// Answers pings.
    pub(crate) pong: bool,
    /// Answers a Close.
    pub(crate) close: bool,
    /// Ends TCP once Close frames went both ways.
    pub(crate) fin: bool,
    /// Gives the RECEIPTs that are asked for, at once.
    pub(crate) receipts: bool,
    /// Reads what comes.
    pub(crate) reads: bool,
    /// Drops connections as soon as they are made.
    pub(crate) refuses: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            pong: true,
            close: true,
            fin: true,
            receipts: true,
            reads: true,
            refuses: false,
        }
    }
}

/// Something the shim told.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) fields: Value,
}

impl Event {
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.fields[field].as_str()
    }

    /// A SEND that tells what came, and not a shim.
    pub(crate) fn is_echo(&self) -> bool {
        self.fields["echo"] == true
    }

    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        self.fields[field].as_u64()
    }

    /// The headers that it carries, in order.
    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        let pairs = self.fields["headers"].as_array().into_iter().flatten();
        pairs
            .filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
            .collect()
    }

    /// The value of the first header of a name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers().into_iter().filter(|(n, _)| *n == name);
        found.next().map(|(_, value)| value)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let text = self.text("body_b64").unwrap_or_default();
        data_encoding::BASE64
            .decode(text.as_bytes())
            .unwrap_or_default()
    }
}

/// How a command was answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Ok(Value),
    Err { kind: String, text: String },
    Unsupported,
}

impl World {
    pub(crate) fn new(echo: bool) -> Arc<Self> {
        Arc::new(Self {
            echo,
            log: Log::new(Arc::new(Secrets::default())),
            passive: Passive::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and wakes whoever waits.
    pub(crate) fn change<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        let done = how(&mut self.lock());
        self.changed.notify_all();
        done
    }

    /// Waits until `done` finds something, or the time is over, or the shim is
    /// of no use any more.
    pub(crate) fn until<T>(
        &self,
        within: Duration,
        mut done: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        loop {
            if let Some(found) = done(&mut state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.fault.is_some() || state.died.is_some() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets time pass, however much happens.
    pub(crate) fn pass(&self, span: Duration) {
        let _: Option<()> = self.until(span, |_| None);
    }

    pub(crate) fn endings(&self) -> Vec<Ending> {
        self.lock().wires.iter().filter_map(Wire::ending).collect()
    }
}
