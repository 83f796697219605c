//! `explain`: one requirement, whole.

use super::Failure;
use super::list::cases_of;
use crate::finding::Side;
use crate::requirement::{self, Cost};
use crate::words;

pub(crate) fn run(id: &str) -> Result<u8, Failure> {
    let wanted = id.split('/').next().unwrap_or(id).to_ascii_uppercase();
    let Some(requirement) = requirement::by_id(&wanted) else {
        let ids = requirement::all().iter().map(|r| r.id.as_str());
        let near = words::nearest(&wanted, ids).unwrap_or_default();
        return Err(Failure::usage(format!(
            "no requirement is called {id}; {near} is one"
        )));
    };
    println!("{}  {}", requirement.id, requirement.level);
    println!("{}", requirement.statement);
    println!("\nSection:   {}", requirement.section);
    println!("Broker:    {}", requirement.test_broker);
    println!("Client:    {}", requirement.test_client);
    println!("Versions:  {}", requirement.version_diff);
    if !requirement.needs.is_empty() {
        println!("Needs:     {}", requirement.needs.join(", "));
    }
    let cost = match requirement.grade_if_violated {
        Cost::Fail => "FAILED",
        Cost::NonStrict => "NON-STRICT",
        Cost::Info => "INFO",
    };
    println!("If broken: {cost}");
    for side in [Side::Broker, Side::Client] {
        let all = cases_of(side).into_iter();
        let of_it = all.filter(|(_, id, _)| *id == requirement.id);
        let ids: Vec<String> = of_it.map(|(case, ..)| case).collect();
        let shown = match ids.is_empty() {
            true => "no case".to_owned(),
            false => ids.join(", "),
        };
        println!("{:<10} {shown}", format!("Of a {side}:"));
    }
    Ok(0)
}
