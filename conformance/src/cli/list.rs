//! `list`: what would run.

use super::select::{Seen, Selection};
use super::{Failure, NOTHING};
use crate::broker::cases;
use crate::requirement::{self, Requirement};
use std::collections::BTreeSet;

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Ids with *, areas, level:…, needs:…, tag:slow; ! takes away.
    select: Vec<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show the requirements that no case asks of a broker instead.
    #[arg(long)]
    uncovered: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(crate) fn run(args: &ListArgs) -> Result<u8, Failure> {
    let selection = Selection::parse(&args.select).map_err(Failure::usage)?;
    if args.uncovered {
        for requirement in uncovered() {
            println!(
                "{:<12} {:<9} {}",
                requirement.id, requirement.level, requirement.test_broker
            );
        }
        return Ok(0);
    }
    let all = cases::all();
    let active = all.iter().map(|c| (c.to_string(), c.requirement, c.slow));
    let passive = cases::PASSIVE
        .iter()
        .map(|id| (format!("{id}/passive"), *id, false));
    let mut count = 0;
    let mut json = Vec::new();
    for (id, requirement, slow) in active.chain(passive) {
        let Some(requirement) = requirement::by_id(requirement) else {
            continue;
        };
        if !selection.takes(&Seen {
            id: &id,
            requirement,
            slow,
        }) {
            continue;
        }
        count += 1;
        match args.format {
            Format::Table => {
                let needs = requirement.needs.join(",");
                println!(
                    "{id:<32} {:<9} {needs:<12} {}",
                    requirement.level, requirement.statement
                );
            }
            Format::Json => json.push(serde_json::json!({
                "id": id,
                "requirement": requirement.id,
                "level": requirement.level,
                "needs": requirement.needs,
                "statement": requirement.statement,
                "slow": slow,
            })),
        }
    }
    if let Format::Json = args.format {
        println!("{:#}", serde_json::Value::Array(json));
    }
    if count == 0 {
        eprintln!("no case is selected");
        return Ok(NOTHING);
    }
    Ok(0)
}

/// Requirements that ask something of a broker and have no case.
pub(crate) fn uncovered() -> Vec<&'static Requirement> {
    let covered: BTreeSet<&str> = cases::all()
        .iter()
        .map(|c| c.requirement)
        .chain(cases::PASSIVE.iter().copied())
        .collect();
    let asks = |r: &&Requirement| r.asks_broker() && !covered.contains(r.id.as_str());
    requirement::all().iter().filter(asks).collect()
}
