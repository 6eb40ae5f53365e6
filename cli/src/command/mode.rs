//! `cli mode` and `cli rights`: what kind of room it is, and who has which rights there.

use std::time::Duration;

use clap::Args;
use palabre_core::{
    client::{ClientEvent, ModeChange, StandingInfo},
    ids::RoomId,
    name::RoomName,
    rights::RoomMode,
};

use crate::{
    arguments::{Target, parse_duration, parse_room},
    context::Context,
    failure::Failure,
    output::{Body, Printable, place, standing_words},
    session::{Session, unexpected, with_session},
};

/// Show what kind of room it is, or change it
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli mode '#news' --read-only true --slow 30s")]
pub(crate) struct Arguments {
    /// Which room, with or without its #
    #[arg(value_parser = parse_room)]
    room: RoomName,
    /// Whether only who is invited may join
    #[arg(long, value_name = "BOOL")]
    private: Option<bool>,
    /// Whether only moderators and owners write
    #[arg(long, value_name = "BOOL")]
    read_only: Option<bool>,
    /// Whether only moderators and owners set the topic
    #[arg(long, value_name = "BOOL")]
    topic_locked: Option<bool>,
    /// Whether nobody joins who is no member yet; of #operators: no guests and no new accounts
    #[arg(long, value_name = "BOOL")]
    closed: Option<bool>,
    /// How long members wait between two messages; 0 for not at all
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    slow: Option<Duration>,
}

/// Show who has which rights in a room
#[derive(Debug, Args)]
pub(crate) struct RightsArguments {
    /// Which room, with or without its #
    #[arg(value_parser = parse_room)]
    room: RoomName,
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    let Arguments { room, private, read_only, topic_locked, closed, slow } = arguments;
    let slow_seconds = slow.map(|slow| u32::try_from(slow.as_secs()).unwrap_or(u32::MAX));
    let change = ModeChange { private, read_only, topic_locked, slow_seconds, closed };
    with_session(context, |session| {
        let room = session.join_existing(&Target::Room(room), None)?;
        if change != ModeChange::default() {
            let answer = session.ask(|client, now| client.set_mode(room.id, change, now))?;
            let ClientEvent::Governed { .. } = answer else { return Err(unexpected(&answer)) };
        }
        let place = place(&room);
        let (mode, _) = ask_rights(session, room.id)?;
        session.output().result(Body::mode(&place, mode), format!("{} is {mode}", Printable::new(&place)))
    })
}

pub(crate) fn run_rights(arguments: RightsArguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let room = session.join_existing(&Target::Room(arguments.room), None)?;
        let (place, now) = (place(&room), session.layout().now);
        for standing in ask_rights(session, room.id)?.1 {
            let line = format!("{}  {}", Printable::new(&standing.name), standing_words(&standing, now));
            session.output().result(Body::right(&place, &standing), line)?;
        }
        Ok(())
    })
}

fn ask_rights(session: &mut Session<'_>, room: RoomId) -> Result<(RoomMode, Vec<StandingInfo>), Failure> {
    let answer = session.ask(|client, now| client.rights(room, now))?;
    let ClientEvent::Rights { mode, standings, .. } = answer else { return Err(unexpected(&answer)) };
    Ok((mode, standings))
}
