//! `shim-check`: a shim, verb by verb.

use super::{Failure, HARNESS, PRECONDITION};
use crate::client::check;
use crate::client::runner::{self, Reach, Settings};

#[derive(clap::Args)]
pub(crate) struct ShimCheckArgs {
    /// The shim: a program and its arguments.
    #[arg(last = true, required = true, value_name = "SHIM")]
    shim: Vec<String>,
    /// Stretch all times, for slow machines.
    #[arg(long, default_value_t = 1.0, value_parser = super::options::scale)]
    time_scale: f64,
}

pub(crate) fn run(args: &ShimCheckArgs) -> Result<u8, Failure> {
    let settings = Settings {
        reach: Reach::Shim(args.shim.clone()),
        scale: args.time_scale,
        reuse: false,
    };
    let told = &mut |step: &str, words: &str| println!("{step:<20} {words}");
    let hello = runner::probe(&settings).map_err(|words| Failure {
        code: PRECONDITION,
        words,
    })?;
    told(
        "hello",
        &format!("{} {} ({})", hello.name, hello.version, hello.lang),
    );
    told("capabilities", &hello.caps.join(", "));
    told("x-canary", "unsupported, as it must be");
    check::check(&settings, told).map_err(|words| Failure {
        code: HARNESS,
        words: format!("the shim breaks its protocol: {words}"),
    })?;
    println!("\nthe shim speaks the protocol");
    Ok(0)
}
