//! A small reactor, and servers in threads.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mio::{Events, Poll, Token};
use tungstenite::{WebSocket, handshake::derive_accept_key, protocol::Role};

use crate::{
    config::{Builder, Config, TlsOptions},
    error::LinkError,
    net::{Link, LinkEvent, Readiness, Tls, Upgraded, resolve_blocking},
};

/// Nothing here takes that long; a test that waits longer has failed.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

pub(super) struct Driver {
    pub(super) link: Link,
    pub(super) poll: Poll,
    pub(super) start: Instant,
    pub(super) read: bool,
}

impl Driver {
    pub(super) fn new(config: Config) -> Self {
        let poll = Poll::new().unwrap();
        let start = Instant::now();
        let tls = Tls::new(&config.tls).unwrap();
        let endpoint = config.endpoint.clone();
        let link = Link::open(
            Arc::new(config),
            endpoint,
            &tls,
            poll.registry(),
            Token(7),
            start,
        );
        Self {
            link,
            poll,
            start,
            read: true,
        }
    }

    pub(super) fn to(url: &str) -> Self {
        Self::new(config(url))
    }

    /// An open link to a server that answers the upgrade and then does `then`.
    pub(super) fn up(
        then: impl FnOnce(WebSocket<TcpStream>) + Send + 'static,
    ) -> (Self, JoinHandle<()>) {
        Self::up_with(|config| config, then)
    }

    pub(super) fn up_with(
        change: impl FnOnce(Builder) -> Builder,
        then: impl FnOnce(WebSocket<TcpStream>) + Send + 'static,
    ) -> (Self, JoinHandle<()>) {
        let (address, server) = serve(|mut s| {
            let request = read_head(&mut s);
            s.write_all(accepting(&request, "").as_bytes()).unwrap();
            then(WebSocket::from_raw_socket(s, Role::Server, None));
        });
        let builder = Builder::new(format!("ws://{address}/")).proxy(None);
        let mut driver = Self::new(change(builder).build().unwrap());
        driver.expect_up();
        (driver, server)
    }

    /// One look, without waiting, at a time of the test's choice.
    pub(super) fn look(&mut self, now: Instant) -> LinkEvent {
        self.link.poll(now, self.poll.registry(), self.read)
    }

    /// Waits for readiness, once, and hands it to the link.
    pub(super) fn wait(&mut self, at_most: Duration) {
        let mut events = Events::with_capacity(16);
        self.poll.poll(&mut events, Some(at_most)).unwrap();
        for event in &events {
            assert_eq!(event.token(), Token(7));
            self.link.ready(Readiness::of(event));
        }
    }

    /// The next event that is not `Idle`; names are resolved on the way.
    pub(super) fn next(&mut self) -> LinkEvent {
        loop {
            let now = Instant::now();
            assert!(
                now < self.start + LIMIT,
                "nothing came: {}",
                self.link.stage()
            );
            match self.look(now) {
                LinkEvent::Idle => {}
                LinkEvent::Full => continue,
                LinkEvent::Resolve { host, port } => {
                    self.link.resolved(now, resolve_blocking(&host, port));
                    continue;
                }
                event => return event,
            }
            self.link.flush().unwrap();
            let until = self.link.next_deadline().unwrap_or(now + LIMIT);
            let wait = until
                .saturating_duration_since(now)
                .min(Duration::from_millis(100));
            self.wait(wait + Duration::from_millis(1));
        }
    }

    pub(super) fn expect_up(&mut self) -> Upgraded {
        match self.next() {
            LinkEvent::Up(upgraded) => upgraded,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn expect_message(&mut self) -> Vec<u8> {
        match self.next() {
            LinkEvent::Message(data) => data.octets().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn expect_down(&mut self) -> LinkError {
        match self.next() {
            LinkEvent::Down(e) => {
                assert!(
                    matches!(self.look(Instant::now()), LinkEvent::Idle),
                    "told once"
                );
                e
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sends messages until the peer's side is full, for it reads nothing. Returns how
    /// many.
    pub(super) fn send_numbered_until_stopped(&mut self) -> u32 {
        let mut sent = 0;
        // Loopback buffers grow while they can: ask again until they do not.
        let mut quiet = 0;
        while quiet < 3 {
            while self.link.wants_frame() {
                self.link.send(numbered(sent)).unwrap();
                self.link.flush().unwrap();
                sent += 1;
                assert!(sent < 4_096, "128 MiB and no end");
            }
            self.wait(Duration::from_millis(20));
            quiet = if self.link.wants_frame() {
                0
            } else {
                quiet + 1
            };
        }
        assert!(!self.link.is_flushed());
        sent
    }

    /// Turns the loop until everything has left.
    pub(super) fn drain(&mut self) {
        while !self.link.is_flushed() {
            assert!(Instant::now() < self.start + LIMIT, "nothing leaves");
            self.link.flush().unwrap();
            if !self.link.is_flushed() {
                self.wait(Duration::from_millis(100));
            }
        }
    }
}

/// A message of 32 KiB that says which it is.
pub(super) fn numbered(nth: u32) -> Bytes {
    let mut message = vec![b'x'; 32_768];
    message[..4].copy_from_slice(&nth.to_be_bytes());
    message.into()
}

/// Reads so many [numbered] messages, which come in their order.
pub(super) fn read_numbered(ws: &mut WebSocket<impl Read + Write>, count: u32) {
    for nth in 0..count {
        let message = ws.read().unwrap().into_data();
        assert!(message == numbered(nth), "{nth}");
    }
}

pub(super) fn config(url: &str) -> Config {
    Builder::new(url).proxy(None).build().unwrap()
}

pub(super) fn trusting(url: &str, root: &str) -> Config {
    let mut config = config(url);
    config.tls = TlsOptions {
        roots: vec![root.to_owned()],
        ..TlsOptions::default()
    };
    config
}

/// Accepts one connection and hands it to `then`, in a thread.
pub(super) fn serve(then: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        then(stream);
    });
    (address, thread)
}

/// Answers one request with fixed octets and ends the connection.
pub(super) fn answering(answer: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<()>) {
    let answer = answer.into();
    serve(move |mut s| {
        read_head(&mut s);
        s.write_all(&answer).unwrap();
    })
}

/// A port where nobody listens.
pub(super) fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// An HTTP header block.
pub(super) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut octet).unwrap();
        head.push(octet[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Waits until the peer has gone.
pub(super) fn read_to_end(stream: &mut impl Read) {
    let mut octets = [0; 4096];
    while stream.read(&mut octets).is_ok_and(|n| n > 0) {}
}

pub(super) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// A right answer to an upgrade, with more header lines.
pub(super) fn accepting(request: &str, more: &str) -> String {
    let key = header(request, "sec-websocket-key").unwrap();
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}
