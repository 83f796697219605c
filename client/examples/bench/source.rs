//! The load source: no broker, only as much STOMP as a job needs.
//!
//! It delivers N messages of SIZE octets to whoever subscribes, or sends something,
//! to `/blast/N/SIZE`, sends back what goes to `/echo`, swallows what goes to
//! `/sink`, answers every `receipt`, and drops who sends something to `/cut`.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use tungstenite::{
    Message,
    handshake::server::{ErrorResponse, Request, Response},
};

use crate::Result;

/// The load source in a process of its own, which ends with this.
pub(crate) struct Source {
    child: Child,
    plain: String,
    tls: String,
}

impl Source {
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("source")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ports = String::new();
        let out = child.stdout.take().ok_or("the load source has no output")?;
        BufReader::new(out).read_line(&mut ports)?;
        let (plain, tls) = ports.trim().split_once(' ').ok_or("no ports were told")?;
        Ok(Self {
            plain: format!("ws://127.0.0.1:{plain}/"),
            tls: format!("wss://localhost:{tls}/"),
            child,
        })
    }

    pub(crate) fn url(&self, tls: bool) -> &str {
        if tls { &self.tls } else { &self.plain }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Serves until the standard input ends.
pub(crate) fn serve() -> Result<()> {
    let plain = TcpListener::bind("127.0.0.1:0")?;
    let tls = TcpListener::bind("127.0.0.1:0")?;
    println!(
        "{} {}",
        plain.local_addr()?.port(),
        tls.local_addr()?.port()
    );
    let acceptor = Arc::new(native_tls::TlsAcceptor::new(identity()?)?);
    std::thread::spawn(move || {
        for stream in plain.incoming().flatten() {
            stream.set_nodelay(true).ok();
            std::thread::spawn(move || converse(stream));
        }
    });
    std::thread::spawn(move || {
        for stream in tls.incoming().flatten() {
            stream.set_nodelay(true).ok();
            let acceptor = Arc::clone(&acceptor);
            // TLS reads and answers record by record: below it they are gathered, too.
            let stream = Gathering::new(stream);
            std::thread::spawn(move || acceptor.accept(stream).map(converse::<_>).ok());
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn identity() -> Result<native_tls::Identity> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = made.signing_key.serialize_pem();
    Ok(native_tls::Identity::from_pkcs8(
        made.cert.pem().as_bytes(),
        key.as_bytes(),
    )?)
}

#[expect(clippy::result_large_err, reason = "the type that tungstenite wants")]
fn accept(
    request: &Request,
    mut response: Response,
) -> std::result::Result<Response, ErrorResponse> {
    let asked = request.headers().get("Sec-WebSocket-Protocol");
    if let Some(first) = asked.and_then(|p| p.to_str().ok()?.split(',').next()?.trim().parse().ok())
    {
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", first);
    }
    Ok(response)
}

/// Reads all that there is at once, and writes once for all that was answered to it.
struct Gathering<S: Read + Write> {
    stream: BufReader<S>,
    out: Vec<u8>,
}

impl<S: Read + Write> Gathering<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: BufReader::with_capacity(128 << 10, stream),
            out: Vec::new(),
        }
    }

    fn let_go(&mut self) -> std::io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(&self.out)?;
        self.out.clear();
        stream.flush()
    }
}

impl<S: Read + Write> Read for Gathering<S> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        if self.stream.buffer().is_empty() && !self.out.is_empty() {
            self.let_go()?;
        }
        self.stream.read(room)
    }
}

