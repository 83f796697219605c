//! `stomp-conformance`: the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    hobnail_conformance::cli::main()
}
