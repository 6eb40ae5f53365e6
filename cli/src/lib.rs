//! Palabre's client, for people and for scripts: all of the program `cli`, as a library so that fuzz targets reach it.

mod arguments;
mod bench;
mod command;
mod config;
mod connect;
mod context;
mod environment;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod habit;
mod interrupts;
mod output;
mod passwords;
mod portable_token;
mod roster;
mod session;
mod state;
mod transfer;
mod trust;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

use crate::{
    arguments::{Arguments, rewrite},
    context::Context,
    environment::Environment,
    failure::ExitStatus,
    output::Printable,
};

/// The program, from its arguments to its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(rewrite(environment::arguments())) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let mut context = Context::new(arguments.common, Environment::read());
    let result = context.read_config().and_then(|()| command::run(arguments.command, &mut context));
    let output = &mut context.output;
    let status = match result.and_then(|()| output.flush()) {
        Ok(()) => ExitStatus::Done,
        Err(failure) => {
            output.failure(&failure);
            failure.status
        }
    };
    ExitCode::from(status.number())
}

/// Help and version are results; anything else is wrong usage.
fn explain(error: &clap::Error) -> ExitCode {
    // A closed pipe is no reason to complain about.
    if error.use_stderr() {
        // It repeats what was typed, or pasted.
        for line in error.to_string().lines() {
            let _ = writeln!(std::io::stderr(), "{}", Printable::new(line));
        }
        ExitCode::from(ExitStatus::Usage.number())
    } else {
        let _ = error.print();
        ExitCode::from(ExitStatus::Done.number())
    }
}
