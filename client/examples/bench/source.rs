//! The load source: no broker, only as much STOMP as a job needs.
//!
//! It delivers N messages of SIZE octets to whoever subscribes, or sends something,
//! to `/blast/N/SIZE`, sends back what goes to `/echo`, swallows what goes to
//! `/sink`, and answers every `receipt`.

use std::{
    io::{BufRead, BufReader, Read, Write},
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

/// Writes once for all that was answered to one read.
struct Gathering<S> {
    stream: S,
    out: Vec<u8>,
}

impl<S: Write> Gathering<S> {
    fn let_go(&mut self) -> std::io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        self.stream.flush()
    }
}

impl<S: Read + Write> Read for Gathering<S> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        if !self.out.is_empty() {
            self.let_go()?;
        }
        self.stream.read(room)
    }
}

impl<S: Write> Write for Gathering<S> {
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

/// One connection. Ends with it; whatever goes wrong ends it.
fn converse<S: Read + Write>(stream: S) {
    let stream = Gathering {
        stream,
        out: Vec::new(),
    };
    let Ok(mut ws) = tungstenite::accept_hdr(stream, accept) else {
        return;
    };
    let mut echo = String::new();
    while let Ok(message) = ws.read() {
        let frame = match &message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(data) => data,
            Message::Close(_) => {
                ws.flush().ok();
                ws.get_mut().let_go().ok();
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
    let Some(cut) = frame.windows(2).position(|w| w == b"\n\n") else {
        return Ok(());
    };
    let head = String::from_utf8_lossy(&frame[..cut]);
    let body = &frame[cut + 2..frame.len() - 1];
    let header = |name: &str| {
        let mut lines = head.lines().skip(1).filter_map(|l| l.split_once(':'));
        lines.find(|(n, _)| *n == name).map(|(_, v)| v.to_owned())
    };
    let destination = header("destination").unwrap_or_default();
    let mut reply = Vec::new();
    match head.lines().next() {
        Some("CONNECT") => text(
            b"CONNECTED\nversion:1.2\nheart-beat:0,0\nserver:source\nsession:s1\n\n\0",
            &mut reply,
        ),
        Some("SEND") if destination == "/echo" => {
            let length = body.len();
            let mut message = format!(
                "MESSAGE\nsubscription:{echo}\nmessage-id:e\ndestination:/echo\ncontent-length:{length}\n\n"
            )
            .into_bytes();
            message.extend_from_slice(body);
            message.push(0);
            text(&message, &mut reply);
        }
        _ => {}
    }
    if let Some(receipt) = header("receipt") {
        text(
            format!("RECEIPT\nreceipt-id:{receipt}\n\n\0").as_bytes(),
            &mut reply,
        );
    }
    out.write_all(&reply)?;
    let subscribes = head.starts_with("SUBSCRIBE");
    if subscribes {
        *echo = header("id").unwrap_or_default();
    }
    if subscribes || head.starts_with("SEND") {
        if let Some((count, size)) = destination
            .strip_prefix("/blast/")
            .and_then(|rest| rest.split_once('/'))
            .and_then(|(n, s)| Some((n.parse().ok()?, s.parse().ok()?)))
        {
            blast(echo, &destination, count, size, out)?;
        }
    }
    Ok(())
}

fn blast(
    id: &str,
    destination: &str,
    count: usize,
    size: usize,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let unit = r#"{"topicName":"v2.routing.queues.5f3a2b1c","eventBody":{"metric":"oWaiting","value":17}},"#;
    let body: String = unit.chars().cycle().take(size).collect();
    let mut chunk = Vec::new();
    for nth in 0..count {
        let frame = format!(
            "MESSAGE\nsubscription:{id}\nmessage-id:m-{nth:09}\ndestination:{destination}\n\
             content-type:application/json\npriority:4\ntimestamp:1795456800000\n\
             content-length:{size}\n\n{body}\0"
        );
        text(frame.as_bytes(), &mut chunk);
        out.write_all(&chunk)?;
        chunk.clear();
    }
    Ok(())
}

/// One TEXT message in one frame, as a server sends it.
fn text(payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x81);
    match payload.len() {
        n @ 0..126 => out.push(n as u8),
        n @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}
