//! One job in a process of its own: what it took is its last line.

use std::{
    collections::VecDeque,
    net::TcpStream,
    time::{Duration, Instant},
};

use hobnail::{
    Client, Message, Pending, Phase,
    config::{Backoff, Builder, TlsOptions},
};
use tungstenite::WebSocket;

use crate::Result;

/// Messages in flight, for those that are confirmed.
const WINDOW: usize = 1_000;

/// Of a client that is cut off.
const SUBSCRIPTIONS: usize = 1_000;

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(5);

/// What a job says that waits for its turn.
pub(crate) const NEXT: &str = "next";

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";

/// `job WHO WHAT COUNT SIZE URL`; prints what it took as `Measured` has it.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let [who, what, count, size, url] = args else {
        return Err("a job is WHO WHAT COUNT SIZE URL".into());
    };
    let job = Job {
        what,
        count: count.parse()?,
        size: size.parse()?,
        url,
        times: Vec::new(),
    };
    match who.as_str() {
        "raw" => job.raw(),
        "driven" => job.driven(),
        "threaded" => job.threaded(),
        _ => Err("who is raw, driven or threaded".into()),
    }
}

struct Job<'a> {
    what: &'a str,
    count: usize,
    size: usize,
    url: &'a str,
    /// Of each round trip that counts.
    times: Vec<Duration>,
}

/// Round trips before it is another program's turn, and how many of them do not count:
/// the others have been in the caches meanwhile.
const TURN: usize = 2_000;
const COLD: usize = 400;

