//! TLS, with certificates of our own making.

mod stalled;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread::JoinHandle,
};

use native_tls::{Identity, TlsAcceptor};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tungstenite::{Message, WebSocket, protocol::Role};

use super::support::{Driver, accepting, config, read_head, read_to_end, serve, trusting};
use crate::{
    config::{Config, Proxy, Secret, TlsOptions},
    error::{LinkError, Misuse, Stage},
    net::Tls,
};

/// A private certificate authority.
struct Authority {
    root: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        Self::named("a private authority")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { root, issuer }
    }

    /// A certificate and its key, both as PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }
}

/// A WebSocket server over TLS that echoes one message and closes; it bears
/// clients that go away in the handshake.
fn secure(authority: &Authority, name: &str) -> (SocketAddr, JoinHandle<()>) {
    let (cert, key) = authority.issue(name);
    let identity = Identity::from_pkcs8(cert.as_bytes(), key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::new(identity).unwrap();
    serve(move |s| {
        let Ok(mut s) = acceptor.accept(s) else {
            return;
        };
        let request = read_head(&mut s);
        s.write_all(accepting(&request, "").as_bytes()).unwrap();
        let mut ws = WebSocket::from_raw_socket(s, Role::Server, None);
        while let Ok(message) = ws.read() {
            if message.is_text() || message.is_binary() {
                ws.send(message).unwrap();
                ws.close(None).unwrap();
            }
        }
    })
}

fn assert_works(config: Config, server: JoinHandle<()>) {
    let mut driver = Driver::new(config);
    driver.expect_up();
    let big: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
    driver.link.send(big.clone().into()).unwrap();
    assert_eq!(driver.expect_message(), big);
    assert!(matches!(
        driver.expect_down(),
        LinkError::Closed { code: 1005, .. }
    ));
    drop(driver);
    server.join().unwrap();
}

fn tls_error(config: Config) -> String {
    match Driver::new(config).expect_down() {
        e @ LinkError::Tls { .. } => {
            assert!(!e.is_retryable());
            e.to_string()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let authority = Authority::new();
    let (address, server) = secure(&authority, "localhost");
    assert_works(
        trusting(
            &format!("wss://localhost:{}/", address.port()),
            &authority.root,
        ),
        server,
    );

    // One text may hold several roots; an address is checked like a name.
    let (address, server) = secure(&authority, "127.0.0.1");
    let roots = format!("{}\n{}", Authority::named("another").root, authority.root);
    assert_works(trusting(&format!("wss://{address}/"), &roots), server);
}

#[test]
fn an_unknown_authority_is_refused() {
    let (address, server) = secure(&Authority::new(), "localhost");
    let text = tls_error(config(&format!("wss://localhost:{}/", address.port())));
    assert!(text.contains("TLS with localhost"), "{text}");
    assert!(text.contains("certificate"), "{text}");
    server.join().unwrap();
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let (address, server) = secure(&authority, "other.example");
    let url = format!("wss://localhost:{}/", address.port());
    tls_error(trusting(&url, &authority.root));
    server.join().unwrap();

    let (address, server) = secure(&authority, "other.example");
    let mut config = trusting(&format!("wss://{address}/"), &authority.root);
    config.tls.server_name = Some("other.example".into());
    assert_works(config, server);
}

#[test]
fn danger_accepts_any_certificate() {
    let (address, server) = secure(&Authority::new(), "other.example");
    let mut config = config(&format!("wss://{address}/"));
    config.tls.danger_accept_invalid_certs = true;
    assert_works(config, server);
}

#[test]
fn tls_goes_through_a_tunnel_to_the_brokers_name() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("broker.example");
    let identity = Identity::from_pkcs8(cert.as_bytes(), key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::new(identity).unwrap();
    let (address, server) = serve(move |mut s| {
        let request = read_head(&mut s);
        assert!(
            request.starts_with("CONNECT broker.example:443 "),
            "{request}"
        );
        s.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut s = acceptor.accept(s).unwrap();
        let request = read_head(&mut s);
        s.write_all(accepting(&request, "").as_bytes()).unwrap();
        let mut ws = WebSocket::from_raw_socket(s, Role::Server, None);
        ws.send(Message::text("ok")).unwrap();
        while ws.read().is_ok() {}
    });
    let mut config = trusting("wss://broker.example/", &authority.root);
    config.proxy = Some(Proxy::parse(&format!("http://{address}")).unwrap());
    let mut driver = Driver::new(config);
    driver.expect_up();
    assert_eq!(driver.expect_message(), b"ok");
    drop(driver);
    server.join().unwrap();
}

#[test]
fn a_peer_without_tls_is_told_in_words() {
    for (answer, told) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP/1.1 400"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0"),
    ] {
        let (address, server) = serve(move |mut s| {
            s.write_all(answer).unwrap();
            read_to_end(&mut s);
        });
        let text = tls_error(config(&format!("wss://{address}/")));
        assert!(
            text.contains("does not speak TLS") && text.contains(told),
            "{text}"
        );
        server.join().unwrap();
    }
}

#[test]
fn an_end_in_the_handshake_is_worth_another_attempt() {
    let (address, server) = serve(|mut s| {
        let mut hello = [0; 1024];
        assert!(s.read(&mut hello).unwrap() > 0);
    });
    let e = Driver::new(config(&format!("wss://{address}/"))).expect_down();
    assert!(
        matches!(
            &e,
            LinkError::Io {
                stage: Stage::Tls,
                ..
            }
        ),
        "{e}"
    );
    assert!(e.is_retryable());
    server.join().unwrap();
}

#[test]
fn plain_against_tls_says_use_wss() {
    // Some TLS servers answer with an alert, some just go.
    for answer in [&b"\x15\x03\x01\x00\x02\x02\x0A"[..], b""] {
        let (address, server) = serve(move |mut s| {
            s.write_all(answer).unwrap();
            read_head(&mut s);
        });
        let text = Driver::to(&format!("ws://{address}/"))
            .expect_down()
            .to_string();
        assert!(text.contains("wss"), "{text}");
        server.join().unwrap();
    }
}

#[test]
fn an_end_without_close_notify_is_a_loss() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("127.0.0.1");
    let identity = Identity::from_pkcs8(cert.as_bytes(), key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::new(identity).unwrap();
    let (address, server) = serve(move |s| {
        let raw = s.try_clone().unwrap();
        let mut s = acceptor.accept(s).unwrap();
        let request = read_head(&mut s);
        s.write_all(accepting(&request, "").as_bytes()).unwrap();
        raw.shutdown(std::net::Shutdown::Write).unwrap();
        read_to_end(&mut s);
    });
    let mut driver = Driver::new(trusting(&format!("wss://{address}/"), &authority.root));
    driver.expect_up();
    let e = driver.expect_down();
    assert!(matches!(&e, LinkError::Lost(_)), "{e}");
    drop(driver);
    server.join().unwrap();
}

/// A TLS server that says what it has to say and ends; its octets leave so many at
/// a time.
fn saying(
    authority: &Authority,
    messages: Vec<Vec<u8>>,
    at_once: usize,
) -> (SocketAddr, JoinHandle<()>) {
    let (cert, key) = authority.issue("127.0.0.1");
    let identity = Identity::from_pkcs8(cert.as_bytes(), key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::new(identity).unwrap();
    serve(move |stream| {
        let mut s = acceptor.accept(Pieces { stream, at_once }).unwrap();
        let request = read_head(&mut s);
        s.write_all(accepting(&request, "").as_bytes()).unwrap();
        let mut ws = WebSocket::from_raw_socket(s, Role::Server, None);
        for message in messages {
            ws.send(Message::binary(message)).unwrap();
        }
    })
}

#[derive(Debug)]
struct Pieces {
    stream: TcpStream,
    at_once: usize,
}

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(room)
    }
}

