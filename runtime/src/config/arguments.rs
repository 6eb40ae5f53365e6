//! The command line and the environment, as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use palabre_core::config::{FilesConfig, Registration};
use serde::Deserialize;

use crate::{listen::ListenAddress, plaintext::Plaintext};

/// What stands under the flags in `--help`.
const AFTER_HELP: &str = "\
Examples:
  runtime-server --listen :4000             serve everybody over TLS, keep data and key in ./palabre-data
  runtime-server --listen 127.0.0.1:4000    serve this machine
  runtime-server --ephemeral --limits open  for tests and benchmarks: nothing is kept
  runtime-server accounts export backup.txt
  runtime-server invite --days 3            print a code for `cli register NAME --invitation CODE`
  runtime-server operator add ana           make the account ana the server's operator

What is not given as a flag is taken from the environment, then from the configuration file.

Signals:
  SIGTERM, SIGINT   shut down in order: clients are told and reconnect later; a second one stops at once
  SIGHUP            read --certificate and --key again; connections go on
  SIGUSR1           write figures into the log

Exit codes:
  0  ended in order
  1  could not start; accounts could not be exported or imported
  2  a mistake in the command line, the environment or the configuration
  3  storage can no longer tell what is stored; the secret of the accounts is missing or not theirs
  4  stopped before all clients had taken what there was for them (second signal, or --drain was too short)";

/// Palabre's chat server.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "runtime-server", version, about = "Palabre's chat server", after_help = AFTER_HELP, max_term_width = 100)]
pub struct Arguments {
    /// Listen here; may be given several times. `:4000` listens on all addresses, with --plaintext on 127.0.0.1 and
    /// ::1. Port 0 takes any that is free [default: :4000]
    #[arg(long, value_name = "ADDRESS", env = "PALABRE_LISTEN", value_delimiter = ',')]
    pub listen: Vec<ListenAddress>,
    /// Do this instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Keep data in this directory; it is created [default: palabre-data]
    #[arg(long, global = true, value_name = "DIRECTORY", env = "PALABRE_DATA")]
    pub data: Option<PathBuf>,
    /// Read what is not given here from this TOML file
    #[arg(long, global = true, value_name = "FILE", env = "PALABRE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Let so many users in at a time [default: 2000]
    #[arg(long, value_name = "NUMBER", env = "PALABRE_MAX_CLIENTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_clients: Option<u32>,
    /// Let so many more wait for a place [default: 100]
    #[arg(long, value_name = "NUMBER", env = "PALABRE_QUEUE")]
    pub queue: Option<u32>,
    /// Show this text file to users who ask for the manual
    #[arg(long, value_name = "FILE", env = "PALABRE_MANUAL")]
    pub manual: Option<PathBuf>,
    /// Which limits to hold peers to. `open` lifts those to rates, early drop and connections by source: only for
    /// trusted networks and benchmarks [default: default]
    #[arg(long, value_name = "PRESET", env = "PALABRE_LIMITS")]
    pub limits: Option<Preset>,
    /// Keep nothing: all is gone when the server ends
    #[arg(long, env = "PALABRE_EPHEMERAL", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub ephemeral: Option<bool>,
    /// Let guests in, who have a name for as long as they are there [default: true]
    #[arg(long, env = "PALABRE_GUESTS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub guests: Option<bool>,
    /// Who may make an account: everybody, who has a code of `runtime-server invite`, or nobody [default: open]
    #[arg(long, value_name = "WHO", env = "PALABRE_REGISTRATION")]
    pub registration: Option<MayRegister>,
    /// Let clients that cannot do OPAQUE send their password as it is, inside TLS: then the server sees it, and each such login
    /// costs it 64 MiB for a while [default: false]
    #[arg(long, env = "PALABRE_PLAIN_LOGINS", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub plain_logins: Option<bool>,
    /// Who may upload files [default: accounts]
    #[arg(long, value_name = "WHO", env = "PALABRE_FILES")]
    pub files: Option<MayUpload>,
    /// Show this certificate (PEM, followed by those that vouch for it) instead of one of the server's own making;
    /// needs --key
    #[arg(long, value_name = "FILE", env = "PALABRE_CERTIFICATE")]
    pub certificate: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", env = "PALABRE_KEY")]
    pub key: Option<PathBuf>,
    /// Do not encrypt, and let only this machine in. Given twice (or =anywhere): let other machines in as well
    #[arg(long, env = "PALABRE_PLAINTEXT", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub plaintext: Vec<Plaintext>,
    /// Give clients so long to take what remains when the server shuts down [default: 10]
    #[arg(long, value_name = "SECONDS", env = "PALABRE_DRAIN")]
    pub drain: Option<u32>,
    /// Write into the log what is at least so important [default: info]
    #[arg(long, value_name = "LEVEL", env = "PALABRE_LOG")]
    pub log: Option<LogLevel>,
    /// Write the log for people or for programs [default: text]
    #[arg(long, value_name = "FORMAT", env = "PALABRE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// What else there is to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Take all accounts to another server, or keep them safe; while no server runs on the data
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Say who operates the server; while no server runs on the data
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Make a code by which accounts can be made (--registration invite); also while the server runs
    Invite(Invite),
}

/// What a code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct Invite {
    /// For so many accounts
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub uses: u16,
    /// For so many days
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub days: u16,
}

/// What there is to do with operators.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum OperatorCommand {
    /// Make an account an operator: an owner of #operators. Operators make others with /owner there
    Add {
        /// The account's name
        name: String,
    },
}

/// What there is to do with accounts.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum AccountsCommand {
    /// Write all accounts and the secret of their passwords into a new text file, one account a line
    Export {
        /// The file; it must not exist
        file: PathBuf,
    },
    /// Add all accounts of such a file, or none if a line is wrong or a name is taken
    Import {
        /// The file
        file: PathBuf,
    },
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MayRegister {
    /// Whoever asks, five an hour from one address.
    #[default]
    Open,
    /// Who has a code of `runtime-server invite`.
    Invite,
    /// Nobody.
    Closed,
}

impl From<MayRegister> for Registration {
    fn from(who: MayRegister) -> Self {
        match who {
            MayRegister::Open => Self::Open,
            MayRegister::Invite => Self::Invite,
            MayRegister::Closed => Self::Closed,
        }
    }
}

/// Who may upload files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MayUpload {
    /// Nobody, and nobody downloads any.
    Off,
    /// Who has an account. Guests download.
    #[default]
    Accounts,
    /// Guests too.
    Everybody,
}

impl From<MayUpload> for FilesConfig {
    fn from(who: MayUpload) -> Self {
        match who {
            MayUpload::Off => Self::Off,
            MayUpload::Accounts => Self::Accounts,
            MayUpload::Everybody => Self::Everybody,
        }
    }
}

/// A set of limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// For servers that strangers can reach.
    #[default]
    Default,
    /// Without limits to rates and to connections by source.
    Open,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Somebody has to do something.
    Error,
    /// Somebody may have to do something.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// Every connection.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
