//! Known failures: a file in TOML that says which deviations are known, and
//! why. An entry that fits nothing any more is stale.

use crate::finding::{Excuse, Finding};
use crate::grade::Grade;
use crate::words;
use std::time::{SystemTime, UNIX_EPOCH};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is known, in the order in which it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// An id, perhaps with `*`.
    id: String,
    grades: Vec<Grade>,
    excuse: Excuse,
    /// The last day on which it holds.
    until: Option<String>,
    /// The file's name and the line.
    place: String,
    /// Those of a profile say what may be, not what is.
    may_be_stale: bool,
}

const KEYS: [&str; 5] = ["id", "grade", "reason", "issue", "until"];
const GRADES: [Grade; 5] = [
    Grade::Failed,
    Grade::NonStrict,
    Grade::Flaky,
    Grade::Inconclusive,
    Grade::Info,
];

impl Known {
    /// Reads a file; `ids` are those of all cases. The error says the line and
    /// what may have been meant.
    pub(crate) fn parse(name: &str, text: &str, ids: &[String]) -> Result<Self, String> {
        let place = |at: usize| format!("{name}:{}", line(text, at));
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            format!("{}: {}", place(at), error.message())
        })?;
        let mut entries = Vec::new();
        for (key, value) in table.get_ref() {
            if key.get_ref() != "known" {
                let at = key.span().start;
                return Err(format!(
                    "{}: \"{}\" means nothing here; entries begin with [[known]]",
                    place(at),
                    key.get_ref()
                ));
            }
            let DeValue::Array(array) = value.get_ref() else {
                return Err(format!(
                    "{}: entries begin with [[known]]",
                    place(value.span().start)
                ));
            };
            for item in array.iter() {
                let at = item.span().start;
                let DeValue::Table(fields) = item.get_ref() else {
                    return Err(format!("{}: entries begin with [[known]]", place(at)));
                };
                entries.push(entry(fields, at, ids, &place)?);
            }
        }
        Ok(Self { entries })
    }

    /// A profile's: its entries are never stale.
    pub(crate) fn of_profile(mut self) -> Self {
        for entry in &mut self.entries {
            entry.may_be_stale = true;
        }
        self
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self
    }

    /// Marks a finding that an entry fits, on a day.
    pub(crate) fn mark(&self, finding: &mut Finding, today: &str) {
        let fits = |entry: &&Entry| entry.holds(today) && entry.fits(finding);
        finding.known = self
            .entries
            .iter()
            .find(fits)
            .map(|entry| entry.excuse.clone());
    }

    /// Entries that fit none of the findings though cases of their ids ran, or
    /// whose day is over.
    pub(crate) fn stale(&self, findings: &[Finding], today: &str) -> Vec<String> {
        let stale = |entry: &&Entry| {
            if entry.may_be_stale {
                return false;
            }
            let ran =
                |f: &&Finding| words::fits(&entry.id, &f.id) && f.grade != Grade::Inconclusive;
            let mut ran = findings.iter().filter(ran).peekable();
            ran.peek().is_some()
                && (!entry.holds(today) || !(entry.varies() || ran.any(|f| entry.fits(f))))
        };
        let told = |entry: &Entry| match &entry.until {
            Some(until) if !entry.holds(today) => {
                format!("{}: {} held until {until}", entry.place, entry.id)
            }
            Some(_) | None => {
                let grades: Vec<&str> = entry.grades.iter().map(|g| g.name()).collect();
                let grades = grades.join(" or ");
                format!("{}: {} is no longer {grades}", entry.place, entry.id)
            }
        };
        self.entries.iter().filter(stale).map(told).collect()
    }
}

impl Entry {
    fn holds(&self, today: &str) -> bool {
        self.until.as_deref().is_none_or(|until| today <= until)
    }

    /// What is not so every time may not be so this time.
    fn varies(&self) -> bool {
        self.grades.contains(&Grade::Flaky)
    }

    fn fits(&self, finding: &Finding) -> bool {
        self.grades.contains(&finding.grade) && words::fits(&self.id, &finding.id)
    }
}

