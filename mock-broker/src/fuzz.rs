//! What must hold of every reader, whatever it reads: for fuzzers, and for the
//! test below, which does the same without one.
//!
//! Each function takes any octets and panics if something does not hold.

use crate::engine::{Engine, Input};
use crate::http::{self, Parsed, Request};
use crate::script::Scenario;
use crate::selector::{Fields, Selector, Source, Value};
use crate::wire::{Decoder, Frame, Limits, Version, encode};
use crate::ws::{self, Event, WsError};
use std::borrow::Cow;
use std::time::Duration;

/// Timers of an engine that are waited for.
const TIMERS: usize = 50;

/// The broker's reader of STOMP: it does not matter how the octets are cut,
/// and what was read is read again from what is written of it. The first octet
/// chooses the version and the cut.
pub fn stomp(octets: &[u8]) {
    let Some((&choice, wire)) = octets.split_first() else {
        return;
    };
    let version = match choice % 3 {
        0 => Version::V1_0,
        1 => Version::V1_1,
        _ => Version::V1_2,
    };
    // Escapes may make longer what is written again.
    let narrow = Limits {
        headers: 20,
        line: 200,
        head: 600,
        body: 1000,
    };
    let whole = frames(version, narrow, wire, wire.len());
    assert_eq!(
        whole,
        frames(version, narrow, wire, usize::from(choice / 3))
    );
    for frame in whole.0 {
        let again = frames(
            version,
            Limits::default(),
            &encode(&frame, version),
            usize::MAX,
        );
        assert_eq!(again, (vec![frame], false));
    }
}

