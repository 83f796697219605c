//! One connection attempt and its life.

use std::{mem, net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use mio::{Registry, Token};

use super::{
    converse::converse,
    deadline::Deadline,
    dial::Dial,
    http1::{Exchange, Goal},
    refusal,
    resolve::literal,
    socket::{Readiness, Socket},
    stream::Stream,
    tls::{Handshake, Securing, Step, Tls},
    upgrade::{Upgrade, tunnel_request},
    ws::{Came, Ws},
};
use crate::{
    config::{Config, Endpoint, Proxy},
    error::{LinkError, Stage},
    frame::Piece,
};

/// A connection attempt, and the connection if it succeeds.
///
/// It goes through its stages once and never back. Each stage has an absolute
/// deadline, and so has the attempt as a whole: a peer that trickles octets
/// cannot postpone them. Nothing here blocks.
pub(crate) struct Link {
    config: Arc<Config>,
    endpoint: Endpoint,
    proxy: Option<Proxy>,
    token: Token,
    tls: Option<Result<Handshake, LinkError>>,
    state: State,
    deadline: Deadline,
}

/// What a link has to tell.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// Resolve this name elsewhere, for it blocks; then call
    /// [`Link::resolved`]. Addresses are never asked for.
    Resolve {
        /// The broker's host, or the proxy's.
        host: String,
        /// Its port.
        port: u16,
    },
    /// The upgrade is done.
    Up(Upgraded),
    /// One complete WebSocket data message, TEXT or BINARY, never empty.
    Message(Piece),
    /// There may be more. It is best read when nobody keeps a message of before:
    /// then it takes their place, and else a new block of memory.
    Full,
    /// Nothing more until the next readiness, deadline or write.
    Idle,
    /// The end, told once.
    Down(LinkError),
}

/// What the upgrade agreed on.
#[derive(Debug)]
pub(crate) struct Upgraded {
    /// The subprotocol that the server chose, if any.
    pub(crate) subprotocol: Option<String>,
    /// The address that was connected to: the broker's, or the proxy's.
    pub(crate) peer: SocketAddr,
}

enum State {
    Resolving {
        asked: bool,
        answer: Option<Result<Vec<SocketAddr>, String>>,
    },
    Connecting(Dial),
    Tunnelling(Box<(Stream, Exchange)>),
    Securing(Box<(Handshake, Securing)>),
    Upgrading(Box<(Stream, Exchange, Upgrade)>),
    Up(Box<Ws>),
    /// Given up before it was up; the error is still to be told.
    Failed(LinkError),
    Dead,
}

impl Link {
    /// When so many octets wait, the peer may be out of room for more. Less than
    /// any system's receive buffer.
    pub(crate) const MANY: usize = 2 << 10;

    /// Begins an attempt. Whatever goes wrong comes out of [`poll`](Self::poll).
    pub(crate) fn open(
        config: Arc<Config>,
        endpoint: Endpoint,
        tls: &Tls,
        registry: &Registry,
        token: Token,
        now: Instant,
    ) -> Self {
        let tls = endpoint.is_secure().then(|| {
            let name = config.tls.server_name.as_deref();
            tls.handshake(name.unwrap_or(endpoint.host()))
        });
        let mut link = Self {
            deadline: Deadline::new(now, Stage::Resolve, &config),
            proxy: config.proxy_for(&endpoint),
            config,
            endpoint,
            token,
            tls,
            state: State::Resolving {
                asked: false,
                answer: None,
            },
        };
        let (host, port) = link.next_hop();
        if let Some(address) = literal(host, port) {
            link.connect(now, vec![address]);
            // Sends the SYN at once; an error waits for poll.
            if let Err(e) = link.dial(now, registry) {
                link.state = State::Failed(e);
            }
        }
        link
    }

    /// The answer to [`LinkEvent::Resolve`].
    pub(crate) fn resolved(&mut self, _now: Instant, result: Result<Vec<SocketAddr>, String>) {
        if let State::Resolving { answer, .. } = &mut self.state {
            *answer = Some(result);
        }
    }

