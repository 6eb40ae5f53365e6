//! `cli invite`, `kick`, `ban`, `mute`, `op` and the like: what one does to somebody in a room.

use std::time::Duration;

use clap::Args;
use palabre_core::{
    client::{ClientEvent, Governance},
    name::{Nick, RoomName},
    rights::Act,
};

use crate::{
    arguments::{Target, parse_duration, parse_room},
    context::Context,
    failure::Failure,
    output::{Body, Printable, place},
    session::{unexpected, with_session},
};

/// To whom, and where.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// In which room, with or without its #
    #[arg(value_parser = parse_room)]
    room: RoomName,
    /// To whom
    #[arg(value_parser = Nick::parse)]
    name: Nick,
    /// Why; everybody in the room can read it
    #[arg(long, value_name = "WHY", default_value = "")]
    reason: String,
}

/// The same, for a time.
#[derive(Debug, Args)]
pub(crate) struct TimedArguments {
    #[command(flatten)]
    arguments: Arguments,
    /// For how long: 30m, 12h, 7d; for good unless said
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    lasts: Option<Duration>,
}

pub(crate) fn run(act: Act, arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    govern(act, arguments, None, context)
}

pub(crate) fn run_timed(act: Act, arguments: TimedArguments, context: &mut Context) -> Result<(), Failure> {
    govern(act, arguments.arguments, arguments.lasts, context)
}

fn govern(
    act: Act,
    arguments: Arguments,
    lasts: Option<Duration>,
    context: &mut Context,
) -> Result<(), Failure> {
    let Arguments { room, name, reason } = arguments;
    with_session(context, |session| {
        let room = session.join_existing(&Target::Room(room), None)?;
        // A part of a second is a second.
        let seconds = lasts.map(|lasts| lasts.as_secs().max(1));
        let governance = Governance { room: room.id, act, name, seconds, reason };
        let answer = session.ask(|client, now| client.govern(governance.clone(), now))?;
        let ClientEvent::Governed { seq, .. } = answer else { return Err(unexpected(&answer)) };
        let place = place(&room);
        let line = format!("done, number {seq} of {}", Printable::new(&place));
        session.output().result(Body::posted(&place, seq), line)
    })
}
