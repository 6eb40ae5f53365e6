//! Runs the world of files by seeds, and tells which of them fails and how.

use std::process::ExitCode;

use clap::Parser;
use palabre_tests::{
    files::{Marks, run},
    report::line,
};

/// Runs the world of files. Ends with 1 at the first seed that fails.
#[derive(Parser, Debug)]
#[command(name = "files", version)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// How many steps before faults stop.
    #[arg(long, default_value_t = 1_000)]
    steps: u32,
    /// Go on after a seed that fails.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (mut marks, mut failed) = (Marks::default(), 0_u64);
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        match run(seed, arguments.steps) {
            Ok(met) => marks.merge(&met),
            Err(reason) => {
                failed += 1;
                line(&reason);
                if !arguments.keep_going {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    line(&format!("{failed} of {} seeds fail; met: {marks:?}", arguments.seeds));
    ExitCode::from(u8::from(failed > 0))
}
