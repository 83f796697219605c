//! What the program needs and the library does not.

pub(crate) mod explain;
pub(crate) mod junit;
pub(crate) mod lint;
pub(crate) mod run;
mod trace;

use std::path::Path;

/// What the exit codes mean; said here alone.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  a client came, and everything that is asserted holds
  1  an assertion failed or is inconclusive, or a `fail` action fired; of `lint`:
     there are warnings only
  2  the usage or the scenario is wrong
  3  the broker could not start, or died
  4  nothing failed, but no client came or something asserted was never reached";
/// What `lint` says of files in which something can never happen.
pub(crate) const SUSPECT: u8 = 1;
/// The usage or the scenario is wrong.
pub(crate) const INVALID: u8 = 2;
/// The broker could not start, or died.
pub(crate) const BROKEN: u8 = 3;

/// Why the program ends without a verdict.
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn invalid(words: impl ToString) -> Self {
        Self {
            code: INVALID,
            words: words.to_string(),
        }
    }

    pub(crate) fn broken(words: impl ToString) -> Self {
        Self {
            code: BROKEN,
            words: words.to_string(),
        }
    }
}

/// Writes a file whole or not at all, so that a reader never sees half of it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|e| Failure::broken(format!("{}: {e}", path.display())))
}
