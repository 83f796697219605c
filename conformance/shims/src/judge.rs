//! The judge, as a program of this package: tests look at its exit code and at what
//! it says.

use std::process::ExitCode;

fn main() -> ExitCode {
    hobnail_conformance::cli::main()
}
