//! `cli devices`: where one is logged in.

use clap::{Args, Subcommand};
use palabre_core::{
    client::{Client, ClientEvent, DeviceInfo},
    ids::DeviceId,
};

use super::logout::revoke;
use crate::{
    context::Context,
    failure::Failure,
    output::{Body, LocalTime, Printable},
    session::{Session, unexpected, with_account},
};

/// List the devices logged in by the account, or log one out
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Log a device out
    Revoke {
        /// Its number in the list
        id: u64,
    },
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_account(context, |session| match arguments.action {
        Some(Action::Revoke { id }) => revoke(session, DeviceId::new(id)),
        None => list(session),
    })
}

fn list(session: &mut Session<'_>) -> Result<(), Failure> {
    let now = session.now().wall;
    for device in ask_devices(session)? {
        let this = if device.is_this { "  (this one)" } else { "" };
        let name = Printable::new(&device.name);
        let (since, seen) = (LocalTime::new(device.since, now), LocalTime::new(device.seen, now));
        let line = format!("{:>6}  logged in {since}, seen {seen}  {name}{this}", device.device);
        session.output().result(Body::device(&device), line)?;
    }
    Ok(())
}

/// The devices of the account.
pub(super) fn ask_devices(session: &mut Session<'_>) -> Result<Vec<DeviceInfo>, Failure> {
    let answer = session.ask(Client::devices)?;
    let ClientEvent::Devices { devices, .. } = answer else { return Err(unexpected(&answer)) };
    Ok(devices)
}
