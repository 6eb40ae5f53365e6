//! The binary `runtime-server`, from its arguments to its exit code.

mod welcome;

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ},
    iterator::Signals,
};

use palabre_core::config::Registration;

use self::welcome::Welcome;
use crate::{
    accounts::{self, Imported, TransferError},
    clock::Clock,
    config::{AccountsCommand, Arguments, Command, ConfigError, Invite, OperatorCommand, Settings},
    logging,
    operators::{self, OperatorError},
    server::{Data, Ending, Remote, ServerStats, StartError},
};

/// How long a server that was told twice to stop may take to do so.
const STOP_MAX: Duration = Duration::from_secs(2);
/// Signals that come sooner after the first are taken for the same one: some senders send it to the process and to its
/// group.
const ECHO: Duration = Duration::from_millis(200);
/// What clients are told when the server shuts down.
const GOODBYE: &str = "The server is shutting down; reconnect in a moment.";

/// How the program ends, as `--help` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    Orderly = 0,
    NotStarted = 1,
    Misconfigured = 2,
    StorageUnrecoverable = 3,
    CutShort = 4,
}

/// Why there was no server.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Accounts(#[from] TransferError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error("--ephemeral keeps no accounts. Leave it out, and name the data directory with --data.")]
    NothingKept,
    #[error("The operating system gives no {0}: {1}.")]
    System(&'static str, io::Error),
}

/// Serves until it is told to stop, or does what else it was told to.
#[must_use]
pub fn run(mut arguments: Arguments) -> ExitCode {
    let done = match arguments.command.take() {
        None => serve(arguments),
        Some(Command::Accounts(command)) => transfer_accounts(command, arguments),
        Some(Command::Invite(invite)) => make_invitation(invite, arguments),
        Some(Command::Operator(OperatorCommand::Add { name })) => add_operator(&name, arguments),
    };
    let exit = done.unwrap_or_else(|problem| {
        // If nobody reads stderr, the exit code still tells.
        let _ = writeln!(io::stderr(), "runtime-server: {problem}");
        match problem {
            Problem::Config(_) | Problem::NothingKept => Exit::Misconfigured,
            Problem::Start(StartError::Secret(_)) | Problem::Accounts(TransferError::Secret(_)) => {
                Exit::StorageUnrecoverable
            }
            Problem::Start(_) | Problem::Accounts(_) | Problem::Operator(_) | Problem::System(..) => {
                Exit::NotStarted
            }
        }
    });
    ExitCode::from(exit as u8)
}

fn serve(arguments: Arguments) -> Result<Exit, Problem> {
    let settings = Settings::resolve(arguments)?;
    let _log = logging::start(settings.log_level, settings.log_format)
        .map_err(|error| Problem::System("log", error))?;
    let welcome = Welcome::of(&settings.server);
    // Before the server's threads, so that a signal from now on finds a handler.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1]);
    let mut signals = signals.map_err(|error| Problem::System("signals", error))?;
    let at_end = signals.handle();
    // A file may not grow past a limit (`ulimit -f`): a write that fails is refused, it does not end the process.
    let noted = signal_hook::flag::register(SIGXFSZ, Arc::default());
    noted.map_err(|error| Problem::System("signals", error))?;
    let server = settings.server.start_and_then(move || at_end.close())?;
    announce(welcome.lines(&server), &welcome);
    obey(&mut signals, &server.remote());
    Ok(exit(server.join()))
}

/// Makes an account an operator.
fn add_operator(name: &str, arguments: Arguments) -> Result<Exit, Problem> {
    let settings = Settings::resolve(arguments)?;
    let _log = logging::start(settings.log_level, settings.log_format)
        .map_err(|error| Problem::System("log", error))?;
    let Data::Sqlite(data) = settings.server.data else { return Err(Problem::NothingKept) };
    let name = operators::add(data, name)?;
    // It is done, whether anybody reads this or not.
    let _ =
        writeln!(io::stdout(), "{name} operates the server from its next start on, and is in #operators.");
    Ok(Exit::Orderly)
}

/// Carries accounts out of the data directory or into it.
fn transfer_accounts(command: AccountsCommand, arguments: Arguments) -> Result<Exit, Problem> {
    let settings = Settings::resolve(arguments)?;
    let _log = logging::start(settings.log_level, settings.log_format)
        .map_err(|error| Problem::System("log", error))?;
    let Data::Sqlite(data) = settings.server.data else { return Err(Problem::NothingKept) };
    let directory = data.directory.clone();
    let said = match command {
        AccountsCommand::Export { file } => {
            let accounts = accounts::export(data, &file)?;
            format!(
                "Exported {} with their secret to {}, which only you can read (mode 0600). Who has it can try out \
                 passwords: keep it safe.",
                counted(accounts, "account"),
                file.display()
            )
        }
        AccountsCommand::Import { file } => {
            let Imported { accounts, guests_removed } = accounts::import(data, &file)?;
            let mut said = format!("Imported {} into {}.", counted(accounts, "account"), directory.display());
            if guests_removed > 0 {
                let guests = counted(guests_removed, "guest");
                let _ = write!(said, " Removed {guests} who had a name of theirs or one that looks like it.");
            }
            said
        }
    };
    // It is done, whether anybody reads this or not.
    let _ = writeln!(io::stdout(), "{said}");
    Ok(Exit::Orderly)
}

