//! What is measured, and what is hoped for.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use crate::{Options, Peer, Result, peer, size, source::Source, turns};

/// One job: who, what, the size of the bodies, and whether over TLS.
pub(crate) type Job = (&'static str, &'static str, usize, bool);

/// What a job took, by name: `cpu`, `wall`, `p50`, `p99` in nanoseconds a
/// message, `rss`, `each` and `octets` in octets.
pub(crate) type Took = BTreeMap<String, f64>;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    ours: Job,
    theirs: Option<Job>,
    /// The name of the figure.
    pub(crate) figure: &'static str,
    pub(crate) target: Target,
}

#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Ours is at most so many times theirs.
    Times(f64),
    /// Our rate is at least this part of theirs.
    Rate(f64),
    /// Ours is at most so much.
    Most(f64),
    /// It is as it is.
    None,
}

/// A row with its medians.
pub(crate) struct Measured {
    pub(crate) row: Row,
    pub(crate) ours: f64,
    pub(crate) theirs: Option<f64>,
}

impl Measured {
    /// What the target is about.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let theirs = self.theirs?;
        Some(match self.row.target {
            Target::Rate(_) => theirs / self.ours,
            Target::Times(_) | Target::Most(_) | Target::None => self.ours / theirs,
        })
    }

    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.row.target {
            Target::Times(most) => Some(self.ratio()? <= most),
            Target::Rate(least) => Some(self.ratio()? >= least),
            Target::Most(most) => Some(self.ours <= most),
            Target::None => None,
        }
    }
}

/// What is asked of a row with a peer: so many times less than that.
const PEERS: [(&str, f64); 2] = [("driven", 6.0), ("threaded", 4.0)];

pub(crate) fn rows(peers: &[Peer]) -> Vec<Row> {
    use Target::{Most, Rate, Times};
    let mut rows = Vec::new();
    let mut row = |name: String, figure, ours: Job, theirs: Option<Job>, target| {
        rows.push(Row {
            name,
            ours,
            theirs,
            figure,
            target,
        });
    };
    for tls in [false, true] {
        let over = if tls { "wss " } else { "" };
        for (who, cpu, rate, echo, tail) in [
            ("driven", 1.3, 0.8, 1.05, 1.2),
            ("threaded", 2.0, 0.6, 1.4, 1.4),
        ] {
            let job = |who, what| (who, what, 300, tls);
            let raw = |what| Some(("raw", what, 300, tls));
            let name = |what: &str| format!("{over}{what}, {who}");
            row(
                name("recv, CPU"),
                "cpu",
                job(who, "recv"),
                raw("recv"),
                Times(cpu),
            );
            row(
                name("recv, rate"),
                "wall",
                job(who, "recv"),
                raw("recv"),
                Rate(rate),
            );
            row(
                name("send, CPU"),
                "cpu",
                job(who, "send"),
                raw("send"),
                Times(cpu),
            );
            let plain = Some(job(who, "send"));
            row(
                name("send with 1,000 receipts in flight, rate"),
                "wall",
                job(who, "confirmed"),
                plain,
                Rate(0.6),
            );
            row(
                name("echo p50"),
                "p50",
                job(who, "echo"),
                raw("echo"),
                Times(echo),
            );
            row(
                name("echo p99"),
                "p99",
                job(who, "echo"),
                raw("echo"),
                Times(tail),
            );
        }
    }
    for peer in peers {
        for (who, less) in PEERS {
            row(
                format!("recv, CPU, {who}, beside {}", peer.name),
                "cpu",
                (who, "recv", 300, false),
                Some((peer.name, "recv", 300, false)),
                Times(1.0 / less),
            );
        }
    }
    let idle = |who| (who, "idle", 300, true);
    row(
        "wss idle, memory".into(),
        "rss",
        idle("driven"),
        Some(idle("raw")),
        Times(1.3),
    );
    let size = |who| (who, "size", 0, true);
    row(
        "wss size of the least program".into(),
        "octets",
        size("driven"),
        Some(size("raw")),
        Times(1.3),
    );
    let many = ("driven", "many", 300, false);
    row(
        "many connections, memory each".into(),
        "each",
        many,
        Some(("raw", "many", 300, false)),
        Most(48.0 * 1024.0),
    );
    let one = Some(("driven", "recv one by one", 300, false));
    row(
        "many connections, CPU beside one".into(),
        "cpu",
        many,
        one,
        Times(1.3),
    );
    row(
        "many connections, CPU".into(),
        "cpu",
        many,
        Some(("raw", "many", 300, false)),
        Times(1.3),
    );
    // Raw tungstenite connects and writes all SUBSCRIBEs at once: the round trips and
    // the source's own time. One by one it would be twenty times as much.
    let reconnect = |who| (who, "reconnect", 300, false);
    row(
        "1,000 subscriptions after 1006, driven".into(),
        "p50",
        reconnect("driven"),
        Some(reconnect("raw")),
        Times(2.0),
    );
    for size in [40, 300] {
        for who in ["driven", "threaded"] {
            row(
                format!("recv of {size} octets one by one, CPU, {who}"),
                "cpu",
                (who, "recv one by one", size, false),
                Some(("raw", "recv", size, false)),
                Target::None,
            );
        }
    }
    for size in [40, 4 << 10, 64 << 10, 1 << 20] {
        for (who, cpu) in [("driven", 1.3), ("threaded", 2.0)] {
            for what in ["recv", "send"] {
                let raw = Some(("raw", what, size, false));
                let name = format!("{what} of {size} octets, CPU, {who}");
                row(name, "cpu", (who, what, size, false), raw, Times(cpu));
            }
        }
    }
    rows
}

