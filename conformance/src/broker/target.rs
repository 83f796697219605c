//! The broker under test, and how to be let in.

use crate::secrets::Secrets;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Everything that the command line says of the broker.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    /// Of the URL, with brackets if it is an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) path: String,
    /// Dial this `host:port` instead.
    pub(crate) connect_to: Option<String>,
    pub(crate) virtual_host: String,
    pub(crate) login: Option<String>,
    pub(crate) passcode: Option<String>,
    /// More headers of CONNECT.
    pub(crate) headers: Vec<(String, String)>,
    /// More headers of the upgrade.
    pub(crate) ws_headers: Vec<(String, String)>,
    /// What is offered.
    pub(crate) subprotocols: String,
    /// PEM of an authority to trust.
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) insecure: bool,
    /// `{uuid}` becomes something new.
    pub(crate) queue: String,
    pub(crate) topic: String,
    /// A destination that the broker refuses.
    pub(crate) bad: Option<String>,
    /// A reply is due within it.
    pub(crate) reply: Duration,
    pub(crate) scale: f64,
    /// Of the masks.
    pub(crate) seed: u64,
    /// Prints a fresh token: the passcode.
    pub(crate) token_cmd: Option<String>,
    pub(crate) token_life: Duration,
    /// Its heart-beats may be NUL.
    pub(crate) nul_beats: bool,
    /// Data leaves in binary messages.
    pub(crate) binary: bool,
    /// The token in use, and when it was fetched.
    pub(crate) token: Arc<Mutex<Option<(Instant, String)>>>,
    /// What no report may show.
    pub(crate) secrets: Arc<Secrets>,
}

/// Identities made so far.
static IDENTITIES: AtomicU64 = AtomicU64::new(1);

