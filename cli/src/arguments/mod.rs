//! What is typed after the program's name, as typed. What it comes to is decided in `settings`.

mod address;
mod ancestor;
mod duration;
mod remote;
mod target;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use palabre_core::name::Nick;
use palabre_runtime::plaintext::Plaintext;

pub(crate) use self::{
    address::Address,
    ancestor::rewrite,
    duration::parse_duration,
    remote::{Remote, Shelf, parse_bytes, parse_offset},
    target::{Target, parse_room},
};
use crate::{
    command::{
        account, audit, completions, connect, devices, download, files, govern, history, logout, man,
        members, mode, passwd, ping, rooms, search, send, server, share, tail, transfers, unread, upload,
        wait, whoami,
    },
    failure::EXIT_CODES_HELP,
};

const EXAMPLES: &str = "\
Examples:
  cli connect chat.example --nick ana       chat
  cli send '#lobby' 'the build is green'    say something and return when it is stored
  cli tail '#lobby' --follow --json         read along, a JSON object a line
";

/// Palabre's client, for people and for scripts.
#[derive(Debug, Parser)]
#[command(name = "cli", version, about, before_help = EXAMPLES, after_help = EXIT_CODES_HELP)]
#[command(subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// The server: HOST, HOST:PORT or an invitation. Else PALABRE_SERVER, the configuration, the last one
    /// connected to
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    pub(crate) server: Option<Address>,
    /// The name to enter by, as a guest
    #[arg(long, global = true, value_name = "NAME", value_parser = Nick::parse)]
    pub(crate) nick: Option<Nick>,
    /// Enter by the token in this file, as `cli login --print-token` prints it; - reads standard input. Else
    /// PALABRE_TOKEN, else the login kept here
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "nick")]
    pub(crate) token_file: Option<PathBuf>,
    /// What to do about a server that is not known yet: ask (the default), accept-new, or strict, which trusts public
    /// authorities and known keys alone
    #[arg(long, global = true, value_name = "WHAT", value_enum)]
    pub(crate) host_key: Option<HostKey>,
    /// Do not encrypt; the server must do so too. Only for this machine, unless given twice (or =anywhere)
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) plaintext: Vec<Plaintext>,
    /// Print JSON Lines instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell nothing on standard error but failures
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Tell more on standard error
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Give up when there is no connection after this time at first
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(crate) connect_timeout: Duration,
    /// Give up when a connection that was lost is not back after this time
    #[arg(long, global = true, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub(crate) reconnect_for: Duration,
}

/// What to do about a server that is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostKey {
    /// A person at a terminal decides; nobody else is let decide.
    #[default]
    Ask,
    /// It is trusted from now on.
    AcceptNew,
    /// It is not talked to.
    Strict,
}

/// The commands, a module each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Connect(connect::Arguments),
    Register(account::NewAccount),
    Login(account::Arguments),
    Logout(logout::Arguments),
    Whoami(whoami::Arguments),
    Devices(devices::Arguments),
    Passwd(passwd::Arguments),
    Send(send::Arguments),
    Edit(send::EditArguments),
    Delete(send::DeleteArguments),
    React(send::ReactArguments),
    Tail(tail::Arguments),
    History(history::Arguments),
    Search(search::Arguments),
    Rooms(rooms::Arguments),
    Members(members::Arguments),
    Unread(unread::Arguments),
    /// Let somebody into a private room
    Invite(govern::Arguments),
    /// Take an invitation back
    Uninvite(govern::Arguments),
    /// Put somebody out of a room
    Kick(govern::Arguments),
    /// Put somebody out of a room and keep them out
    Ban(govern::TimedArguments),
    /// Let somebody into a room again
    Unban(govern::Arguments),
    /// Keep somebody from writing in a room
    Mute(govern::TimedArguments),
    /// Let somebody write in a room again
    Unmute(govern::Arguments),
    /// Make somebody a moderator of a room
    Op(govern::Arguments),
    /// Take somebody's role in a room back
    Deop(govern::Arguments),
    /// Make somebody an owner of a room
    Owner(govern::Arguments),
    Mode(mode::Arguments),
    Audit(audit::Arguments),
    Rights(mode::RightsArguments),
    Wait(wait::Arguments),
    Upload(upload::Arguments),
    Download(download::Arguments),
    Files(files::Arguments),
    Stat(files::StatArguments),
    Share(share::Arguments),
    Rm(files::RemoveArguments),
    Transfers(transfers::Arguments),
    Ping(ping::Arguments),
    Server(server::Arguments),
    Bench(crate::bench::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        let words = line.split(' ').map(Into::into);
        Arguments::try_parse_from(rewrite(
            [std::ffi::OsString::from("cli")].into_iter().chain(words).collect(),
        ))
    }

    #[test]
    fn the_arguments_make_sense() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_of_every_command_may_stand_behind_it() {
        let arguments = parse("rooms --server chat.example:5000 --json -q --nick ana").unwrap();
        assert_eq!(arguments.common.server, Some("chat.example:5000".parse().unwrap()));
        assert!(arguments.common.json && arguments.common.quiet);
        assert_eq!(arguments.common.nick.unwrap().as_str(), "ana");
        assert_eq!(arguments.common.connect_timeout, Duration::from_secs(10));
    }

    #[test]
    fn an_address_alone_connects() {
        let arguments = parse("localhost:4000 --nick ana").unwrap();
        assert!(matches!(arguments.command, Command::Connect(_)));
    }

    #[test]
    fn the_server_of_a_chat_may_be_said_in_both_ways() {
        for line in ["connect localhost:4000", "connect --server localhost:4000", "localhost:4000"] {
            assert!(matches!(parse(line).unwrap().command, Command::Connect(_)), "{line}");
        }
    }

    #[test]
    fn the_ancestors_ping_pings() {
        let arguments = parse("localhost:4000 -ping").unwrap();
        assert!(matches!(arguments.command, Command::Ping(_)));
        assert_eq!(arguments.common.server, Some("localhost:4000".parse().unwrap()));
    }

    #[test]
    fn a_name_that_is_none_is_wrong_usage() {
        for line in ["rooms --nick a/b", "send lobby hello", "rooms --server :1", "wait --match ("] {
            assert_eq!(parse(line).unwrap_err().kind(), ErrorKind::ValueValidation, "{line}");
        }
    }

    #[test]
    fn help_starts_with_three_examples_and_ends_with_the_exit_codes() {
        let help = Arguments::command().render_help().to_string();
        assert!(help.starts_with("Examples:\n  cli connect"), "{help}");
        assert_eq!(help.lines().skip(1).take_while(|line| line.starts_with("  cli ")).count(), 3);
        assert!(help.trim_end().ends_with("130\tinterrupted") || help.contains("130"), "{help}");
    }
}
