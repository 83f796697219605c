//! How many sessions one thread holds: heart-beats, memory, fan-out.
//!
//! `swarm [SESSIONS [INTERVAL_MS [SECONDS]]]`, by default 10000 sessions that
//! beat every 3000 ms, watched for 15 s.
//!
//! The broker is alone in its process, so that the memory is its own; the
//! sessions are held by a child. Both raise their limit of open files as far
//! as they may, through the shell. Build it with `--release`.

use hobnail_mock_broker::{MockBroker, Scenario};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Sessions that one event goes to.
const AUDIENCE: usize = 1000;
/// Events, one after the other.
const EVENTS: usize = 20;
/// Files a process needs besides its sessions.
const SPARE: usize = 64;
/// What is to be reached.
const MOST_RATIO: f64 = 1.2;
const MOST_KIB: f64 = 24.0;
/// How long the broker may take to see that they have all gone.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["--broker", sessions, interval, seconds] => broker(sessions, interval, seconds),
        ["--sessions", port, sessions, interval, seconds] => {
            swarm(port, sessions, interval, seconds)
        }
        _ => {
            let arg = |i: usize, default| args.get(i).copied().unwrap_or(default);
            again(&["--broker", arg(0, "10000"), arg(1, "3000"), arg(2, "15")])
                .and_then(|mut child| Ok(child.wait()?.success()))
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("swarm: {error}");
            ExitCode::FAILURE
        }
    }
}

/// This program once more, with as many open files as it may have.
fn again(args: &[&str]) -> Result<std::process::Child> {
    let child = Command::new("sh")
        .args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe()?)
        .args(args)
        .stdout(if args[0] == "--broker" {
            Stdio::inherit()
        } else {
            Stdio::piped()
        })
        .spawn()?;
    Ok(child)
}

fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|l| l.starts_with("Max open files"));
    let soft = line.and_then(|l| l.split_whitespace().nth(3));
    soft.and_then(|n| n.parse().ok()).unwrap_or(usize::MAX)
}

/// Resident memory in KiB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().nth(1));
    kib.and_then(|n| n.parse().ok()).unwrap_or(f64::NAN)
}

fn broker(sessions: &str, interval: &str, seconds: &str) -> Result<bool> {
    let wanted: usize = sessions.parse()?;
    let beat: u64 = interval.parse()?;
    let most = open_files().saturating_sub(SPARE);
    if most < wanted {
        println!("only {most} sessions: the limit of open files allows no more");
    }
    let sessions = wanted.min(most);
    let broker = MockBroker::start(Scenario::builder().heart_beat(beat, beat).build())?;
    let before = memory();
    let port = broker.port().to_string();
    let count = sessions.to_string();
    let mut child = again(&["--sessions", &port, &count, interval, seconds])?;
    let said = child.stdout.take().ok_or("no output")?;
    let mut good = true;
    let per_session = || (memory() - before) / sessions as f64;
    for line in BufReader::new(said).lines() {
        let line = line?;
        if line == "ready" {
            println!(
                "{} sessions, {:.1} KiB each",
                broker.sessions(),
                per_session()
            );
        } else {
            good &= !line.starts_with("FAILED");
            println!("{line}");
        }
    }
    let kib = per_session();
    println!("after all: {kib:.1} KiB RSS per session (at most {MOST_KIB})");
    good &= child.wait()?.success();
    // Only now have all its sockets been closed.
    let gone = Instant::now();
    let live = ended(&broker)?;
    println!(
        "{live} sessions left {:.0?} after the swarm had gone",
        gone.elapsed()
    );
    Ok(good && kib <= MOST_KIB && live == 0)
}

/// Waits for the end of all sessions, and says how many are left in the end.
fn ended(broker: &MockBroker) -> Result<usize> {
    let end = Instant::now() + GRACE;
    let mut from = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let live = broker.sessions();
        if live == 0 || left.is_zero() {
            return Ok(live);
        }
        from = broker.journal().follow_events(from, left)?.next;
    }
}

/// One session of the swarm.
struct Session {
    tcp: TcpStream,
    /// When the last octet came.
    last: Instant,
    /// The longest time without one, since all sessions stand.
    gap: Duration,
}

