//! Real RabbitMQ nodes, alone or in a cluster.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64URL_NOPAD;

use crate::kept::{Kept, fact, signal, watch};

/// A node with Web-STOMP on loopback ports of its own, that ends with this value
/// or with this process.
#[derive(Debug)]
pub struct RabbitMq {
    kept: Arc<Kept>,
    folder: PathBuf,
    name: String,
}

/// What kind of WebSocket message the node sends (`web_stomp.ws_frame`).
#[derive(Debug, Clone, Copy)]
pub enum FrameKind {
    /// TEXT, whatever is in it: RabbitMQ's default.
    Text,
    /// BINARY.
    Binary,
}

impl RabbitMq {
    /// Starts a node and waits until it answers.
    #[must_use]
    pub fn start(kind: FrameKind) -> Self {
        Self::start_with(kind, &[])
    }

    /// As [`start`](Self::start), with a node that takes JSON web tokens for
    /// passcodes; see [`token`](Self::token).
    #[must_use]
    pub fn start_with_tokens() -> Self {
        Self::start_with(FrameKind::Text, &["oauth2"])
    }

    fn start_with(kind: FrameKind, more: &[&str]) -> Self {
        let kind = match kind {
            FrameKind::Text => "text",
            FrameKind::Binary => "binary",
        };
        let kept = Kept::start(SCRIPT, &[&["keep", kind], more].concat());
        Self {
            folder: kept.folder().to_owned(),
            kept: Arc::new(kept),
            name: "hobnail".into(),
        }
    }

    /// Starts so many nodes that form one cluster, and waits until it stands.
    /// They take JSON web tokens, too, all the same.
    #[must_use]
    pub fn start_cluster(nodes: usize) -> Vec<Self> {
        let kept = Kept::start(SCRIPT, &["keep-cluster", &nodes.to_string()]);
        let kept = Arc::new(kept);
        let node = |n: usize| Self {
            folder: kept.folder().join(n.to_string()),
            kept: Arc::clone(&kept),
            name: format!("hobnail{n}"),
        };
        (1..=nodes).map(node).collect()
    }

    /// Its `ws://` URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.fact("ws=")
    }

    /// Its `wss://` URL.
    #[must_use]
    pub fn secure_url(&self) -> String {
        self.fact("wss=")
    }

    /// The certificate of the private authority that vouches for it, as PEM.
    #[must_use]
    pub fn authority(&self) -> String {
        fs::read_to_string(self.folder.join("ca.pem")).expect("the node has an authority")
    }

    /// A token (RFC 7519) for everything on the node, that ends after `life`.
    ///
    /// # Panics
    /// If the program `openssl` is missing, or the node takes no tokens.
    #[must_use]
    pub fn token(&self, life: Duration) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let ends = (now.expect("it is later than 1970") + life).as_secs();
        let claims = format!(
            r#"{{"aud":"rabbitmq","sub":"desk","exp":{ends},"scope":"rabbitmq.read:*/*/* rabbitmq.write:*/*/* rabbitmq.configure:*/*/* rabbitmq.read:*/* rabbitmq.write:*/* rabbitmq.configure:*/*"}}"#
        );
        let head = r#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#;
        let signed = [head, &claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
        let signed = signed.join(".");
        let signature = BASE64URL_NOPAD.encode(&hmac(&self.fact("secret="), &signed));
        format!("{signed}.{signature}")
    }

    /// Ends the node as a crash would.
    pub fn kill(&self) {
        self.end("KILL");
    }

    /// Ends the node with a signal, and waits until it is gone.
    pub fn end(&self, signal: &str) {
        self.kept.run("end", &self.folder, &[signal]);
    }

    /// Starts the node again, with its data and on its ports, unless it runs.
    pub fn restart(&self) {
        self.kept.run("start", &self.folder, &[]);
    }

    /// The node does nothing more until it is told to go on.
    pub fn freeze(&self) {
        signal(&self.folder.join("pid"), "STOP");
    }

    /// The node goes on.
    pub fn thaw(&self) {
        signal(&self.folder.join("pid"), "CONT");
    }

    /// Runs `rabbitmqctl` and waits for its success.
    pub fn ctl(&self, arguments: &[&str]) {
        self.kept.run("ctl", &self.folder, arguments);
    }

    fn fact(&self, name: &str) -> String {
        let log = format!("log/{}@localhost.log", self.name);
        watch(&format!("RabbitMQ {}", self.name), self.folder.join(log));
        fact(&self.folder, name)
    }
}

/// HMAC with SHA-256.
fn hmac(key: &str, text: &str) -> Vec<u8> {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-binary", "-macopt"])
        .arg(format!("key:{key}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let mut input = openssl.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("openssl reads");
    drop(input);
    let output = openssl.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "{}", output.status);
    output.stdout
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/brokers/rabbitmq");
