//! TLS: the connector, and a handshake that does not block.

use std::{
    error::Error as _,
    io,
    sync::{Arc, OnceLock},
};

use native_tls::{
    Certificate, HandshakeError, Identity, MidHandshakeTlsStream, Protocol, TlsConnector,
    TlsConnectorBuilder, TlsStream,
};

use super::socket::Socket;
use crate::{
    config::TlsOptions,
    error::{LinkError, Misuse, Stage},
};

/// A client's TLS settings, read once. The connector, which loads the
/// system's roots, is built at the first `wss` connection and kept.
pub(crate) struct Tls {
    builder: TlsConnectorBuilder,
    connector: OnceLock<TlsConnector>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificates and key.
    pub(crate) fn new(options: &TlsOptions) -> Result<Self, Misuse> {
        let mut builder = TlsConnector::builder();
        builder.min_protocol_version(Some(Protocol::Tlsv12));
        for pem in &options.roots {
            let roots = Certificate::stack_from_pem(pem.as_bytes())
                .map_err(|e| Misuse::Certificate(format!("a root certificate: {e}")))?;
            if roots.is_empty() {
                return Err(Misuse::Certificate(
                    "a text of root certificates holds none".into(),
                ));
            }
            for root in roots {
                builder.add_root_certificate(root);
            }
        }
        if let Some((chain, key)) = &options.identity {
            // native-tls wants the key's text to begin with its BEGIN line.
            let key = key.reveal().trim_start();
            let identity = Identity::from_pkcs8(chain.as_bytes(), key.as_bytes())
                .map_err(|e| Misuse::Certificate(format!("the client certificate: {e}")))?;
            builder.identity(identity);
        }
        if options.danger_accept_invalid_certs {
            builder.danger_accept_invalid_certs(true);
            builder.danger_accept_invalid_hostnames(true);
        }
        Ok(Self {
            builder,
            connector: OnceLock::new(),
        })
    }

    /// Begins nothing yet: the first `poll` of the handshake does.
    pub(super) fn handshake(&self, host: &str) -> Result<Handshake, LinkError> {
        let connector = if let Some(connector) = self.connector.get() {
            connector
        } else {
            let built = self.builder.build().map_err(|e| LinkError::Tls {
                host: host.to_owned(),
                text: e.to_string(),
            })?;
            self.connector.get_or_init(|| built)
        };
        Ok(Handshake {
            connector: connector.clone(),
            host: host.to_owned(),
        })
    }
}

/// A handshake that waits for its socket.
#[derive(Debug)]
pub(super) struct Handshake {
    connector: TlsConnector,
    host: String,
}

/// A handshake under way.
#[derive(Debug)]
pub(super) enum Securing {
    /// Nothing has come from the peer; how its answer begins is not known.
    Silent(MidHandshakeTlsStream<Socket>),
    /// The peer does speak TLS.
    Answered(MidHandshakeTlsStream<Socket>),
}

/// How far one step of the handshake came.
pub(super) enum Step {
    Pending(Securing),
    Done(TlsStream<Socket>),
}

impl Handshake {
    pub(super) fn begin(&self, mut socket: Socket) -> Result<Step, LinkError> {
        // A peer that speaks first does not speak TLS.
        self.look(&mut socket)?;
        match self.connector.connect(&self.host, socket) {
            Ok(stream) => Ok(Step::Done(stream)),
            Err(HandshakeError::WouldBlock(mid)) => Ok(Step::Pending(Securing::Silent(mid))),
            Err(HandshakeError::Failure(e)) => Err(self.failure(&e)),
        }
    }

    pub(super) fn poll(&self, securing: Securing) -> Result<Step, LinkError> {
        let (mid, answered) = match securing {
            Securing::Answered(mid) => (mid, true),
            Securing::Silent(mut mid) => {
                let answered = self.look(mid.get_mut())?;
                (mid, answered)
            }
        };
        match mid.handshake() {
            Ok(stream) => Ok(Step::Done(stream)),
            Err(HandshakeError::WouldBlock(mid)) => Ok(Step::Pending(if answered {
                Securing::Answered(mid)
            } else {
                Securing::Silent(mid)
            })),
            Err(HandshakeError::Failure(e)) => Err(self.failure(&e)),
        }
    }

    /// Looks at the first octets of the peer's answer: what TLS libraries say
    /// about a peer that does not speak TLS helps nobody ("wrong version
    /// number"). While there are none, the socket counts as unreadable, so that
    /// the library cannot read what this has not seen.
    fn look(&self, socket: &mut Socket) -> Result<bool, LinkError> {
        let mut first = [0; 16];
        match socket.peek(&mut first) {
            // TLS records begin with 20 to 24 (RFC 8446 §5.1).
            Ok(n) if n > 0 && !(20..=24).contains(&first[0]) => Err(LinkError::Tls {
                host: self.host.clone(),
                text: format!(
                    "the peer does not speak TLS on this port (its answer begins with \"{}\"); \
                     a ws:// URL may be what is meant",
                    first[..n].escape_ascii()
                ),
            }),
            Ok(0) => Err(self.ended(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "{} ended the connection without an answer to TLS; \
                     does it speak TLS on this port?",
                    socket.peer()
                ),
            ))),
            Ok(_) => Ok(true),
            // An error will show again where it is reported.
            Err(_) => Ok(false),
        }
    }

    fn failure(&self, e: &native_tls::Error) -> LinkError {
        let text = e.to_string();
        let mut cause = e.source();
        while let Some(inner) = cause {
            if let Some(e) = inner.downcast_ref::<io::Error>() {
                return self.ended(io::Error::new(e.kind(), format!("{}: {e}", self.host)));
            }
            cause = inner.source();
        }
        if text.to_ascii_lowercase().contains("unexpected eof") {
            return self.ended(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{} ended the connection: {text}", self.host),
            ));
        }
        LinkError::Tls {
            host: self.host.clone(),
            text,
        }
    }

    /// An end in the middle of a handshake is the network's fault and worth
    /// another attempt; a certificate that does not fit is not.
    fn ended(&self, e: io::Error) -> LinkError {
        log::debug!("TLS with {}: {e}", self.host);
        LinkError::Io {
            stage: Stage::Tls,
            source: Arc::new(e),
        }
    }
}

impl Securing {
    pub(super) fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Self::Silent(mid) | Self::Answered(mid) => mid.get_mut(),
        }
    }
}
