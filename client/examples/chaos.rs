//! Chaos: random scenarios from everything that the mock broker can do wrong,
//! against several clients at once, with an account of every message.
//!
//! `cargo run --release --example chaos -- --seed 1 --minutes 5` plays round after
//! round and ends with exit status 1 if anything was lost, or was delivered that
//! never left, and the scenario does not explain it. Each round has a seed of its
//! own; `--seed N --rounds 1` draws the same scenario again. `--keep FOLDER` writes
//! down what the brokers of failed rounds saw.
#![expect(clippy::disallowed_methods, reason = "an application has a clock")]

#[path = "chaos/books.rs"]
mod books;
#[path = "chaos/consume.rs"]
mod consume;
#[path = "chaos/draw.rs"]
mod draw;
#[path = "chaos/process.rs"]
mod process;
#[path = "chaos/publish.rs"]
mod publish;
#[path = "chaos/weather.rs"]
mod weather;
#[path = "chaos/world.rs"]
mod world;

use std::{
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use books::Sum;
use process::Process;

/// Lines about one round that failed.
const MOST_TOLD: usize = 10;

/// What was asked for on the command line.
struct Asked {
    seed: u64,
    length: Duration,
    rounds: u64,
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(text) => {
            eprintln!("{text}\nusage: chaos [--seed N] [--minutes M] [--rounds N] [--keep FOLDER]");
            return ExitCode::from(2);
        }
    };
    if play(&asked) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        seed: 1,
        length: Duration::MAX,
        rounds: u64::MAX,
        keep: None,
    };
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let wrong = |what: &str| format!("{word} {value}: {what}");
        match word.as_str() {
            "--seed" => asked.seed = value.parse().map_err(|_| wrong("no number"))?,
            "--rounds" => asked.rounds = value.parse().map_err(|_| wrong("no number"))?,
            "--keep" => asked.keep = Some(value.into()),
            "--minutes" => {
                let minutes: f64 = value.parse().map_err(|_| wrong("no number"))?;
                asked.length = Duration::try_from_secs_f64(minutes * 60.0)
                    .map_err(|_| wrong("no length of time"))?;
            }
            _ => return Err(format!("{word} is unknown")),
        }
    }
    if asked.length == Duration::MAX && asked.rounds == u64::MAX {
        asked.rounds = 1;
    }
    Ok(asked)
}

/// Returns whether nothing went wrong.
fn play(asked: &Asked) -> bool {
    let began = Instant::now();
    let mut process = Process::new();
    let mut all = Sum::default();
    let mut failed = Vec::new();
    println!("{}", Sum::head());
    for n in 0..asked.rounds {
        if began.elapsed() >= asked.length {
            break;
        }
        let seed = asked.seed + n;
        // One broker speaks plain, the other TLS; both are under their own weather.
        let worlds = [false, true].map(|tls| {
            let keep = asked.keep.clone();
            thread::spawn(move || world::play(seed, tls, keep.as_deref()))
        });
        let mut violations = Vec::new();
        for world in worlds {
            match world.join() {
                Ok(sum) => {
                    println!("{}", sum.row(seed));
                    violations.extend(sum.violations.iter().cloned());
                    all.add(&sum);
                }
                Err(_) => violations.push("a thread panicked: see above".to_owned()),
            }
        }
        violations.extend(process.check());
        if !violations.is_empty() {
            failed.push(seed);
        }
        for text in violations.iter().take(MOST_TOLD) {
            println!("  seed {seed}: {text}");
        }
        if violations.len() > MOST_TOLD {
            println!("  seed {seed}: {} in all", violations.len());
        }
    }
    println!("{}", all.row_of_all());
    println!(
        "{:.1} minutes, {}",
        began.elapsed().as_secs_f64() / 60.0,
        process.words()
    );
    for seed in &failed {
        println!("again: cargo run --release --example chaos -- --seed {seed} --rounds 1");
    }
    if failed.is_empty() {
        println!("no unexplained loss");
    }
    failed.is_empty()
}