    /// Takes the poller's readiness for this link's token.
    pub(crate) fn ready(&mut self, ready: Readiness) {
        match &mut self.state {
            State::Connecting(dial) => dial.ready(ready),
            State::Tunnelling(s) => s.0.socket_mut().ready(ready),
            State::Securing(s) => s.1.socket_mut().ready(ready),
            State::Upgrading(s) => s.0.socket_mut().ready(ready),
            State::Up(ws) => ws.ready(ready),
            State::Resolving { .. } | State::Failed(_) | State::Dead => {}
        }
    }

    /// Makes what progress is possible and tells of it; call it until it says
    /// [`LinkEvent::Idle`], or later if it says [`LinkEvent::Full`]. With `read`
    /// false nothing is read once the link is up: neither data nor pings.
    pub(crate) fn poll(&mut self, now: Instant, registry: &Registry, read: bool) -> LinkEvent {
        if let State::Up(ws) = &mut self.state {
            if let Some(message) = ws.message(read) {
                return LinkEvent::Message(message);
            }
        }
        match self.step(now, registry, read) {
            Ok(event) => event,
            Err(e) => {
                log::debug!("the link is down: {e}");
                self.state = State::Dead;
                LinkEvent::Down(e)
            }
        }
    }

    /// Whether a frame given to [`send`](Self::send) would go straight out.
    /// Changes with `poll`, `send`, `flush`, `close` and `ready`.
    pub(crate) fn wants_frame(&self) -> bool {
        self.ws().is_some_and(Ws::wants_frame)
    }

    /// Queues one STOMP frame, or the octet of a heart-beat, as one message.
    /// Nothing is lost if [`wants_frame`](Self::wants_frame) was not asked; the
    /// memory it takes is then the caller's to bound.
    pub(crate) fn send(&mut self, frame: Bytes) -> Result<(), LinkError> {
        match self.ws_mut() {
            Some(ws) if !ws.is_closing() => {
                ws.send(frame);
                Ok(())
            }
            Some(_) | None => Err(LinkError::Lost("the link is not open".into())),
        }
    }

    /// Writes one STOMP frame: `head`, `body` and NUL. Only while the link
    /// [wants a frame](Self::wants_frame).
    pub(crate) fn pass(&mut self, head: &[u8], body: &[u8]) {
        if let Some(ws) = self.ws_mut() {
            ws.pass(head, body);
        }
    }

