//! `cli audit`: what was done about rights on the whole server, for its operators.

use clap::Args;
use palabre_core::name::{OPERATORS, RoomName};

use crate::{
    arguments::Target,
    context::Context,
    failure::Failure,
    output::{Body, MessageLines, place},
    session::with_session,
};

/// Print what was done about rights in all rooms and on the server; for operators
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many entries at most
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 50)]
    count: usize,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let room = RoomName::parse(OPERATORS).map_err(|error| Failure::refused(&error.refusal(OPERATORS)))?;
        let room = session.join_existing(&Target::Room(room), None)?;
        let events = session.read_back(room.id, None, arguments.count)?;
        let (place, layout) = (place(&room), session.layout());
        for event in events.iter().filter(|event| !event.kind.is_post()) {
            let lines = MessageLines::new(event, None, layout);
            session.output().result(Body::event(&place, event), lines)?;
        }
        Ok(())
    })
}
