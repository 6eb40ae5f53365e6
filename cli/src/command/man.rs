//! `cli man`: the manual page.

use clap::{Args, CommandFactory as _};
use clap_mangen::Man;

use crate::{arguments, context::Context, failure::Failure};

/// Print the manual page, of the program or of one command
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli man send | man -l -")]
pub(crate) struct Arguments {
    /// Of which command
    command: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let mut program = arguments::Arguments::command();
    program.build();
    let page = match &arguments.command {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("there is no command {name}")))?,
    };
    let mut roff = Vec::new();
    Man::new(page).render(&mut roff).map_err(|error| Failure::local("the manual page", &error))?;
    context.output.line(String::from_utf8_lossy(&roff).trim_end())
}
