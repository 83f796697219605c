//! The report as JSON, and the wire log of each case beside it.

use crate::finding::{Finding, Side};
use crate::grade::Grade;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Of the report's form: it grows when a reader of the old one would err.
pub(crate) const SCHEMA: u32 = 1;

#[derive(Serialize)]
pub(crate) struct Run {
    pub(crate) schema: u32,
    pub(crate) tool: String,
    pub(crate) side: Side,
    /// The broker's URL without secrets, or the client's name and version.
    pub(crate) target: String,
    /// What it can do, as it was found or as it said.
    pub(crate) caps: serde_json::Value,
    /// Cases by level and grade.
    pub(crate) totals: BTreeMap<String, BTreeMap<String, usize>>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Serialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) requirement: String,
    pub(crate) side: Side,
    pub(crate) level: String,
    pub(crate) grade: Grade,
    /// How each of its connections ended.
    pub(crate) endings: Vec<String>,
    pub(crate) section: String,
    pub(crate) rule: String,
    pub(crate) observed: String,
    pub(crate) duration_ms: u64,
    /// Within the folder of wire logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wire: Option<String>,
}

/// Who was judged.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) side: Side,
    /// Without secrets.
    pub(crate) name: String,
    pub(crate) caps: serde_json::Value,
}

/// All of a run, with the names of wire logs if they were kept.
pub(crate) fn of(subject: &Subject, findings: &[Finding], wire: bool) -> Run {
    let mut totals: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for finding in findings {
        let level = totals
            .entry(finding.requirement.level.to_string())
            .or_default();
        *level.entry(finding.grade.name().to_owned()).or_default() += 1;
    }
    let case = |f: &Finding| Case {
        id: f.id.clone(),
        requirement: f.requirement.id.clone(),
        side: f.side,
        level: f.requirement.level.to_string(),
        grade: f.grade,
        endings: f.endings.iter().map(ToString::to_string).collect(),
        section: f.requirement.section.clone(),
        rule: f.requirement.statement.clone(),
        observed: f.observed.clone(),
        duration_ms: u64::try_from(f.took.as_millis()).unwrap_or(u64::MAX),
        wire: (wire && !f.log.is_empty()).then(|| file(&f.id)),
    };
    Run {
        schema: SCHEMA,
        tool: format!("stomp-conformance {}", env!("CARGO_PKG_VERSION")),
        side: subject.side,
        target: subject.name.clone(),
        caps: subject.caps.clone(),
        totals,
        cases: findings.iter().map(case).collect(),
    }
}

/// The wire log of a case, as a file's name.
fn file(id: &str) -> String {
    format!("{}.jsonl", id.replace('/', "_"))
}

/// One file of JSON Lines for each case.
pub(crate) fn write_wire(folder: &Path, findings: &[Finding]) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for finding in findings.iter().filter(|f| !f.log.is_empty()) {
        let mut lines = String::new();
        for entry in &finding.log {
            let line = serde_json::to_string(entry).map_err(|error| error.to_string())?;
            lines.push_str(&line);
            lines.push('\n');
        }
        super::write(&folder.join(file(&finding.id)), &lines)?;
    }
    Ok(())
}
