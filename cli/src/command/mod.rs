//! The commands, a module each: its arguments, and what it does.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod devices;
pub(crate) mod download;
pub(crate) mod files;
pub(crate) mod govern;
pub(crate) mod history;
pub(crate) mod logout;
pub(crate) mod man;
pub(crate) mod members;
pub(crate) mod mode;
pub(crate) mod passwd;
pub(crate) mod ping;
pub(crate) mod rooms;
pub(crate) mod search;
pub(crate) mod send;
mod send_lines;
pub(crate) mod server;
pub(crate) mod share;
pub(crate) mod tail;
pub(crate) mod transfers;
pub(crate) mod unread;
pub(crate) mod upload;
pub(crate) mod wait;
pub(crate) mod whoami;

use palabre_core::rights::Act;

use crate::{arguments::Command, context::Context, failure::Failure};

/// Does what was asked for.
pub(crate) fn run(command: Command, context: &mut Context) -> Result<(), Failure> {
    match command {
        Command::Connect(arguments) => connect::run(arguments, context),
        Command::Send(arguments) => send::run(arguments, context),
        Command::Edit(arguments) => send::edit(&arguments, context),
        Command::React(arguments) => send::react(&arguments, context),
        Command::Delete(arguments) => send::delete(&arguments, context),
        Command::Tail(arguments) => tail::run(&arguments, context),
        Command::History(arguments) => history::run(&arguments, context),
        Command::Search(arguments) => search::run(&arguments, context),
        Command::Rooms(arguments) => rooms::run(&arguments, context),
        Command::Members(arguments) => members::run(arguments, context),
        Command::Unread(arguments) => unread::run(&arguments, context),
        Command::Invite(arguments) => govern::run(Act::Invite, arguments, context),
        Command::Uninvite(arguments) => govern::run(Act::Uninvite, arguments, context),
        Command::Kick(arguments) => govern::run(Act::Kick, arguments, context),
        Command::Ban(arguments) => govern::run_timed(Act::Ban, arguments, context),
        Command::Unban(arguments) => govern::run(Act::Unban, arguments, context),
        Command::Mute(arguments) => govern::run_timed(Act::Mute, arguments, context),
        Command::Unmute(arguments) => govern::run(Act::Unmute, arguments, context),
        Command::Op(arguments) => govern::run(Act::Promote, arguments, context),
        Command::Deop(arguments) => govern::run(Act::Demote, arguments, context),
        Command::Owner(arguments) => govern::run(Act::Own, arguments, context),
        Command::Audit(arguments) => audit::run(&arguments, context),
        Command::Mode(arguments) => mode::run(arguments, context),
        Command::Rights(arguments) => mode::run_rights(arguments, context),
        Command::Wait(arguments) => wait::run(arguments, context),
        Command::Upload(arguments) => upload::run_command(&arguments, context),
        Command::Download(arguments) => download::run_command(&arguments, context),
        Command::Files(arguments) => files::run(&arguments, context),
        Command::Stat(arguments) => files::stat(&arguments, context),
        Command::Share(arguments) => share::run_command(&arguments, context),
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
