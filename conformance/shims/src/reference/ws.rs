//! RFC 6455 from the client's side, written from the RFC alone.

use crate::bug;
use data_encoding::BASE64;
use sha1::{Digest, Sha1};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Octets of a message, at most.
const MOST: u64 = 40 << 20;

/// Something nobody can foretell.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// Why there is no connection.
pub(crate) enum Refused {
    Io(io::Error),
    Status(u16, Vec<u8>),
    Protocol(String),
    Timeout,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Io(error),
        }
    }
}

/// Dials and upgrades; the stream, and octets that came with the answer.
pub(crate) fn open(
    url: &str,
    subprotocols: &[&str],
    by: Instant,
) -> Result<(TcpStream, Vec<u8>), Refused> {
    let rest = url
        .strip_prefix("ws://")
        .ok_or_else(|| Refused::Protocol("only ws:// is spoken".to_owned()))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = host
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| Refused::Protocol("no address".to_owned()))?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let key = BASE64.encode(&[random().to_be_bytes(), random().to_be_bytes()].concat());
    let request = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        subprotocols.join(", ")
    );
    stream.write_all(request.as_bytes())?;
    let mut octets = Vec::new();
    let head = loop {
        if let Some(at) = octets.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        let left = by.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer)? {
            0 => return Err(Refused::Io(io::ErrorKind::UnexpectedEof.into())),
            n => octets.extend_from_slice(&buffer[..n]),
        }
    };
    let mut after = octets.split_off(head);
    let text = String::from_utf8_lossy(&octets).into_owned();
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok());
    match status {
        Some(101) => {}
        Some(status) => {
            stream.set_read_timeout(Some(Duration::from_millis(200)))?;
            let _ = stream.read_to_end(&mut after);
            return Err(Refused::Status(status, after));
        }
        None => return Err(Refused::Protocol("no HTTP".to_owned())),
    }
    check(&text, &key, subprotocols).map_err(Refused::Protocol)?;
    if bug::is("drops-octets-after-101") {
        after.clear();
    }
    stream.set_read_timeout(None)?;
    Ok((stream, after))
}

/// Whether the answer is the upgrade that was asked for (RFC 6455 §4.1).
fn check(head: &str, key: &str, subprotocols: &[&str]) -> Result<(), String> {
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let is = |name: &str, word: &str| field(name).is_some_and(|v| v.eq_ignore_ascii_case(word));
    let accept = BASE64.encode(&Sha1::digest(
        format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes(),
    ));
    if !bug::is("takes-any-accept")
        && (!is("Upgrade", "websocket")
            || !is("Connection", "Upgrade")
            || field("Sec-WebSocket-Accept") != Some(accept.as_str()))
    {
        return Err("the answer is no upgrade".to_owned());
    }
    if field("Sec-WebSocket-Extensions").is_some() {
        return Err("an extension that was not offered".to_owned());
    }
    match field("Sec-WebSocket-Protocol") {
        Some(chosen) if !subprotocols.contains(&chosen) && !bug::is("takes-any-subprotocol") => {
            Err(format!("the subprotocol {chosen} was not offered"))
        }
        Some(_) | None => Ok(()),
    }
}

/// One frame, masked.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    let bit = if bug::is("masks-never") { 0 } else { 0x80 };
    match payload.len() {
        n @ 0..=125 => out.push(bit | u8::try_from(n).unwrap_or_default()),
        n @ 126..=65_535 => {
            out.push(bit | 126);
            out.extend_from_slice(&u16::try_from(n).unwrap_or_default().to_be_bytes());
        }
        n => {
            out.push(bit | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    if bit == 0 {
        out.extend_from_slice(payload);
        return out;
    }
    let mut key = [7, 7, 7, 7];
    if !bug::is("masks-constantly") {
        key.copy_from_slice(&random().to_be_bytes()[..4]);
    }
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(o, k)| o ^ k));
    out
}

