//! What blocks and must not block the reactor: name resolution, token and region
//! sources, the file of the last good endpoint.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    auth::{TokenReason, TokenSource},
    config::Endpoint,
    core::Ticket,
    error::{AuthError, RegionError},
    mailbox::{Mailbox, Post},
    net::resolve_blocking,
    region::Regions,
    sink::Makers,
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

/// Asks a region source on a helper thread; the answer comes through the
/// mailbox. One that panics never answers: it is given up at its limit.
pub(crate) fn region(mailbox: &Arc<Mailbox>, ticket: Ticket, regions: Regions) {
    run(mailbox, move |mailbox| {
        let answer = regions.0.active().and_then(|url| {
            Endpoint::parse(&url).map_err(|e| RegionError {
                text: e.to_string(),
            })
        });
        mailbox.post_now(Post::Region(ticket, answer));
    })
    .unwrap_or_else(|e| {
        let text = format!("no thread for the region source: {e}");
        mailbox.post_now(Post::Region(ticket, Err(RegionError { text })));
    });
}

/// Writes the last good endpoint down. Whoever reads it meanwhile sees the old
/// text or the new. It is a convenience: failure is only logged.
pub(crate) fn remember(mailbox: &Arc<Mailbox>, file: PathBuf, endpoint: String) {
    let done = run(mailbox, move |_| {
        let mut fresh = file.clone().into_os_string();
        fresh.push(".new");
        let written = fs::write(&fresh, endpoint).and_then(|()| fs::rename(&fresh, &file));
        if let Err(e) = written {
            log::warn!("{} cannot be written: {e}", file.display());
        }
    });
    if let Err(e) = done {
        log::warn!("no thread to remember the endpoint: {e}");
    }
}

/// The endpoint that was written down, if there is one.
pub(crate) fn remembered(file: &Path) -> Option<String> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        fs::File::open(file)?
            .take(4_096)
            .read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => Some(text.trim().to_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => {
            log::warn!("{} cannot be read: {e}", file.display());
            None
        }
    }
}

/// Lets the application make the headers of a SUBSCRIBE on a helper thread.
pub(crate) fn headers(mailbox: &Arc<Mailbox>, ticket: Ticket, makers: Makers) {
    run(mailbox, move |mailbox| {
        let answer = HeaderAnswer { mailbox, ticket };
        let made = makers.iter().map(|(name, make)| (name.clone(), make()));
        let made = made.collect();
        answer.mailbox.post_now(Post::Headers(ticket, Ok(made)));
    })
    .unwrap_or_else(|e| {
        let text = format!("no thread for the headers of a SUBSCRIBE: {e}");
        mailbox.post_now(Post::Headers(ticket, Err(text)));
    });
}

/// The application's code: if it panics, that is an answer too.
struct HeaderAnswer {
    mailbox: Arc<Mailbox>,
    ticket: Ticket,
}

impl Drop for HeaderAnswer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = "the function that makes headers for a SUBSCRIBE panicked".to_owned();
            self.mailbox.post_now(Post::Headers(self.ticket, Err(text)));
        }
    }
}

fn run(mailbox: &Arc<Mailbox>, work: impl FnOnce(Arc<Mailbox>) + Send + 'static) -> io::Result<()> {
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
