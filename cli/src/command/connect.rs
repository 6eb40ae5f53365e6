//! `cli connect`: chat.

use clap::Args;
use palabre_core::{error::RefusalCode, name::RoomName};

use crate::{
    arguments::{Address, parse_room},
    connect,
    context::Context,
    failure::Failure,
    output::Printable,
    session::Session,
};

/// Chat
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal it takes the whole of it: F1 shows the keys, /help the commands. With --plain it is line by line.
Otherwise each line of standard input is a message or a command, and the end of it leaves.

Example:  printf 'hello\\n/quit\\n' | cli connect chat.example --nick ana")]
pub(crate) struct Arguments {
    /// The server; else that of --server and so on
    #[arg(value_name = "HOST[:PORT]")]
    address: Option<Address>,
    /// The room to enter, with or without its #; else the configured one, else #lobby
    #[arg(long, value_parser = parse_room)]
    room: Option<RoomName>,
    /// On a terminal, chat line by line: no other screen, nothing drawn; made for screen readers
    #[arg(long)]
    plain: bool,
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    if arguments.address.is_some() {
        context.common.server = arguments.address;
    }
    settle_who(context)?;
    match connect::run(context, arguments.room.clone(), arguments.plain) {
        // The login has ended; a person can log in again on the spot.
        Err(failure) if failure.code == RefusalCode::TokenUnknown.name() && may_ask(context) => {
            context.output.warning(Printable::new(&failure.sentence));
            let contact = context.contact()?;
            context.forget_credential(&contact)?;
            settle_who(context)?;
            connect::run(context, arguments.room, arguments.plain)
        }
        ended => ended,
    }
}

/// A person who is not logged in is asked whether there is an account, unless a guest's name was asked for.
fn settle_who(context: &mut Context) -> Result<(), Failure> {
    let contact = context.contact()?;
    if may_ask(context) && context.credential(&contact).is_none() {
        return Session::settle_who(context);
    }
    Ok(())
}

const fn may_ask(context: &Context) -> bool {
    context.can_ask() && !context.is_guest_by_choice() && !context.has_token()
}
