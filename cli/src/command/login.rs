//! `cli login`: log in by an account; commands use it from then on.

use clap::Args;
use palabre_core::{client::AccountEntry, name::Nick, password::Password};

use crate::{
    context::Context,
    failure::Failure,
    output::Body,
    passwords::{PasswordSource, device_name},
    session::Session,
};

/// Log in by an account; all commands use it from then on
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
    let password = arguments.password.present(context, &format!("password of {name} on {server}"))?;
    enter(context, name, password, false)
}

/// The name that was said, or the one to enter by.
pub(super) fn name_or_own(name: Option<Nick>, context: &Context) -> Result<Nick, Failure> {
    name.map_or_else(|| Ok(context.identity()?.nick), Ok)
}

/// Enters once by a password, and keeps what that gives.
pub(super) fn enter(
    context: &mut Context,
    name: Nick,
    password: Password,
    make: bool,
) -> Result<(), Failure> {
    let entry = AccountEntry { make, password, device: device_name(context) };
    let mut session = Session::open_by_account(context, name, entry)?;
    let kept = session.keep_credential();
    let nick = session.client().nick().to_string();
    let line = format!("{} on {} as {nick}", if make { "registered" } else { "logged in" }, session.server());
    let told = kept.and_then(|()| session.output().result(Body::Account { name: &nick }, line));
    session.leave(false);
    told
}