impl Write for Pieces {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.stream.write(&octets[..octets.len().min(self.at_once)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// From a single octet to more than a record holds.
fn of_many_sizes() -> Vec<Vec<u8>> {
    let sizes = (1..70).chain([300, 4_000, 16_300, 16_384, 16_400, 40_000]);
    sizes
        .map(|size| vec![b'a' + size as u8 % 26; size])
        .collect()
}

#[test]
fn records_may_come_in_any_pieces() {
    let authority = Authority::new();
    for at_once in [1, 2, 7, 1_000, 16_500, 1 << 20] {
        let mut messages = of_many_sizes();
        // Octet by octet only what is small.
        messages.retain(|message| message.len() <= 400 * at_once);
        let (address, server) = saying(&authority, messages.clone(), at_once);
        let mut driver = Driver::new(trusting(&format!("wss://{address}/"), &authority.root));
        driver.expect_up();
        for message in messages {
            assert_eq!(driver.expect_message(), message, "{at_once} at once");
        }
        let e = driver.expect_down();
        assert!(matches!(&e, LinkError::Lost(_)), "{e}");
        server.join().unwrap();
    }
}

#[test]
fn what_came_together_with_the_end_is_told_before_it() {
    let authority = Authority::new();
    let (address, server) = saying(&authority, of_many_sizes(), 1 << 20);
    let mut driver = Driver::new(trusting(&format!("wss://{address}/"), &authority.root));
    driver.expect_up();
    // All of it and the end are here before anything is read.
    server.join().unwrap();
    for message in of_many_sizes() {
        assert_eq!(driver.expect_message(), message);
    }
    let e = driver.expect_down();
    assert!(matches!(&e, LinkError::Lost(_)), "{e}");
}

#[test]
fn unreadable_certificates_are_misuse() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("x");
    let identity = |cert: &str, key: &str| TlsOptions {
        identity: Some((cert.to_owned(), Secret::new(key))),
        ..TlsOptions::default()
    };
    let root = |pem: &str| TlsOptions {
        roots: vec![pem.to_owned()],
        ..TlsOptions::default()
    };
    let damaged = authority.root.replace("MII", "!!!");
    for options in [
        root("no PEM"),
        root(""),
        root(&damaged),
        identity(&cert, "hush"),
        identity("", &key),
    ] {
        let e = Tls::new(&options).unwrap_err();
        assert!(matches!(&e, Misuse::Certificate(_)), "{e}");
        assert!(!format!("{e:?}").contains("hush"));
    }
    Tls::new(&identity(&cert, &format!("\n{key}"))).unwrap();
}

/// The first message of a handshake, as it stands in its record.
fn client_hello(s: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 5];
    s.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 22, "a handshake record");
    let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    s.read_exact(&mut hello).unwrap();
    assert_eq!(hello[0], 1, "ClientHello");
    hello
}

