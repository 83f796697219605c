//! The two ways in: the client that turns its own reactor, and a handle to one
//! that another thread turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    client::Client,
    clock,
    core::{Command, Key, Reply, Waiter},
    error::{Error, Misuse, Stage},
    handle::{Handle, User},
    mailbox::Mailbox,
    post::Post,
    run::Letter,
    sink::Sink,
    slot::Slot,
};

/// Who makes a call.
#[derive(Debug)]
pub(crate) enum Port<'a> {
    Client(&'a mut Client),
    Handle(&'a Handle),
}

/// How a frame is to leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leave {
    /// A slower peer may hold the caller up.
    pub(crate) wait: bool,
    /// Later will do, with others.
    pub(crate) buffered: bool,
}

impl Port<'_> {
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        match self {
            Self::Client(client) => client.mailbox(),
            Self::Handle(handle) => handle.mailbox(),
        }
    }

    /// Keeps the client alive.
    pub(crate) fn user(&self) -> Arc<User> {
        match self {
            Self::Client(client) => client.user(),
            Self::Handle(handle) => Arc::clone(handle.user()),
        }
    }

    pub(crate) fn reborrow(&mut self) -> Port<'_> {
        match self {
            Self::Client(client) => Port::Client(client),
            Self::Handle(handle) => Port::Handle(handle),
        }
    }

    /// Makes a call and waits for its answer.
    pub(crate) fn call(
        &mut self,
        timeout: Duration,
        sink: Option<(Key, Sink)>,
        command: impl FnOnce(Waiter) -> Command,
    ) -> Result<Reply, Error> {
        let now = clock::now();
        self.begin(now, clock::later(now, timeout), sink, command)
            .and_then(|slot| self.wait(&slot, timeout))
    }

    /// A handle's call must not be made by the thread that would answer it.
    pub(crate) fn check_thread(&self) -> Result<(), Misuse> {
        match self {
            Self::Client(_) => Ok(()),
            Self::Handle(handle) => handle.check_thread(),
        }
    }

    /// Makes a call; its answer will appear in the slot. Until the deadline it may
    /// wait for room in the outbox.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        deadline: Instant,
        sink: Option<(Key, Sink)>,
        command: impl FnOnce(Waiter) -> Command,
    ) -> Result<Arc<Slot>, Error> {
        self.check_thread()?;
        let (post, slot) = self.mailbox().question(sink, command);
        self.ask(now, deadline, post)?;
        Ok(slot)
    }

    /// Posts a command whose answer is waited for elsewhere.
    pub(crate) fn ask(&mut self, now: Instant, deadline: Instant, post: Post) -> Result<(), Error> {
        match self {
            Self::Client(client) if client.has_room(post.frame_size()) => {
                client.accept(now, post);
                Ok(())
            }
            Self::Client(_) | Self::Handle(_) => self.mailbox().post(post, deadline),
        }
    }

    pub(crate) fn wait(&mut self, slot: &Arc<Slot>, timeout: Duration) -> Result<Reply, Error> {
        match self {
            Self::Client(client) => {
                client.wait(slot, timeout.saturating_add(GRACE), Stage::Receipt)
            }
            Self::Handle(_) => slot.wait(clock::after(timeout.saturating_add(GRACE))),
        }
    }

    /// A client that turns its own reactor makes the room that it needs; others
    /// wait. Returns what time it is then.
    pub(crate) fn make_room(
        &mut self,
        now: Instant,
        deadline: Instant,
        size: usize,
    ) -> Result<Instant, Error> {
        match self {
            Self::Client(client) => client.make_room(now, size, deadline),
            Self::Handle(_) => Ok(now),
        }
    }

    /// Whether nothing may leave until a new token is accepted.
    pub(crate) fn is_suspended(&self) -> bool {
        self.mailbox().is_suspended()
    }

    /// Lets a frame of `size` octets that was handed over leave, as far as that
    /// needs no waiting; `buffered`: it may do so later, with others.
    pub(crate) fn gather(
        &mut self,
        now: Instant,
        size: usize,
        buffered: bool,
    ) -> Result<(), Error> {
        match self {
            Self::Client(client) => client.gather(now, size, buffered),
            Self::Handle(_) => Ok(()),
        }
    }

    /// Now; if the frame may leave `later`, about now will do.
    pub(crate) fn now(&mut self, later: bool) -> Instant {
        match self {
            Self::Client(client) if later => client.about_now(),
            Self::Client(_) | Self::Handle(_) => clock::now(),
        }
    }

    /// Takes the short way with a frame. False if that is closed to it, so that it is to
    /// be posted; without `wait` nothing is waited for.
    pub(crate) fn pass(
        &mut self,
        now: Instant,
        letter: &Letter<'_>,
        leave: Leave,
    ) -> Result<bool, Error> {
        let frame = letter.frame;
        match self {
            Self::Client(client) => {
                let mut passed = client.pass(now, letter);
                if !passed && leave.wait && client.pace(frame)? {
                    passed = client.pass(clock::now(), letter);
                }
                if passed {
                    client.gather(now, frame.size, leave.buffered)?;
                }
                Ok(passed)
            }
            Self::Handle(handle) => {
                let until = if leave.wait { frame.deadline } else { now };
                let mailbox = handle.mailbox();
                mailbox.post_frame(letter, until, leave.wait)?;
                Ok(true)
            }
        }
    }

    /// Posts a command that nobody waits for. `buffered`: a client that turns its
    /// own reactor need not do so at once.
    pub(crate) fn post(
        &mut self,
        now: Instant,
        deadline: Instant,
        command: Command,
        buffered: bool,
    ) -> Result<(), Error> {
        let post = Post::of(command);
        match self {
            Self::Client(client) => client.submit(now, deadline, post, buffered),
            Self::Handle(handle) => handle.mailbox().post(post, deadline),
        }
    }
}

/// The core answers by the call's deadline; only a reactor that is held up is
/// later than that.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
