//! `cli unread`: what was not read yet, on any device of the account.

use clap::Args;
use palabre_core::client::{Client, RoomInfo};

use crate::{
    context::Context,
    failure::Failure,
    output::{Body, Printable, place},
    session::{Session, with_account},
};

/// Tell what was not read yet, on any device of the account
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli unread --count")]
pub(crate) struct Arguments {
    /// Print only how many messages there are in all
    #[arg(long)]
    count: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_account(context, |session| {
        // The server tells up to where was read right after letting us in, and so before it answers anything.
        session.ask(Client::ping)?;
        let unread = unread(session);
        let total = unread.iter().map(|(_, count)| count).sum();
        if arguments.count {
            return session.output().result(Body::UnreadCount { count: total }, total);
        }
        for (room, count) in &unread {
            let place = place(room);
            let line = format!("{}  {count}", Printable::new(&place));
            let body = Body::Unread { r#in: &place, count: *count, last: room.last.get() };
            session.output().result(body, line)?;
        }
        Ok(())
    })
}

/// The rooms with something unread, and how much. What is not kept any more does not count.
fn unread(session: &Session<'_>) -> Vec<(RoomInfo, u64)> {
    let client = session.client();
    let count = |room: &RoomInfo| {
        let read = client.read_up_to(room.id).unwrap_or_default().max(room.first.previous());
        room.last.get().saturating_sub(read.get())
    };
    client.joined().map(|room| (room.clone(), count(room))).filter(|(_, count)| *count > 0).collect()
}