    /// Writes what is queued, as far as the socket takes it. Once per turn.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        self.ws_mut().map_or(Ok(()), Ws::flush)
    }

    /// Whether nothing waits to leave. Changes with `send`, `flush`, `close`.
    pub(crate) fn is_flushed(&self) -> bool {
        self.ws().is_none_or(Ws::is_flushed)
    }

    /// Octets that wait to leave, in here and in tungstenite.
    #[cfg(test)]
    pub(crate) fn queued(&self) -> u64 {
        self.ws().map_or(0, Ws::queued)
    }

    /// Sends Close after what is queued; from then on `poll` goes on reading
    /// until the peer's Close or EOF. Before the link is up it just ends it.
    pub(crate) fn close(&mut self, _now: Instant, code: u16, reason: &str) {
        match &mut self.state {
            State::Up(ws) => ws.close(code, reason),
            State::Failed(_) | State::Dead => {}
            State::Resolving { .. }
            | State::Connecting(_)
            | State::Tunnelling(_)
            | State::Securing(_)
            | State::Upgrading(_) => {
                let text = format!("closed by this side while {}", self.deadline.stage);
                self.state = State::Failed(LinkError::Lost(text));
            }
        }
    }

    /// Octets from the peer since the link is up, down to parts of a frame.
    pub(crate) fn octets_read(&self) -> u64 {
        self.ws().map_or(0, Ws::octets_read)
    }

    /// Octets from the peer that wait to be read, up to [`MANY`](Self::MANY).
    pub(crate) fn octets_waiting(&mut self) -> usize {
        self.ws_mut().map_or(0, |ws| ws.octets_waiting(Self::MANY))
    }

    /// When `poll` must be called at the latest: while dialing, and while the
    /// answer to the peer's Close leaves. Changes with `poll`.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Resolving { .. } | State::Securing(_) => None,
            State::Connecting(dial) => dial.next_deadline(),
            State::Tunnelling(s) => s.1.next_deadline(),
            State::Upgrading(s) => s.1.next_deadline(),
            State::Up(ws) => return ws.next_deadline(),
            State::Failed(_) | State::Dead => return None,
        };
        let stage = self.deadline.next();
        Some(own.map_or(stage, |own| own.min(stage)))
    }

    /// How far it has come.
    #[cfg(test)]
    pub(crate) fn stage(&self) -> Stage {
        match self.ws() {
            Some(ws) if ws.is_closing() => Stage::Close,
            Some(_) => Stage::Live,
            None => self.deadline.stage,
        }
    }

    fn ws(&self) -> Option<&Ws> {
        if let State::Up(ws) = &self.state {
            Some(ws)
        } else {
            None
        }
    }

    fn ws_mut(&mut self) -> Option<&mut Ws> {
        if let State::Up(ws) = &mut self.state {
            Some(ws)
        } else {
            None
        }
    }

    fn step(
        &mut self,
        now: Instant,
        registry: &Registry,
        read: bool,
    ) -> Result<LinkEvent, LinkError> {
        loop {
            let moved = match &mut self.state {
                State::Up(ws) => {
                    return Ok(match ws.poll(now, read)? {
                        Came::Message(message) => LinkEvent::Message(message),
                        Came::Full => LinkEvent::Full,
                        Came::Nothing => LinkEvent::Idle,
                    });
                }
                State::Dead => return Ok(LinkEvent::Idle),
                State::Failed(e) => return Err(e.clone()),
                State::Resolving { asked: false, .. } => return Ok(self.ask()),
                State::Resolving { answer, .. } => match answer.take() {
                    Some(answer) => self.take_addresses(now, answer)?,
                    None => false,
                },
                State::Connecting(_) => self.dial(now, registry)?,
                State::Tunnelling(_) => self.tunnel(now)?,
                State::Securing(_) => self.secure(now)?,
                State::Upgrading(_) => match self.upgrade(now)? {
                    Some(upgraded) => return Ok(LinkEvent::Up(upgraded)),
                    None => false,
                },
            };
            if !moved {
                // Only now: what came in time counts, even if we look late.
                self.deadline.check(now)?;
                return Ok(LinkEvent::Idle);
            }
        }
    }

    fn next_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (self.endpoint.host(), self.endpoint.port()),
        }
    }

    fn ask(&mut self) -> LinkEvent {
        self.state = State::Resolving {
            asked: true,
            answer: None,
        };
        let (host, port) = self.next_hop();
        LinkEvent::Resolve {
            host: host.to_owned(),
            port,
        }
    }

    fn take_addresses(
        &mut self,
        now: Instant,
        answer: Result<Vec<SocketAddr>, String>,
    ) -> Result<bool, LinkError> {
        let text = match answer {
            Ok(addresses) if !addresses.is_empty() => {
                self.connect(now, addresses);
                return Ok(true);
            }
            Ok(_) => "the name has no address".to_owned(),
            Err(text) => text,
        };
        Err(LinkError::Resolve {
            host: self.next_hop().0.to_owned(),
            text,
        })
    }

    fn connect(&mut self, now: Instant, addresses: Vec<SocketAddr>) {
        self.deadline.enter(now, Stage::Connect, &self.config);
        self.state = State::Connecting(Dial::new(addresses, self.token, self.deadline.next()));
    }

    fn dial(&mut self, now: Instant, registry: &Registry) -> Result<bool, LinkError> {
        let State::Connecting(dial) = &mut self.state else {
            return Ok(false);
        };
        let Some(socket) = dial.poll(now, registry)? else {
            return Ok(false);
        };
        match &self.proxy {
            Some(proxy) => {
                self.deadline.enter(now, Stage::Tunnel, &self.config);
                let request = tunnel_request(&self.endpoint, proxy);
                let exchange = Exchange::new(Goal::Tunnel, request);
                self.state = State::Tunnelling(Box::new((Stream::plain(socket), exchange)));
            }
            None => self.reached(now, socket)?,
        }
        Ok(true)
    }

    fn tunnel(&mut self, now: Instant) -> Result<bool, LinkError> {
        let State::Tunnelling(s) = &mut self.state else {
            return Ok(false);
        };
        let Some(answer) = converse(now, Stage::Tunnel, &mut s.0, &mut s.1)? else {
            return Ok(false);
        };
        if !(200..300).contains(&answer.status) {
            return Err(refusal::refused(Stage::Tunnel, answer));
        }
        // The broker does not speak first, neither in TLS nor in HTTP.
        if !answer.leftover.is_empty() {
            return Err(LinkError::Handshake(
                "octets followed the proxy's answer to CONNECT before anything was sent".into(),
            ));
        }
        log::debug!("the proxy has opened a tunnel");
        if let State::Tunnelling(s) = mem::replace(&mut self.state, State::Dead) {
            if let Some(socket) = s.0.into_socket() {
                self.reached(now, socket)?;
            }
        }
        Ok(true)
    }

    /// Octets now reach the broker itself: TLS is next, or the upgrade.
    fn reached(&mut self, now: Instant, socket: Socket) -> Result<(), LinkError> {
        let Some(handshake) = self.tls.take() else {
            return self.ask_upgrade(now, Stream::plain(socket));
        };
        self.deadline.enter(now, Stage::Tls, &self.config);
        let handshake = handshake?;
        let step = handshake.begin(socket)?;
        self.secured(now, handshake, step)
    }

    fn secure(&mut self, now: Instant) -> Result<bool, LinkError> {
        let State::Securing(s) = mem::replace(&mut self.state, State::Dead) else {
            return Ok(false);
        };
        let (handshake, securing) = *s;
        let step = handshake.poll(securing)?;
        let done = matches!(step, Step::Done(_));
        self.secured(now, handshake, step)?;
        Ok(done)
    }

    fn secured(&mut self, now: Instant, handshake: Handshake, step: Step) -> Result<(), LinkError> {
        match step {
            Step::Pending(securing) => {
                self.state = State::Securing(Box::new((handshake, securing)));
                Ok(())
            }
            Step::Done(stream) => self.ask_upgrade(now, Stream::tls(stream)),
        }
    }

    fn ask_upgrade(&mut self, now: Instant, stream: Stream) -> Result<(), LinkError> {
        self.deadline.enter(now, Stage::Upgrade, &self.config);
        let upgrade = Upgrade::new(self.config.dialect.subprotocols);
        let exchange = Exchange::new(
            Goal::Upgrade,
            upgrade.request(&self.endpoint, &self.config.upgrade_headers)?,
        );
        self.state = State::Upgrading(Box::new((stream, exchange, upgrade)));
        Ok(())
    }

    fn upgrade(&mut self, now: Instant) -> Result<Option<Upgraded>, LinkError> {
        let State::Upgrading(s) = &mut self.state else {
            return Ok(None);
        };
        let (stream, http, upgrade) = &mut **s;
        let Some(answer) = converse(now, Stage::Upgrade, stream, http)? else {
            return Ok(None);
        };
        if answer.status != 101 {
            return Err(refusal::refused(Stage::Upgrade, answer));
        }
        let subprotocol = upgrade.check(&answer)?;
        let peer = stream.socket().peer();
        log::debug!("WebSocket with {peer} is up, subprotocol {subprotocol:?}");
        if let State::Upgrading(s) = mem::replace(&mut self.state, State::Dead) {
            let ws = Ws::new(s.0, &answer.leftover, &self.config);
            self.state = State::Up(Box::new(ws));
        }
        Ok(Some(Upgraded { subprotocol, peer }))
    }
}
