//! What goes through the mailbox.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    auth::Token,
    config::Endpoint,
    core::{Command, Key, Ticket},
    error::{AuthError, RegionError},
    run::Run,
    sink::Sink,
    slot::Slot,
};

/// Something for the reactor.
pub(crate) enum Post {
    /// A command; who waits for its answer; where a new subscription delivers.
    Command {
        command: Command,
        slot: Option<Arc<Slot>>,
        sink: Option<(Key, Sink)>,
    },
    /// Frames that may pass.
    Run(Run),
    /// A helper thread has resolved a name.
    Resolved(Ticket, Result<Vec<SocketAddr>, String>),
    /// A helper thread has a token.
    Token(Ticket, Result<Token, AuthError>),
    /// A helper thread knows the active region.
    Region(Ticket, Result<Endpoint, RegionError>),
    /// A helper thread has the headers of a SUBSCRIBE.
    Headers(Ticket, Result<Vec<(String, String)>, String>),
    /// There is something to tell of the disk on which queues go on.
    #[cfg(feature = "spill")]
    Spool(crate::spool::News),
}

impl Post {
    /// A command that nobody waits for.
    pub(crate) fn of(command: Command) -> Self {
        Self::Command {
            command,
            slot: None,
            sink: None,
        }
    }

    /// A command whose answer appears in the slot.
    pub(crate) fn asking(command: Command, slot: &Arc<Slot>) -> Self {
        Self::Command {
            command,
            slot: Some(Arc::clone(slot)),
            sink: None,
        }
    }

    /// How much room it needs in the outbox.
    pub(crate) fn frame_size(&self) -> usize {
        match self {
            Self::Command {
                command: Command::Publish(outgoing),
                ..
            } => outgoing.octets.len(),
            Self::Run(run) => run.len(),
            Self::Command { .. }
            | Self::Resolved(..)
            | Self::Token(..)
            | Self::Region(..)
            | Self::Headers(..) => 0,
            #[cfg(feature = "spill")]
            Self::Spool(_) => 0,
        }
    }
}