/// The host that a ClientHello names (RFC 6066 §3), if it names one.
fn server_name(hello: &[u8]) -> Option<String> {
    fn skip<const N: usize>(octets: &[u8]) -> (&[u8], &[u8]) {
        let (length, rest) = octets.split_at(N);
        let length = length.iter().fold(0, |n, o| n << 8 | usize::from(*o));
        rest.split_at(length)
    }
    // Type, length, version and random stand before the session id.
    let (_, rest) = skip::<1>(&hello[1 + 3 + 2 + 32..]);
    let (_, rest) = skip::<2>(rest);
    let (_, rest) = skip::<1>(rest);
    let (mut extensions, _) = skip::<2>(rest);
    while let Some((kind, rest)) = extensions.split_at_checked(2) {
        let (data, rest) = skip::<2>(rest);
        if kind == [0, 0] {
            let (names, _) = skip::<2>(data);
            assert_eq!(names[0], 0, "a host name");
            let (name, _) = skip::<2>(&names[1..]);
            return Some(String::from_utf8(name.to_vec()).unwrap());
        }
        extensions = rest;
    }
    None
}

#[test]
fn the_server_is_told_which_host_is_meant_unless_that_is_an_address() {
    for (host, named, expected) in [
        ("localhost", None, Some("localhost")),
        ("127.0.0.1", None, None),
        ("127.0.0.1", Some("broker.example"), Some("broker.example")),
    ] {
        let (address, server) = serve(move |mut s| {
            let hello = client_hello(&mut s);
            s.write_all(b"\x15\x03\x03\x00\x02\x02\x28").unwrap();
            let told = server_name(&hello);
            read_to_end(&mut s);
            assert_eq!(told.as_deref(), expected);
        });
        let mut config = config(&format!("wss://{host}:{}/", address.port()));
        config.tls.server_name = named.map(str::to_owned);
        tls_error(config);
        server.join().unwrap();
    }
}

/// A ServerHello as a server sends it that knows nothing newer than TLS 1.1.
#[test]
fn a_peer_that_speaks_only_tls_1_1_is_refused() {
    let (address, server) = serve(|mut s| {
        client_hello(&mut s);
        // Record; ServerHello of 38 octets, version 1.1; random; no session id;
        // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA; no compression.
        let mut hello = b"\x16\x03\x02\x00\x2A\x02\x00\x00\x26\x03\x02".to_vec();
        hello.extend([7; 32]);
        hello.extend(b"\x00\xC0\x13\x00");
        s.write_all(&hello).unwrap();
        read_to_end(&mut s);
    });
    let text = tls_error(config(&format!("wss://{address}/")));
    assert!(text.starts_with("TLS with 127.0.0.1: "), "{text}");
    assert!(text.contains("unsupported protocol"), "{text}");
    server.join().unwrap();
}