fn swarm(port: &str, sessions: &str, interval: &str, seconds: &str) -> Result<bool> {
    let (port, count): (u16, usize) = (port.parse()?, sessions.parse()?);
    let beat = Duration::from_millis(interval.parse()?);
    let watch = Duration::from_secs(seconds.parse()?);
    let mut poll = Poll::new()?;
    let began = Instant::now();
    let mut swarm = Vec::with_capacity(count);
    let audience = count.min(AUDIENCE);
    let (mut connected, mut confirmed) = (0, 0);
    let mut seen = |_, octets: &[u8]| {
        connected += usize::from(has(octets, b"CONNECTED\n"));
        confirmed += usize::from(has(octets, b"RECEIPT\n"));
        connected == count && confirmed == audience
    };
    let mut all = false;
    for i in 0..count {
        swarm.push(connect(port, i, beat, &poll)?);
        if i % 256 == 255 {
            turn(&mut poll, &mut swarm, Duration::ZERO, |i, o| {
                all = seen(i, o)
            })?;
        }
    }
    while !all {
        let wait = Duration::from_millis(10);
        turn(&mut poll, &mut swarm, wait, |i, o| all = seen(i, o))?;
        if began.elapsed() > Duration::from_secs(30) {
            return Err("not all sessions came to stand".into());
        }
    }
    eprintln!("{count} sessions stand after {:.1?}", began.elapsed());
    println!("ready");
    io::stdout().flush()?;
    for session in &mut swarm {
        session.gap = Duration::ZERO;
    }
    // Each session beats in its own part of the interval.
    let begin = Instant::now();
    let share = |i: usize| begin + beat.mul_f64(0.8 * i as f64 / count as f64);
    let mut due: VecDeque<(Instant, usize)> = (0..count).map(|i| (share(i), i)).collect();
    let mut latencies = Vec::new();
    let mut next_event = begin + watch / 4;
    while begin.elapsed() < watch {
        let now = Instant::now();
        while let Some((at, i)) = due.front().copied().filter(|(at, _)| *at <= now) {
            due.pop_front();
            due.push_back((at + beat.mul_f64(0.8), i));
            write(&mut swarm[i].tcp, &frame(b"\n"))?;
        }
        if latencies.len() < EVENTS && now >= next_event {
            next_event = now + watch / 40;
            latencies.push(fan_out(&mut poll, &mut swarm, audience)?);
        }
        turn(&mut poll, &mut swarm, Duration::from_millis(5), |_, _| {})?;
    }
    let longest = swarm.iter().map(|s| s.gap).max().unwrap_or_default();
    let ratio = longest.as_secs_f64() / beat.as_secs_f64();
    println!(
        "heart-beats: longest silence {longest:.0?} of {beat:?} agreed, {ratio:.2} times (at most {MOST_RATIO})"
    );
    latencies.sort();
    let [best, .., _] = latencies[..] else {
        return Err("no time for events: watch longer".into());
    };
    let middle = latencies[latencies.len() / 2];
    println!("one event to {audience} sessions: {best:.1?} at best, {middle:.1?} in the middle");
    if ratio > MOST_RATIO {
        println!("FAILED: heart-beats came late");
    }
    Ok(true)
}

/// Opens a session: request, CONNECT and, in the audience, SUBSCRIBE in one.
fn connect(port: u16, i: usize, beat: Duration, poll: &Poll) -> Result<Session> {
    let mut tcp = std::net::TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_nodelay(true)?;
    let ms = beat.as_millis();
    let mut octets = b"GET /stomp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n"
        .to_vec();
    let connect = format!("CONNECT\naccept-version:1.2\nhost:h\nheart-beat:{ms},{ms}\n\n\0");
    octets.extend(frame(connect.as_bytes()));
    if i < AUDIENCE {
        let subscribe = b"SUBSCRIBE\nid:0\ndestination:/topic/fan\nreceipt:r\n\n\0";
        octets.extend(frame(subscribe));
    }
    tcp.write_all(&octets)?;
    tcp.set_nonblocking(true)?;
    let mut tcp = TcpStream::from_std(tcp);
    poll.registry()
        .register(&mut tcp, Token(i), Interest::READABLE)?;
    let last = Instant::now();
    let gap = Duration::ZERO;
    Ok(Session { tcp, last, gap })
}

/// Reads what has come.
fn turn(
    poll: &mut Poll,
    swarm: &mut [Session],
    wait: Duration,
    mut seen: impl FnMut(usize, &[u8]),
) -> Result<()> {
    let mut events = Events::with_capacity(4096);
    poll.poll(&mut events, Some(wait))?;
    let mut buffer = [0; 16 << 10];
    for event in &events {
        let i = event.token().0;
        let Some(session) = swarm.get_mut(i) else {
            continue;
        };
        loop {
            match session.tcp.read(&mut buffer) {
                Ok(0) => return Err(format!("session {i} was ended").into()),
                Ok(n) => {
                    let now = Instant::now();
                    session.gap = session.gap.max(now - session.last);
                    session.last = now;
                    seen(i, &buffer[..n]);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(())
}

/// How long one event takes to the last of its audience.
fn fan_out(poll: &mut Poll, swarm: &mut [Session], audience: usize) -> Result<Duration> {
    let send = b"SEND\ndestination:/topic/fan\n\n{\"event\":\"of a size that events have\"}\0";
    let began = Instant::now();
    let last = swarm.len() - 1;
    write(&mut swarm[last].tcp, &frame(send))?;
    let mut got = 0;
    while got < audience {
        turn(poll, swarm, Duration::from_millis(1), |_, octets| {
            got += usize::from(has(octets, b"MESSAGE\n"));
        })?;
        if began.elapsed() > Duration::from_secs(10) {
            return Err(format!("only {got} of {audience} got the event").into());
        }
    }
    Ok(began.elapsed())
}

fn has(octets: &[u8], word: &[u8]) -> bool {
    octets.windows(word.len()).any(|w| w == word)
}

/// A socket's buffer takes the few octets that a session writes.
fn write(tcp: &mut TcpStream, octets: &[u8]) -> Result<()> {
    let n = tcp.write(octets)?;
    if n < octets.len() {
        return Err("the broker does not read".into());
    }
    Ok(())
}

/// A text frame whose mask changes nothing.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}
