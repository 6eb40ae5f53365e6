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
On a terminal, lines are edited and completed with Tab; /help explains the rest. Otherwise each line of
standard input is a message or a command, and the end of it leaves.

Example:  printf 'hello\\n/quit\\n' | cli connect chat.example --nick ana")]
pub(crate) struct Arguments {
    /// The server; else that of --server and so on
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<Address>,
    /// The room to enter, with or without its #; else the configured one, else #lobby
    #[arg(long, value_parser = parse_room)]
    room: Option<RoomName>,
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    if arguments.server.is_some() {
        context.common.server = arguments.server;
    }
    connect::run(context, arguments.room)
}
