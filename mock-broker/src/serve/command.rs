//! What other threads ask of the loop.

use mio::Waker;
use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What other threads ask of the loop. It holds tokens: no `Debug`.
pub(crate) enum Command {
    Signal(String),
    Issue {
        token: String,
        identity: String,
        ttl: Duration,
    },
    Expire(String),
    Publish {
        destination: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    Kick(u64),
    Refuse(Option<Duration>),
    Listen,
    Restart,
    Stop,
}

/// What the loop shares with other threads.
pub(crate) struct Shared {
    pub(super) commands: Mutex<VecDeque<(Command, Option<SyncSender<()>>)>>,
    pub(super) waker: Waker,
}

impl Shared {
    /// Asks the loop for something. It is done before anything that arrives
    /// on a socket after this call.
    pub(crate) fn send(&self, command: Command) {
        self.queue(command, None);
    }

    /// Asks the loop for something and waits until it is done.
    pub(crate) fn ask(&self, command: Command) {
        let (done, is_done) = sync_channel(1);
        self.queue(command, Some(done));
        // An error means that the loop has ended, or is hopelessly late.
        if is_done.recv_timeout(Duration::from_secs(5)).is_err() {
            log::warn!("the broker does not answer");
        }
    }

    fn queue(&self, command: Command, done: Option<SyncSender<()>>) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.push_back((command, done));
        drop(commands);
        if let Err(error) = self.waker.wake() {
            log::warn!("cannot wake the broker: {error}");
        }
    }

    pub(super) fn take(&self) -> VecDeque<(Command, Option<SyncSender<()>>)> {
        std::mem::take(&mut self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
