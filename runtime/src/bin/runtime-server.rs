//! Palabre's server.

use std::process::ExitCode;

use clap::Parser;
use palabre_runtime::{config::Arguments, program};

fn main() -> ExitCode {
    program::run(Arguments::parse())
}