fn entry(
    fields: &DeTable<'_>,
    at: usize,
    ids: &[String],
    place: &impl Fn(usize) -> String,
) -> Result<Entry, String> {
    for key in fields.keys() {
        let word = key.get_ref().as_ref();
        if !KEYS.contains(&word) {
            return Err(format!(
                "{}: \"{word}\" is no field of an entry; \"{}\" is",
                place(key.span().start),
                words::nearest(word, KEYS).unwrap_or_default()
            ));
        }
    }
    let field = |name: &str| fields.iter().find(|(key, _)| key.get_ref() == name);
    let text = |name: &str| match field(name) {
        None => Ok(None),
        Some((_, value)) => {
            let at = value.span().start;
            let text = value.get_ref().as_str().map(str::to_owned);
            let date = value.get_ref().as_datetime().filter(|_| name == "until");
            let text = text.or_else(|| date.map(ToString::to_string));
            match text.filter(|text| !text.trim().is_empty()) {
                Some(text) => Ok(Some((text, at))),
                None => Err(format!("{}: {name} is no text", place(at))),
            }
        }
    };
    let needed =
        |name: &str| text(name)?.ok_or_else(|| format!("{}: the entry has no {name}", place(at)));
    let (id, id_at) = needed("id")?;
    if !ids.iter().any(|known| words::fits(&id, known)) {
        let near = words::nearest(&id, ids.iter().map(String::as_str)).unwrap_or_default();
        return Err(format!(
            "{}: no case is called \"{id}\"; \"{near}\" is one",
            place(id_at)
        ));
    }
    let (reason, _) = needed("reason")?;
    let until = match text("until")? {
        Some((day, at)) if !is_day(&day) => {
            return Err(format!("{}: \"{day}\" is no day; 2027-01-31 is", place(at)));
        }
        until => until.map(|(day, _)| day),
    };
    Ok(Entry {
        id,
        grades: grades(field("grade").map(|(_, value)| value), at, place)?,
        excuse: Excuse {
            reason,
            issue: text("issue")?.map(|(issue, _)| issue),
        },
        until,
        place: place(at),
        may_be_stale: false,
    })
}

/// One grade, or a list of those that it may have.
fn grades(
    value: Option<&Spanned<DeValue<'_>>>,
    at: usize,
    place: &impl Fn(usize) -> String,
) -> Result<Vec<Grade>, String> {
    let one = |value: &Spanned<DeValue<'_>>| {
        let at = value.span().start;
        let word = value.get_ref().as_str();
        let word = word.ok_or_else(|| format!("{}: grade is no text", place(at)))?;
        let found = GRADES.into_iter().find(|g| g.name() == word);
        found.ok_or_else(|| {
            format!(
                "{}: \"{word}\" is no grade that can be known; \"{}\" is",
                place(at),
                words::nearest(word, GRADES.map(Grade::name)).unwrap_or_default()
            )
        })
    };
    let value = value.ok_or_else(|| format!("{}: the entry has no grade", place(at)))?;
    match value.get_ref().as_array().filter(|list| !list.is_empty()) {
        Some(list) => list.iter().map(one).collect(),
        None => Ok(vec![one(value)?]),
    }
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|o| **o == b'\n')
        .count()
        + 1
}

fn is_day(text: &str) -> bool {
    let shape = |(at, o): (usize, u8)| match at {
        4 | 7 => o == b'-',
        _ => o.is_ascii_digit(),
    };
    text.len() == 10
        && text.bytes().enumerate().all(shape)
        && matches!(text[5..7].parse(), Ok(1..=12_u8))
        && matches!(text[8..].parse(), Ok(1..=31_u8))
}

/// This day (UTC), as 2027-01-31.
pub(crate) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    day(since.map_or(0, |since| since.as_secs() / 86_400))
}

