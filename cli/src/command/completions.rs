//! `cli completions`: what a shell needs to complete our arguments.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{arguments, context::Context, failure::Failure};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli completions bash > ~/.local/share/bash-completion/completions/cli")]
pub(crate) struct Arguments {
    /// For which
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = arguments::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "cli", &mut script);
    context.output.line(String::from_utf8_lossy(&script).trim_end())
}
