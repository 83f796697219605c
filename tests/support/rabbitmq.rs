//! A real RabbitMQ node, that lives as long as this process and no longer.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// A node with Web-STOMP on loopback ports of its own. The script that started
/// it ends it when its standard input ends: with this value, or with this
/// process, however that ends.
#[derive(Debug)]
pub struct RabbitMq {
    folder: PathBuf,
    _keeper: Child,
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
        let kind = match kind {
            FrameKind::Text => "text",
            FrameKind::Binary => "binary",
        };
        let mut keeper = Command::new(SCRIPT)
            .args(["keep", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the broker script runs");
        let mut folder = String::new();
        BufReader::new(keeper.stdout.take().expect("it is piped"))
            .read_line(&mut folder)
            .expect("the broker script prints text");
        assert!(
            !folder.is_empty(),
            "no RabbitMQ came up; is it installed? ({SCRIPT} install)"
        );
        Self {
            folder: folder.trim_end().into(),
            _keeper: keeper,
        }
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

    /// Ends the node as a crash would.
    pub fn kill(&self) {
        self.script("kill", &[]);
    }

    /// Starts the node again, with its data and on its ports, unless it runs.
    pub fn restart(&self) {
        self.script("start", &[]);
    }

    /// Runs `rabbitmqctl` and waits for its success.
    pub fn ctl(&self, arguments: &[&str]) {
        self.script("ctl", arguments);
    }

    fn script(&self, command: &str, arguments: &[&str]) {
        let status = Command::new(SCRIPT)
            .arg(command)
            .arg(&self.folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("the broker script runs");
        assert!(status.success(), "{command} {arguments:?}: {status}");
    }

    fn fact(&self, name: &str) -> String {
        let facts = fs::read_to_string(self.folder.join("node")).expect("the node is described");
        let fact = facts.lines().find_map(|line| line.strip_prefix(name));
        fact.expect("the fact is told").to_owned()
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/brokers/rabbitmq");
