//! One connection of the client, from the serving side: what is sent is sent
//! octet by octet as the case says.

use super::serve::{Pipe, Request, Wire, number};
use super::world::World;
use crate::grade::{Outcome, violated};
use crate::wire::log::{Dir, Layer};
use crate::wire::show;
use crate::wire::stomp::{self, Frame, Version};
use crate::wire::ws::{self, Lay};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub(crate) struct Conn {
    world: Arc<World>,
    at: usize,
    pipe: Arc<Pipe>,
    /// A reply is due within it.
    due: Duration,
}

impl Conn {
    pub(crate) fn new(world: &Arc<World>, at: usize, due: Duration) -> Self {
        let pipe = Arc::clone(&world.lock().wires[at].pipe);
        Self {
            world: Arc::clone(world),
            at,
            pipe,
            due,
        }
    }

    /// Looks at what is known of it, or changes that.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Wire) -> T) -> T {
        self.world.change(|state| look(&mut state.wires[self.at]))
    }

    pub(crate) fn until<T>(
        &self,
        within: Duration,
        mut done: impl FnMut(&mut Wire) -> Option<T>,
    ) -> Option<T> {
        self.world
            .until(within, |state| done(&mut state.wires[self.at]))
    }

    pub(crate) fn request(&self) -> Request {
        self.with(|wire| wire.request.clone()).unwrap_or_default()
    }

    // ---- sending

    fn note(&self, layer: Layer, what: impl Into<String>, octets: &[u8]) {
        self.world
            .log
            .note(number(self.at), Dir::Out, layer, what, octets);
    }

    /// Octets as they are. That the client has gone shows when something is
    /// expected of it.
    pub(crate) fn raw(&self, octets: impl AsRef<[u8]>) {
        if let Err(error) = self.pipe.write(octets.as_ref()) {
            self.note(Layer::Tcp, format!("write: {error}"), &[]);
        }
    }

    /// An answer to the request that is no upgrade.
    pub(crate) fn http(&self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        self.note(Layer::Http, "answer", octets);
        self.raw(octets);
        self.pipe.fin();
    }

    /// The answer that this request deserves: 101, the best subprotocol that it
    /// offers, and these lines besides.
    pub(crate) fn upgrade_octets(&self, more: &str) -> String {
        let request = self.request();
        let offered = request.subprotocols();
        let best = ["v12.stomp", "v11.stomp", "v10.stomp"]
            .into_iter()
            .find(|name| offered.contains(name));
        let line = best.map_or(String::new(), |b| {
            format!("Sec-WebSocket-Protocol: {b}\r\n")
        });
        self.bare_upgrade_octets(&(line + more))
    }

    /// The same without a subprotocol.
    pub(crate) fn bare_upgrade_octets(&self, more: &str) -> String {
        let request = self.request();
        let key = request.header("Sec-WebSocket-Key").unwrap_or_default();
        let accept = ws::accept(key);
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        )
    }

    /// Sends the octets of an upgrade; WebSocket frames follow.
    pub(crate) fn upgraded_by(&self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        self.with(|wire| wire.upgraded = true);
        self.note(Layer::Http, "101", octets);
        self.raw(octets);
    }

    /// The upgrade.
    pub(crate) fn upgrade(&self) {
        self.upgraded_by(self.upgrade_octets(""));
    }

    /// One WebSocket frame.
    pub(crate) fn lay(&self, lay: Lay, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        self.note(Layer::Ws, lay.words(), payload);
        self.raw(lay.octets(payload));
    }

    /// One message of one frame: text if it is UTF-8.
    pub(crate) fn send(&self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        let opcode = if std::str::from_utf8(octets).is_ok() {
            ws::TEXT
        } else {
            ws::BINARY
        };
        self.send_as(opcode, octets);
    }

    pub(crate) fn send_as(&self, opcode: u8, octets: impl AsRef<[u8]>) {
        self.lay(Lay::plain(opcode), octets);
    }

    /// CONNECTED with these header lines; the session is of the version that
    /// they name.
    pub(crate) fn connected(&self, lines: &str) {
        let version = lines
            .lines()
            .find_map(|line| Version::named(line.strip_prefix("version:")?.trim_end()));
        self.connected_as(version.unwrap_or(Version::V1_0));
        self.send(format!("CONNECTED\n{lines}\n\0"));
    }

    /// From now on the client's frames are read by the rules of this version.
    pub(crate) fn connected_as(&self, version: Version) {
        self.with(|wire| wire.version = Some(version));
    }

    /// A Close with a code and a reason.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        self.close_with([&code.to_be_bytes()[..], reason.as_bytes()].concat());
    }

    pub(crate) fn close_with(&self, body: impl AsRef<[u8]>) {
        self.with(|wire| wire.sent_close = true);
        self.send_as(ws::CLOSE, body);
    }

    /// The end of the stream, without a Close.
    pub(crate) fn fin(&self) {
        self.note(Layer::Tcp, "FIN", &[]);
        self.pipe.fin();
    }

    /// TCP is reset.
    pub(crate) fn reset(&self) {
        self.note(Layer::Tcp, "RST", &[]);
        self.with(|wire| wire.abandoned = true);
        self.pipe.reset();
    }

    // ---- what is expected

    /// The next frame, whatever it is.
    pub(crate) fn any(&self, within: Duration) -> Option<Frame> {
        self.until(within, |wire| wire.frames.pop_front())
            .map(|(_, frame)| frame)
    }

    /// The first frame that is wanted; others stay.
    pub(crate) fn pick(
        &self,
        within: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Option<(Instant, Frame)> {
        self.until(within, |wire| {
            let at = wire.frames.iter().position(|(_, frame)| wanted(frame))?;
            wire.frames.remove(at)
        })
    }

    /// The first frame with this command; that there is none breaks the rule.
    pub(crate) fn expect(&self, command: &str) -> Result<Frame, Outcome> {
        self.expect_at(command).map(|(_, frame)| frame)
    }

    pub(crate) fn expect_at(&self, command: &str) -> Result<(Instant, Frame), Outcome> {
        let within = self.due;
        let found = self.pick(within, |f| f.command == command);
        found.ok_or_else(|| {
            Outcome::Violated(format!(
                "expected {command} of the client, got {}",
                self.instead(within)
            ))
        })
    }

    /// No frame for a while.
    pub(crate) fn silent(&self, within: Duration) -> Result<(), Outcome> {
        match self.any(within) {
            None => Ok(()),
            Some(frame) => violated(format!("expected no frame, got {frame}")),
        }
    }

    /// Whether the client ends the connection in time.
    pub(crate) fn ends_within(&self, within: Duration) -> bool {
        self.until(within, |wire| wire.is_over().then_some(()))
            .is_some()
    }

    /// Whether TCP has ended in time.
    pub(crate) fn tcp_ends_within(&self, within: Duration) -> bool {
        self.until(within, |wire| wire.end.map(drop)).is_some()
    }

    fn instead(&self, within: Duration) -> String {
        self.with(|wire| {
            if let Some(why) = &wire.breach {
                return format!("octets that break the protocol: {why}");
            }
            match (&wire.close, wire.end, wire.frames.front()) {
                (Some(close), _, _) => match close.code {
                    Some(code) => format!("a Close with {code}"),
                    None => "a Close without a code".to_owned(),
                },
                (None, Some((_, true)), _) => "a reset".to_owned(),
                (None, Some((_, false)), _) => "the end of the stream".to_owned(),
                (None, None, Some((_, frame))) => format!("{frame}"),
                (None, None, None) => format!("nothing within {:.1} s", within.as_secs_f64()),
            }
        })
    }
}

/// A value of the wire as it must be written there again.
pub(crate) fn written(frame: &Frame, name: &str) -> Result<String, Outcome> {
    match frame.header(name) {
        Some(value) => Ok(stomp::encode(value)),
        None => violated(format!(
            "expected a header {}, got {frame}",
            show::octets(name.as_bytes())
        )),
    }
}
