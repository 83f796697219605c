//! How large a program becomes.

use std::{path::Path, process::Command};

use crate::{Result, plan::Took};

/// Builds the least program that receives, and says how many octets it has. The first
/// time it takes minutes.
pub(crate) fn of(who: &str) -> Result<Took> {
    let example = match who {
        "raw" => "minimal_raw",
        _ => "minimal",
    };
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--profile", "small", "-p", "hobnail"])
        .args(["--no-default-features", "--example", example])
        .status()?;
    if !status.success() {
        return Err(format!("{example} cannot be built: {status}").into());
    }
    // This program is in target/release/examples.
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).unwrap_or(Path::new("target"));
    let built = target.join("small/examples").join(example);
    let octets = std::fs::metadata(built)?.len();
    Ok([("octets".to_owned(), octets as f64)].into())
}