impl Job<'_> {
    fn raw(self) -> Result<()> {
        match self.what {
            "many" => return self.raw_many(),
            "reconnect" => return self.raw_reconnect(),
            _ => {}
        }
        let tcp = self.tcp()?;
        if self.url.starts_with("wss:") {
            let tls = native_tls::TlsConnector::builder()
                .danger_accept_invalid_certs(true)
                .build()?
                .connect("localhost", tcp)?;
            self.raw_over(tls)
        } else {
            self.raw_over(tcp)
        }
    }

    fn tcp(&self) -> Result<TcpStream> {
        let (_, address) = self.url.split_once("://").ok_or("no scheme")?;
        let tcp = TcpStream::connect(address.trim_end_matches('/'))?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// A connection over TCP that has its CONNECTED.
    fn raw_session(&self) -> Result<WebSocket<TcpStream>> {
        let (mut ws, _) = tungstenite::client(self.url, self.tcp()?).map_err(|e| e.to_string())?;
        ws.send(tungstenite::Message::text(CONNECT))?;
        ws.read()?;
        Ok(ws)
    }

    /// What a thousand connections hold, and what they take.
    fn raw_many(mut self) -> Result<()> {
        let number = many()?;
        let mut all = vec![self.raw_session()?];
        let before = resident()?;
        while all.len() < number {
            all.push(self.raw_session()?);
        }
        println!("each {}", (resident()? - before) / (number as u64 - 1));
        let text = tungstenite::Message::text::<String>;
        let began = Took::begin()?;
        let per_client = (self.count / number).max(1);
        let blast = format!("/blast/{per_client}/{}", self.size);
        for ws in &mut all {
            ws.write(text("SUBSCRIBE\nid:1\ndestination:/later\n\n\0".into()))?;
            ws.send(text(format!("SEND\ndestination:{blast}\n\n\0")))?;
        }
        for ws in &mut all {
            for _ in 0..per_client {
                ws.read()?;
            }
        }
        began.end(per_client * number, &mut self.times)
    }

    /// From nothing to a thousand confirmed subscriptions: all SUBSCRIBEs are written at
    /// once, and all RECEIPTs read.
    fn raw_reconnect(mut self) -> Result<()> {
        let began = Took::begin()?;
        for _ in 0..self.count {
            let lost = Instant::now();
            let mut ws = self.raw_session()?;
            for nth in 0..SUBSCRIPTIONS {
                ws.write(tungstenite::Message::text(format!(
                    "SUBSCRIBE\nid:{nth}\ndestination:/later/{nth}\nreceipt:{nth}\n\n\0"
                )))?;
            }
            ws.flush()?;
            for _ in 0..SUBSCRIPTIONS {
                ws.read()?;
            }
            self.times.push(lost.elapsed());
        }
        began.end(self.count, &mut self.times)
    }

    fn raw_over<S: std::io::Read + std::io::Write>(mut self, stream: S) -> Result<()> {
        let url = self.url.replacen("wss:", "ws:", 1);
        let mut ws: WebSocket<S> = match tungstenite::client(url, stream) {
            Ok((ws, _)) => ws,
            Err(e) => return Err(e.to_string().into()),
        };
        let text = tungstenite::Message::text::<String>;
        ws.send(text(CONNECT.into()))?;
        ws.read()?;
        let began = Took::begin()?;
        let body = "x".repeat(self.size);
        let (count, size) = (self.count, self.size);
        match self.what {
            "idle" => {}
            "many" | "reconnect" => return Err("over plain TCP only".into()),
            "recv" => {
                ws.send(text(format!(
                    "SUBSCRIBE\nid:1\ndestination:/blast/{count}/{size}\n\n\0"
                )))?;
                for _ in 0..count {
                    ws.read()?;
                }
            }
            "echo" => {
                ws.send(text("SUBSCRIBE\nid:1\ndestination:/echo\n\n\0".into()))?;
                let frame = format!("SEND\ndestination:/echo\ncontent-length:{size}\n\n{body}\0");
                self.by_turns(|| {
                    ws.send(text(frame.clone()))?;
                    Ok(ws.read()?)
                })?;
            }
            "send" => {
                let frame = format!("SEND\ndestination:/sink\ncontent-length:{size}\n\n{body}\0");
                for _ in 1..count {
                    ws.write(text(frame.clone()))?;
                }
                let last = frame.replacen("\n\n", "\nreceipt:r\n\n", 1);
                ws.send(text(last))?;
                ws.read()?;
            }
            other => return Err(format!("raw does not {other}").into()),
        }
        began.end(count, &mut self.times)
    }

    /// Round trips, some at a time: whoever started this says when it goes on.
    fn by_turns<T>(&mut self, mut trip: impl FnMut() -> Result<T>) -> Result<()> {
        for nth in 0..self.count {
            if nth % TURN == 0 {
                println!("{NEXT}");
                std::io::stdin().read_line(&mut String::new())?;
            }
            let sent = Instant::now();
            trip()?;
            if nth % TURN >= COLD {
                self.times.push(sent.elapsed());
            }
        }
        Ok(())
    }

    fn connect(&self) -> Result<Client> {
        Ok(self.builder().reconnect(false).connect()?)
    }

    fn builder(&self) -> Builder {
        let tls = TlsOptions {
            danger_accept_invalid_certs: true,
            ..TlsOptions::default()
        };
        Client::builder(self.url)
            .tls(tls)
            .proxy(None)
            .heart_beat(Duration::ZERO, Duration::ZERO)
    }

    /// From the end of the back-off after a lost connection until a thousand
    /// subscriptions are confirmed anew.
    fn reconnect(mut self) -> Result<()> {
        let backoff = Backoff {
            initial: Duration::from_millis(1),
            max: Duration::from_millis(1),
            jitter_percent: 0,
            stable_after: Duration::ZERO,
        };
        let mut client = self.builder().backoff(backoff).connect()?;
        let mut kept = Vec::new();
        for nth in 0..SUBSCRIPTIONS {
            kept.push(client.subscription(format!("/later/{nth}")).subscribe()?);
        }
        let began = Took::begin()?;
        for _ in 0..self.count {
            client.send("/cut").publish()?;
            while client.phase() != Phase::Waiting {
                client.turn(LONG)?;
            }
            let mut left = Instant::now();
            while client.phase() == Phase::Waiting {
                left = Instant::now();
                client.turn(Duration::ZERO)?;
            }
            while client.health()?.confirmed < SUBSCRIPTIONS {
                client.turn(LONG)?;
            }
            self.times.push(left.elapsed());
        }
        began.end(self.count, &mut self.times)
    }

    fn driven(mut self) -> Result<()> {
        if self.what == "reconnect" {
            return self.reconnect();
        }
        let mut client = self.connect()?;
        let began = Took::begin()?;
        let body = vec![b'x'; self.size];
        let (count, size) = (self.count, self.size);
        match self.what {
            "idle" => {}
            "many" => return self.many(began, client),
            "recv one by one" => {
                let blast = format!("/blast/{count}/{size}");
                let _all = client.subscription(blast).subscribe()?;
                let mut seen = 0;
                for _ in 0..count {
                    seen += touch(&client.recv()?);
                }
                assert!(seen > count * size);
            }
            "recv" => {
                let blast = format!("/blast/{count}/{size}");
                let _all = client.subscription(blast).subscribe()?;
                let (mut seen, mut left) = (0, count);
                let mut messages = VecDeque::new();
                while left > 0 {
                    left -= client.recv_many(&mut messages)?;
                    seen += messages.drain(..).map(|m| touch(&m)).sum::<usize>();
                }
                assert!(seen > count * size);
            }
            "echo" => {
                let _echo = client.subscription("/echo").subscribe()?;
                self.by_turns(|| {
                    client.send("/echo").body(&body).publish()?;
                    Ok(client.recv()?)
                })?;
            }
            "send" => {
                for _ in 1..count {
                    client.send("/sink").body(&body).buffered().publish()?;
                }
                client.send("/sink").body(&body).receipt().publish()?;
            }
            "confirmed" => {
                let mut pending: VecDeque<Pending> = VecDeque::new();
                for _ in 0..count {
                    if pending.len() == WINDOW {
                        client.confirm(&pending.pop_front().ok_or("none is pending")?)?;
                    }
                    pending.push_back(client.send("/sink").body(&body).buffered().begin()?);
                }
                for one in pending {
                    client.confirm(&one)?;
                }
            }
            other => return Err(format!("a driven client does not {other}").into()),
        }
        began.end(count, &mut self.times)
    }

    /// A thousand clients on this thread, or as many as it may have files for.
    fn many(mut self, before: Took, first: Client) -> Result<()> {
        let number = many()?;
        let mut clients = vec![first];
        let rss = before.rss;
        while clients.len() < number {
            clients.push(self.connect()?);
        }
        let each = (resident()? - rss) / (number as u64 - 1);
        println!("clients {number} each {each}");
        let mut kept = Vec::new();
        for client in &mut clients {
            kept.push(client.subscription("/later").subscribe()?);
        }
        let began = Took::begin()?;
        let per_client = (self.count / number).max(1);
        let blast = format!("/blast/{per_client}/{}", self.size);
        let mut seen = 0;
        for client in &mut clients {
            client.send(blast.as_str()).publish()?;
        }
        for client in &mut clients {
            for _ in 0..per_client {
                seen += touch(&client.recv()?);
            }
        }
        assert!(seen > per_client * number * self.size);
        began.end(per_client * number, &mut self.times)
    }

    fn threaded(mut self) -> Result<()> {
        let handle = self.connect()?.spawn()?;
        let began = Took::begin()?;
        let body = vec![b'x'; self.size];
        let (count, size) = (self.count, self.size);
        match self.what {
            "idle" => {}
            "recv one by one" => {
                let all = handle.subscribe(format!("/blast/{count}/{size}"))?;
                let mut seen = 0;
                for _ in 0..count {
                    seen += touch(&all.recv()?);
                }
                assert!(seen > count * size);
            }
            "recv" => {
                let all = handle.subscribe(format!("/blast/{count}/{size}"))?;
                let (mut seen, mut left) = (0, count);
                let mut messages = VecDeque::new();
                while left > 0 {
                    left -= all.recv_many(&mut messages)?;
                    seen += messages.drain(..).map(|m| touch(&m)).sum::<usize>();
                }
                assert!(seen > count * size);
            }
            "echo" => {
                let echo = handle.subscribe("/echo")?;
                self.by_turns(|| {
                    handle.send("/echo").body(&body).publish()?;
                    Ok(echo.recv()?)
                })?;
            }
            "send" => {
                for _ in 1..count {
                    handle.send("/sink").body(&body).publish()?;
                }
                handle.send("/sink").body(&body).receipt().publish()?;
            }
            "confirmed" => {
                let mut pending: VecDeque<Pending> = VecDeque::new();
                for _ in 0..count {
                    if pending.len() == WINDOW {
                        pending.pop_front().ok_or("none is pending")?.wait()?;
                    }
                    pending.push_back(handle.send("/sink").body(&body).begin()?);
                }
                for one in pending {
                    one.wait()?;
                }
            }
            other => return Err(format!("a threaded client does not {other}").into()),
        }
        began.end(count, &mut self.times)
    }
}

