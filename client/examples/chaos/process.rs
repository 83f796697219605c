//! What the process holds: threads and memory.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Helper threads that wait for a slow token source end by themselves.
const PATIENCE: Duration = Duration::from_secs(15);
/// Rounds after which the process has what it needs.
const WARM: usize = 3;
/// What it may have grown by since, in KiB: the brokers' transcripts differ from
/// round to round, and the allocator keeps what it once had.
const MOST_GROWTH: u64 = 160 * 1024;
/// Of so many rounds the one counts that left the least.
const LAST: usize = 5;

pub(crate) struct Process {
    threads: u64,
    /// Resident memory in KiB after each round.
    resident: Vec<u64>,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self {
            threads: status("Threads:"),
            resident: Vec::new(),
        }
    }

    /// After a round: nothing of it must be left.
    pub(crate) fn check(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        let limit = Instant::now() + PATIENCE;
        while status("Threads:") > self.threads && Instant::now() < limit {
            thread::sleep(Duration::from_millis(20));
        }
        let threads = status("Threads:");
        if threads > self.threads {
            wrong.push(format!(
                "{threads} threads are left of a round that began with {}",
                self.threads
            ));
        }
        self.resident.push(status("VmRSS:"));
        let warm = self.resident.iter().take(WARM).max().copied();
        let now = self.resident.iter().rev().take(LAST).min().copied();
        if let (Some(warm), Some(now)) = (warm, now) {
            if now > warm + MOST_GROWTH {
                wrong.push(format!("memory grew from {warm} KiB to {now} KiB"));
            }
        }
        wrong
    }

    pub(crate) fn words(&self) -> String {
        let mib = |kib: Option<&u64>| kib.copied().unwrap_or_default() / 1024;
        let first = self.resident.get(WARM - 1).or(self.resident.last());
        format!(
            "{} rounds, {} threads at the end, resident memory {} MiB after the third round, \
             {} MiB at most, {} MiB at the end",
            self.resident.len(),
            status("Threads:"),
            mib(first),
            mib(self.resident.iter().max()),
            mib(self.resident.last()),
        )
    }
}

/// A line of this process's status; 0 where there is no such thing.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}
