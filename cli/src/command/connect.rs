//! `cli connect`: chat.

use clap::Args;
use palabre_core::name::RoomName;

use crate::{
    arguments::{Address, parse_room},
    connect,
    context::Context,
    failure::Failure,
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
    connect::run(context, arguments.room, arguments.plain)
}
