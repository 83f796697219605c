//! The handle: a broker on a thread of its own.

use crate::engine::{Control, Engine, token_text};
use crate::http::shown_path;
use crate::proxy::{Upstream, UpstreamError};
use crate::script::Scenario;
use crate::serve::{Command, Server, Shared};
use crate::tls::{ServerTls, TlsError};
use crate::transcript::{Entry, Journal, Transcript, WaitError};
use crate::verdict::{Judge, Report};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why a broker could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port could not be opened, or the thread not started.
    #[error("cannot start the broker: {0}")]
    Io(#[from] io::Error),
    /// No TLS identity could be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The upstream of a proxy cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Where a broker listens; always on the loopback addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// The port; 0 is any free one.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Where the control API and the page are (default: on the same port).
    pub control: Control,
}

/// A running broker. It stops when it is dropped.
pub struct MockBroker {
    shared: Arc<Shared>,
    journal: Journal,
    sessions: Arc<AtomicUsize>,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// It has ended, and by request.
    stopped: Arc<AtomicBool>,
    listen: Listen,
    control: Option<u16>,
    ca_pem: Option<String>,
    path: String,
    scenario: Arc<Scenario>,
    started: Instant,
    issued: AtomicU64,
}

impl MockBroker {
    /// Starts a broker on a free port of 127.0.0.1, without TLS unless the
    /// scenario wants it.
    ///
    /// # Errors
    /// [`StartError`] if the port cannot be opened.
    pub fn start(scenario: Scenario) -> Result<Self, StartError> {
        Self::start_at(scenario, Listen::default())
    }

    /// Starts a broker with TLS on a free port of localhost; see
    /// [`MockBroker::ca_pem`].
    ///
    /// # Errors
    /// [`StartError`] if the port cannot be opened or no certificate be made.
    pub fn start_tls(scenario: Scenario) -> Result<Self, StartError> {
        let listen = Listen {
            tls: true,
            ..Listen::default()
        };
        Self::start_at(scenario, listen)
    }

    /// Starts a broker.
    ///
    /// # Errors
    /// [`StartError`] if the port cannot be opened or no certificate be made.
    pub fn start_at(scenario: Scenario, listen: Listen) -> Result<Self, StartError> {
        Self::launch(scenario, listen, None)
    }

    /// Starts a proxy in front of a real broker, without TLS on its own side,
    /// on a free port of 127.0.0.1. What the rules do not touch passes as it
    /// came; what they do is the same as with the broker of its own.
    ///
    /// # Errors
    /// [`StartError`] if the URL is none, its host has no address, or the port
    /// cannot be opened.
    pub fn proxy(upstream_url: &str, scenario: Scenario) -> Result<Self, StartError> {
        let upstream = Upstream::new(upstream_url)?;
        Self::proxy_at(&upstream, scenario, Listen::default())
    }

    /// Starts a proxy in front of a real broker. Its host is looked up once,
    /// now; its addresses are tried in turn for each connection.
    ///
    /// # Errors
    /// [`StartError`] if the upstream cannot be used, the port not be opened or
    /// no certificate be made.
    pub fn proxy_at(
        upstream: &Upstream,
        scenario: Scenario,
        listen: Listen,
    ) -> Result<Self, StartError> {
        Self::launch(scenario, listen, Some(upstream))
    }

