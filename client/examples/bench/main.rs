//! Measures the client beside blocking tungstenite without any STOMP, the
//! nearest to the wire that a blocking program can be.
//!
//! ```sh
//! cargo run --release --example bench                  # every row, about three minutes
//! cargo run --release --example bench -- recv send     # rows whose name holds a word
//! cargo run --release --example bench -- --runs 9 --json rows.json --page docs
//! cargo run --release --example bench -- --peer wstomp=target/wstomp-bench
//! ```
//!
//! It starts its own load source, and each job in a process of its own, raw and
//! hobnail by turns. What counts is the processor time (user and system) of the
//! process per message, and the median of the runs.

#![expect(clippy::disallowed_methods, reason = "a measurement has a clock")]

mod job;
mod page;
mod peer;
mod plan;
mod size;
mod source;
mod turns;

use std::error::Error;

use peer::Peer;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        // What this program starts.
        Some("source") => source::serve(),
        Some("job") => job::run(&args[1..]),
        _ => {
            let mut options = Options::default();
            let mut rest = args.into_iter();
            while let Some(arg) = rest.next() {
                let mut value = || rest.next().ok_or(USAGE);
                match arg.as_str() {
                    "--runs" => options.runs = value()?.parse()?,
                    "--json" => options.json = Some(value()?),
                    "--page" => options.page = Some(value()?),
                    "--peer" => options.peers.push(Peer::read(&value()?).ok_or(USAGE)?),
                    "--quick" => options.divide = 10,
                    "--help" => {
                        println!("{USAGE}");
                        return Ok(());
                    }
                    other if other.starts_with('-') => return Err(USAGE.into()),
                    word => options.words.push(word.to_owned()),
                }
            }
            compare(&options)
        }
    }
}

const USAGE: &str = "\
usage: bench [WORD...] [--runs N] [--quick] [--json FILE] [--page FOLDER] [--peer NAME=COMMAND]

COMMAND is run with `recv COUNT SIZE PORT`: it connects to ws://127.0.0.1:PORT/, subscribes
to /blast/COUNT/SIZE, and ends when it has received so many messages.";

/// What is no comparison with raw tungstenite.
const ELSEWHERE: &str = "\
Shown by other commands:
  allocations, octets copied, wake-ups when idle   cargo test -p hobnail-tests --test costs
  memory while a consumer stands still             cargo test -p hobnail-tests --test overload
  frames read, beside other codecs                 cargo bench --manifest-path client/benches/peers/Cargo.toml
  timers, beside BTreeMap and BinaryHeap           cargo bench -p hobnail --bench wheel
  instructions for each message                    cargo run --release --example instructions";

struct Options {
    words: Vec<String>,
    peers: Vec<Peer>,
    runs: usize,
    /// Fewer messages by this factor.
    divide: usize,
    json: Option<String>,
    page: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            peers: Vec::new(),
            runs: 5,
            divide: 1,
            json: None,
            page: None,
        }
    }
}

fn compare(options: &Options) -> Result<()> {
    let load = page::load();
    let source = source::Source::start()?;
    let rows: Vec<_> = plan::rows(&options.peers)
        .into_iter()
        .filter(|row| {
            options.words.is_empty() || options.words.iter().any(|word| row.name.contains(word))
        })
        .collect();
    let measured = plan::measure(rows, &source, options)?;
    println!("{}", page::heading());
    for row in &measured {
        println!("{}", page::line(row));
    }
    if options.words.is_empty() {
        println!("\n{ELSEWHERE}");
    }
    if let Some(file) = &options.json {
        std::fs::write(file, page::json(&measured)?)?;
    }
    if let Some(folder) = &options.page {
        page::write(folder.as_ref(), &measured, options.runs, &load)?;
    }
    Ok(())
}
