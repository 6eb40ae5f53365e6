//! `cli passwd`: another password.

use clap::Args;
use palabre_core::client::{AccountEntry, ClientEvent};

use super::account::name_or_own;
use crate::{
    context::Context,
    failure::Failure,
    passwords::{PasswordSource, device_name},
    session::{Session, unexpected},
};

/// Change the password; all other devices are logged out
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    password: PasswordSource,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let contact = context.contact()?;
    let server = contact.server.clone();
    let name = match context.credential(&contact) {
        Some((credential, _)) => credential.nick,
        None => name_or_own(None, context)?,
    };
    let present = arguments.password.present(context, &format!("present password of {name} on {server}"))?;
    let new = arguments.password.new_one(context, "new password")?;
    // Only who has just given the password may change it.
    let entry = AccountEntry { make: false, password: present, device: device_name(context) };
    let mut session = Session::open_by_account(context, name, entry)?;
    let changed = session.ask(|client, now| client.change_password(new.clone(), now));
    let changed = changed.and_then(|answer| {
        let ClientEvent::PasswordChanged { .. } = answer else { return Err(unexpected(&answer)) };
        session.keep_credential()
    });
    if changed.is_ok() {
        session.output().status("the password is changed, and all other devices are logged out");
    }
    session.leave(false);
    changed
}
