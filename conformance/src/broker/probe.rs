//! What a broker can do, asked once before the cases.

use super::lab::Lab;
use super::target::Target;
use crate::grade::Outcome;
use crate::wire::log::{Dir, Layer};
use crate::wire::stomp::Frame;
use serde::Serialize;
use std::sync::Arc;

/// What `--caps` understands.
pub(crate) const NAMES: [&str; 8] = [
    "receipts", "tx", "nack", "queue", "binary", "auth", "1.0", "1.1",
];

/// The capabilities that cases need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Caps {
    pub(crate) receipts: bool,
    pub(crate) tx: bool,
    pub(crate) nack: bool,
    /// Messages wait for a consumer, and each goes to one.
    pub(crate) queue: bool,
    pub(crate) binary: bool,
    /// A wrong passcode is refused.
    pub(crate) auth: bool,
    pub(crate) v1_0: bool,
    pub(crate) v1_1: bool,
    /// The `server` header, if there is one.
    pub(crate) server: Option<String>,
    /// The subprotocol that was chosen.
    pub(crate) subprotocol: Option<String>,
}

impl Caps {
    /// What a requirement needs, and whether it is there. Needs that the
    /// cases find out for themselves count as there.
    pub(crate) fn has(&self, need: &str) -> bool {
        match need {
            "tx" => self.tx,
            "nack" => self.nack,
            "queue" => self.queue,
            "binary" => self.binary,
            "auth" => self.auth,
            "v1.0" => self.v1_0,
            // Which origins are welcome is not known here.
            "origin-policy" => false,
            _ => true,
        }
    }

    /// What the broker calls itself.
    pub(crate) fn name(&self) -> String {
        let own = self.server.clone();
        own.unwrap_or_else(|| "a broker that does not say its name".to_owned())
    }

    /// Those of a list, instead of a question to the broker.
    fn give(&mut self, words: &[String]) {
        let has = |name: &str| words.iter().any(|w| w == name);
        self.receipts = has("receipts");
        self.tx = has("tx");
        self.nack = has("nack");
        self.queue = has("queue");
        self.binary = has("binary");
        self.auth = has("auth");
        self.v1_0 = has("1.0");
        self.v1_1 = has("1.1");
    }

    pub(crate) fn words(&self) -> String {
        let all = NAMES.into_iter().zip([
            self.receipts,
            self.tx,
            self.nack,
            self.queue,
            self.binary,
            self.auth,
            self.v1_0,
            self.v1_1,
        ]);
        let names: Vec<&str> = all.filter(|(_, has)| *has).map(|(name, _)| name).collect();
        names.join(", ")
    }
}

/// Asks the broker, unless it is given what it can do. An error means that no
/// case could run.
pub(crate) fn probe(target: &Arc<Target>, given: Option<&[String]>) -> Result<Caps, String> {
    let mut caps = Caps {
        receipts: true,
        ..Caps::default()
    };
    smoke(target, &mut caps).map_err(|outcome| target.secrets.hide(&outcome.words()))?;
    if let Some(words) = given {
        caps.give(words);
        return Ok(caps);
    }
    caps.receipts = ask(target, &caps, |lab| {
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt:p1\n\n\0"));
        peer.receipt("p1")
    });
    let tx = "BEGIN\ntransaction:t\nreceipt:p1\n\n\0SEND\ndestination:{dest}\ntransaction:t\n\n\0ABORT\ntransaction:t\nreceipt:p2\n\n\0SEND\ndestination:{dest}\nafter:1\n\nx\0";
    caps.tx = ask(target, &caps, |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        for frame in lab.fill(tx).split_inclusive('\0') {
            peer.send(frame);
        }
        let message = consumer.message()?;
        match message.header("after") {
            Some(_) => Ok(message),
            None => Err(Outcome::Ok),
        }
    });
    caps.queue = ask(target, &caps, |lab| {
        let mut sender = lab.connect()?;
        sender.send(lab.fill("SEND\ndestination:{dest}\nreceipt:p1\n\nx\0"));
        if lab.caps.receipts {
            sender.receipt("p1")?;
        }
        let mut consumer = lab.consumer()?;
        consumer.message()
    });
    caps.nack = ask(target, &caps, |lab| {
        let dest = lab.dest.clone();
        let mut consumer = lab.consumer_of(&dest, "ack:client-individual\n")?;
        consumer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        let message = consumer.message()?;
        let ack = crate::wire::stomp::encode(message.header("ack").unwrap_or_default());
        consumer.send(format!("NACK\nid:{ack}\nreceipt:p1\n\n\0"));
        consumer.receipt("p1")
    });
    caps.binary = ask(target, &caps, |lab| {
        let mut peer = lab.open()?;
        peer.send_binary(lab.connect_frame("1.2", ""));
        lab.connected(&mut peer)
    });
    caps.v1_1 = speaks(target, &caps, "1.1");
    caps.v1_0 = speaks(target, &caps, "1.0");
    caps.auth = ask(target, &caps, |lab| {
        if lab.target().passcode().is_none() {
            return Err(Outcome::Ok);
        }
        let mut peer = lab.open()?;
        let wrong = Target {
            passcode: Some("not-the-passcode".to_owned()),
            token_cmd: None,
            ..lab.target().clone()
        };
        peer.send(format!(
            "CONNECT\naccept-version:1.2\n{}\n\0",
            wrong.credentials()
        ));
        let refusal = peer.refusal();
        refusal.error.ok_or(Outcome::Ok)
    });
    Ok(caps)
}

fn smoke(target: &Arc<Target>, caps: &mut Caps) -> Result<(), Outcome> {
    let mut lab = Lab::new(target, caps);
    let session = lab.connect_as("1.2", "");
    let (peer, connected) = session.map_err(|outcome| {
        // What was heard may say what it is instead.
        let log = lab.shared.log.take();
        let sockjs = log.iter().any(|entry| match (entry.dir, entry.layer) {
            (Dir::In, Layer::Ws) => entry.octets == b"o",
            (Dir::In, Layer::Http) => entry.what == "200",
            (Dir::In, Layer::Tcp | Layer::Stomp) | (Dir::Out, _) => false,
        });
        let hint = " (if this is a SockJS endpoint, append /websocket to the URL)";
        let hint = if sockjs { hint } else { "" };
        Outcome::Inconclusive(format!("{}{hint}", outcome.words()))
    })?;
    caps.server = connected.header("server").map(str::to_owned);
    caps.subprotocol = peer
        .answer
        .header("Sec-WebSocket-Protocol")
        .map(str::to_owned);
    Ok(())
}

fn ask(
    target: &Arc<Target>,
    caps: &Caps,
    question: impl FnOnce(&mut Lab) -> Result<Frame, Outcome>,
) -> bool {
    question(&mut Lab::new(target, caps)).is_ok()
}

fn speaks(target: &Arc<Target>, caps: &Caps, version: &str) -> bool {
    ask(target, caps, |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame(version, ""));
        let connected = lab.connected(&mut peer)?;
        let spoken = connected.header("version").unwrap_or("1.0");
        if spoken == version {
            Ok(connected)
        } else {
            Err(Outcome::Ok)
        }
    })
}
