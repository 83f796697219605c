//! WebSocket frames as they stand on the wire (RFC 6455 §5).

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// One frame, with all that a strict reader may object to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WsFrame {
    pub(crate) fin: bool,
    pub(crate) rsv: u8,
    pub(crate) opcode: u8,
    pub(crate) masked: bool,
    /// The length stood in the shortest form.
    pub(crate) shortest: bool,
    pub(crate) payload: Vec<u8>,
}

impl WsFrame {
    pub(crate) fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }
}

/// What `Sec-WebSocket-Accept` must be for a key (RFC 6455 §4.2.2).
pub(crate) fn accept(key: &str) -> String {
    use sha1::{Digest, Sha1};
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    data_encoding::BASE64.encode(&hash.finalize())
}

/// A frame's head, in words.
pub(crate) fn words(frame: &WsFrame) -> String {
    format!(
        "{} fin={} rsv={}",
        opcode_name(frame.opcode),
        frame.fin,
        frame.rsv
    )
}

pub(crate) fn opcode_name(opcode: u8) -> String {
    match opcode {
        CONTINUATION => "continuation".to_owned(),
        TEXT => "text".to_owned(),
        BINARY => "binary".to_owned(),
        CLOSE => "close".to_owned(),
        PING => "ping".to_owned(),
        PONG => "pong".to_owned(),
        other => format!("opcode {other:X}"),
    }
}

/// What stands at the front of the octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Not all of it is here.
    Partial,
    /// A frame, and how many octets it took.
    Frame(WsFrame, usize),
    /// It announces more octets than the judge takes.
    TooLong(u64),
}

/// Reads one frame of at most `most` octets.
pub(crate) fn read(octets: &[u8], most: usize) -> Read {
    let [first, second, ..] = *octets else {
        return Read::Partial;
    };
    let masked = second & 0x80 != 0;
    let (length, mut at) = match second & 0x7f {
        126 => match octets.get(2..4) {
            Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
            Some(_) | None => return Read::Partial,
        },
        127 => match octets.get(2..10).and_then(|o| o.try_into().ok()) {
            Some(eight) => (u64::from_be_bytes(eight), 10),
            None => return Read::Partial,
        },
        short => (u64::from(short), 2),
    };
    let shortest = match at {
        4 => length > 125,
        10 => length > 65_535 && length >> 63 == 0,
        _ => true,
    };
    let Some(size) = usize::try_from(length).ok().filter(|size| *size <= most) else {
        return Read::TooLong(length);
    };
    let mut key = [0; 4];
    if masked {
        let Some(four) = octets.get(at..at + 4) else {
            return Read::Partial;
        };
        key.copy_from_slice(four);
        at += 4;
    }
    let Some(payload) = octets.get(at..at + size) else {
        return Read::Partial;
    };
    let mut payload = payload.to_vec();
    apply(key, &mut payload);
    let frame = WsFrame {
        fin: first & 0x80 != 0,
        rsv: (first >> 4) & 7,
        opcode: first & 15,
        masked,
        shortest,
        payload,
    };
    Read::Frame(frame, at + size)
}

/// How a frame is to be laid down; the default is one that nobody objects to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lay {
    pub(crate) fin: bool,
    pub(crate) rsv: u8,
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    /// Use the 16 bit form, needed or not.
    pub(crate) wide: bool,
}

impl Lay {
    pub(crate) fn masked(opcode: u8, mask: [u8; 4]) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            mask: Some(mask),
            wide: false,
        }
    }

    /// As a server sends it.
    pub(crate) fn plain(opcode: u8) -> Self {
        Self {
            mask: None,
            ..Self::masked(opcode, [0; 4])
        }
    }

    /// The head, in words.
    pub(crate) fn words(&self) -> String {
        format!(
            "{} fin={} rsv={}",
            opcode_name(self.opcode),
            self.fin,
            self.rsv
        )
    }

    pub(crate) fn octets(self, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        let bit = if self.mask.is_some() { 0x80 } else { 0 };
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short @ ..=125), _) if !self.wide => out.push(bit | short),
            (_, Ok(medium)) => {
                out.push(bit | 126);
                out.extend_from_slice(&medium.to_be_bytes());
            }
            (_, Err(_)) => {
                out.push(bit | 127);
                out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        let start = out.len() + if self.mask.is_some() { 4 } else { 0 };
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
        out.extend_from_slice(payload);
        apply(self.mask.unwrap_or_default(), &mut out[start..]);
        out
    }
}

fn apply(key: [u8; 4], octets: &mut [u8]) {
    for (octet, key) in octets.iter_mut().zip(key.iter().cycle()) {
        *octet ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_down_is_read_again() {
        for size in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; size];
            for mask in [None, Some([1, 2, 3, 4])] {
                let lay = Lay {
                    mask,
                    ..Lay::masked(TEXT, [0; 4])
                };
                let octets = lay.octets(&payload);
                let Read::Frame(frame, used) = read(&octets, 1 << 20) else {
                    panic!("{size}");
                };
                assert_eq!(used, octets.len());
                assert!(frame.shortest && frame.fin && frame.masked == mask.is_some());
                assert_eq!(frame.payload, payload);
                for cut in (0..octets.len().min(20)).chain([octets.len() - 1]) {
                    assert_eq!(read(&octets[..cut], 1 << 20), Read::Partial);
                }
            }
        }
    }

    #[test]
    fn long_forms_without_need_are_seen() {
        let wide = Lay {
            wide: true,
            ..Lay::masked(TEXT, [0; 4])
        };
        let Read::Frame(frame, _) = read(&wide.octets(b"hello"), 100) else {
            panic!();
        };
        assert!(!frame.shortest);
        assert_eq!(
            read(&[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 100),
            Read::TooLong(1 << 63)
        );
    }
}
