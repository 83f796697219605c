//! A real ActiveMQ Classic behind websockify.

use std::path::Path;

use crate::kept::{Kept, fact, signal, watch};

/// A broker that speaks STOMP over TCP, and a bridge that carries the octets in
/// BINARY WebSocket messages, cut and joined as they happen to arrive. Both end
/// with this value or with this process.
#[derive(Debug)]
pub struct ActiveMq {
    kept: Kept,
}

impl ActiveMq {
    /// Starts both and waits until they answer.
    #[must_use]
    pub fn start() -> Self {
        let kept = Kept::start(SCRIPT, &["keep"]);
        Self { kept }
    }

    /// The `ws://` URL of the bridge.
    #[must_use]
    pub fn url(&self) -> String {
        self.watch();
        fact(self.folder(), "ws=")
    }

    /// Ends the broker as a crash would.
    pub fn kill_broker(&self) {
        self.kept.run("end", self.folder(), &["broker", "KILL"]);
    }

    /// Ends the bridge, with all connections through it, as a crash would.
    pub fn kill_bridge(&self) {
        self.kept.run("end", self.folder(), &["bridge", "KILL"]);
    }

    /// Starts what does not run, with its data and on its ports.
    pub fn restart(&self) {
        self.kept.run("start", self.folder(), &[]);
    }

    /// The broker does nothing more until it is told to go on; the bridge does.
    pub fn freeze(&self) {
        signal(&self.folder().join("broker.pid"), "STOP");
    }

    /// The broker goes on.
    pub fn thaw(&self) {
        signal(&self.folder().join("broker.pid"), "CONT");
    }

    fn watch(&self) {
        watch("ActiveMQ", self.folder().join("broker.log"));
        watch("websockify", self.folder().join("bridge.log"));
    }

    fn folder(&self) -> &Path {
        self.kept.folder()
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/brokers/activemq");