/// Runs the jobs of all rows, those of one size by turns, and takes medians.
pub(crate) fn measure(rows: Vec<Row>, source: &Source, options: &Options) -> Result<Vec<Measured>> {
    let runs = options.runs.max(1);
    let mut groups: BTreeMap<(bool, usize), Vec<Job>> = BTreeMap::new();
    for row in &rows {
        for job in [Some(row.ours), row.theirs].into_iter().flatten() {
            let group = groups.entry((job.3, job.2)).or_default();
            if !group.contains(&job) {
                group.push(job);
            }
        }
    }
    let mut figures: BTreeMap<Job, Vec<Took>> = BTreeMap::new();
    for ((tls, size), jobs) in groups {
        eprintln!(
            "{} octets{}: {} jobs, {runs} runs",
            size,
            if tls { " over wss" } else { "" },
            jobs.len()
        );
        let (trips, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.1 == "echo");
        for _ in 0..runs {
            let mut all = turns::run(&trips, 20_000 / options.divide, source)?;
            for job in &jobs {
                all.push((*job, run(*job, source, options)?));
            }
            for (job, one) in all {
                figures.entry(job).or_default().push(one);
            }
        }
    }
    let median = |job: Job, figure: &str| {
        let mut all: Vec<f64> = figures[&job].iter().map(|t| t[figure]).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let measured = rows.into_iter().map(|row| Measured {
        ours: median(row.ours, row.figure),
        theirs: row.theirs.map(|job| median(job, row.figure)),
        row,
    });
    Ok(measured.collect())
}

/// Runs one job.
fn run((who, what, size, tls): Job, source: &Source, options: &Options) -> Result<Took> {
    let count = match what {
        "size" => return size::of(who),
        "idle" => 1,
        "reconnect" => 50,
        // At least a third of a second of a processor.
        "confirmed" => 300_000,
        "recv" | "recv one by one" | "send" | "many" => {
            (1_000_000_000 / (size + 700)).clamp(1_000, 1_000_000)
        }
        other => return Err(format!("nobody does {other} alone").into()),
    };
    let count = (count / options.divide).max(1);
    if let Some(peer) = options.peers.iter().find(|peer| peer.name == who) {
        return peer::run(peer, what, count, size, source.url(tls));
    }
    let output = command((who, what, size, tls), count, source)?.output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("{who} {what} of {size} octets failed: {text}").into());
    }
    took(&text)
}

/// What starts a job in a process of its own.
pub(crate) fn command(
    (who, what, size, tls): Job,
    count: usize,
    source: &Source,
) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["job", who, what, &count.to_string(), &size.to_string()])
        .arg(source.url(tls))
        .stderr(Stdio::inherit());
    Ok(command)
}

/// Reads what a job says in the end.
pub(crate) fn took(text: &str) -> Result<Took> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words
        .chunks_exact(2)
        .map(|pair| Ok((pair[0].to_owned(), pair[1].parse()?)));
    pairs.collect()
}
