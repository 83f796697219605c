//! Opening the TCP connection: every address in turn.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Interest, Registry, Token, net::TcpStream};

use super::socket::{Readiness, Socket};
use crate::error::{LinkError, Stage};

/// No address gets less than this, unless the whole stage has less left.
const LEAST_SHARE: Duration = Duration::from_millis(250);

/// The addresses that are left to try, and the one that is being tried.
#[derive(Debug)]
pub(super) struct Dial {
    token: Token,
    waiting: VecDeque<SocketAddr>,
    attempt: Option<Attempt>,
    /// The end of the whole stage.
    until: Instant,
    last_error: Option<LinkError>,
}

#[derive(Debug)]
struct Attempt {
    tcp: TcpStream,
    address: SocketAddr,
    ready: Readiness,
    until: Instant,
}

impl Dial {
    pub(super) fn new(
        addresses: impl IntoIterator<Item = SocketAddr>,
        token: Token,
        until: Instant,
    ) -> Self {
        Self {
            token,
            waiting: addresses.into_iter().collect(),
            attempt: None,
            until,
            last_error: None,
        }
    }

    pub(super) fn ready(&mut self, more: Readiness) {
        if let Some(attempt) = &mut self.attempt {
            attempt.ready.add(more);
        }
    }

    /// When the next address is due. Changes with every `poll`.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.attempt.as_ref().map(|a| a.until)
    }

    /// `Ok(None)` while nothing is decided.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        registry: &Registry,
    ) -> Result<Option<Socket>, LinkError> {
        loop {
            let Some(attempt) = self.attempt.take() else {
                let Some(address) = self.waiting.pop_front() else {
                    return Err(self.last_error.take().unwrap_or_else(|| {
                        failure(io::Error::other("there is no address to connect to"))
                    }));
                };
                match self.begin(now, registry, address) {
                    Ok(attempt) => self.attempt = Some(attempt),
                    Err(e) => self.last_error = Some(failure(name(address, &e))),
                }
                continue;
            };
            match attempt.poll() {
                Ok(true) => {
                    log::debug!("connected to {}", attempt.address);
                    let Attempt {
                        tcp,
                        address,
                        ready,
                        ..
                    } = attempt;
                    return Ok(Some(Socket::new(tcp, address, ready)));
                }
                Ok(false) if now >= attempt.until && !self.waiting.is_empty() => {
                    log::debug!(
                        "{} does not answer, trying the next address",
                        attempt.address
                    );
                }
                Ok(false) => {
                    self.attempt = Some(attempt);
                    return Ok(None);
                }
                Err(e) => {
                    log::debug!("{}: {e}", attempt.address);
                    self.last_error = Some(failure(name(attempt.address, &e)));
                }
            }
        }
    }

    /// An equal part of the time that is left, so that an address that
    /// swallows our SYN does not eat the time of the others.
    fn begin(&self, now: Instant, registry: &Registry, address: SocketAddr) -> io::Result<Attempt> {
        let parts = u32::try_from(self.waiting.len() + 1).unwrap_or(u32::MAX);
        let share = (self.until.saturating_duration_since(now) / parts).max(LEAST_SHARE);
        let until = now
            .checked_add(share)
            .map_or(self.until, |u| u.min(self.until));
        let mut tcp = TcpStream::connect(address)?;
        registry.register(
            &mut tcp,
            self.token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        Ok(Attempt {
            tcp,
            address,
            ready: Readiness::default(),
            until,
        })
    }
}

impl Attempt {
    /// Whether the connection stands. An event may be spurious, and an error
    /// shows only in `SO_ERROR`: hence both questions.
    fn poll(&self) -> io::Result<bool> {
        if !self.ready.is_any() {
            return Ok(false);
        }
        if let Some(e) = self.tcp.take_error()? {
            return Err(e);
        }
        match self.tcp.peer_addr() {
            Ok(_) => {
                // A refusal to switch Nagle off costs latency, not correctness.
                if let Err(e) = self.tcp.set_nodelay(true) {
                    log::debug!("TCP_NODELAY: {e}");
                }
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }
}

fn name(address: SocketAddr, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{address}: {e}"))
}

fn failure(e: io::Error) -> LinkError {
    LinkError::Io {
        stage: Stage::Connect,
        source: Arc::new(e),
    }
}
