//! `replay`: sends again what a case sent, and shows how the answers differ.

use super::{FAILED, Failure, PRECONDITION};
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::broker::probe::Caps;
use crate::broker::target::Target;
use crate::wire::log::{self, Dir, Entry, Layer};
use crate::wire::show;
use crate::wire::stomp::{Frame, Item, Parser};
use crate::wire::ws;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    /// A wire log, or the id of a case whose log lies in --wire.
    case: String,
    /// The folder of wire logs.
    #[arg(long, value_name = "FOLDER", default_value = "wire")]
    wire: PathBuf,
    /// Another broker than the one of the log.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Takes the place of the masked passcode.
    #[arg(long, env = "STOMP_CONFORMANCE_PASSCODE", hide_env_values = true)]
    passcode: Option<String>,
    /// An answer is waited for so long.
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = super::options::seconds)]
    timeout: f64,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<u8, Failure> {
    let named = args
        .wire
        .join(format!("{}.jsonl", args.case.replace('/', "_")));
    let path = match Path::new(&args.case) {
        path if path.is_file() => path.to_owned(),
        _ => named,
    };
    let kept = log::read(&path).map_err(Failure::usage)?;
    let url = args.to.as_ref().unwrap_or(&kept.head.target);
    let mut target = Target::of(url).map_err(Failure::usage)?;
    target.passcode.clone_from(&args.passcode);
    target.keep_secrets();
    if let Some(cut) = kept
        .entries
        .iter()
        .find(|e| e.dir == Dir::Out && e.more > 0)
    {
        return Err(Failure::usage(format!(
            "{}: of a message of {} octets the log keeps {}; it cannot be sent again",
            path.display(),
            cut.octets.len() + cut.more,
            cut.octets.len()
        )));
    }
    let wait = Duration::from_secs_f64(args.timeout);
    let mut replay = Replay {
        lab: Lab::new(&Arc::new(target), &Caps::default()),
        passcode: args.passcode.clone(),
        peers: BTreeMap::new(),
        wait,
    };
    println!("{} against {url}\n", kept.head.case);
    let mut differ = 0;
    for entry in &kept.entries {
        differ += usize::from(replay.step(entry)?);
    }
    println!("\nREPLAY differences={differ}");
    Ok(if differ > 0 { FAILED } else { 0 })
}

struct Replay {
    lab: Lab,
    passcode: Option<String>,
    peers: BTreeMap<u32, Peer>,
    wait: Duration,
}

impl Replay {
    /// Sends what was sent, waits for what came; says whether it was otherwise.
    fn step(&mut self, entry: &Entry) -> Result<bool, Failure> {
        match (entry.dir, entry.layer) {
            (Dir::Out, Layer::Http) => {
                let mut upgrade = self.lab.upgrade();
                upgrade.subprotocols = header(&entry.octets, "Sec-WebSocket-Protocol");
                let peer = self.lab.handshake(&upgrade).map_err(|outcome| Failure {
                    code: PRECONDITION,
                    words: outcome.words(),
                })?;
                self.peers.insert(entry.conn, peer);
                self.say('>', entry, "GET");
            }
            (Dir::Out, Layer::Ws) => {
                let octets = self.with_passcode(&entry.octets);
                if let Some(peer) = self.peers.get_mut(&entry.conn) {
                    if let Some((opcode, fin, rsv)) = form(&entry.what) {
                        let lay = ws::Lay {
                            fin,
                            rsv,
                            ..peer.masked(opcode)
                        };
                        peer.lay(lay, &octets);
                    }
                }
                self.say('>', entry, &show::octets(&entry.octets));
            }
            (Dir::In, Layer::Stomp) => return Ok(self.answer(entry)),
            (Dir::In, Layer::Ws) if entry.what.starts_with("close") => {
                return Ok(self.close(entry));
            }
            (Dir::Out, Layer::Tcp | Layer::Stomp) | (Dir::In, _) => {}
        }
        Ok(false)
    }

    /// A frame came then; what comes now?
    fn answer(&mut self, entry: &Entry) -> bool {
        let then = shape(&entry.octets);
        let wait = self.wait;
        let now = self.peers.get_mut(&entry.conn).and_then(|p| p.any(wait));
        let now = now.map(|frame| frame.octets);
        let same = now.as_deref().map(shape).as_ref() == Some(&then);
        if same {
            self.say('=', entry, &show::octets(&entry.octets));
        } else {
            self.say('-', entry, &show::octets(&entry.octets));
            let words = now.map_or("nothing".to_owned(), |octets| show::octets(&octets));
            self.say('+', entry, &words);
        }
        !same
    }

    fn close(&mut self, entry: &Entry) -> bool {
        let then = entry
            .octets
            .first_chunk()
            .map(|two| u16::from_be_bytes(*two));
        let wait = self.wait;
        let now = self
            .peers
            .get_mut(&entry.conn)
            .and_then(|peer| peer.until(wait, |p| p.close.clone()).map(|(code, _)| code));
        let words = |code: Option<u16>| match code {
            Some(code) => format!("Close {code}"),
            None => "Close without a code".to_owned(),
        };
        if now == Some(then) {
            self.say('=', entry, &words(then));
            return false;
        }
        self.say('-', entry, &words(then));
        self.say('+', entry, &now.map_or("no Close".to_owned(), words));
        true
    }

    fn say(&self, sign: char, entry: &Entry, words: &str) {
        let words = self.lab.target().secrets.hide(words);
        println!("{sign} {} {words}", entry.conn);
    }

    /// Puts the passcode where stars are.
    fn with_passcode(&self, octets: &[u8]) -> Vec<u8> {
        let Some(passcode) = &self.passcode else {
            return octets.to_vec();
        };
        let key = b"passcode:";
        let Some(at) = memchr::memmem::find(octets, key).map(|at| at + key.len()) else {
            return octets.to_vec();
        };
        let stars = octets[at..].iter().take_while(|o| **o == b'*').count();
        let mut out = octets[..at].to_vec();
        out.extend_from_slice(if stars > 0 { passcode.as_bytes() } else { b"" });
        out.extend_from_slice(&octets[at + stars..]);
        out
    }
}

/// `text fin=true rsv=0`, as the log says it.
fn form(what: &str) -> Option<(u8, bool, u8)> {
    let mut words = what.split(' ');
    let opcode = match words.next()? {
        "continuation" => ws::CONTINUATION,
        "text" => ws::TEXT,
        "binary" => ws::BINARY,
        "close" => ws::CLOSE,
        "ping" => ws::PING,
        "pong" => ws::PONG,
        "opcode" => u8::from_str_radix(words.next()?, 16).ok()?,
        _ => return None,
    };
    let fin = words.next()?.strip_prefix("fin=")?.parse().ok()?;
    let rsv = words.next()?.strip_prefix("rsv=")?.parse().ok()?;
    Some((opcode, fin, rsv))
}

fn header(request: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(request);
    let mut lines = text.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value.to_owned())
}

/// A frame without what a broker makes up anew each time.
fn shape(octets: &[u8]) -> Option<Frame> {
    const MADE_UP: [&str; 6] = [
        "message-id",
        "session",
        "ack",
        "server",
        "timestamp",
        "expires",
    ];
    let mut parser = Parser::new();
    parser.feed(octets);
    match parser.next()? {
        Item::Frame(mut frame) => {
            frame
                .headers
                .retain(|(name, _)| !MADE_UP.contains(&name.as_str()));
            frame.headers.sort();
            frame.octets.clear();
            Some(frame)
        }
        Item::Beat | Item::Breach(_) => None,
    }
}
