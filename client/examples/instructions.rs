//! Counts the instructions for each message with valgrind, and fails if there are more
//! than were written down here. Unlike times they are the same on a machine that is
//! busy, so that a change that costs something is seen before it goes in.
//!
//! ```sh
//! cargo run --release --example instructions
//! ```
//!
//! Each job runs twice, with few messages and with many, in a process of its own: the
//! difference is what the messages cost, without the start. No socket is involved.

#[path = "../benches/support/mod.rs"]
mod support;

use std::{
    error::Error,
    hint::black_box,
    process::{Command, ExitCode},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use hobnail::{
    config::QueueLimits,
    core::Input,
    frame::{Command as Verb, DecodeLimits, Decoder, Encoder, Frame, Version},
    queue::{Item, Notify, Popped, Queue},
};
use support::{
    Length, message,
    session::{Session, text},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a message of 300 octets may cost, and does it.
struct Job {
    name: &'static str,
    most: u64,
    run: fn(usize),
}

/// About a seventh more than when it was last written down: compilers differ, and so do
/// the processors' ways to search and copy.
const JOBS: [Job; 5] = [
    Job {
        name: "decode",
        most: 880,
        run: decode,
    },
    Job {
        name: "decode, few heads alike",
        most: 2_080,
        run: decode_unlike,
    },
    Job {
        name: "receive",
        most: 1_530,
        run: receive,
    },
    Job {
        name: "publish",
        most: 1_370,
        run: publish,
    },
    Job {
        name: "publish and confirm",
        most: 4_230,
        run: confirm,
    },
];

const FEW: usize = 2 * RUN;
const MANY: usize = 20 * RUN;

/// As many as come in one read, or are in flight.
const RUN: usize = 64;
const BODY: usize = 300;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [name, count] = &args[..] {
        let job = JOBS.iter().find(|job| job.name == name);
        (job.ok_or("no such job")?.run)(count.parse()?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut is_met = true;
    println!("{:<22}{:>12}{:>10}", "", "instructions", "at most");
    for job in &JOBS {
        let each = (counted(job, MANY)? - counted(job, FEW)?) / (MANY - FEW) as u64;
        let verdict = if each > job.most { "TOO MANY" } else { "" };
        println!("{:<22}{each:>12}{:>10}  {verdict}", job.name, job.most);
        is_met &= each <= job.most;
    }
    Ok(if is_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The instructions of a process that does a job with so many messages.
fn counted(job: &Job, count: usize) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(std::env::current_exe()?)
        .args([job.name, &count.to_string()])
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find_map(|line| line.split_once("refs:"));
    match line {
        Some((_, number)) if output.status.success() => {
            Ok(number.trim().replace(',', "").parse()?)
        }
        Some(_) | None => Err(format!("{}: {}: {told}", job.name, output.status).into()),
    }
}

/// As many MESSAGEs as come together.
fn messages() -> Vec<Bytes> {
    (0..RUN)
        .map(|nth| message(nth, BODY, Length::Said).into())
        .collect()
}

/// Octets of a WebSocket message become a frame.
fn decode(count: usize) {
    decode_all(&messages(), count);
}

/// The same, but each head has another length than those before it.
fn decode_unlike(count: usize) {
    let number = |nth: usize| 10_usize.pow(9 + nth as u32 % 7);
    let unlike = (0..RUN).map(|nth| message(number(nth), BODY, Length::Said).into());
    decode_all(&unlike.collect::<Vec<_>>(), count);
}

fn decode_all(messages: &[Bytes], count: usize) {
    let mut decoder = Decoder::new(DecodeLimits::default());
    for nth in 0..count {
        decoder.push(text(messages[nth % RUN].clone()));
        black_box(decoder.next_frame().expect("it is STOMP"));
    }
}

/// The same through the core and a subscription's queue, and looked at.
fn receive(count: usize) {
    let (messages, mut session) = (messages(), Session::live());
    let queue = Queue::new(QueueLimits::default(), Arc::new(Nobody));
    for _ in 0..count / RUN {
        for octets in &messages {
            let input = Input::Message(text(octets.clone()));
            session.core.handle(session.now, input);
        }
        let came = session.core.deliveries();
        let mut next = || came.pop_front().map(|(_, frame)| Came(frame));
        queue.push_all(&mut next, false);
        let mut seen = 0;
        while let Popped::Item(Came(frame)) = queue.try_pop() {
            for name in ["destination", "subscription", "message-id"] {
                black_box(frame.header(name));
            }
            black_box(frame.body());
            seen += 1;
        }
        assert_eq!(seen, RUN);
    }
}

/// What lies in the queue.
#[derive(Clone)]
struct Came(Frame);

impl Item for Came {
    fn size(&self) -> usize {
        self.0.len()
    }

    fn key(&self, _: &str) -> Option<Box<[u8]>> {
        None
    }

    fn detach(&mut self) {}
}

/// Waits for room: it is always there.
struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

/// Writes SENDs into memory that is used again.
struct Writer {
    buffer: BytesMut,
    body: Vec<u8>,
}

impl Writer {
    fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            body: vec![b'x'; BODY],
        }
    }

    fn send(&mut self, receipt: Option<u64>) -> Bytes {
        self.buffer.reserve(BODY + 256);
        let mut send = Encoder::new(&mut self.buffer, Verb::Send, Version::V1_2);
        send.header("destination", "/queue/a").expect("it fits");
        if let Some(receipt) = receipt {
            send.header_u64("receipt", receipt).expect("it fits");
        }
        send.finish(&self.body).expect("it fits");
        self.buffer.split().freeze()
    }
}

/// A SEND is written and goes through the core to the link.
fn publish(count: usize) {
    let (mut session, mut writer) = (Session::live(), Writer::new());
    for _ in 0..count {
        session.publish(&writer.send(None), None);
    }
}

/// The same, and its RECEIPT comes; some are in flight.
fn confirm(count: usize) {
    let (mut session, mut writer) = (Session::live(), Writer::new());
    for _ in 0..count / RUN {
        let first = session.receipts + 1;
        for receipt in first..first + RUN as u64 {
            session.publish(&writer.send(Some(receipt)), Some(receipt));
        }
        session.receipts += RUN as u64;
        for receipt in first..=session.receipts {
            let octets = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
            let input = Input::Message(text(octets.into()));
            session.core.handle(session.now, input);
        }
        assert_eq!(session.core.confirmed().drain(..).count(), RUN);
    }
}
