//! What both kinds of run understand: what counts, how often, and which
//! reports are written.

use super::Failure;
use crate::grade::Grade;
use crate::known::Known;
use crate::profile::Profile;
use crate::requirement::Requirement;
use clap::ValueEnum;
use std::path::PathBuf;

/// What counts as a failure, and what is known.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "What counts")]
pub(crate) struct Judging {
    /// What the rules cost, and which deviations are known beforehand.
    #[arg(long, value_enum, default_value_t = Profile::Core)]
    pub(crate) profile: Profile,
    /// NON-STRICT fails as well.
    #[arg(long)]
    pub(crate) strict: bool,
    /// What fails the run.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "failed,flaky"
    )]
    pub(crate) fail_on: Vec<FailOn>,
    /// A missing capability fails the run.
    #[arg(long)]
    pub(crate) require_caps: bool,
    /// A file (TOML) of deviations that are known, with reasons.
    #[arg(long, value_name = "FILE")]
    pub(crate) known: Option<PathBuf>,
    /// Entries of that file that no longer fit anything fail the run.
    #[arg(long, requires = "known")]
    pub(crate) known_strict: bool,
    /// Fewer cases than these are a failure.
    #[arg(long, default_value_t = 1)]
    pub(crate) min_cases: usize,
    /// End with the first failure.
    #[arg(long)]
    pub(crate) fail_fast: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Failed,
    NonStrict,
    Flaky,
    Inconclusive,
}

/// Time, and how much at once.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "How it runs")]
pub(crate) struct Running {
    /// A reply is due within it, in seconds: 2, 0.5s, 500ms.
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = seconds)]
    pub(crate) timeout: f64,
    /// Stretch all times, for slow machines.
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    pub(crate) time_scale: f64,
    /// Cases at once.
    #[arg(long, default_value_t = 8)]
    pub(crate) jobs: usize,
    /// Run each case so often; grades that differ are FLAKY.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: usize,
    /// Of the order of the cases and of the masks; without it they run as listed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}

/// Where it is written down.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct Reporting {
    /// The report as JSON: `report` and `diff` read it.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// The report as one page, with the dialogue of each case.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// The report as a table in Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) md: Option<PathBuf>,
    /// What went over the wire, one file for each case: `replay` reads it.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) wire: Option<PathBuf>,
    /// What the target is called in reports; without it, what it says itself.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Only what fails, and the last line.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Every case, with its time.
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// The dialogue of every case.
    #[arg(long)]
    pub(crate) trace_wire: bool,
    /// No colours; NO_COLOR says the same.
    #[arg(long)]
    pub(crate) no_color: bool,
}

impl Judging {
    /// Whether a grade fails the run.
    pub(crate) fn fails(&self, grade: Grade) -> bool {
        let on = |what| self.fail_on.contains(&what);
        match grade {
            Grade::Failed => on(FailOn::Failed),
            Grade::Flaky => on(FailOn::Flaky),
            Grade::NonStrict => {
                self.strict || self.profile == Profile::Strict || on(FailOn::NonStrict)
            }
            Grade::Unimplemented => self.require_caps,
            // It has an exit code of its own.
            Grade::Inconclusive | Grade::Known | Grade::Info | Grade::Ok => false,
        }
    }

    pub(crate) fn fails_inconclusive(&self) -> bool {
        self.fail_on.contains(&FailOn::Inconclusive)
    }

    /// Whether the profile asks for a case; what is selected is asked for.
    pub(crate) fn asks(&self, requirement: &Requirement, selected: bool) -> bool {
        selected || self.profile.asks(requirement)
    }

    /// What is known, of the profile and of the file; `ids` are those of all
    /// cases of this side.
    pub(crate) fn known(&self, ids: &[String]) -> Result<Known, Failure> {
        let profile = self.profile.known(ids).map_err(|words| Failure {
            code: super::HARNESS,
            words,
        })?;
        let Some(path) = &self.known else {
            return Ok(profile);
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        let file = Known::parse(&name, &text, ids).map_err(Failure::usage)?;
        Ok(file.and(profile))
    }
}

pub(super) fn seconds(word: &str) -> Result<f64, String> {
    let (number, unit) = match word.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (word.strip_suffix('s').unwrap_or(word), 1.0),
    };
    let seconds = number.trim().parse().map(|n: f64| n * unit);
    sane(seconds.map_err(|_| "it is no time; 2s is".to_owned())?)
}

pub(super) fn scale(word: &str) -> Result<f64, String> {
    sane(word.parse().map_err(|_| "it is no number".to_owned())?)
}

fn sane(number: f64) -> Result<f64, String> {
    match (0.05..=600.0).contains(&number) {
        true => Ok(number),
        false => Err("it is not between 0.05 and 600".to_owned()),
    }
}
