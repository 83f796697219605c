//! What a run found, for machines and for people.

pub(crate) mod json;
pub(crate) mod junit;

use std::path::Path;

/// Writes a report, or says which could not be written.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
