//! Programs of others, that do a job of this one.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use crate::Result;

/// A program that receives, given `recv COUNT SIZE PORT`.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    command: Vec<String>,
}

impl Peer {
    /// Reads `NAME=COMMAND`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (name, command) = text.split_once('=')?;
        let command: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        let is_own = ["raw", "driven", "threaded"].contains(&name);
        (!is_own && !command.is_empty()).then(|| Self {
            name: name.to_owned().leak(),
            command,
        })
    }
}

/// Runs it to its end. Its own start is counted, and the clock of the system
/// is coarse: it is asked for twice as much.
pub(crate) fn run(
    peer: &Peer,
    what: &str,
    count: usize,
    size: usize,
    url: &str,
) -> Result<super::plan::Took> {
    let count = count * 2;
    let port = url.rsplit(':').next().unwrap_or_default();
    let before = children()?;
    let began = Instant::now();
    let status = Command::new(&peer.command[0])
        .args(&peer.command[1..])
        .args([what, &count.to_string(), &size.to_string()])
        .arg(port.trim_end_matches('/'))
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("{} {what}: {status}", peer.name).into());
    }
    let each = |whole: f64| whole / count as f64;
    let wall = began.elapsed().as_nanos() as f64;
    Ok([
        ("cpu".to_owned(), each((children()? - before) * TICK)),
        ("wall".to_owned(), each(wall)),
    ]
    .into())
}

/// Clock ticks, user and system, of all children that have ended.
fn children() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may hold blanks.
    let (_, rest) = stat.rsplit_once(')').ok_or("no name in stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |nth: usize| fields.get(nth).and_then(|field| field.parse::<f64>().ok());
    let both = ticks(13).zip(ticks(14)).ok_or("no times in stat")?;
    Ok(both.0 + both.1)
}

/// Nanoseconds; a hundredth of a second on every Linux there is.
const TICK: f64 = 1e7;
