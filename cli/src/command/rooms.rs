//! `cli rooms`: the rooms there are.

use clap::Args;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    context::Context,
    failure::Failure,
    output::{Body, Printable},
    session::with_session,
};

/// List the rooms there are
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(Arguments {}: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let rooms = session.rooms()?;
        let columns = rooms.iter().map(|room| room.name.width()).max().unwrap_or_default();
        for room in &rooms {
            let padding = columns.saturating_sub(room.name.width());
            let (name, topic) = (Printable::new(&room.name), Printable::new(&room.topic));
            let line = format!("{name}{:padding$}  {:>4}  {topic}", "", room.members);
            session.output().result(Body::room(room), line.trim_end())?;
        }
        Ok(())
    })
}
