//! The files that a run leaves, whichever side was judged.

use super::options::{Judging, Reporting, Running};
use crate::finding::Finding;
use crate::known;
use crate::profile::Profile;
use crate::report::json::{How, Subject};
use crate::report::{self, html, json, junit, markdown};
use crate::secrets::Secrets;
use std::time::Instant;

/// How the run was made. The command line is masked.
pub(crate) fn how(judging: &Judging, running: &Running, began: Instant, secrets: &Secrets) -> How {
    How {
        argv: masked(std::env::args().skip(1), secrets),
        profile: judging.profile.name().to_owned(),
        strict: judging.strict || judging.profile == Profile::Strict,
        seed: running.seed,
        jobs: running.jobs,
        repeat: running.repeat,
        time_scale: running.time_scale,
        day: known::today(),
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        machine: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// The values of flags that may hold secrets, and secrets wherever they are,
/// become stars.
fn masked(words: impl Iterator<Item = String>, secrets: &Secrets) -> Vec<String> {
    const HIDDEN: [&str; 4] = ["--passcode", "--header", "--ws-header", "--token-cmd"];
    let mut hide_next = false;
    words
        .map(|word| {
            if std::mem::replace(&mut hide_next, HIDDEN.contains(&word.as_str())) {
                return "***".to_owned();
            }
            if let Some((flag, _)) = word.split_once('=').filter(|(f, _)| HIDDEN.contains(f)) {
                return format!("{flag}=***");
            }
            let word = match (word.find("://"), word.find('?')) {
                // Queries hold tokens.
                (Some(_), Some(at)) => format!("{}?***", &word[..at]),
                (Some(_), None) | (None, _) => word,
            };
            secrets.hide(&word)
        })
        .collect()
}

/// Writes all that was asked for. The error says which could not be written.
pub(crate) fn write(
    to: &Reporting,
    subject: &Subject,
    how: How,
    findings: &[Finding],
) -> Result<(), String> {
    if let Some(folder) = &to.wire {
        json::write_wire(folder, &subject.target, findings)?;
    }
    let run = json::of(subject, how, findings, to.wire.is_some());
    if let Some(path) = &to.json {
        let text = serde_json::to_string_pretty(&run).map_err(|error| error.to_string())?;
        report::write(path, &text)?;
    }
    let runs = [run];
    if let Some(path) = &to.junit {
        report::write(path, &junit::of(&runs)?)?;
    }
    if let Some(path) = &to.md {
        report::write(path, &markdown::of(&runs))?;
    }
    if let Some(path) = &to.html {
        report::write(path, &html::of(&runs)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::masked;
    use crate::secrets::Secrets;

    #[test]
    fn command_lines_hold_no_secret() {
        let words = [
            "broker",
            "ws://h/ws?token=s3cr3t",
            "--passcode",
            "s3cr3t",
            "--header=X:s3cr3t",
            "--name",
            "my s3cr3t name",
        ];
        let words = words.into_iter().map(str::to_owned);
        let shown = masked(words, &Secrets::from(vec!["s3cr3t".to_owned()]));
        assert_eq!(
            shown,
            [
                "broker",
                "ws://h/ws?***",
                "--passcode",
                "***",
                "--header=***",
                "--name",
                "my *** name"
            ]
        );
    }
}
