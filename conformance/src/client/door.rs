//! Where a program without a shim asks for its next case: `GET /next`.

use super::world::{Event, World};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Octets of a request, and the time it may take.
const HEAD: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether who waits is still there.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Who waits for a case.
    visitor: Option<Visitor>,
    /// What the program calls itself.
    agent: Option<String>,
    /// The case that the program has: when it asks again its connection is closed.
    busy: Option<Arc<World>>,
    /// There are no more cases.
    over: bool,
}

#[derive(Debug)]
struct Visitor {
    stream: TcpStream,
    /// The judge's name as the program knows it.
    host: String,
}

impl Door {
    /// Listens; whoever asks waits until there is a case.
    pub(crate) fn open(listen: SocketAddr) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind(listen)?;
        let door = Arc::new(Self {
            address: listener.local_addr()?,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let serves = Arc::clone(&door);
        // It ends with the process: there is one door in a run.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let door = Arc::clone(&serves);
                std::thread::spawn(move || door.serve(stream));
            }
        });
        Ok(door)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub(crate) fn agent(&self) -> Option<String> {
        self.lock().agent.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a program waits, or comes in time.
    pub(crate) fn is_visited(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        loop {
            if state.visitor.as_ref().is_some_and(Visitor::is_there) {
                return true;
            }
            state.visitor = None;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left.min(LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives a case to the program that waits, or comes in time; whether one did.
    /// The case is made for the name under which the program knows the judge.
    pub(crate) fn hand(
        &self,
        world: &Arc<World>,
        within: Duration,
        case: impl FnOnce(&str) -> Value,
    ) -> bool {
        if !self.is_visited(within) {
            return false;
        }
        let visitor = {
            let mut state = self.lock();
            state.busy = Some(Arc::clone(world));
            state.visitor.take()
        };
        let Some(Visitor { stream, host }) = visitor else {
            return false;
        };
        answer(
            &stream,
            "200 OK",
            "application/json",
            &case(&host).to_string(),
        );
        true
    }

    /// No more cases: who waits, and who comes, is told so.
    pub(crate) fn close(&self) {
        let visitor = {
            let mut state = self.lock();
            state.over = true;
            state.visitor.take()
        };
        if let Some(visitor) = visitor {
            answer(&visitor.stream, "204 No Content", "text/plain", "");
        }
    }

    fn serve(&self, stream: TcpStream) {
        let Some(request) = read(&stream) else {
            return;
        };
        let path = request.path.split('?').next().unwrap_or_default();
        match (request.method.as_str(), path) {
            // A browser asks first, if the page is of another origin.
            ("OPTIONS", _) => answer(&stream, "204 No Content", "text/plain", ""),
            ("GET", "/next") => self.visit(stream, &request),
            _ => answer(
                &stream,
                "404 Not Found",
                "text/plain",
                "Programs ask for /next here; stomp-conformance shim-protocol says how.\n",
            ),
        }
    }

    fn visit(&self, stream: TcpStream, request: &Request) {
        let mut state = self.lock();
        if let Some(agent) = request.agent() {
            state.agent = Some(agent);
        }
        if let Some(world) = state.busy.take() {
            let closed = Event {
                name: "closed".to_owned(),
                fields: json!({}),
            };
            world.change(|state| state.events.push(closed));
        }
        if state.over {
            drop(state);
            return answer(&stream, "204 No Content", "text/plain", "");
        }
        let host = request.host.clone();
        state.visitor = Some(Visitor { stream, host });
        drop(state);
        self.changed.notify_all();
    }
}

impl Visitor {
    /// It has not hung up.
    fn is_there(&self) -> bool {
        let _ = self.stream.set_nonblocking(true);
        let peeked = self.stream.peek(&mut [0]);
        let _ = self.stream.set_nonblocking(false);
        matches!(&peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            || matches!(peeked, Ok(1..))
    }
}

struct Request {
    method: String,
    path: String,
    /// Without the port.
    host: String,
}

impl Request {
    /// What the program calls itself, in letters that do no harm.
    fn agent(&self) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        let agent = query.split('&').find_map(|p| p.strip_prefix("agent="))?;
        let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.@/ ".contains(*c);
        let text = agent.replace("%20", " ").replace("%40", "@");
        let text = text.replace("%2F", "/").replace('+', " ");
        Some(text.chars().filter(plain).take(80).collect())
    }
}

fn read(mut stream: &TcpStream) -> Option<Request> {
    let deadline = Instant::now() + PATIENCE;
    let mut octets = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.checked_duration_since(Instant::now())?;
        stream
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .ok()?;
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => octets.extend_from_slice(&buffer[..n]),
            Ok(0) | Err(_) => return None,
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(&octets) {
            Ok(httparse::Status::Complete(_)) => {
                let host = parsed
                    .headers
                    .iter()
                    .find(|h| h.name.eq_ignore_ascii_case("host"));
                let host = host.and_then(|h| std::str::from_utf8(h.value).ok());
                let host = host.unwrap_or("127.0.0.1");
                return Some(Request {
                    method: parsed.method?.to_owned(),
                    path: parsed.path?.to_owned(),
                    host: host.rsplit_once(':').map_or(host, |(h, _)| h).to_owned(),
                });
            }
            Ok(httparse::Status::Partial) if octets.len() <= HEAD => {}
            Ok(httparse::Status::Partial) | Err(_) => return None,
        }
    }
}

fn answer(mut stream: &TcpStream, status: &str, kind: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: *\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.set_write_timeout(Some(PATIENCE));
    // A program that has gone asks again, or its case says so.
    let _ = stream.write_all(head.as_bytes());
}
