//! The commands, a module each: its arguments, and what it does.

pub(crate) mod account;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod devices;
pub(crate) mod download;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod logout;
pub(crate) mod man;
pub(crate) mod members;
pub(crate) mod passwd;
pub(crate) mod ping;
pub(crate) mod rooms;
pub(crate) mod send;
mod send_lines;
pub(crate) mod server;
pub(crate) mod tail;
pub(crate) mod transfers;
pub(crate) mod upload;
pub(crate) mod wait;
pub(crate) mod whoami;

use crate::{arguments::Command, context::Context, failure::Failure};

/// Does what was asked for.
pub(crate) fn run(command: Command, context: &mut Context) -> Result<(), Failure> {
    match command {
        Command::Connect(arguments) => connect::run(arguments, context),
        Command::Send(arguments) => send::run(arguments, context),
        Command::Tail(arguments) => tail::run(&arguments, context),
        Command::History(arguments) => history::run(&arguments, context),
        Command::Rooms(arguments) => rooms::run(&arguments, context),
        Command::Members(arguments) => members::run(arguments, context),
        Command::Wait(arguments) => wait::run(arguments, context),
        Command::Upload(arguments) => upload::run_command(&arguments, context),
        Command::Download(arguments) => download::run_command(&arguments, context),
        Command::Files(arguments) => files::run(&arguments, context),
        Command::Rm(arguments) => files::remove(&arguments, context),
        Command::Transfers(arguments) => transfers::run(&arguments, context),
        Command::Register(arguments) => account::register(arguments, context),
        Command::Login(arguments) => account::log_in(arguments, context),
        Command::Logout(arguments) => logout::run(&arguments, context),
        Command::Whoami(arguments) => whoami::run(&arguments, context),
        Command::Devices(arguments) => devices::run(&arguments, context),
        Command::Passwd(arguments) => passwd::run(&arguments, context),
        Command::Ping(arguments) => ping::run(&arguments, context),
        Command::Server(arguments) => server::run(arguments, context),
        Command::Bench(arguments) => crate::bench::run(arguments, context),
        Command::Completions(arguments) => completions::run(&arguments, context),
        Command::Man(arguments) => man::run(&arguments, context),
    }
}
