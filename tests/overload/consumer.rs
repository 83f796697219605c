//! A consumer in a process of its own, that does what it is told over its
//! standard input, one answer to each line.

use std::{
    env,
    io::{self, BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use hobnail::{
    Client, Event,
    config::{Overflow, Spool},
};
use hobnail_mock_broker::MockBroker;

use crate::{number, spilled, subscribe};

/// The consumer, seen from the test.
pub(crate) struct Consumer {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Consumer {
    pub(crate) fn start(broker: &MockBroker, role: &str, spool: &Path) -> Self {
        Self::start_under(&[], broker, role, spool)
    }

    /// Run by another program, that is given its command line.
    pub(crate) fn start_under(
        wrapper: &[&str],
        broker: &MockBroker,
        role: &str,
        spool: &Path,
    ) -> Self {
        let own = env::current_exe().expect("this is a program");
        let mut line: Vec<&std::ffi::OsStr> = wrapper.iter().map(|word| (*word).as_ref()).collect();
        line.push(own.as_ref());
        line.extend(["--exact", "consumer::as_told", "--nocapture"].map(std::ffi::OsStr::new));
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .env(ROLE, role)
            .env(URL, broker.url())
            .env(SPOOL, spool)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let orders = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut consumer = Self {
            child,
            orders,
            answers,
        };
        assert_eq!(consumer.answer(), "ready");
        consumer
    }

    /// Tells it something, and waits for what it says to that.
    pub(crate) fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("it listens");
        self.answer()
    }

    /// Asks until the answer is what is wanted.
    pub(crate) fn ask_until(&mut self, order: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = std::time::Instant::now() + 2 * hobnail_tests::SOON;
        loop {
            let answer = self.ask(order);
            if wanted(&answer) {
                return answer;
            }
            assert!(std::time::Instant::now() < deadline, "{order}: {answer}");
            std::thread::yield_now();
        }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    fn answer(&mut self) -> String {
        loop {
            let line = self.answers.next().expect("it lives").expect("text");
            if let Some((_, answer)) = line.split_once(MARK) {
                return answer.to_owned();
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The consumer itself; the test runner finds nothing to do here.
#[test]
fn as_told() {
    match env::var(ROLE).as_deref() {
        Ok("spill") => spill(),
        Ok("memory") => crate::memory::consume(),
        Ok("pause") => crate::memory::consume_alone(Overflow::Pause),
        Ok("fail") => crate::memory::consume_alone(Overflow::Fail),
        Ok(other) => panic!("{other}"),
        Err(_) => {}
    }
}

/// What the test says is behind this, whatever else is printed.
pub(crate) fn say(answer: impl std::fmt::Display) {
    println!("{MARK}{answer}");
    io::stdout().flush().expect("somebody listens");
}

pub(crate) fn url() -> String {
    env::var(URL).expect("it is told")
}

pub(crate) fn spool() -> Spool {
    Spool::new(env::var(SPOOL).expect("it is told"))
}

fn spill() {
    let spool = Spool {
        full: Overflow::DropNewest,
        ..spool()
    };
    let ballast = spool.path.with_extension("ballast");
    let client = Client::builder(url()).proxy(None).spool(spool).connect();
    let handle = client.expect("connects").spawn().expect("a thread");
    let events = handle.events();
    let calls = subscribe(&handle, "calls");
    say("ready");
    for order in io::stdin().lines() {
        let order = order.expect("text");
        match order.split_once(' ').unwrap_or((&order, "")) {
            ("take", count) => {
                let count: usize = count.parse().expect("a number");
                let taken: Vec<_> = (0..count).map(|_| number(&calls)).collect();
                assert!(taken.windows(2).all(|two| two[0] < two[1]), "{taken:?}");
                say(taken.last().expect("one at least"));
            }
            ("spilled", _) => say(spilled(&handle, "calls")),
            ("received", _) => say(handle.metrics().expect("metrics").messages),
            ("dropped", _) => say(handle.metrics().expect("metrics").dropped),
            ("failure", _) => {
                let failed = events.find_failure();
                say(failed.unwrap_or_default());
            }
            ("unload", _) => {
                std::fs::remove_file(&ballast).expect("it was there");
                say("done");
            }
            other => panic!("{other:?}"),
        }
    }
}

trait FindFailure {
    fn find_failure(&self) -> Option<String>;
}

impl FindFailure for hobnail::Events {
    fn find_failure(&self) -> Option<String> {
        std::iter::from_fn(|| self.try_recv()).find_map(|event| match event {
            Event::SpoolFailed { cause, .. } => Some(cause),
            _ => None,
        })
    }
}

const ROLE: &str = "HOBNAIL_TEST_ROLE";
const URL: &str = "HOBNAIL_TEST_URL";
const SPOOL: &str = "HOBNAIL_TEST_SPOOL";
const MARK: &str = "consumer> ";
