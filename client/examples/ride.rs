//! A ride through every storm: two brokers (plain and TLS) that misbehave on
//! command, and clients that lose nothing.
//!
//! `cargo run --release --example ride` ends with a table, and with exit status
//! 1 if anything was lost that should not have been.
#![expect(clippy::disallowed_methods, reason = "an application has a clock")]

#[path = "ride/ledger.rs"]
mod ledger;
#[path = "ride/road.rs"]
mod road;
#[path = "ride/stages.rs"]
mod stages;
#[path = "ride/timeline.rs"]
mod timeline;

use std::process::ExitCode;

use road::Road;
use timeline::Timeline;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let timeline = Timeline::start();
    match ride(&timeline) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            timeline.headline(&format!("the ride ended early: {e}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns whether nothing was lost.
fn ride(timeline: &Timeline) -> Result<bool, Box<dyn std::error::Error>> {
    let roads = [
        Road::open("plain", false, timeline)?,
        Road::open("tls", true, timeline)?,
    ];
    stages::all(&roads, timeline)?;
    timeline.headline("the publishers stop; what is under way arrives");
    let mut reports = Vec::new();
    for road in roads {
        reports.push(road.end()?);
    }
    timeline.table(&reports);
    let good = reports.iter().all(ledger::Report::is_good);
    timeline.headline(if good {
        "nothing was lost"
    } else {
        "something went wrong: see the table"
    });
    Ok(good)
}