/// What a consumer would at least look at.
fn touch(message: &Message) -> usize {
    let body = message.body();
    message.destination().len()
        + message.subscription().len()
        + message.message_id().len()
        + body.len()
        + usize::from(body.first().is_some_and(|first| *first == 0))
}

/// What the process had used when the job began.
struct Took {
    cpu: Duration,
    wall: Instant,
    rss: u64,
}

impl Took {
    fn begin() -> Result<Self> {
        Ok(Self {
            cpu: cpu()?,
            wall: Instant::now(),
            rss: resident()?,
        })
    }

    fn end(self, count: usize, times: &mut [Duration]) -> Result<()> {
        let (cpu, wall) = (cpu()? - self.cpu, self.wall.elapsed());
        let each = |whole: Duration| whole.as_nanos() as f64 / count.max(1) as f64;
        times.sort();
        let at = |percent: usize| {
            let time = times.get(times.len() * percent / 100);
            time.map_or(0.0, |t| t.as_nanos() as f64)
        };
        println!(
            "cpu {} wall {} p50 {} p99 {} rss {}",
            each(cpu),
            each(wall),
            at(50),
            at(99),
            resident()?
        );
        Ok(())
    }
}

/// What the scheduler says that the threads of this process have run.
fn cpu() -> Result<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += text.split(' ').next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// A thousand connections, or as many as this process may have files for.
fn many() -> Result<usize> {
    Ok((files()? / 3).min(1_000))
}

/// How many files this process may still open.
fn files() -> Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"));
    let soft = line.and_then(|l| l.split_whitespace().next());
    Ok(soft
        .and_then(|n| n.parse().ok())
        .unwrap_or(usize::MAX)
        .saturating_sub(64))
}

/// Octets of memory that this process holds.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|l| l.trim().strip_suffix(" kB"))
        .ok_or("no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib << 10)
}
