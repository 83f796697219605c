//! A run as it is written down: JSON that all other reports are made of, and
//! the wire log of each case beside it.

use crate::finding::{Excuse, Finding, Side};
use crate::grade::Grade;
use crate::requirement::{self, Level};
use crate::wire::log::Entry;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Of the report's form: it grows when a reader of the old one would err.
pub(crate) const SCHEMA: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) schema: u32,
    pub(crate) tool: String,
    pub(crate) side: Side,
    /// What people call it.
    pub(crate) name: String,
    /// The broker's URL without secrets, or the client's name and version.
    pub(crate) target: String,
    /// What it can do, as it was found or as it said.
    pub(crate) caps: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) how: Option<How>,
    /// Cases by level and grade.
    pub(crate) totals: BTreeMap<String, BTreeMap<String, usize>>,
    pub(crate) coverage: Coverage,
    pub(crate) cases: Vec<Case>,
}

/// How it was run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct How {
    /// The command line; secrets are masked.
    pub(crate) argv: Vec<String>,
    pub(crate) profile: String,
    pub(crate) strict: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    pub(crate) jobs: usize,
    pub(crate) repeat: usize,
    pub(crate) time_scale: f64,
    /// The day (UTC).
    pub(crate) day: String,
    pub(crate) took_ms: u64,
    /// System and processor.
    pub(crate) machine: String,
}

/// Requirements of this side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    /// That ask something.
    pub(crate) requirements: usize,
    /// That a case of this run asked.
    pub(crate) exercised: usize,
    /// That all traffic was held against.
    pub(crate) passive: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) requirement: String,
    pub(crate) side: Side,
    pub(crate) area: String,
    pub(crate) level: Level,
    pub(crate) grade: Grade,
    /// How each of its connections ended.
    pub(crate) endings: Vec<String>,
    pub(crate) section: String,
    pub(crate) rule: String,
    /// The test as the requirement list words it, with what is expected.
    pub(crate) expected: String,
    pub(crate) observed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
    /// Why the grade is KNOWN, and what it would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) known: Option<KnownAs>,
    /// The grade of every run, if there was more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) repeats: Vec<Grade>,
    /// Within the folder of wire logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wire: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dialogue: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownAs {
    pub(crate) grade: Grade,
    #[serde(flatten)]
    pub(crate) excuse: Excuse,
}

/// Who was judged.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) side: Side,
    pub(crate) name: String,
    /// Without secrets.
    pub(crate) target: String,
    pub(crate) caps: serde_json::Value,
}

/// All of a run, with the names of wire logs if they were kept.
pub(crate) fn of(subject: &Subject, how: How, findings: &[Finding], wire: bool) -> Run {
    let case = |f: &Finding| Case {
        id: f.id.clone(),
        requirement: f.requirement.id.clone(),
        side: f.side,
        area: f.requirement.area().to_owned(),
        level: f.requirement.level,
        grade: f.counted(),
        endings: f.endings.iter().map(ToString::to_string).collect(),
        section: f.requirement.section.clone(),
        rule: f.requirement.statement.clone(),
        expected: f.requirement.test(f.side).to_owned(),
        observed: f.observed.clone(),
        duration_ms: Some(u64::try_from(f.took.as_millis()).unwrap_or(u64::MAX)),
        known: f.known.clone().map(|excuse| KnownAs {
            grade: f.grade,
            excuse,
        }),
        repeats: f.repeats.clone(),
        wire: (wire && !f.log.is_empty()).then(|| file(&f.id)),
        dialogue: f.log.clone(),
    };
    let mut run = Run {
        schema: SCHEMA,
        tool: format!("stomp-conformance {}", env!("CARGO_PKG_VERSION")),
        side: subject.side,
        name: subject.name.clone(),
        target: subject.target.clone(),
        caps: subject.caps.clone(),
        how: Some(how),
        totals: BTreeMap::new(),
        coverage: Coverage::default(),
        cases: findings.iter().map(case).collect(),
    };
    run.count();
    run
}

