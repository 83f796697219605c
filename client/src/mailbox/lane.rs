//! What waits in a mailbox, in its order.

use std::collections::VecDeque;

use crate::{core::Command, post::Post, run::Run};

#[derive(Default)]
pub(super) struct Lane {
    /// What must not wait for room in the outbox: a connection may depend on it.
    pub(super) urgent: VecDeque<Post>,
    pub(super) posts: VecDeque<Post>,
    /// Of the frames in `posts`, and of those that the reactor has taken and that
    /// neither left nor are in the outbox.
    pub(super) octets: usize,
    /// Runs that were taken, for the sake of their memory.
    pub(super) spare: Vec<Run>,
    /// How many wait for room.
    pub(super) waiting: usize,
    /// How many of them are only held up a moment.
    pub(super) paced: usize,
    /// Frames have not become fewer for so long that nobody is held up before there
    /// is no room.
    pub(super) stalled: bool,
    /// A close was posted: nothing is published any more, and what was posted
    /// before goes to the core whether there is room or not.
    pub(super) closing: bool,
    pub(super) ended: bool,
}

impl Lane {
    pub(super) fn push(&mut self, post: Post) {
        match &post {
            Post::Resolved(..)
            | Post::Token(..)
            | Post::Region(..)
            | Post::Headers(..)
            | Post::Command {
                command: Command::Metrics { .. } | Command::Health { .. },
                ..
            } => return self.urgent.push_back(post),
            #[cfg(feature = "spill")]
            Post::Spool(_) => return self.urgent.push_back(post),
            Post::Command {
                command: Command::Close { .. },
                ..
            } => self.closing = true,
            Post::Command { .. } | Post::Run(_) => {}
        }
        self.octets += post.frame_size();
        self.posts.push_back(post);
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.posts.is_empty() && self.octets == 0
    }

    /// The run that a frame of so many octets continues.
    pub(super) fn run(&mut self, size: usize) -> Option<&mut Run> {
        let continues = matches!(self.posts.back(), Some(Post::Run(run)) if run.takes(size));
        if !continues {
            let run = self.spare.pop().unwrap_or_default();
            self.posts.push_back(Post::Run(run));
        }
        match self.posts.back_mut() {
            Some(Post::Run(run)) => Some(run),
            Some(_) | None => None,
        }
    }
}
