//! What a case works with: connections to the broker, and names that nobody
//! else uses.

use super::handshake::Upgrade;
use super::passive::Passive;
use super::peer::{Peer, Shared};
use super::probe::Caps;
use super::target::Target;
use crate::grade::{Outcome, violated};
use crate::wire::log::Log;
use crate::wire::stomp::{Frame, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Names made so far, by any case.
static NAMES: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caps: Caps,
    /// The queue of this case.
    pub(crate) dest: String,
    /// The topic of this case.
    pub(crate) topic: String,
    conns: u32,
}

impl Lab {
    pub(crate) fn new(target: &Arc<Target>, caps: &Caps) -> Self {
        Self {
            shared: Arc::new(Shared {
                target: Arc::clone(target),
                log: Log::new(Arc::clone(&target.secrets)),
                passive: Passive::default(),
                endings: std::sync::Mutex::default(),
            }),
            caps: caps.clone(),
            dest: fresh(&target.queue),
            topic: fresh(&target.topic),
            conns: 0,
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Another destination.
    pub(crate) fn other(&self) -> String {
        fresh(&self.target().queue)
    }

    pub(crate) fn scaled(&self, span: Duration) -> Duration {
        self.target().scaled(span)
    }

    /// Puts the case's names into `{dest}` and `{topic}`.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{dest}", &self.dest)
            .replace("{topic}", &self.topic)
    }

    pub(crate) fn upgrade(&self) -> Upgrade {
        Upgrade {
            subprotocols: Some(self.target().subprotocols.clone()).filter(|s| !s.is_empty()),
            version: 13,
            headers: Vec::new(),
        }
    }

    /// A handshake of the case's own; whatever was answered.
    pub(crate) fn handshake(&mut self, upgrade: &Upgrade) -> Result<Peer, Outcome> {
        self.conns += 1;
        Peer::dial(&self.shared, self.conns, upgrade)
            .map_err(|error| Outcome::Inconclusive(format!("cannot connect: {error}")))
    }

    /// A WebSocket, and no STOMP yet.
    pub(crate) fn open(&mut self) -> Result<Peer, Outcome> {
        let upgrade = self.upgrade();
        let peer = self.handshake(&upgrade)?;
        match peer.answer.status {
            101 => Ok(peer),
            status => Err(Outcome::Inconclusive(format!(
                "the upgrade was answered by {status}"
            ))),
        }
    }

    /// The octets of CONNECT, with more header lines if wanted.
    pub(crate) fn connect_frame(&self, versions: &str, more: &str) -> String {
        let credentials = self.target().credentials();
        format!("CONNECT\naccept-version:{versions}\n{credentials}{more}\n\0")
    }

    /// A session of 1.2.
    pub(crate) fn connect(&mut self) -> Result<Peer, Outcome> {
        self.connect_as("1.2", "").map(|(peer, _)| peer)
    }

    /// A session, and its CONNECTED.
    pub(crate) fn connect_as(
        &mut self,
        versions: &str,
        more: &str,
    ) -> Result<(Peer, Frame), Outcome> {
        let mut peer = self.open()?;
        peer.send(self.connect_frame(versions, more));
        let connected = self.connected(&mut peer).map_err(Outcome::beforehand)?;
        // One who forgets to say it is not punished in every other case.
        let version = connected.header("version").unwrap_or(versions);
        peer.set_version(Version::named(version).unwrap_or(Version::V1_0));
        Ok((peer, connected))
    }

    /// Waits for CONNECTED.
    pub(crate) fn connected(&self, peer: &mut Peer) -> Result<Frame, Outcome> {
        let within = self.scaled(Duration::from_secs(5));
        peer.expect("CONNECTED", within, |f| f.command == "CONNECTED")
    }

    /// Subscribes, and waits until that is certain.
    pub(crate) fn subscribe(
        &mut self,
        peer: &mut Peer,
        id: &str,
        dest: &str,
        more: &str,
    ) -> Result<(), Outcome> {
        let dest = crate::wire::stomp::encode(dest);
        peer.send(format!(
            "SUBSCRIBE\nid:{id}\ndestination:{dest}\nreceipt:sub-{id}\n{more}\n\0"
        ));
        if self.caps.receipts {
            let due = peer.reply_due();
            let receipt = format!("sub-{id}");
            peer.expect("RECEIPT of SUBSCRIBE", due, |f| {
                f.command == "RECEIPT" && f.header("receipt-id") == Some(&receipt)
            })
            .map_err(Outcome::beforehand)?;
            return Ok(());
        }
        // Whoever gives no receipts shows by a message that it listens.
        for _ in 0..5 {
            peer.send(format!("SEND\ndestination:{dest}\nconf-marker:1\n\n\0"));
            let marker = |f: &Frame| f.command == "MESSAGE" && f.header("conf-marker").is_some();
            if peer
                .pick(self.scaled(Duration::from_secs(1)), marker)
                .is_some()
            {
                return Ok(());
            }
        }
        Err(Outcome::Inconclusive(
            "the subscription never showed itself".to_owned(),
        ))
    }

    /// A second connection that listens at the case's queue.
    pub(crate) fn consumer(&mut self) -> Result<Peer, Outcome> {
        let dest = self.dest.clone();
        self.consumer_of(&dest, "ack:auto\n")
    }

    pub(crate) fn consumer_of(&mut self, dest: &str, more: &str) -> Result<Peer, Outcome> {
        let mut peer = self.connect()?;
        self.subscribe(&mut peer, "0", dest, more)?;
        Ok(peer)
    }

    /// Sends what a case wants to the case's queue and says what came out.
    pub(crate) fn pass(&mut self, frame: &str) -> Result<Frame, Outcome> {
        let mut consumer = self.consumer()?;
        let mut sender = self.connect()?;
        sender.send(self.fill(frame));
        let got = consumer.message();
        self.blame(got, &mut sender)
    }

    /// If the consumer got nothing, perhaps the sender was told why.
    pub(crate) fn blame(
        &self,
        got: Result<Frame, Outcome>,
        sender: &mut Peer,
    ) -> Result<Frame, Outcome> {
        got.or_else(|outcome| {
            match (
                outcome,
                sender.pick(Duration::ZERO, |f| f.command == "ERROR"),
            ) {
                (Outcome::Violated(words), Some(error)) => {
                    violated(format!("{words}; the sender got {error}"))
                }
                (other, _) => Err(other),
            }
        })
    }

    /// Fails unless the broker's capabilities include one.
    pub(crate) fn needs_receipts(&self) -> Result<(), Outcome> {
        if self.caps.receipts {
            Ok(())
        } else {
            Err(Outcome::Unimplemented(
                "the broker gives no receipts".to_owned(),
            ))
        }
    }
}

fn fresh(template: &str) -> String {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let unique = format!("{:x}-{number:x}", std::process::id());
    template.replace("{uuid}", &unique)
}
