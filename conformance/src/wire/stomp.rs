//! STOMP frames of a broker or a client, read strictly.

use std::fmt;

/// The version whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1_0,
    V1_1,
    V1_2,
}

impl Version {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::V1_0, Self::V1_1, Self::V1_2]
            .into_iter()
            .find(|v| v.name() == name)
    }
}

/// A frame, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) command: String,
    /// Names and values, decoded by the rules of the session's version.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// As it came.
    pub(crate) octets: Vec<u8>,
}

impl Frame {
    /// The value of the first header of a name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The header lines as they came, without their ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.octets.split(|o| *o == b'\n').skip(1);
        lines
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .take_while(|line| !line.is_empty())
    }
}

/// Shown in reports: a passcode never is.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command)?;
        for (name, value) in self.headers.iter().take(12) {
            let value = match name.as_str() {
                "passcode" | "Authorization" | "authorization" => "***",
                _ => value,
            };
            write!(f, " {name}:{}", super::show::octets(value.as_bytes()))?;
        }
        if self.headers.len() > 12 {
            write!(f, " … ({} headers)", self.headers.len())?;
        }
        if !self.body.is_empty() {
            write!(f, " body \"{}\"", super::show::octets(&self.body))?;
        }
        Ok(())
    }
}

/// What a stream of STOMP consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Frame(Frame),
    /// An EOL between frames, or a NUL where that is a heart-beat.
    Beat,
    /// Octets that are no STOMP, and why. Nothing after them can be read.
    Breach(String),
}

/// Cuts octets into items.
#[derive(Debug)]
pub(crate) struct Parser {
    octets: Vec<u8>,
    /// Searched before, without a find.
    searched: usize,
    version: Version,
    /// A NUL between frames is a heart-beat (DLX-01).
    nul_beats: bool,
    dead: bool,
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self {
            octets: Vec::new(),
            searched: 0,
            version: Version::V1_2,
            nul_beats: false,
            dead: false,
        }
    }

    pub(crate) fn bear_nul_beats(&mut self) {
        self.nul_beats = true;
    }

    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// Octets that are no whole frame yet.
    pub(crate) fn waiting(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn next(&mut self) -> Option<Item> {
        if self.dead {
            return None;
        }
        match self.octets.first()? {
            octet if *octet == b'\n' || (*octet == 0 && self.nul_beats) => {
                self.octets.drain(..1);
                self.searched = 0;
                return Some(Item::Beat);
            }
            b'\r' => match self.octets.get(1) {
                None => return None,
                Some(b'\n') => {
                    self.octets.drain(..2);
                    self.searched = 0;
                    return Some(Item::Beat);
                }
                Some(_) => return Some(self.breach("a CR without LF between frames")),
            },
            _ => {}
        }
        match self.frame() {
            Ok(None) => None,
            Ok(Some((frame, used))) => {
                self.octets.drain(..used);
                self.searched = 0;
                Some(Item::Frame(frame))
            }
            Err(why) => Some(self.breach(&why)),
        }
    }

    fn breach(&mut self, why: &str) -> Item {
        self.dead = true;
        let shown = super::show::octets(&self.octets);
        Item::Breach(format!("{why}: {shown}"))
    }

    /// A frame at the front, and its length.
    fn frame(&mut self) -> Result<Option<(Frame, usize)>, String> {
        let Some(head) = head_end(&self.octets, self.searched) else {
            if let Some(nul) = memchr::memchr(0, &self.octets[self.searched..]) {
                return Err(format!(
                    "a NUL in the header lines, at octet {}",
                    self.searched + nul
                ));
            }
            self.searched = self.octets.len().saturating_sub(3);
            return Ok(None);
        };
        let text = std::str::from_utf8(&self.octets[..head])
            .map_err(|_| "header lines that are no UTF-8".to_owned())?;
        if text.contains('\0') {
            return Err("a NUL in the header lines".to_owned());
        }
        let mut lines = text.split('\n').map(|line| match self.version {
            Version::V1_2 => line.strip_suffix('\r').unwrap_or(line),
            Version::V1_0 | Version::V1_1 => line,
        });
        let command = lines.next().unwrap_or_default().to_owned();
        if !is_command(&command) {
            return Err(format!("\"{command}\" is no command of STOMP"));
        }
        let version = match command.as_str() {
            "CONNECT" | "STOMP" | "CONNECTED" => Version::V1_0,
            _ => self.version,
        };
        let mut headers = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            headers.push(header(line, version)?);
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let (body, used) = match length {
            Some((_, value)) => {
                let length: usize = value
                    .parse()
                    .map_err(|_| format!("content-length \"{value}\" is no number"))?;
                let end = head
                    .checked_add(length)
                    .ok_or("content-length beyond all bounds")?;
                match self.octets.get(end) {
                    None => return Ok(None),
                    Some(0) => (&self.octets[head..end], end + 1),
                    Some(_) => {
                        return Err(format!(
                            "no NUL after the {length} octets of content-length"
                        ));
                    }
                }
            }
            None => match memchr::memchr(0, &self.octets[head..]) {
                None => return Ok(None),
                Some(nul) => (&self.octets[head..head + nul], head + nul + 1),
            },
        };
        let frame = Frame {
            command,
            headers,
            body: body.to_vec(),
            octets: self.octets[..used].to_vec(),
        };
        Ok(Some((frame, used)))
    }
}