/// Makes a code, beside a server that may run on the same data.
fn make_invitation(invite: Invite, arguments: Arguments) -> Result<Exit, Problem> {
    let settings = Settings::resolve(arguments)?;
    let Data::Sqlite(data) = settings.server.data else { return Err(Problem::NothingKept) };
    let Invite { uses, days } = invite;
    let code = accounts::invite(&data.directory, uses, u32::from(days) * 24)?;
    let good_for = counted(uses.into(), "account");
    let mut said = format!(
        "It is good for {good_for} and {}: cli register NAME --invitation CODE",
        counted(days.into(), "day")
    );
    if settings.server.registration != Registration::Invite {
        said += ". The server asks for it when it is started with --registration invite";
    }
    let _ = writeln!(io::stderr(), "{said}.");
    let _ = writeln!(io::stdout(), "{code}");
    Ok(Exit::Orderly)
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Says that the server can be reached. Whoever started it may wait for the first line.
fn announce(lines: String, welcome: &Welcome) {
    tracing::debug!("{lines}");
    if welcome.forgets_data {
        tracing::warn!("--ephemeral: nothing is kept, all is gone when the server ends");
    }
    let print = move || {
        let mut stdout = io::stdout();
        // Nobody has to read it.
        let _ = writeln!(stdout, "{lines}").and_then(|()| stdout.flush());
    };
    // On a thread of its own: a pipe that is full and not read must not keep signals from being heard.
    let _ = thread::Builder::new().name("readiness".into()).spawn(print);
}

/// Does what signals ask for, until the server has ended.
fn obey(signals: &mut Signals, server: &Remote) {
    let clock = Clock::start();
    let mut told = None;
    for signal in signals.forever() {
        match (signal, told) {
            (SIGUSR1, _) => write_figures(server.clone()),
            (SIGHUP, _) => reload(server),
            (_, None) => {
                tracing::info!(signal, "shutting down; a second signal stops at once");
                told = Some(clock.monotonic());
                server.shut_down(GOODBYE);
            }
            (_, Some(told)) if clock.monotonic().since(told) < ECHO => {}
            (_, Some(_)) => {
                tracing::warn!(signal, "stopping at once");
                server.stop_now();
                end_anyway();
            }
        }
    }
}

/// A server goes on with the certificate it has until there is a better one.
fn reload(server: &Remote) {
    match server.reload_certificate() {
        Ok(Some(key)) => {
            tracing::info!(%key, "the certificate was read again; whoever connects now is shown it")
        }
        Ok(None) => tracing::info!("there is no --certificate to be read again"),
        Err(error) => tracing::error!("the certificate stays the one it was: {error}"),
    }
}

/// Ends the process although the server does not: what is stored is stored, whatever happens to the rest.
fn end_anyway() {
    let end = || {
        thread::sleep(STOP_MAX);
        std::process::exit(i32::from(Exit::CutShort as u8));
    };
    let _ = thread::Builder::new().name("end".into()).spawn(end);
}

/// On a thread of its own, so that a busy server does not keep a second signal from being heard.
fn write_figures(server: Remote) {
    let write = move || match server.stats() {
        Some(stats) => log_figures(&stats),
        None => tracing::warn!("the server is too busy to give figures"),
    };
    let _ = thread::Builder::new().name("figures".into()).spawn(write);
}

fn log_figures(stats: &ServerStats) {
    let ServerStats { core, storage, sockets, tls_bytes, turns } = stats;
    tracing::info!(
        sockets,
        connections = core.connections,
        clients = core.clients,
        queued = core.queued,
        lost = core.lost,
        rooms = core.rooms,
        events_stored = core.events_stored,
        deliveries = core.deliveries,
        lagged = core.lagged,
        caught_up = core.caught_up,
        events_read_back = core.events_read_back,
        outbound_bytes = core.outbound_bytes,
        inbound_bytes = core.inbound_bytes,
        recent_bytes = core.recent_bytes,
        shared_bytes = core.shared_bytes,
        tls_bytes,
        pending = core.pending,
        resident_bytes = resident_bytes(),
        turns,
        storage_requests = storage.submitted,
        storage_answers = storage.answered,
        storage_batches = storage.batches,
        storage_largest_batch = storage.largest_batch,
        storage_commit_micros = u64::try_from(storage.commit_time.as_micros()).unwrap_or(u64::MAX),
        storage_longest_commit_micros = u64::try_from(storage.longest_commit.as_micros()).unwrap_or(u64::MAX),
        "figures"
    );
}

/// The memory this process has in RAM, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

fn exit(ending: Ending) -> Exit {
    match ending {
        Ending::Drained => {
            tracing::info!("ended in order");
            Exit::Orderly
        }
        Ending::CutShort(connections) => {
            tracing::warn!(connections, "ended before all clients had taken what there was for them");
            Exit::CutShort
        }
        Ending::Storage(reason) => {
            tracing::error!("{reason}");
            Exit::StorageUnrecoverable
        }
        Ending::System(error) => {
            tracing::error!(%error, "the server cannot go on");
            Exit::NotStarted
        }
    }
}
