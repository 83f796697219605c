//! `explain`: one requirement, whole.

use super::Failure;
use crate::broker::cases;
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
    let ids: Vec<String> = cases::all()
        .iter()
        .filter(|c| c.requirement == requirement.id)
        .map(ToString::to_string)
        .collect();
    let passive = cases::PASSIVE.contains(&requirement.id.as_str());
    let passive = passive.then(|| format!("{}/passive", requirement.id));
    let ids: Vec<String> = ids.into_iter().chain(passive).collect();
    println!(
        "Cases:     {}",
        if ids.is_empty() {
            "none for brokers".to_owned()
        } else {
            ids.join(", ")
        }
    );
    Ok(0)
}
