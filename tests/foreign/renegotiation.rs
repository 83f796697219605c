//! `openssl s_server` negotiates TLS 1.2 anew while a client publishes.

use hobnail::{Client, config::TlsOptions};
use hobnail_tests::{Peer, SOON};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::handshake::derive_accept_key;

/// How long what the server says is under way.
const WAY: Duration = Duration::from_millis(20);

struct Server {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut child = Command::new("openssl")
            .args(["s_server", "-tls1_2", "-accept", "127.0.0.1:0", "-cert"])
            .arg(cert)
            .arg("-key")
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut from = child.stdout.take().unwrap();
        let (to, output) = mpsc::channel();
        thread::spawn(move || {
            let mut octets = vec![0; 64 << 10];
            while let Ok(n @ 1..) = from.read(&mut octets) {
                to.send(octets[..n].to_vec()).ok();
            }
        });
        let mut server = Self {
            child,
            input,
            output,
            port: 0,
        };
        let port = server.line("ACCEPT 127.0.0.1:");
        server.port = port.parse().unwrap();
        server
    }

    /// The rest of the next line that begins so.
    fn line(&self, start: &str) -> String {
        let (began, mut shown) = (Instant::now(), Vec::new());
        loop {
            let left = SOON.saturating_sub(began.elapsed());
            shown.extend(self.output.recv_timeout(left).expect(start));
            let text = String::from_utf8_lossy(&shown);
            let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
            if let Some(rest) = whole.filter_map(|line| line.strip_prefix(start)).next() {
                return rest.trim().to_owned();
            }
        }
    }

    /// Waits until so many octets have come.
    fn takes(&self, octets: usize) {
        let (began, mut taken) = (Instant::now(), 0);
        while taken < octets {
            let left = SOON.saturating_sub(began.elapsed());
            let more = self.output.recv_timeout(left);
            taken += more.expect("the client publishes on").len();
        }
    }

    fn says(&mut self, octets: &[u8]) {
        self.input.write_all(octets).unwrap();
        self.input.flush().unwrap();
    }

    /// Lets one client in.
    fn opens(&mut self) {
        let accept = derive_accept_key(self.line("Sec-WebSocket-Key: ").as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
             Sec-WebSocket-Protocol: v12.stomp\r\n\r\n"
        );
        self.says(answer.as_bytes());
        let connected = b"CONNECTED\nversion:1.2\n\n\0";
        self.says(&[&[0x81, connected.len() as u8], &connected[..]].concat());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A way to a port of this machine, from afar.
fn far(port: u16) -> Peer {
    Peer::start(move |mut near| {
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (mut from, mut to) = (near.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        let mut octets = [0; 4096];
        while let Ok(n @ 1..) = server.read(&mut octets) {
            thread::sleep(WAY);
            if near.write_all(&octets[..n]).is_err() {
                return;
            }
        }
    })
}

#[test]
fn a_client_publishes_on_whenever_the_broker_negotiates_anew() {
    let mut server = Server::start();
    let way = far(server.port);
    let publishing = thread::spawn(move || {
        let tls = TlsOptions {
            danger_accept_invalid_certs: true,
            ..TlsOptions::default()
        };
        let mut client = Client::builder(format!("wss://127.0.0.1:{}/", way.port()))
            .proxy(None)
            .tls(tls)
            .heart_beat(Duration::ZERO, Duration::ZERO)
            .reconnect(false)
            .connect()
            .unwrap();
        let body = [b'x'; 1024];
        while client.send("/topic/a").body(&body).publish().is_ok()
            && client.turn(Duration::from_micros(100)).is_ok()
        {}
    });
    server.opens();
    for _ in 0..3 {
        server.takes(256 << 10);
        server.says(b"r\n");
    }
    server.takes(256 << 10);
    drop(server);
    publishing.join().unwrap();
}
