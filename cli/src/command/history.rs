//! `cli history`: what was said before.

use clap::Args;
use palabre_core::ids::Seq;

use crate::{
    arguments::Target,
    context::Context,
    failure::Failure,
    output::{Body, MessageLines, place},
    session::with_session,
};

/// Print what was said before
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli history '#lobby' -n 200 --before 1234 --json")]
pub(crate) struct Arguments {
    /// Where: #room or @name
    to: Target,
    /// How many messages at most
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 50)]
    count: usize,
    /// Only those with a lower number
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let room = session.join_existing(&arguments.to, None)?;
        let events = session.read_back(room.id, arguments.before.map(Seq::new), arguments.count)?;
        let (place, layout) = (place(&room), session.layout());
        for event in &events {
            let lines = MessageLines::new(event, None, layout);
            session.output().result(Body::event(&place, event), lines)?;
        }
        Ok(())
    })
}