pub(crate) enum Heard {
    /// Text or binary, whole.
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>, String),
}

/// Reads what a server sends, strictly.
#[derive(Default)]
pub(crate) struct Reader {
    octets: Vec<u8>,
    parts: Option<(u8, Vec<u8>)>,
}

impl Reader {
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    pub(crate) fn next(&mut self) -> Result<Option<Heard>, String> {
        loop {
            let Some((first, payload)) = self.frame()? else {
                return Ok(None);
            };
            let (fin, opcode) = (first & 0x80 != 0, first & 15);
            match (opcode, self.parts.take()) {
                (0, Some((kind, mut parts))) => {
                    parts.extend_from_slice(&payload);
                    self.parts = Some((kind, parts));
                }
                (0, None) => return Err("a continuation without a start".to_owned()),
                (1 | 2, Some(_)) => return Err("a message within another".to_owned()),
                (1 | 2, None) => self.parts = Some((opcode, payload)),
                (control, parts) => {
                    self.parts = parts;
                    return control_frame(control, fin, payload).map(Some);
                }
            }
            if !fin && !bug::is("fragments-are-messages") {
                continue;
            }
            if let Some((kind, octets)) = self.parts.take() {
                if !fin {
                    self.parts = Some((kind, Vec::new()));
                }
                if kind == 1 && !bug::is("utf-8-unchecked") && std::str::from_utf8(&octets).is_err()
                {
                    return Err("text that is no UTF-8".to_owned());
                }
                return Ok(Some(Heard::Message(octets)));
            }
        }
    }

    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, String> {
        let [first, second, ..] = self.octets[..] else {
            return Ok(None);
        };
        if first & 0x70 != 0 && !bug::is("rsv-is-ignored") {
            return Err("RSV bits".to_owned());
        }
        if second & 0x80 != 0 && !bug::is("takes-masked-frames") {
            return Err("a masked frame".to_owned());
        }
        let (length, mut at) = match second & 0x7f {
            126 => match self.octets.get(2..4) {
                Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
                _ => return Ok(None),
            },
            127 => match self.octets.get(2..10).and_then(|o| o.try_into().ok()) {
                Some(eight) => (u64::from_be_bytes(eight), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        if length > MOST {
            return Err("a frame that is too long".to_owned());
        }
        let mut key = [0; 4];
        if second & 0x80 != 0 {
            match self.octets.get(at..at + 4) {
                Some(four) => key.copy_from_slice(four),
                None => return Ok(None),
            }
            at += 4;
        }
        let end = at + usize::try_from(length).unwrap_or(usize::MAX);
        let Some(payload) = self.octets.get(at..end) else {
            return Ok(None);
        };
        let payload = payload.iter().zip(key.iter().cycle()).map(|(o, k)| o ^ k);
        let payload = payload.collect();
        self.octets.drain(..end);
        Ok(Some((first, payload)))
    }
}

fn control_frame(opcode: u8, fin: bool, payload: Vec<u8>) -> Result<Heard, String> {
    if !fin || payload.len() > 125 {
        return Err("a control frame that is long or in fragments".to_owned());
    }
    match opcode {
        9 => Ok(Heard::Ping(payload)),
        10 => Ok(Heard::Pong),
        8 => {
            let code = match payload.first_chunk() {
                Some(two) => Some(u16::from_be_bytes(*two)),
                None if payload.is_empty() => None,
                None => return Err("a Close of one octet".to_owned()),
            };
            let legal = |code: u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if code.is_some_and(|code| !legal(code)) {
                return Err("a Close with a code that never stands there".to_owned());
            }
            let reason = payload.get(2..).unwrap_or_default().to_vec();
            let reason = String::from_utf8(reason).map_err(|_| "a reason that is no UTF-8")?;
            Ok(Heard::Close(code, reason))
        }
        other => Err(format!("opcode {other}")),
    }
}