impl<S: Read + Write> Write for Gathering<S> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.out.extend_from_slice(octets);
        if self.out.len() > 32 << 10 {
            self.let_go()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The answer to a Close, over TLS.
impl<S: Read + Write> Drop for Gathering<S> {
    fn drop(&mut self) {
        self.let_go().ok();
    }
}

/// One connection. Ends with it; whatever goes wrong ends it.
fn converse<S: Read + Write>(stream: S) {
    let Ok(mut ws) = tungstenite::accept_hdr(Gathering::new(stream), accept) else {
        return;
    };
    let mut echo = String::new();
    while let Ok(message) = ws.read() {
        let frame = match &message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(data) => data,
            Message::Close(_) => {
                ws.flush().ok();
                return;
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        if answer(frame, &mut echo, ws.get_mut()).is_err() {
            return;
        }
    }
}

fn answer(frame: &[u8], echo: &mut String, out: &mut impl Write) -> std::io::Result<()> {
    let Some(cut) = memchr::memmem::find(frame, b"\n\n") else {
        return Ok(());
    };
    let head = std::str::from_utf8(&frame[..cut]).unwrap_or_default();
    let body = &frame[cut + 2..frame.len() - 1];
    let (command, headers) = head.split_once('\n').unwrap_or((head, ""));
    let header = |name: &str| {
        let mut lines = headers.split('\n').filter_map(|l| l.split_once(':'));
        lines.find(|(n, _)| *n == name).map(|(_, value)| value)
    };
    let destination = header("destination").unwrap_or_default();
    match (command, destination) {
        ("CONNECT", _) => text(
            b"CONNECTED\nversion:1.2\nheart-beat:0,0\nserver:source\nsession:s1\n\n\0",
            out,
        )?,
        ("SEND", "/echo") => {
            let length = body.len();
            let mut message = format!(
                "MESSAGE\nsubscription:{echo}\nmessage-id:e\ndestination:/echo\ncontent-length:{length}\n\n"
            )
            .into_bytes();
            message.extend_from_slice(body);
            message.push(0);
            text(&message, out)?;
        }
        ("SEND", "/cut") => return Err(ErrorKind::ConnectionAborted.into()),
        ("SUBSCRIBE", _) => header("id").unwrap_or_default().clone_into(echo),
        _ => {}
    }
    if let Some(receipt) = header("receipt") {
        let mut frame = b"RECEIPT\nreceipt-id:".to_vec();
        frame.extend_from_slice(receipt.as_bytes());
        frame.extend_from_slice(b"\n\n\0");
        text(&frame, out)?;
    }
    let blast_of = |rest: &str| {
        let (count, size) = rest.split_once('/')?;
        Some((count.parse().ok()?, size.parse().ok()?))
    };
    match destination.strip_prefix("/blast/").and_then(blast_of) {
        Some((count, size)) => blast(echo, destination, count, size, out),
        None => Ok(()),
    }
}

/// The same frame again and again, but for the digits of its number.
fn blast(
    id: &str,
    destination: &str,
    count: usize,
    size: usize,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let unit = r#"{"topicName":"v2.routing.queues.5f3a2b1c","eventBody":{"metric":"oWaiting","value":17}},"#;
    let body: String = unit.chars().cycle().take(size).collect();
    let before = format!("MESSAGE\nsubscription:{id}\nmessage-id:m-");
    let after = format!(
        "\ndestination:{destination}\ncontent-type:application/json\npriority:4\n\
         timestamp:1795456800000\ncontent-length:{size}\n\n{body}\0"
    );
    let mut frame = Vec::new();
    text(format!("{before}{:09}{after}", 0).as_bytes(), &mut frame)?;
    let end = frame.len() - after.len();
    for _ in 0..count {
        out.write_all(&frame)?;
        for digit in frame[end - 9..end].iter_mut().rev() {
            if *digit != b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
    }
    Ok(())
}

/// One TEXT message in one frame, as a server sends it.
fn text(payload: &[u8], out: &mut impl Write) -> std::io::Result<()> {
    let length = payload.len();
    match length {
        0..126 => out.write_all(&[0x81, length as u8])?,
        126..65_536 => {
            out.write_all(&[0x81, 126])?;
            out.write_all(&(length as u16).to_be_bytes())?;
        }
        _ => {
            out.write_all(&[0x81, 127])?;
            out.write_all(&(length as u64).to_be_bytes())?;
        }
    }
    out.write_all(payload)
}
