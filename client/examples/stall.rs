//! Consumers that stand still while a storm goes on, one policy each, side by
//! side in processes of their own: what they cost, and what the other
//! subscription of the same client notices of it. Beside them one that reads on,
//! to compare with.
//!
//! `stall [PER_SECOND [SECONDS]]`, by default 2,000 a second for 60 s. Fails if
//! one of them takes more memory than its bound and 1 MiB.

#![expect(clippy::disallowed_methods, reason = "a measurement has a clock")]

use std::{
    env,
    error::Error,
    fs,
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hobnail::{
    Client, Subscription,
    config::{Overflow, QueueLimits},
};
use hobnail_mock_broker::{MockBroker, Scenario};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const LIMITS: QueueLimits = QueueLimits {
    messages: 4_000,
    octets: 1 << 20,
    overflow: Overflow::Pause,
};

/// Beside the bound, in KiB.
const MORE: i64 = 1024;

/// Its consumer does not stall.
const READS: &str = "none stalls";

const POLICIES: &[(&str, Overflow)] = &[
    (READS, Overflow::Pause),
    ("drop-oldest", Overflow::DropOldest),
    ("drop-newest", Overflow::DropNewest),
    ("latest-by", Overflow::LatestBy("kind")),
    #[cfg(feature = "spill")]
    ("spill", Overflow::Spill),
    ("pause", Overflow::Pause),
];

const USAGE: &str = "usage: stall [PER_SECOND [SECONDS]]";

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["consumer", policy, url, file] => consume(policy, url, file),
        _ => measure(&args),
    }
}

/// Starts the consumers and makes the storm.
fn measure(args: &[String]) -> Result<()> {
    let number = |at: usize, default: f64| match args.get(at) {
        Some(text) => text
            .parse()
            .map_err(|_| format!("{text} is no number; {USAGE}")),
        None => Ok(default),
    };
    let (rate, seconds) = (number(0, 2_000.0)?, number(1, 60.0)?);
    let broker = MockBroker::start(Scenario::builder().bounds(|b| b.transcript = 1_000).build())?;
    let mut consumers = Vec::new();
    for (policy, _) in POLICIES {
        consumers.push(Consumer::start(policy, &broker.url())?);
    }
    let say = |what: &str| println!("{what}");
    say("a storm that is read, to warm up");
    storm(&broker, rate, Duration::from_secs(3));
    for consumer in &mut consumers {
        consumer.ask("stall")?;
    }
    say(&format!(
        "{rate} events/s for {seconds} s, nobody reads them"
    ));
    storm(&broker, rate, Duration::from_secs_f64(seconds));
    println!(
        "{:>12} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>20}",
        "policy", "received", "dropped", "on disk", "RSS", "growth", "2nd half", "the neighbour's"
    );
    let mut worst = 0;
    for consumer in &mut consumers {
        let report = consumer.ask("report")?;
        let (growth, row) = report.split_once(';').ok_or("no report")?;
        worst = worst.max(growth.parse()?);
        println!("{row}");
    }
    let bound = (LIMITS.octets >> 10) as i64;
    println!("RSS and what it grew by at the most: KiB, {bound} and {MORE} are allowed");
    println!("the neighbour's latency meanwhile: µs, median / 99 % / longest");
    if worst > bound + MORE {
        return Err(format!("{worst} KiB are more").into());
    }
    Ok(())
}

/// Publishes at a steady rate, and 100 times a second for those who are quick.
fn storm(broker: &MockBroker, rate: f64, lasts: Duration) {
    let began = Instant::now();
    let mut sent = 0_u64;
    while began.elapsed() < lasts {
        let due = (began.elapsed().as_secs_f64() * rate) as u64;
        while sent < due {
            let kind = (sent % 500).to_string();
            broker.publish("/topic/storm", &[("kind", &kind)], &[b'x'; 300]);
            sent += 1;
        }
        broker.publish("/topic/quick", &[], micros().to_string().as_bytes());
        thread::sleep(Duration::from_millis(10));
    }
}

struct Consumer {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    file: std::path::PathBuf,
}

