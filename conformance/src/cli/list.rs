//! `list`: what would run.

use super::select::{Seen, Selection};
use super::{Failure, NOTHING};
use crate::broker::cases;
use crate::client;
use crate::finding::Side;
use crate::requirement::{self, Requirement};
use std::collections::BTreeSet;

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Ids with *, areas, level:…, needs:…, tag:slow; ! takes away.
    select: Vec<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Who is asked.
    #[arg(long, value_enum, default_value_t = Side::Broker)]
    side: Side,
    /// Show the requirements that ask something of that side and have no case instead.
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
        for requirement in uncovered(args.side) {
            println!(
                "{:<12} {:<9} {}",
                requirement.id,
                requirement.level,
                requirement.test(args.side)
            );
        }
        return Ok(0);
    }
    let mut count = 0;
    let mut json = Vec::new();
    for (id, requirement, slow) in cases_of(args.side) {
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

/// Ids of the cases and rules of a side, each with its requirement and whether
/// it is slow.
pub(crate) fn cases_of(side: Side) -> Vec<(String, &'static str, bool)> {
    let passive = |ids: &[&'static str]| -> Vec<_> {
        let rule = |id: &&'static str| (format!("{id}/passive"), *id, false);
        ids.iter().map(rule).collect()
    };
    match side {
        Side::Broker => {
            let all = cases::all().into_iter();
            let active = all.map(|c| (c.to_string(), c.requirement, c.slow));
            active.chain(passive(cases::PASSIVE)).collect()
        }
        Side::Client => {
            let all = client::cases::all().into_iter();
            let active = all.map(|c| (c.to_string(), c.requirement, c.slow));
            active.chain(passive(client::passive::RULES)).collect()
        }
    }
}

/// Requirements that ask something of a side and have no case.
pub(crate) fn uncovered(side: Side) -> Vec<&'static Requirement> {
    let covered: BTreeSet<&str> = cases_of(side).iter().map(|(_, id, _)| *id).collect();
    let asks = |r: &&Requirement| r.asks(side) && !covered.contains(r.id.as_str());
    requirement::all().iter().filter(asks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that has no case must say why, and is counted here.
    #[test]
    fn every_requirement_of_a_client_has_a_case() {
        let asked = requirement::all().iter().filter(|r| r.asks(Side::Client));
        assert_eq!(asked.count(), 229);
        let uncovered: Vec<&str> = uncovered(Side::Client)
            .iter()
            .map(|r| r.id.as_str())
            .collect();
        assert_eq!(uncovered, Vec::<&str>::new());
    }
}
