//! Which cases: ids with `*`, areas, levels, needs; `!` takes away.

use crate::requirement::Requirement;
use crate::words;

/// What was asked for on the command line; nothing means everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    wanted: Vec<Pattern>,
    unwanted: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// An id, with or without a variant; `*` stands for anything.
    Id(String),
    /// `frm`, or the family: `ws`.
    Area(String),
    Level(String),
    Needs(String),
    /// Only `slow` and its like.
    Slow,
}

/// A case as a selection sees it.
pub(crate) struct Seen<'a> {
    pub(crate) id: &'a str,
    pub(crate) requirement: &'a Requirement,
    pub(crate) slow: bool,
}

impl Selection {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut selection = Self::default();
        for word in words {
            match word.strip_prefix('!') {
                Some(word) => selection.unwanted.push(pattern(word)?),
                None => selection.wanted.push(pattern(word)?),
            }
        }
        Ok(selection)
    }

    /// Whether anything was asked for by name.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    pub(crate) fn takes(&self, case: &Seen<'_>) -> bool {
        let wanted = self.wanted.is_empty() || self.wanted.iter().any(|p| p.fits(case));
        wanted && !self.unwanted.iter().any(|p| p.fits(case))
    }
}

fn pattern(word: &str) -> Result<Pattern, String> {
    let lower = word.to_ascii_lowercase();
    match lower.split_once(':') {
        Some(("level", level)) => Ok(Pattern::Level(level.to_owned())),
        Some(("needs", need)) => Ok(Pattern::Needs(need.to_owned())),
        Some(("tag", "slow")) => Ok(Pattern::Slow),
        Some(("tag", other)) => Err(format!("no case has the tag \"{other}\"; slow is one")),
        Some((other, _)) => Err(format!(
            "\"{other}:\" selects nothing; level:, needs: and tag: do"
        )),
        None if lower.contains('-') || lower.contains('*') => Ok(Pattern::Id(word.to_owned())),
        None if lower.is_empty() => Err("an empty selection".to_owned()),
        None => Ok(Pattern::Area(lower)),
    }
}

impl Pattern {
    fn fits(&self, case: &Seen<'_>) -> bool {
        let requirement = case.requirement;
        match self {
            Self::Id(glob) => words::fits(glob, case.id) || words::fits(glob, &requirement.id),
            Self::Area(area) => {
                let family = requirement.id.split('-').next().unwrap_or_default();
                requirement.area().eq_ignore_ascii_case(area) || family.eq_ignore_ascii_case(area)
            }
            Self::Level(level) => requirement.level.to_string().eq_ignore_ascii_case(level),
            Self::Needs(need) => requirement.needs.iter().any(|n| n == need),
            Self::Slow => case.slow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement;

    fn takes(words: &[&str], id: &str) -> bool {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let selection = Selection::parse(&words).unwrap();
        let requirement = requirement::by_id(id.split('/').next().unwrap()).unwrap();
        selection.takes(&Seen {
            id,
            requirement,
            slow: false,
        })
    }

    #[test]
    fn selections_select() {
        assert!(takes(&[], "S12-FRM-001"));
        assert!(takes(&["S12-FRM-*"], "S12-FRM-020/octets"));
        assert!(takes(&["s12-frm-020"], "S12-FRM-020/octets"));
        assert!(takes(&["*/octets"], "S12-FRM-020/octets"));
        assert!(takes(&["frm"], "S12-FRM-001"));
        assert!(takes(&["ws"], "WS-CTL-001"));
        assert!(!takes(&["ws"], "S12-FRM-001"));
        assert!(takes(&["level:must", "!enc"], "S12-FRM-001"));
        assert!(!takes(&["level:must", "!enc"], "S12-ENC-001"));
        assert!(takes(&["needs:tx"], "S12-TXN-001"));
        assert!(Selection::parse(&["colour:red".to_owned()]).is_err());
    }
}
