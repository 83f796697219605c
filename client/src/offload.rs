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
    core::{Key, Ticket},
    errand::Errands,
    error::{AuthError, RegionError},
    mailbox::Mailbox,
    net::resolve_blocking,
    post::Post,
    region::Regions,
    sink::Makers,
};

/// What helper threads are at work on, of each kind one thing at a time: what
/// hangs is not asked again beside itself, however often it is wanted.
#[derive(Default)]
pub(crate) struct Offload {
    names: Errands<(String, u16), Ticket>,
    tokens: Errands<(), (Ticket, TokenReason)>,
    regions: Errands<(), Ticket>,
    headers: Errands<Key, Ticket>,
    files: Errands<(), String>,
}

impl Offload {
    /// Resolves a name; the answer comes through the mailbox.
    pub(crate) fn resolve(&self, mailbox: &Arc<Mailbox>, ticket: Ticket, host: String, port: u16) {
        let post = poster(mailbox, Post::Resolved);
        let answer = post.clone();
        let panicked = || Err("the resolver panicked".to_owned());
        self.names
            .run(
                (host.clone(), port),
                ticket,
                |_, _| true,
                move |_| resolve_blocking(&host, port),
                move |ticket, found| answer(ticket, found.unwrap_or_else(panicked)),
            )
            .unwrap_or_else(|e| post(ticket, Err(e.to_string())));
    }

    /// Asks a token source; the answer comes through the mailbox. What was asked
    /// before a token was refused may be that token: it does not serve after.
    pub(crate) fn token(
        &self,
        mailbox: &Arc<Mailbox>,
        ticket: Ticket,
        reason: TokenReason,
        source: Arc<dyn TokenSource>,
    ) {
        let post = poster(mailbox, Post::Token);
        let answer = post.clone();
        let failed = |text: String, fatal| Err(AuthError { text, fatal });
        self.tokens
            .run(
                (),
                (ticket, reason),
                |(_, asked), (_, latest)| {
                    *latest != TokenReason::Refused || *asked == TokenReason::Refused
                },
                move |(_, reason)| source.token(*reason),
                move |(ticket, _), token| {
                    let panicked = || failed("the token source panicked".into(), true);
                    answer(ticket, token.unwrap_or_else(panicked));
                },
            )
            .unwrap_or_else(|e| {
                let text = format!("no thread for the token source: {e}");
                post(ticket, failed(text, false));
            });
    }

    /// Asks a region source; the answer comes through the mailbox.
    pub(crate) fn region(&self, mailbox: &Arc<Mailbox>, ticket: Ticket, regions: Regions) {
        let post = poster(mailbox, Post::Region);
        let answer = post.clone();
        let failed = |text: String| Err(RegionError { text });
        let ask = move |_: &Ticket| {
            let url = regions.0.active()?;
            Endpoint::parse(&url).map_err(|e| RegionError {
                text: e.to_string(),
            })
        };
        self.regions
            .run(
                (),
                ticket,
                |_, _| true,
                ask,
                move |ticket, named| {
                    let panicked = || failed("the region source panicked".into());
                    answer(ticket, named.unwrap_or_else(panicked));
                },
            )
            .unwrap_or_else(|e| {
                post(
                    ticket,
                    failed(format!("no thread for the region source: {e}")),
                );
            });
    }

    /// Writes the last good endpoint down. Whoever reads it meanwhile sees the old
    /// text or the new. It is a convenience: failure is only logged.
    pub(crate) fn remember(&self, file: PathBuf, endpoint: String) {
        let write = move |endpoint: &String| {
            let mut fresh = file.clone().into_os_string();
            fresh.push(".new");
            let written = fs::write(&fresh, endpoint).and_then(|()| fs::rename(&fresh, &file));
            if let Err(e) = written {
                log::warn!("{} cannot be written: {e}", file.display());
            }
        };
        let done = self
            .files
            .run((), endpoint, PartialEq::eq, write, |_, _| ());
        if let Err(e) = done {
            log::warn!("no thread to remember the endpoint: {e}");
        }
    }

    /// Lets the application make the headers of a SUBSCRIBE; they come through
    /// the mailbox.
    pub(crate) fn headers(&self, mailbox: &Arc<Mailbox>, ticket: Ticket, key: Key, makers: Makers) {
        let post = poster(mailbox, Post::Headers);
        let answer = post.clone();
        let make = move |_: &Ticket| {
            let made = makers.iter().map(|(name, make)| (name.clone(), make()));
            made.collect()
        };
        self.headers
            .run(
                key,
                ticket,
                |_, _| true,
                make,
                move |ticket, made| {
                    let panicked = "the function that makes headers for a SUBSCRIBE panicked";
                    answer(ticket, made.ok_or_else(|| panicked.to_owned()));
                },
            )
            .unwrap_or_else(|e| {
                let text = format!("no thread for the headers of a SUBSCRIBE: {e}");
                post(ticket, Err(text));
            });
    }
}

/// Hands an answer to the reactor.
fn poster<A: 'static>(
    mailbox: &Arc<Mailbox>,
    post: fn(Ticket, A) -> Post,
) -> impl Fn(Ticket, A) + Clone + Send + use<A> {
    let mailbox = Arc::clone(mailbox);
    move |ticket, answer| mailbox.post_now(post(ticket, answer))
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