impl Run {
    /// Counts totals and coverage anew.
    pub(crate) fn count(&mut self) {
        self.totals = BTreeMap::new();
        for case in &self.cases {
            let level = self.totals.entry(case.level.to_string()).or_default();
            *level.entry(case.grade.name().to_owned()).or_default() += 1;
        }
        let ran = |case: &&Case| !matches!(case.grade, Grade::Unimplemented | Grade::Inconclusive);
        let (passive, active): (Vec<&Case>, Vec<&Case>) = self
            .cases
            .iter()
            .filter(ran)
            .partition(|case| case.id.ends_with("/passive"));
        let distinct = |cases: &[&Case]| {
            let ids: BTreeSet<&str> = cases.iter().map(|c| c.requirement.as_str()).collect();
            ids.len()
        };
        let all = requirement::all().iter();
        self.coverage = Coverage {
            requirements: all.filter(|r| r.asks(self.side)).count(),
            exercised: distinct(&active),
            passive: distinct(&passive),
        };
    }

    /// How many cases have a grade.
    pub(crate) fn with(&self, grade: Grade) -> usize {
        self.cases.iter().filter(|c| c.grade == grade).count()
    }

    /// Reads one back. The error is one sentence.
    pub(crate) fn read(path: &Path) -> Result<Vec<Self>, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        // One run, or several that `report` has merged.
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| format!("{name}: it is no JSON: {error}"))?;
        let values = match value {
            serde_json::Value::Array(values) => values,
            value @ (serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_)
            | serde_json::Value::Object(_)) => vec![value],
        };
        if values.is_empty() {
            return Err(format!("{name}: there is no run in it"));
        }
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let one = |value: serde_json::Value| {
            let Head { schema } = Head::deserialize(&value).map_err(|error| {
                format!("{name}: it is no report of stomp-conformance: {error}")
            })?;
            if schema != SCHEMA {
                return Err(format!(
                    "{name}: it is a report of schema {schema}; this program reads {SCHEMA}"
                ));
            }
            let mut run: Self = serde_json::from_value(value).map_err(|error| {
                format!("{name}: it is no report of stomp-conformance: {error}")
            })?;
            run.find_dialogues(folder);
            Ok(run)
        };
        values.into_iter().map(one).collect()
    }

    /// Reads the wire logs of cases whose dialogue is not in the report, where
    /// they are still there.
    fn find_dialogues(&mut self, folder: &Path) {
        let bare = |case: &&mut Case| case.dialogue.is_empty();
        for case in self.cases.iter_mut().filter(bare) {
            let Some(wire) = &case.wire else { continue };
            match crate::wire::log::read(&folder.join(wire)) {
                Ok(log) if log.head.case == case.id => case.dialogue = log.entries,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Takes away what differs from run to run, so that two can be compared
    /// line by line.
    pub(crate) fn stable(&mut self) {
        self.how = None;
        self.target = String::new();
        for case in &mut self.cases {
            case.duration_ms = None;
            case.wire = None;
            case.dialogue = Vec::new();
            case.repeats = Vec::new();
            case.observed = super::stable::words(&case.observed);
        }
    }
}

/// The wire log of a case, as a file's name.
fn file(id: &str) -> String {
    format!("{}.jsonl", id.replace('/', "_"))
}

/// One file of JSON Lines for each case; the first line says which.
pub(crate) fn write_wire(folder: &Path, target: &str, findings: &[Finding]) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for finding in findings.iter().filter(|f| !f.log.is_empty()) {
        let head = crate::wire::log::Head {
            case: finding.id.clone(),
            target: target.to_owned(),
        };
        let text = crate::wire::log::lines(&head, &finding.log).map_err(|e| e.to_string())?;
        super::write(&folder.join(file(&finding.id)), &text)?;
    }
    Ok(())
}