/// A day since 1970, by the civil calendar.
fn day(days: u64) -> String {
    // Years begin in March here, so that the leap day is their last.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Side;
    use crate::requirement;

    fn ids() -> Vec<String> {
        ["S12-ERR-002/send", "S12-ERR-002/escape", "S12-FRM-001"]
            .map(str::to_owned)
            .to_vec()
    }

    fn found(id: &str, grade: Grade) -> Finding {
        let requirement = requirement::by_id(id.split('/').next().unwrap()).unwrap();
        Finding::new(
            id.to_owned(),
            Side::Broker,
            requirement,
            (grade, String::new()),
        )
    }

    fn known(text: &str) -> Known {
        Known::parse("known.toml", text, &ids()).unwrap()
    }

    #[test]
    fn what_is_known_is_marked() {
        let known = known(
            "[[known]]\nid = 'S12-ERR-002/*'\ngrade = ['FAILED', 'NON-STRICT']\nreason = 'stays open'\nissue = '#7'\nuntil = 2027-01-31\n",
        );
        let mut finding = found("S12-ERR-002/send", Grade::Failed);
        known.mark(&mut finding, "2027-01-31");
        assert_eq!(finding.counted(), Grade::Known);
        assert_eq!(finding.known.as_ref().unwrap().reason, "stays open");
        assert_eq!(known.stale(&[finding.clone()], "2027-01-31"), [""; 0]);
        // The day is over.
        known.mark(&mut finding, "2027-02-01");
        assert_eq!(finding.counted(), Grade::Failed);
        assert_eq!(
            known.stale(&[finding], "2027-02-01"),
            ["known.toml:1: S12-ERR-002/* held until 2027-01-31"]
        );
        // Another case.
        let mut other = found("S12-FRM-001", Grade::Failed);
        known.mark(&mut other, "2027-01-31");
        assert_eq!(other.counted(), Grade::Failed);
        // What did not run says nothing.
        assert_eq!(known.stale(&[other], "2027-01-31"), [""; 0]);
    }

    #[test]
    fn what_became_better_is_stale() {
        let known = known("\n\n[[known]]\nid='S12-FRM-001'\ngrade='FAILED'\nreason='r'\n");
        let ran = [found("S12-FRM-001", Grade::Ok)];
        assert_eq!(
            known.stale(&ran, "2027-01-01"),
            ["known.toml:3: S12-FRM-001 is no longer FAILED"]
        );
        assert_eq!(known.of_profile().stale(&ran, "2027-01-01"), [""; 0]);
    }

    #[test]
    fn what_is_not_so_every_time_is_not_stale_when_it_is_not() {
        let known = known(
            "[[known]]\nid='S12-FRM-001'\ngrade=['FAILED', 'FLAKY']\nreason='r'\nuntil=2027-01-31\n",
        );
        let mut good = found("S12-FRM-001", Grade::Ok);
        known.mark(&mut good, "2027-01-31");
        assert_eq!(good.counted(), Grade::Ok);
        let ran = [good];
        assert_eq!(known.stale(&ran, "2027-01-31"), [""; 0]);
        assert_eq!(
            known.stale(&ran, "2027-02-01"),
            ["known.toml:1: S12-FRM-001 held until 2027-01-31"]
        );
        let mut bad = found("S12-FRM-001", Grade::Failed);
        known.mark(&mut bad, "2027-01-31");
        assert_eq!(bad.counted(), Grade::Known);
    }

    #[test]
    fn typos_are_named_with_their_line() {
        for (text, words) in [
            (
                "[[known]]\nid='S12-FRM-01'\ngrade='FAILED'\nreason='r'",
                "k:2: no case is called \"S12-FRM-01\"; \"S12-FRM-001\" is one",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade='FAILD'\nreason='r'",
                "k:3: \"FAILD\" is no grade that can be known; \"FAILED\" is",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade='OK'\nreason='r'",
                "k:3: \"OK\" is no grade",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade='FAILED'\nraeson='r'",
                "k:4: \"raeson\" is no field of an entry; \"reason\" is",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade='FAILED'",
                "k:1: the entry has no reason",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade='FAILED'\nreason=' '",
                "k:4: reason is no text",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade=[]\nreason='r'",
                "k:3: grade is no text",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\nreason='r'",
                "k:1: the entry has no grade",
            ),
            ("[[known]]\nid=1", "k:2: id is no text"),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade='FAILED'\nreason='r'\nuntil='soon'",
                "k:5: \"soon\" is no day; 2027-01-31 is",
            ),
            (
                "[[known]]\nid='S12-FRM-001'\ngrade='FAILED'\nreason='r'\nuntil='2027-13-01'",
                "k:5: \"2027-13-01\" is no day",
            ),
            ("[[knwon]]\nid='x'", "k:1: \"knwon\" means nothing here"),
            ("known = 1", "k:1: entries begin with [[known]]"),
            ("[[known]]\nid = ", "k:2: "),
        ] {
            let error = Known::parse("k", text, &ids()).unwrap_err();
            assert!(error.starts_with(words), "{text}: {error}");
        }
        assert!(Known::parse("k", "", &ids()).unwrap().entries.is_empty());
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, text) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (20_785, "2026-11-28"),
        ] {
            assert_eq!(day(days), text);
        }
    }
}
