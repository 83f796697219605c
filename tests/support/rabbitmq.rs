//! A real RabbitMQ node, that lives as long as this process and no longer.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64URL_NOPAD;

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
        let mut keeper = Command::new(SCRIPT)
            .args(["keep", kind])
            .args(more)
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
