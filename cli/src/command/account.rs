//! `cli login` and `cli register`: enter once by a password, and keep what that gives.

use clap::Args;
use palabre_core::{client::AccountEntry, name::Nick};

use crate::{
    context::Context,
    failure::Failure,
    output::Body,
    passwords::{PasswordSource, device_name},
    session::Session,
};

/// Log in by an account; all commands use it from then on
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli login ana --print-token --device 'nightly build' > token")]
pub(crate) struct Arguments {
    /// Its name; else that of --nick and so on
    #[arg(value_parser = Nick::parse)]
    name: Option<Nick>,
    #[command(flatten)]
    password: PasswordSource,
    /// What this device is called in `cli devices`; else person and machine
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Print the token of the new device, for PALABRE_TOKEN or --token-file, instead of keeping it here
    #[arg(long)]
    print_token: bool,
}

pub(crate) fn log_in(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    enter(arguments, context, false)
}

pub(crate) fn register(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    enter(arguments, context, true)
}

/// The name that was said, or the one to enter by.
pub(super) fn name_or_own(name: Option<Nick>, context: &Context) -> Result<Nick, Failure> {
    name.map_or_else(|| Ok(context.identity()?.nick), Ok)
}

fn enter(arguments: Arguments, context: &mut Context, make: bool) -> Result<(), Failure> {
    // Before a password is asked for, the server has to be known.
    let server = context.contact()?.server;
    let name = name_or_own(arguments.name, context)?;
    let password = if make {
        arguments.password.new_one(context, &format!("a password for {name} on {server}"))?
    } else {
        arguments.password.present(context, &format!("password of {name} on {server}"))?
    };
    let device = arguments.device.unwrap_or_else(|| device_name(context));
    let mut session = Session::open_by_account(context, name, AccountEntry { make, password, device })?;
    let told =
        if arguments.print_token { print_token(&mut session) } else { keep_and_tell(&mut session, make) };
    session.leave(false);
    told
}

fn keep_and_tell(session: &mut Session<'_>, make: bool) -> Result<(), Failure> {
    session.keep_credential()?;
    let nick = session.client().nick().to_string();
    let line = format!("{} on {} as {nick}", if make { "registered" } else { "logged in" }, session.server());
    session.output().result(Body::Account { name: &nick }, line)
}

fn print_token(session: &mut Session<'_>) -> Result<(), Failure> {
    let Some(token) = session.portable_token() else { return Ok(()) };
    let (name, token) = (session.client().nick().to_string(), token.to_string());
    session.output().result(Body::Token { name: &name, token: &token }, &token)
}
