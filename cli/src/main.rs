//! Palabre's client, for people and for scripts.

use std::process::ExitCode;

fn main() -> ExitCode {
    palabre_cli::main()
}