/// Where the body begins.
fn head_end(octets: &[u8], from: usize) -> Option<usize> {
    let mut from = from;
    while let Some(at) = memchr::memchr(b'\n', octets.get(from..)?) {
        let next = from + at + 1;
        match octets.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            Some(_) | None => from = next,
        }
    }
    None
}

fn header(line: &str, version: Version) -> Result<(String, String), String> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(format!("the header line \"{line}\" has no colon"));
    };
    if name.is_empty() {
        return Err(format!("the header line \"{line}\" has no name"));
    }
    if version == Version::V1_2 && line.contains('\r') {
        return Err(format!(
            "a CR within the header line \"{}\"",
            line.escape_debug()
        ));
    }
    Ok((decode(name, version)?, decode(value, version)?))
}

fn decode(text: &str, version: Version) -> Result<String, String> {
    if version == Version::V1_0 {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match (chars.next(), version) {
            (Some('n'), _) => '\n',
            (Some('c'), _) => ':',
            (Some('\\'), _) => '\\',
            (Some('r'), Version::V1_2) => '\r',
            (Some(c), _) => return Err(format!("the escape \"\\{c}\" is not defined")),
            (None, _) => return Err("a backslash at the end of a name or value".to_owned()),
        });
    }
    Ok(out)
}

/// Escapes a name or value by the rules of 1.2.
pub(crate) fn encode(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    text.replace('\r', "\\r").replace(':', "\\c")
}

fn is_command(word: &str) -> bool {
    matches!(
        word,
        "CONNECT"
            | "STOMP"
            | "SEND"
            | "SUBSCRIBE"
            | "UNSUBSCRIBE"
            | "ACK"
            | "NACK"
            | "BEGIN"
            | "COMMIT"
            | "ABORT"
            | "DISCONNECT"
            | "CONNECTED"
            | "MESSAGE"
            | "RECEIPT"
            | "ERROR"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(octets: &[u8]) -> Vec<Item> {
        let mut parser = Parser::new();
        parser.feed(octets);
        std::iter::from_fn(|| parser.next()).collect()
    }

    #[test]
    fn every_cut_gives_the_same_items() {
        let stream = b"CONNECTED\nversion:1.2\nsession:a\\cb\n\n\0\n\r\nMESSAGE\r\nk\\c:a\\nb\r\ncontent-length:3\r\n\r\na\0b\0ERROR\n\nwhy\0\n";
        let whole = items(stream);
        assert_eq!(whole.len(), 6);
        for cut in 0..stream.len() {
            let mut parser = Parser::new();
            let mut parts = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                parser.feed(part);
                parts.extend(std::iter::from_fn(|| parser.next()));
            }
            assert_eq!(parts, whole, "cut at {cut}");
        }
        let Item::Frame(connected) = &whole[0] else {
            panic!()
        };
        assert_eq!(connected.header("session"), Some("a\\cb"));
        let Item::Frame(message) = &whole[3] else {
            panic!()
        };
        assert_eq!(message.headers[0], ("k:".to_owned(), "a\nb".to_owned()));
        assert_eq!(message.body, b"a\0b");
    }

    #[test]
    fn breaches_are_named() {
        for (octets, words) in [
            (&b"HELLO\n\n\0"[..], "is no command"),
            (b"MESSAGE\nk\n\n\0", "no colon"),
            (b"MESSAGE\n:v\n\n\0", "no name"),
            (b"MESSAGE\nk:\\t\n\n\0", "not defined"),
            (b"MESSAGE\nk:a\\\n\n\0", "backslash at the end"),
            (b"MESSAGE\nk:a\rb\n\n\0", "a CR within"),
            (b"MESSAGE\nk:a\0", "a NUL in the header lines"),
            (b"MESSAGE\nk:\xff\n\n\0", "no UTF-8"),
            (b"MESSAGE\ncontent-length:1\n\nab\0", "no NUL after"),
            (b"MESSAGE\ncontent-length:x\n\nab\0", "is no number"),
            (b"\rMESSAGE", "a CR without LF"),
        ] {
            match items(octets).as_slice() {
                [Item::Breach(why)] => assert!(why.contains(words), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
