//! A small STOMP client on tungstenite for these tests, with deadlines.

use hobnail_mock_broker::wire::{Decoder, Frame, Version};
use hobnail_mock_broker::{MockBroker, Scenario};
use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

/// Far longer than anything takes; reached only by a failure.
pub(crate) const LONG: Duration = Duration::from_secs(10);
/// Short, for what must not happen.
pub(crate) const QUIET: Duration = Duration::from_millis(150);

pub(crate) fn start(scenario: Scenario) -> MockBroker {
    MockBroker::start(scenario).expect("broker starts")
}

/// How a connection ended for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Close(Option<u16>),
    /// Without a Close: 1006.
    Lost,
}

pub(crate) struct Client {
    pub(crate) ws: WebSocket<TcpStream>,
    decoder: Decoder,
    inbox: VecDeque<Frame>,
    /// WebSocket messages as they came.
    pub(crate) messages: Vec<Message>,
    pub(crate) pings: usize,
    pub(crate) end: Option<End>,
}

pub(crate) fn tcp(broker: &MockBroker) -> TcpStream {
    let tcp = TcpStream::connect(("127.0.0.1", broker.port())).expect("connects");
    tcp.set_read_timeout(Some(LONG)).expect("timeout");
    tcp.set_nodelay(true).expect("nodelay");
    tcp
}

pub(crate) fn upgrade(
    broker: &MockBroker,
    headers: &[(&'static str, &str)],
) -> Result<Client, Box<Error>> {
    upgrade_at(broker, &broker.url(), headers)
}

/// An upgrade at a URL of one's own.
pub(crate) fn upgrade_at(
    broker: &MockBroker,
    url: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, Box<Error>> {
    upgrade_on(tcp(broker), url, headers)
}

fn upgrade_on(
    tcp: TcpStream,
    url: &str,
    headers: &[(&'static str, &str)],
) -> Result<Client, Box<Error>> {
    let mut request = url.into_client_request().expect("a good request");
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a good header");
        request.headers_mut().insert(*name, value);
    }
    match tungstenite::client::client(request, tcp) {
        Ok((ws, _)) => Ok(Client {
            ws,
            decoder: Decoder::new(Version::V1_2),
            inbox: VecDeque::new(),
            messages: Vec::new(),
            pings: 0,
            end: None,
        }),
        Err(tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
        Err(tungstenite::HandshakeError::Interrupted(_)) => panic!("handshake timed out"),
    }
}

impl Client {
    /// An open WebSocket.
    pub(crate) fn open(broker: &MockBroker) -> Self {
        let offer = [("Sec-WebSocket-Protocol", "v12.stomp, v11.stomp, v10.stomp")];
        upgrade(broker, &offer).expect("upgrade")
    }

    /// An open WebSocket to a broker in another process.
    pub(crate) fn open_url(url: &str) -> Self {
        let place = url.strip_prefix("ws://").expect("without TLS");
        let (place, _) = place.split_once('/').expect("a path");
        let tcp = TcpStream::connect(place).expect("connects");
        tcp.set_read_timeout(Some(LONG)).expect("timeout");
        upgrade_on(tcp, url, &[]).expect("upgrade")
    }

    /// A session of STOMP 1.2.
    pub(crate) fn connect(broker: &MockBroker) -> Self {
        Self::connect_as(broker, "login:u")
    }

    pub(crate) fn connect_as(broker: &MockBroker, headers: &str) -> Self {
        let mut client = Self::open(broker);
        client.send(&format!(
            "CONNECT\naccept-version:1.2\nhost:h\n{headers}\n\n"
        ));
        client.expect("CONNECTED");
        client
    }

    /// A session of an older version.
    pub(crate) fn connect_version(broker: &MockBroker, version: Version) -> Self {
        let mut client = upgrade(broker, &[]).expect("upgrade");
        client.send(&format!("CONNECT\naccept-version:{version}\nhost:h\n\n"));
        let connected = client.expect("CONNECTED");
        assert_eq!(connected.header("version"), Some(version.as_str()));
        client.decoder.set_version(version);
        client
    }

    /// Sends a frame given without its NUL.
    pub(crate) fn send(&mut self, text: &str) {
        self.send_raw(format!("{text}\0").as_bytes());
    }

    pub(crate) fn send_raw(&mut self, octets: &[u8]) {
        let message = match std::str::from_utf8(octets) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(octets.to_vec()),
        };
        self.ws.send(message).expect("sent");
    }

    /// Sends a frame with a receipt and waits for it.
    pub(crate) fn confirmed(&mut self, text: &str) {
        let head = text.find('\n').expect("a command line");
        self.send(&format!("{}\nreceipt:ok{}", &text[..head], &text[head..]));
        // What came before the receipt is looked at later.
        let mut kept: Vec<Frame> = Vec::new();
        loop {
            let frame = self.next();
            if frame.command == "RECEIPT" {
                assert_eq!(frame.header("receipt-id"), Some("ok"));
                break;
            }
            assert_eq!(frame.command, "MESSAGE", "{frame}");
            kept.push(frame);
        }
        for frame in kept.into_iter().rev() {
            self.inbox.push_front(frame);
        }
    }

    /// The next frame; panics at the end of the connection or the deadline.
    pub(crate) fn next(&mut self) -> Frame {
        match self.try_next(LONG) {
            Some(frame) => frame,
            None => panic!("no frame came, end: {:?}", self.end),
        }
    }

    pub(crate) fn expect(&mut self, command: &str) -> Frame {
        let frame = self.next();
        assert_eq!(frame.command, command, "{frame}");
        frame
    }

    /// The next frame within a time; `None` also at the end.
    pub(crate) fn try_next(&mut self, within: Duration) -> Option<Frame> {
        let deadline = Instant::now() + within;
        while self.inbox.is_empty() {
            if !self.read(deadline) {
                return None;
            }
        }
        self.inbox.pop_front()
    }

    /// Reads one WebSocket message; false at the deadline or the end.
    pub(crate) fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.end.is_some() {
            return false;
        }
        self.ws
            .get_ref()
            .set_read_timeout(Some(left))
            .expect("timeout");
        match self.ws.read() {
            Ok(Message::Close(close)) => {
                self.end = Some(End::Close(close.map(|c| CloseCode::into(c.code))));
                false
            }
            Ok(message) => {
                if matches!(message, Message::Ping(_)) {
                    self.pings += 1;
                    self.ws.flush().expect("pong");
                } else if !matches!(message, Message::Pong(_)) {
                    let octets = message.clone().into_data();
                    let frames = self.decoder.push(&octets).expect("good STOMP");
                    self.inbox.extend(frames);
                }
                self.messages.push(message);
                true
            }
            Err(Error::Io(e))
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                false
            }
            Err(_) => {
                self.end = Some(End::Lost);
                false
            }
        }
    }

    /// Waits for the end of the connection; frames in between are kept.
    pub(crate) fn ended(&mut self) -> End {
        let deadline = Instant::now() + LONG;
        while self.read(deadline) {}
        let end = self.end.clone().expect("the connection ended");
        if matches!(end, End::Close(_)) {
            // The Close handshake goes on until TCP ends.
            while self.ws.read().is_ok() {}
        }
        end
    }

    /// Nothing comes for a while.
    pub(crate) fn assert_quiet(&mut self) {
        if let Some(frame) = self.try_next(QUIET) {
            panic!("unexpected {frame}");
        }
        assert_eq!(self.end, None);
    }
}
