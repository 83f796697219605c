//! STOMP frames, written from the specification alone: this codec shares nothing
//! with the judge, with hobnail or with the mock broker.

use crate::bug;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V10,
    V11,
    V12,
}

impl Version {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "1.0" => Some(Self::V10),
            "1.1" => Some(Self::V11),
            "1.2" => Some(Self::V12),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V10 => "1.0",
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) command: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        let last = bug::is("last-header-wins");
        let entry = if last {
            found.next_back()
        } else {
            found.next()
        };
        entry.map(|(_, value)| value.as_str())
    }

    pub(crate) fn encode(&self, version: Version) -> Vec<u8> {
        let bare = matches!(self.command.as_str(), "CONNECT" | "STOMP");
        let raw = (bare && !bug::is("escapes-connect")) || bug::is("escapes-nothing");
        let mut out = format!("{}\n", self.command);
        for (name, value) in &self.headers {
            if raw || version == Version::V10 {
                out.push_str(&format!("{name}:{value}\n"));
            } else {
                out.push_str(&format!("{}:{}\n", escape(name), escape(value)));
            }
        }
        if !self.body.is_empty() {
            let length = match std::str::from_utf8(&self.body) {
                Ok(text) if bug::is("content-length-in-characters") => text.chars().count(),
                Ok(_) | Err(_) => self.body.len(),
            };
            out.push_str(&format!("content-length:{length}\n"));
        }
        let mut out = out.into_bytes();
        out.push(b'\n');
        out.extend_from_slice(&self.body);
        out.push(0);
        out
    }
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            ':' => out.push_str("\\c"),
            c => out.push(c),
        }
    }
    out
}

fn unescape(text: &str, version: Version) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('c') => out.push(':'),
            Some('\\') => out.push('\\'),
            Some('r') if version == Version::V12 => out.push('\r'),
            other if bug::is("lenient-escapes") => {
                out.push('\\');
                out.extend(other);
            }
            other => return Err(format!("the escape \\{other:?}")),
        }
    }
    Ok(out)
}

/// Octets and headers of a frame, at most.
const MOST: usize = 32 << 20;
const HEADERS: usize = 1_000;
const HEAD: usize = 128 << 10;

/// Cuts a stream of octets into frames.
#[derive(Default)]
pub(crate) struct Decoder {
    octets: Vec<u8>,
    /// Where the search for the blank line goes on.
    seen: usize,
}

impl Decoder {
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        if bug::is("one-frame-per-message") {
            self.octets.clear();
            self.seen = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// The next frame; `None` if it is not whole.
    pub(crate) fn next(&mut self, version: Version) -> Result<Option<Frame>, String> {
        let eols = self
            .octets
            .iter()
            .take_while(|o| matches!(o, b'\n' | b'\r'))
            .count();
        self.octets.drain(..eols);
        if eols > 0 {
            self.seen = 0;
        }
        let Some(head) = self.head_end() else {
            self.seen = self.octets.len().saturating_sub(3);
            if self.octets.len() > HEAD {
                return Err("header lines without end".to_owned());
            }
            return Ok(None);
        };
        let text = std::str::from_utf8(&self.octets[..head])
            .map_err(|_| "header lines that are no UTF-8".to_owned())?;
        let (command, headers) = parse_head(text, version)?;
        let mut frame = Frame {
            command,
            headers,
            body: Vec::new(),
        };
        let Some((body, used)) = self.body(&frame, head)? else {
            return Ok(None);
        };
        frame.body = body;
        self.octets.drain(..used);
        self.seen = 0;
        if bug::is("drops-second-frame") {
            self.octets.clear();
        }
        Ok(Some(frame))
    }

    fn head_end(&self) -> Option<usize> {
        let mut at = self.seen;
        while at < self.octets.len() {
            if self.octets[at] == b'\n' {
                match self.octets.get(at + 1..) {
                    Some([b'\n', ..]) => return Some(at + 2),
                    Some([b'\r', b'\n', ..]) => return Some(at + 3),
                    _ => {}
                }
            }
            at += 1;
        }
        None
    }

    fn body(&self, frame: &Frame, head: usize) -> Result<Option<(Vec<u8>, usize)>, String> {
        let rest = &self.octets[head..];
        let length = frame.get("content-length");
        if let Some(length) = length.filter(|_| !bug::is("content-length-ignored")) {
            let digits = !length.is_empty() && length.bytes().all(|o| o.is_ascii_digit());
            let length: usize = match length.parse() {
                Ok(length) if digits && length <= MOST => length,
                _ => return Err(format!("content-length {length}")),
            };
            return match rest.get(length) {
                None => Ok(None),
                Some(0) => Ok(Some((rest[..length].to_vec(), head + length + 1))),
                Some(_) if bug::is("lenient-length") => {
                    let nul = rest.iter().position(|o| *o == 0);
                    Ok(nul.map(|nul| (rest[..length].to_vec(), head + nul + 1)))
                }
                Some(_) => Err("no NUL after the body".to_owned()),
            };
        }
        match rest.iter().position(|o| *o == 0) {
            Some(nul) => Ok(Some((rest[..nul].to_vec(), head + nul + 1))),
            None if rest.len() > MOST => Err("a body without end".to_owned()),
            None => Ok(None),
        }
    }
}

fn parse_head(text: &str, version: Version) -> Result<(String, Vec<(String, String)>), String> {
    let crlf = version == Version::V12 && !bug::is("cr-in-values");
    let mut lines = text.split('\n').map(|line| match line.strip_suffix('\r') {
        Some(bare) if crlf || line == "\r" => bare,
        Some(_) | None => line,
    });
    let command = lines
        .next()
        .unwrap_or_default()
        .trim_end_matches('\r')
        .to_owned();
    if !["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"].contains(&command.as_str()) {
        return Err(format!("the command {command:?}"));
    }
    let plain = (command == "CONNECTED" && !bug::is("unescapes-connected"))
        || version == Version::V10
        || bug::is("unescapes-never");
    let mut headers = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        if name.is_empty() {
            return Err("a header without a name".to_owned());
        }
        if headers.len() >= HEADERS {
            return Err("too many headers".to_owned());
        }
        let value = match value.split_once(':') {
            Some((value, _)) if bug::is("splits-at-every-colon") => value,
            Some(_) | None => value,
        };
        let (name, value) = match bug::is("trims-headers") {
            true => (name.trim(), value.trim()),
            false => (name, value),
        };
        let decode = |text: &str| match plain {
            true => Ok(text.to_owned()),
            false if bug::is("double-unescape") => {
                unescape(text, version).and_then(|once| unescape(&once, version))
            }
            false => unescape(text, version),
        };
        headers.push((decode(name)?, decode(value)?));
    }
    Ok((command, headers))
}
