//! The report as one page that needs nothing beside it: the runs lie in it as
//! JSON, and its script shows them.

use super::fix;
use super::json::Run;
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

pub(crate) fn of(runs: &[Run]) -> Result<String, String> {
    let ids: BTreeSet<&str> = runs
        .iter()
        .flat_map(|run| &run.cases)
        .map(|case| case.requirement.as_str())
        .collect();
    let fixes: BTreeMap<&str, &str> = ids
        .into_iter()
        .filter_map(|id| fix::of(id).map(|fix| (id, fix)))
        .collect();
    let data = serde_json::json!({ "runs": runs, "fixes": fixes });
    // No text may end the script that it lies in.
    let data = data.to_string().replace('<', "\\u003c");
    let page = PAGE.replace("/*style*/", STYLE);
    let page = page.replace("/*script*/", SCRIPT);
    Ok(page.replace("/*data*/", &data))
}
