//! `cli logout`: end this device on the server, and forget its token.

use clap::Args;
use palabre_core::{client::ClientEvent, ids::DeviceId};

use super::devices::ask_devices;
use crate::{
    context::Context,
    failure::{ExitStatus, Failure},
    session::{Session, unexpected},
};

/// Log out: the server forgets this device, and the program its token
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(Arguments {}: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let contact = context.contact()?;
    let server = contact.server.clone();
    if context.credential(&contact).is_none() {
        context.output.status(format_args!("{server}: not logged in"));
        return Ok(());
    }
    let ended = match Session::open(context, None) {
        Ok(mut session) => {
            let ended = end_this_device(&mut session);
            session.leave(false);
            ended
        }
        // The server has forgotten it before.
        Err(failure) if failure.code == "token-unknown" => Ok(()),
        Err(failure) => Err(failure),
    };
    ended?;
    context.forget_credential(&contact)
}

fn end_this_device(session: &mut Session<'_>) -> Result<(), Failure> {
    let this = ask_devices(session)?.into_iter().find(|device| device.is_this).map(|device| device.device);
    let Some(this) = this else {
        return Err(Failure::new(
            ExitStatus::Other,
            "no-such-device",
            "the server does not list this device",
        ));
    };
    revoke(session, this)
}

/// Ends a device.
pub(super) fn revoke(session: &mut Session<'_>, device: DeviceId) -> Result<(), Failure> {
    let answer = session.ask(|client, now| client.revoke(device, now))?;
    let ClientEvent::Revoked { .. } = answer else { return Err(unexpected(&answer)) };
    Ok(())
}
