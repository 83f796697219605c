//! What the process holds: threads and memory.

use std::{
    alloc::System,
    thread,
    time::{Duration, Instant},
};

use cap::Cap;

/// Counts what is allocated. Resident memory tells little of it: the threads of
/// each round get arenas of their own, whose free pages the allocator keeps.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Helper threads that wait for a slow token source end by themselves.
const PATIENCE: Duration = Duration::from_secs(15);
/// Rounds after which the process has what it needs.
const WARM: usize = 3;
/// What it may hold more since, in octets.
const MOST_GROWTH: usize = 4 << 20;
/// Of so many rounds the one counts that left the least.
const LAST: usize = 5;

pub(crate) struct Process {
    threads: u64,
    /// Octets that are allocated after each round.
    held: Vec<usize>,
    /// Resident memory in KiB, at most.
    resident: u64,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self {
            threads: status("Threads:"),
            held: Vec::new(),
            resident: 0,
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
        self.resident = self.resident.max(status("VmRSS:"));
        self.held.push(HEAP.allocated());
        let warm = self.held.iter().take(WARM).max().copied();
        let now = self.held.iter().rev().take(LAST).min().copied();
        if let (Some(warm), Some(now)) = (warm, now) {
            if now > warm + MOST_GROWTH {
                wrong.push(format!(
                    "what is allocated grew from {warm} octets to {now}"
                ));
            }
        }
        wrong
    }

    pub(crate) fn words(&self) -> String {
        let kib = |octets: Option<&usize>| octets.copied().unwrap_or_default() / 1024;
        let first = self.held.get(WARM - 1).or(self.held.last());
        format!(
            "{} rounds, {} threads at the end, {} KiB allocated after the third round, {} KiB at \
             the end, resident memory {} MiB at most",
            self.held.len(),
            status("Threads:"),
            kib(first),
            kib(self.held.last()),
            self.resident / 1024,
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