impl Target {
    /// Takes a `ws://` or `wss://` URL apart; all else is as by default.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        let (tls, rest) = match url.split_once("://") {
            Some(("ws", rest)) => (false, rest),
            Some(("wss", rest)) => (true, rest),
            Some((other, _)) => return Err(format!("\"{other}\" is neither ws nor wss")),
            None => return Err(format!("\"{url}\" is no URL; ws://host:port/path is one")),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(cut);
        if authority.contains('@') {
            return Err(
                "credentials in the URL are not sent; use --login and --passcode".to_owned(),
            );
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().map_err(|_| format!("\"{port}\" is no port"))?;
                (host, port)
            }
            Some(_) | None => (authority, if tls { 443 } else { 80 }),
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(format!("\"{url}\" names no host"));
        }
        if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("white space in the URL's path".to_owned());
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            path,
            connect_to: None,
            virtual_host: host.trim_matches(['[', ']']).to_owned(),
            login: None,
            passcode: None,
            headers: Vec::new(),
            ws_headers: Vec::new(),
            subprotocols: "v12.stomp, v11.stomp, v10.stomp".to_owned(),
            ca: None,
            insecure: false,
            queue: "/queue/conf-{uuid}".to_owned(),
            topic: "/topic/conf-{uuid}".to_owned(),
            bad: None,
            reply: Duration::from_secs(2),
            scale: 1.0,
            seed: 0,
            token_cmd: None,
            token_life: Duration::from_secs(60),
            nul_beats: false,
            binary: false,
            token: Arc::default(),
            secrets: Arc::default(),
        })
    }

    /// A span of the requirement list, stretched for slow machines.
    pub(crate) fn scaled(&self, span: Duration) -> Duration {
        span.mul_f64(self.scale)
    }

    /// The URL again, for people.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{scheme}://{}:{}{path}", self.host, self.port)
    }

    /// Remembers what no report may show.
    pub(crate) fn keep_secrets(&self) {
        let secret = |(name, value): &(String, String)| {
            let name = name.to_ascii_lowercase();
            let hide = [
                "authorization",
                "passcode",
                "token",
                "cookie",
                "key",
                "secret",
            ];
            hide.iter().any(|h| name.contains(h)).then(|| value.clone())
        };
        let headers = self
            .headers
            .iter()
            .chain(&self.ws_headers)
            .filter_map(secret);
        for word in headers.chain(self.passcode.clone()) {
            self.secrets.add(word);
        }
    }

    /// The headers of CONNECT but `accept-version` and `heart-beat`.
    pub(crate) fn credentials(&self) -> String {
        self.credentials_of(&self.identity())
    }

    /// The login; where it holds `{uuid}`, one that nobody else has.
    pub(crate) fn identity(&self) -> Option<String> {
        let new = || IDENTITIES.fetch_add(1, Ordering::Relaxed);
        let own = |login: &String| match login.contains("{uuid}") {
            true => login.replace("{uuid}", &format!("{:x}-{:x}", std::process::id(), new())),
            false => login.clone(),
        };
        self.login.as_ref().map(own)
    }

    pub(crate) fn credentials_of(&self, login: &Option<String>) -> String {
        self.credentials_with(login, self.passcode())
    }

    pub(crate) fn credentials_with(
        &self,
        login: &Option<String>,
        passcode: Option<String>,
    ) -> String {
        let mut lines = format!("host:{}\n", self.virtual_host);
        if let Some(login) = login {
            lines.push_str(&format!("login:{login}\n"));
        }
        if let Some(passcode) = passcode {
            lines.push_str(&format!("passcode:{passcode}\n"));
        }
        for (name, value) in &self.headers {
            lines.push_str(&format!("{name}:{value}\n"));
        }
        lines
    }

    /// The passcode, or a token that is not yet half over: one for all, or one for
    /// each, if each has an identity of its own.
    pub(crate) fn passcode(&self) -> Option<String> {
        if self.token_cmd.is_none() {
            return self.passcode.clone();
        }
        if self.login.as_ref().is_some_and(|l| l.contains("{uuid}")) {
            return self.fresh_token();
        }
        let mut held = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some((since, token)) if since.elapsed() < self.token_life / 2 => Some(token.clone()),
            Some(_) | None => {
                *held = self.fresh_token().map(|token| (Instant::now(), token));
                held.as_ref().map(|(_, token)| token.clone())
            }
        }
    }

    /// Asks `--token-cmd`. Why it gave none is said in the log: the broker
    /// will refuse what follows.
    pub(crate) fn fresh_token(&self) -> Option<String> {
        let command = self.token_cmd.as_ref()?;
        match Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .output()
        {
            Ok(output) if output.status.success() => {
                let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                self.secrets.add(token.clone());
                Some(token).filter(|token| !token.is_empty() && !token.contains(['\n', '\0']))
            }
            Ok(output) => {
                log::warn!("--token-cmd ended with {}", output.status);
                None
            }
            Err(error) => {
                log::warn!("--token-cmd: {error}");
                None
            }
        }
    }

    /// Dials, and does the TLS handshake.
    pub(crate) fn dial(&self, within: Duration) -> io::Result<Stream> {
        let own = format!("{}:{}", self.host, self.port);
        let addresses = self.connect_to.as_ref().unwrap_or(&own).to_socket_addrs()?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, within) {
                Ok(tcp) => {
                    tcp.set_nodelay(true)?;
                    tcp.set_write_timeout(Some(within))?;
                    return self.secure(tcp, within);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn secure(&self, tcp: TcpStream, within: Duration) -> io::Result<Stream> {
        if !self.tls {
            return Ok(Stream::Tcp(tcp));
        }
        let mut builder = native_tls::TlsConnector::builder();
        if let Some(ca) = &self.ca {
            let ca = native_tls::Certificate::from_pem(ca).map_err(io::Error::other)?;
            builder.add_root_certificate(ca);
        }
        builder.danger_accept_invalid_certs(self.insecure);
        builder.danger_accept_invalid_hostnames(self.insecure);
        let connector = builder.build().map_err(io::Error::other)?;
        tcp.set_read_timeout(Some(within))?;
        let host = self.host.trim_matches(['[', ']']);
        let tls = connector
            .connect(host, tcp)
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

/// A connection to the broker.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<native_tls::TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.write(octets),
            Self::Tls(tls) => tls.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::of("ws://127.0.0.1:15674/ws?x=1").unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.path.as_str()),
            ("127.0.0.1", 15674, "/ws?x=1")
        );
        let target = Target::of("wss://[::1]").unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.path.as_str()),
            ("[::1]", 443, "/")
        );
        assert_eq!(target.virtual_host, "::1");
        for bad in [
            "http://x",
            "localhost",
            "ws://",
            "ws://u:p@h/",
            "ws://h:port/",
            "ws://h/a b",
        ] {
            assert!(Target::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_known() {
        let mut target = Target::of("ws://h/").unwrap();
        target.passcode = Some("p1".to_owned());
        target.ws_headers = vec![
            ("Authorization".to_owned(), "Bearer b".to_owned()),
            ("X".to_owned(), "y".to_owned()),
        ];
        target.keep_secrets();
        assert_eq!(target.secrets.all(), ["Bearer b", "p1"]);
    }
}