/// The frames, and whether something else followed. What it was called may
/// depend on the cut: limits are noticed as soon as they can be.
fn frames(version: Version, limits: Limits, wire: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let mut decoder = Decoder::with_limits(version, limits);
    let mut frames = Vec::new();
    for piece in wire.chunks(piece.max(1)) {
        decoder.feed(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

/// The reader of WebSocket frames: it does not matter how the octets are cut,
/// and nothing comes out of them that did not go in. The first octet chooses
/// the side and the cut.
pub fn websocket(octets: &[u8]) {
    let Some((&choice, wire)) = octets.split_first() else {
        return;
    };
    let of_client = choice % 2 == 1;
    let whole = events(of_client, wire, wire.len());
    assert_eq!(whole, events(of_client, wire, usize::from(choice / 2)));
    let length = |event: &Event| match event {
        Event::Message { octets, .. } | Event::Ping(octets) | Event::Pong(octets) => octets.len(),
        Event::Close { reason, .. } => reason.len(),
    };
    assert!(whole.0.iter().map(length).sum::<usize>() <= wire.len());
}

fn events(of_client: bool, wire: &[u8], piece: usize) -> (Vec<Event>, Option<WsError>) {
    let most = 1000;
    let mut reader = if of_client {
        ws::Reader::of_client(most)
    } else {
        ws::Reader::new(most)
    };
    let mut events = Vec::new();
    for piece in wire.chunks(piece.max(1)) {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

/// The reader of HTTP requests: what follows a request does not change it, and
/// without its last octet it is not whole.
pub fn request(octets: &[u8]) {
    let Ok(Parsed::Whole(request, length)) = http::parse(octets) else {
        return;
    };
    let same = http::parse(&octets[..length]);
    assert_eq!(same, Ok(Parsed::Whole(request, length)));
    let less = http::parse(&octets[..length - 1]);
    assert!(!matches!(less, Ok(Parsed::Whole(..))), "{less:?}");
}

struct Body(Fields);

impl Source for Body {
    fn value(&self, name: &str) -> Cow<'_, Value> {
        self.0
            .get(name)
            .map_or(Cow::Owned(Value::Null), Cow::Borrowed)
    }
}

/// The parser of selectors, and what it makes of a message: the first line is
/// the selector, the rest the body.
pub fn selector(octets: &[u8]) {
    let line = octets.iter().position(|o| *o == b'\n');
    let (text, body) = octets.split_at(line.unwrap_or(octets.len()));
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    match Selector::parse(text) {
        Ok(selector) => {
            let body = Body(Fields::read(body));
            assert_eq!(selector.wants(&body), selector.wants(&body));
        }
        Err(error) => {
            let end = text.chars().count() + 1;
            assert!((1..=end).contains(&error.at), "{error}");
        }
    }
}

/// The parser of scenarios, and the broker that plays one: an error says
/// where, and no rule leads the engine astray.
pub fn scenario(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    let scenario = match Scenario::from_json(text) {
        Ok(scenario) => scenario,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut engine = Engine::new(scenario);
    let mut now = Duration::ZERO;
    let request = Request::upgrade("/stomp", &["v12.stomp"]);
    let mut tell = |now: Duration, input: Input<'_>| {
        engine.handle(now, input);
        while engine.poll().is_some() {}
        engine.next_deadline()
    };
    for conn in [1, 2] {
        tell(now, Input::Tcp { conn });
        tell(
            now,
            Input::Request {
                conn,
                request: &request,
            },
        );
        let octets = b"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:1000,0\nlogin:u\n\n\0\
            SUBSCRIBE\nid:0\ndestination:/topic/ev\nreceipt:r\n\n\0\
            SEND\ndestination:/topic/ev\n\nx\0";
        let octets = &octets[..];
        let binary = false;
        let message = Input::Message {
            conn,
            octets,
            binary,
        };
        let mut next = tell(now, message);
        for _ in 0..TIMERS {
            let Some(at) = next else { break };
            now = now.max(at);
            next = tell(now, Input::Timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rng::Rng;
    use std::path::Path;

    /// Mutations of each seed.
    const ROUNDS: u64 = 300;

    /// Does to a seed what a fuzzer would.
    fn mutate(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
        const WORDS: [&[u8]; 8] = [
            b"\0",
            b"\r\n",
            b"\n\n",
            b":",
            b"content-length:9",
            b"99999999999999999999",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"-1e308",
        ];
        let mut octets = seed.to_vec();
        for _ in 0..rng.between(1, 4) {
            let at = rng.between(0, octets.len() as u64) as usize;
            let to = rng.between(at as u64, octets.len() as u64) as usize;
            match rng.between(0, 5) {
                0 => octets.truncate(at),
                1 => {
                    octets.drain(at..to);
                }
                2 => {
                    let copy = octets[at..to].to_vec();
                    octets.splice(at..at, copy);
                }
                3 => {
                    let word = WORDS[rng.between(0, 7) as usize];
                    octets.splice(at..at, word.iter().copied());
                }
                _ if at < octets.len() => octets[at] ^= 1 << rng.between(0, 7),
                _ => octets.push(rng.next() as u8),
            }
        }
        octets.truncate(64 << 10);
        octets
    }

    fn feed(what: &str, rounds: u64, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
        let seeds = std::fs::read_dir(folder.join(what)).expect("seeds");
        let mut seeds: Vec<_> = seeds.map(|s| s.expect("a seed").path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty());
        let mut rng = Rng::new(7);
        for path in seeds {
            let seed = std::fs::read(&path).expect("a seed");
            check(&seed);
            for _ in 0..rounds {
                check(&mutate(&seed, &mut rng));
            }
        }
    }

    #[test]
    fn stomp_bears_anything() {
        feed("stomp_broker", ROUNDS, super::stomp);
    }

    #[test]
    fn websocket_bears_anything() {
        feed("websocket", ROUNDS, super::websocket);
    }

    #[test]
    fn http_bears_anything() {
        feed("http", ROUNDS, super::request);
    }

    #[test]
    fn selectors_bear_anything() {
        feed("selector", ROUNDS, super::selector);
    }

    #[test]
    fn scenarios_bear_anything() {
        feed("scenario", 60, super::scenario);
    }
}