    fn launch(
        scenario: Scenario,
        listen: Listen,
        upstream: Option<&Upstream>,
    ) -> Result<Self, StartError> {
        let target = upstream.map(Upstream::resolve).transpose()?;
        let listen = Listen {
            tls: listen.tls || scenario.tls,
            ..listen
        };
        let tls = if listen.tls {
            Some(ServerTls::generate()?)
        } else {
            None
        };
        let ca_pem = tls.as_ref().map(|t| t.ca_pem.clone());
        let asserted = Arc::new(scenario.clone());
        let usual = upstream.map_or("/stomp", Upstream::path);
        let path = scenario.path.clone().unwrap_or_else(|| usual.to_owned());
        let engine = if target.is_some() {
            Engine::proxy(scenario)
        } else {
            Engine::new(scenario)
        };
        let journal = engine.journal().clone();
        let sessions = engine.session_count();
        let started = Instant::now();
        let mut server = Server::bind(engine, listen.port, tls)?;
        if let Some(target) = target {
            server.upstream(target);
        }
        let control = server.control(listen.control)?;
        let listen = Listen {
            port: server.number(),
            ..listen
        };
        let shared = server.shared();
        let guard = StopsJournal(journal.clone());
        let stopped = Arc::new(AtomicBool::new(false));
        let well = Arc::clone(&stopped);
        let thread = std::thread::Builder::new()
            .name("mock-broker".to_owned())
            .spawn(move || {
                let _guard = guard;
                let result = server.run();
                well.store(result.is_ok(), Ordering::Release);
                if let Err(error) = &result {
                    log::error!("the broker died: {error}");
                }
                result
            })?;
        Ok(Self {
            shared,
            journal,
            sessions,
            thread: Some(thread),
            stopped,
            listen,
            control,
            ca_pem,
            path,
            scenario: asserted,
            started,
            issued: AtomicU64::new(0),
        })
    }

    /// The URL for clients, for example `ws://127.0.0.1:4711/stomp`.
    pub fn url(&self) -> String {
        let (scheme, host) = if self.listen.tls {
            ("wss", "localhost")
        } else {
            ("ws", "127.0.0.1")
        };
        format!("{scheme}://{host}:{}{}", self.listen.port, self.path)
    }