impl Consumer {
    fn start(policy: &str, url: &str) -> Result<Self> {
        let name = format!("hobnail-stall-{}-{policy}", std::process::id());
        let file = env::temp_dir().join(name);
        let mut child = Command::new(env::current_exe()?)
            .args(["consumer", policy, url])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().ok_or("no pipe")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        let mut consumer = Self {
            child,
            orders,
            answers,
            file,
        };
        consumer.answer()?;
        Ok(consumer)
    }

    fn ask(&mut self, order: &str) -> Result<String> {
        writeln!(self.orders, "{order}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        Ok(self.answers.next().ok_or("a consumer has ended")??)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_file(&self.file).ok();
    }
}

fn consume(policy: &str, url: &str, file: &str) -> Result<()> {
    let builder = Client::builder(url).proxy(None);
    #[cfg(feature = "spill")]
    let builder = match policy {
        "spill" => builder.spool(hobnail::config::Spool::new(file)),
        _ => builder,
    };
    let _ = file;
    let handle = builder.connect()?.spawn()?;
    let overflow = POLICIES.iter().find(|(name, _)| *name == policy);
    let overflow = overflow.ok_or("no such policy")?.1;
    let limits = QueueLimits { overflow, ..LIMITS };
    let slow = handle.subscription("/topic/storm").id("slow").queue(limits);
    let slow = slow.subscribe()?;
    let quick = handle.subscribe("/topic/quick")?;
    let (tell, latencies) = mpsc::channel();
    thread::spawn(move || read_quick(&quick, &tell));
    let taken = || {
        let mut taken: Vec<u128> = latencies.try_iter().collect();
        taken.sort_unstable();
        match taken.len() {
            0 => "none came".to_owned(),
            n => {
                let [median, most] = [n / 2, n * 99 / 100].map(|at| taken[at]);
                format!("{median} / {most} / {}", taken[n - 1])
            }
        }
    };
    let (stall, stalled) = mpsc::channel();
    let reader = thread::spawn(move || {
        while stalled.try_recv().is_err() {
            slow.recv_timeout(Duration::from_millis(100)).ok();
        }
        while let Ok(Some(_)) = slow.try_recv() {}
        slow
    });
    println!("ready");
    let mut orders = std::io::stdin().lines();
    orders.next();
    let _slow = match policy {
        READS => None,
        _ => {
            stall.send(())?;
            Some(reader.join().map_err(|_| "the reader panicked")?)
        }
    };
    let before = resident()?;
    taken();
    println!("stalled");
    let growth = watch(before);
    orders.next();
    let growth = growth()?;
    let metrics = handle.metrics()?;
    let queue = metrics.queues.iter().find(|q| q.subscription == "slow");
    let on_disk = queue.map_or(0, |q| q.depth.spilled_messages);
    let most = growth.iter().max().copied().unwrap_or_default();
    let half = growth.get(growth.len() / 2).copied().unwrap_or_default();
    println!(
        "{most};{policy:>12} {:>9} {:>9} {on_disk:>9} {before:>8} {most:>8} {:>8} {:>20}",
        metrics.messages,
        metrics.dropped,
        growth.last().copied().unwrap_or_default() - half,
        taken(),
    );
    orders.next();
    Ok(())
}

/// By how much memory has grown, four times a second until that is asked for.
fn watch(before: i64) -> impl FnOnce() -> Result<Vec<i64>> {
    let (stop, stopped) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let mut growth = Vec::with_capacity(1 << 12);
        while stopped.recv_timeout(Duration::from_millis(250)) == Err(RecvTimeoutError::Timeout) {
            growth.extend(resident().map(|now| now - before));
        }
        growth
    });
    move || {
        stop.send(())?;
        watch.join().map_err(|_| "the watch panicked".into())
    }
}

fn read_quick(quick: &Subscription, tell: &mpsc::Sender<u128>) {
    while let Ok(message) = quick.recv() {
        let sent = message.text().ok().and_then(|text| text.parse().ok());
        let took = micros().saturating_sub(sent.unwrap_or_default());
        if tell.send(took).is_err() {
            return;
        }
    }
}

fn micros() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_micros()
}

/// KiB of this process that are in memory.
fn resident() -> Result<i64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("there is no VmRSS")?.parse()?)
}
