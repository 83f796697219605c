//! What a run found, for machines and for people. All reports are made of
//! [`json::Run`], so that what was written down can be rendered again.

mod fix;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod markdown;
mod stable;

use std::path::Path;

/// Writes a report, or says which could not be written.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