    /// Where the page for people is, for example `http://127.0.0.1:4711/`, and
    /// under it the control API; `GET control/` prints what there is. `None` if
    /// it was turned off.
    pub fn control_url(&self) -> Option<String> {
        let port = self.control?;
        let here = self.listen.control == Control::Here;
        Some(if here && self.listen.tls {
            format!("https://localhost:{port}/")
        } else {
            format!("http://127.0.0.1:{port}/")
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.listen.port
    }

    /// The certificate of the authority that signed the broker's, as PEM; it
    /// is a new one at each start. `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// A token for `identity` that is accepted for `ttl` from now on.
    pub fn issue_token(&self, identity: &str, ttl: Duration) -> String {
        let n = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        let token = token_text(self.scenario.seed, n);
        let identity = identity.to_owned();
        self.shared.send(Command::Issue {
            token: token.clone(),
            identity,
            ttl,
        });
        token
    }

    /// Ends a token now, or all tokens of an identity.
    pub fn expire_token(&self, token_or_identity: &str) {
        self.shared
            .send(Command::Expire(token_or_identity.to_owned()));
    }

    /// Fires the rules that wait for this signal.
    pub fn signal(&self, name: &str) {
        self.shared.send(Command::Signal(name.to_owned()));
    }

    /// Ends a connection with FIN and without Close: 1006 for the client.
    pub fn kick(&self, conn: u64) {
        self.shared.ask(Command::Kick(conn));
    }

    /// Publishes a message as if a client had sent it.
    pub fn publish(&self, destination: &str, headers: &[(&str, &str)], body: &[u8]) {
        let headers = headers
            .iter()
            .map(|&(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let destination = destination.to_owned();
        self.shared.send(Command::Publish {
            destination,
            headers,
            body: body.to_vec(),
        });
    }

    /// Live STOMP sessions now.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// What happened so far, oldest first. The transcript is bounded; see
    /// [`MockBroker::dropped_entries`].
    pub fn transcript(&self) -> Vec<Entry> {
        self.journal.snapshot().entries
    }

    /// How many of the oldest entries the transcript has dropped.
    pub fn dropped_entries(&self) -> u64 {
        self.journal.snapshot().dropped
    }

    /// The ring behind the transcript, for following along.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The first entry for which `pred` holds: looks at what is there, then
    /// waits for more.
    ///
    /// # Errors
    /// [`WaitError`] when `timeout` has passed or the broker stopped.
    pub fn wait_for(
        &self,
        timeout: Duration,
        pred: impl FnMut(&Entry) -> bool,
    ) -> Result<Entry, WaitError> {
        self.journal.wait_for_nth(1, timeout, pred)
    }

    /// The `nth` entry (from 1) for which `pred` holds.
    ///
    /// # Errors
    /// [`WaitError`] when `timeout` has passed or the broker stopped.
    pub fn wait_for_nth(
        &self,
        nth: usize,
        timeout: Duration,
        pred: impl FnMut(&Entry) -> bool,
    ) -> Result<Entry, WaitError> {
        self.journal.wait_for_nth(nth, timeout, pred)
    }

    /// Refuses new connections for a while; those that stand are kept. It is so
    /// when the call returns.
    pub fn refuse(&self, span: Duration) {
        self.shared.ask(Command::Refuse(Some(span)));
    }

    /// Refuses new connections until [`MockBroker::resume_listening`]. It is so
    /// when the call returns.
    pub fn stop_listening(&self) {
        self.shared.ask(Command::Refuse(None));
    }

    /// Accepts connections again, on the same port. It is so when the call
    /// returns.
    pub fn resume_listening(&self) {
        self.shared.ask(Command::Listen);
    }

    /// Resets all connections. The port and what the queues hold stay;
    /// messages that were not acknowledged go back to their queues.
    pub fn restart(&self) {
        self.shared.ask(Command::Restart);
    }

    /// What the scenario's assertions come to if the run ends now.
    ///
    /// It judges what the transcript still holds; if older entries were
    /// dropped, what might have been about them is inconclusive. A program
    /// that runs long feeds a [`Judge`](crate::verdict::Judge) as it goes.
    pub fn report(&self) -> Report {
        let mut judge = self.judge();
        for entry in &self.journal.snapshot().entries {
            judge.see(entry);
        }
        judge.report(self.age())
    }

    /// A judge of what the scenario asserts that has seen nothing yet.
    pub fn judge(&self) -> Judge {
        Judge::new(Arc::clone(&self.scenario))
    }

    /// How long the broker has been running: the time of its transcript.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until everything that is asserted was decided, or something
    /// failed, or `timeout` has passed; then it is the same as
    /// [`MockBroker::report`]. What must *never* be seen, at no time, is
    /// decided only by the end of the run.
    pub fn wait_report(&self, timeout: Duration) -> Report {
        let until = Instant::now() + timeout;
        let mut judge = self.judge();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // A `within` may end although nothing happens.
            let step = left.min(Duration::from_millis(50));
            let over = match self.journal.follow(judge.wants(), step) {
                Ok(entries) => {
                    entries.iter().for_each(|entry| judge.see(entry));
                    judge.tick(self.age());
                    false
                }
                Err(_) => true,
            };
            if over || left.is_zero() || judge.is_decided() {
                return judge.report(self.age());
            }
        }
    }

    /// Stops the broker and returns what happened.
    pub fn stop(mut self) -> Transcript {
        self.join();
        self.journal.snapshot()
    }

    /// Whether the broker has ended because the control API told it to.
    pub fn was_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until the broker is told to stop by the control API: for programs
    /// that are nothing but a broker.
    ///
    /// # Errors
    /// The broker died by itself.
    pub fn wait(mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let panicked = |_| Err(io::Error::other("the broker's thread panicked"));
        thread.join().unwrap_or_else(panicked)
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.send(Command::Stop);
            if thread.join().is_err() {
                log::error!("the broker's thread panicked");
            }
        }
    }
}

impl Drop for MockBroker {
    fn drop(&mut self) {
        self.join();
    }
}

impl fmt::Debug for MockBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockBroker")
            .field("port", &self.listen.port)
            .field("path", &shown_path(&self.path))
            .finish_non_exhaustive()
    }
}

/// Wakes those who wait for entries, however the thread ends.
struct StopsJournal(Journal);

impl Drop for StopsJournal {
    fn drop(&mut self) {
        self.0.stop();
    }
}
