//! The table for people, for programs, and as a page with a chart.

use std::{fmt::Write, fs, path::Path, process::Command};

use crate::{
    Result,
    plan::{Measured, Target},
};

pub(crate) fn heading() -> String {
    format!(
        "{:<52} {:>12} {:>12} {:>7}  {}",
        "", "hobnail", "beside", "ratio", "target"
    )
}

pub(crate) fn line(one: &Measured) -> String {
    let theirs = one.theirs.map_or_else(String::new, |t| figure(one, t));
    let ratio = one.ratio().map_or_else(String::new, |r| format!("{r:.2}"));
    format!(
        "{:<52} {:>12} {theirs:>12} {ratio:>7}  {}",
        one.row.name,
        figure(one, one.ours),
        target(one)
    )
}

fn figure(one: &Measured, value: f64) -> String {
    match (one.row.figure, one.row.target) {
        ("rss" | "each" | "octets", _) => format!("{:.0} KiB", value / 1024.0),
        (_, Target::Rate(_)) => format!("{:.0}/s", 1e9 / value),
        _ => format!("{:.2} µs", value / 1000.0),
    }
}

fn target(one: &Measured) -> String {
    let met = match one.is_met() {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    format!("{} {met}", wanted(one))
}

fn wanted(one: &Measured) -> String {
    match one.row.target {
        Target::Times(most) => format!("≤ {most:.2}"),
        Target::Rate(least) => format!("≥ {least:.2}"),
        Target::Most(most) => format!("≤ {:.0} KiB", most / 1024.0),
        Target::None => "none".to_owned(),
    }
}

pub(crate) fn json(rows: &[Measured]) -> Result<String> {
    let rows: Vec<_> = rows
        .iter()
        .map(|one| {
            serde_json::json!({
                "name": one.row.name,
                "figure": one.row.figure,
                "hobnail": one.ours,
                "beside": one.theirs,
                "ratio": one.ratio(),
                "met": one.is_met(),
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&rows)?)
}

/// `performance.md` and `performance.svg`.
pub(crate) fn write(folder: &Path, rows: &[Measured], runs: usize, load: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    let template = fs::read_to_string(folder.join("performance.md")).unwrap_or_default();
    let mut table = format!(
        "{} on {} ({}, {} processors, load {} before), {}, {}; medians of {runs} runs.\n\n{}\n\n",
        told("date", &["-u", "+%F"]),
        told("uname", &["-srm"]),
        line_of("/proc/cpuinfo", "model name"),
        std::thread::available_parallelism()?,
        load,
        told("rustc", &["--version"]),
        versions(),
        summary(rows),
    );
    table.push_str("![Ratios and targets](performance.svg)\n\n");
    table.push_str("| what | hobnail | beside | ratio | target |\n|---|---:|---:|---:|---|\n");
    for one in rows {
        let theirs = one.theirs.map_or_else(String::new, |t| figure(one, t));
        let ratio = one.ratio().map_or_else(String::new, |r| format!("{r:.2}"));
        writeln!(
            table,
            "| {} | {} | {theirs} | {ratio} | {} |",
            one.row.name,
            figure(one, one.ours),
            target(one)
        )?;
    }
    // What people wrote around the figures stays.
    let (before, rest) = template.split_once(BEGIN).unwrap_or(("", ""));
    let after = rest.split_once(END).map_or("\n", |(_, after)| after);
    let page = format!("{before}{BEGIN}\n{table}{END}{after}");
    fs::write(folder.join("performance.md"), page)?;
    fs::write(folder.join("performance.svg"), chart(rows)?)?;
    Ok(())
}

const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- /figures -->";

/// Which targets are met, in words.
fn summary(rows: &[Measured]) -> String {
    let judged: Vec<_> = rows.iter().filter_map(|r| Some((r, r.is_met()?))).collect();
    let missed: Vec<_> = judged.iter().filter(|(_, is_met)| !is_met).collect();
    let mut text = format!(
        "**{} of {} targets are met.**",
        judged.len() - missed.len(),
        judged.len()
    );
    for (nth, (row, _)) in missed.iter().enumerate() {
        text.push_str(if nth == 0 { " Missed: " } else { "; " });
        text.push_str(&row.row.name);
        if let Some(ratio) = row.ratio() {
            write!(text, " ({ratio:.2}, wanted {})", wanted(row)).ok();
        }
    }
    if !missed.is_empty() {
        text.push('.');
    }
    text
}

/// Of what is measured, as the lock file has it.
fn versions() -> String {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
    let lock = lock.unwrap_or_default();
    let version = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", rest.split_once('"')?.0))
    };
    let names = ["hobnail", "tungstenite", "native-tls"];
    names
        .iter()
        .filter_map(|name| version(name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a file of `name: value` lines says.
fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(
        || "processor?".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}

/// The load of the machine, averaged over a minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn told(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| format!("({program}?)"),
        |o| String::from_utf8_lossy(&o.stdout).trim().to_owned(),
    )
}

/// A bar for each ratio, and a mark where its target is.
fn chart(rows: &[Measured]) -> Result<String> {
    const LEFT: f64 = 330.0;
    const UNIT: f64 = 110.0;
    const STEP: usize = 18;
    let bars: Vec<_> = rows.iter().filter_map(|r| Some((r, r.ratio()?))).collect();
    let height = bars.len() * STEP + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"800\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"16\">ratio to what stands beside; the line is the target</text>\n"
    );
    for (nth, (row, ratio)) in bars.iter().enumerate() {
        let y = 28 + nth * STEP;
        let fill = if row.is_met() == Some(false) {
            "#c0603a"
        } else {
            "#3a7ac0"
        };
        let width = (ratio * UNIT).min(800.0 - LEFT - 50.0);
        let mark = match row.row.target {
            Target::Times(at) | Target::Rate(at) => at,
            Target::Most(_) | Target::None => 0.0,
        };
        writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT:.0}\" y=\"{y}\" width=\"{width:.1}\" height=\"12\" fill=\"{fill}\"/>\
             <text x=\"{:.0}\" y=\"{}\">{ratio:.2}</text>",
            LEFT - 6.0,
            y + 10,
            row.row.name,
            LEFT + width.max(mark * UNIT) + 12.0,
            y + 10,
        )?;
        if let Target::Times(at) | Target::Rate(at) = row.row.target {
            let x = LEFT + at * UNIT;
            writeln!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\" stroke=\"black\"/>",
                y - 2,
                y + 14
            )?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
