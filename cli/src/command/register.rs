//! `cli register`: make an account and be logged in by it.

use clap::Args;
use palabre_core::name::Nick;

use super::login::{enter, name_or_own};
use crate::{context::Context, failure::Failure, passwords::PasswordSource};

/// Make an account and log in by it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Its name; else that of --nick and so on
    #[arg(value_parser = Nick::parse)]
    name: Option<Nick>,
    #[command(flatten)]
    password: PasswordSource,
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    // Before a password is asked for, the server has to be known.
    let server = context.contact()?.server;
    let name = name_or_own(arguments.name, context)?;
    let password = arguments.password.new_one(context, &format!("a password for {name} on {server}"))?;
    enter(context, name, password, true)
}
