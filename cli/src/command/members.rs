//! `cli members`: who is in a room.

use clap::Args;
use palabre_core::{
    client::{ClientEvent, MemberInfo},
    ids::RoomId,
    name::RoomName,
    rights::Role,
    wire::state,
};

use crate::{
    arguments::{Target, parse_room},
    context::Context,
    failure::Failure,
    output::{Body, Printable, place, state_name},
    session::{Session, unexpected, with_session},
};

/// List who is in a room
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which room, with or without its #
    #[arg(value_parser = parse_room)]
    room: RoomName,
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let room = session.join_existing(&Target::Room(arguments.room), None)?;
        let place = place(&room);
        let ourselves = session.client().user();
        for member in ask_members(session, room.id)? {
            if Some(member.user) == ourselves {
                continue;
            }
            let name = Printable::new(&member.nick);
            let role = (member.role > Role::Member).then(|| member.role.to_string());
            let state = match member.state {
                state::AWAY | state::LOST => Some(state_name(member.state).to_owned()),
                _ => None,
            };
            let words: Vec<_> = role.into_iter().chain(state).collect();
            let line =
                if words.is_empty() { name.to_string() } else { format!("{name}  ({})", words.join(", ")) };
            session.output().result(Body::member(&place, &member), line)?;
        }
        Ok(())
    })
}

/// All members of a room, ourselves included.
pub(super) fn ask_members(session: &mut Session<'_>, room: RoomId) -> Result<Vec<MemberInfo>, Failure> {
    let answer = session.ask(|client, now| client.members(room, now))?;
    let ClientEvent::Members { members, .. } = answer else { return Err(unexpected(&answer)) };
    Ok(members)
}
