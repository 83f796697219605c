//! What blocks and must not block the reactor: name resolution and token sources.

use std::sync::Arc;

use crate::{
    auth::{TokenReason, TokenSource},
    core::Ticket,
    error::AuthError,
    mailbox::{Mailbox, Post},
    net::resolve_blocking,
};

/// Resolves a name on a helper thread; the answer comes through the mailbox.
pub(crate) fn resolve(mailbox: &Arc<Mailbox>, ticket: Ticket, host: String, port: u16) {
    run(mailbox, move |mailbox| {
        let answer = resolve_blocking(&host, port);
        mailbox.post_now(Post::Resolved(ticket, answer));
    })
    .unwrap_or_else(|e| {
        mailbox.post_now(Post::Resolved(ticket, Err(e.to_string())));
    });
}

/// Asks a token source on a helper thread; the answer comes through the mailbox.
pub(crate) fn token(
    mailbox: &Arc<Mailbox>,
    ticket: Ticket,
    reason: TokenReason,
    source: Arc<dyn TokenSource>,
) {
    run(mailbox, move |mailbox| {
        let answer = Answer { mailbox, ticket };
        answer.give(source.token(reason));
    })
    .unwrap_or_else(|e| {
        let text = format!("no thread for the token source: {e}");
        mailbox.post_now(Post::Token(ticket, Err(AuthError { text, fatal: false })));
    });
}

fn run(
    mailbox: &Arc<Mailbox>,
    work: impl FnOnce(Arc<Mailbox>) + Send + 'static,
) -> std::io::Result<()> {
    let mailbox = Arc::clone(mailbox);
    std::thread::Builder::new()
        .name("hobnail-helper".into())
        .spawn(move || work(mailbox))
        .map(drop)
}

/// A token source is the application's code: if it panics, that is an answer too.
struct Answer {
    mailbox: Arc<Mailbox>,
    ticket: Ticket,
}

impl Answer {
    fn give(self, answer: Result<crate::auth::Token, AuthError>) {
        self.mailbox.post_now(Post::Token(self.ticket, answer));
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = "the token source panicked".to_owned();
            let error = AuthError { text, fatal: true };
            self.mailbox.post_now(Post::Token(self.ticket, Err(error)));
        }
    }
}
