//! `cli bench`: what a server can do. `docs/PERFORMANCE.md` says how to read it.

mod disk;
mod process;
mod report;

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use palabre_runtime::{
    client::{Security, Trust},
    load::{Load, LoadError, Traffic},
    plaintext::Plaintext,
};

pub(crate) use self::report::Report;
use self::{
    process::ServerProcess,
    report::{Connects, Idle, Rooms},
};
use crate::{
    arguments::{Address, parse_duration},
    context::Context,
    failure::{ExitStatus, Failure},
    output::Body,
    trust,
};

/// What is not counted at the beginning, until buffers have grown and caches are warm.
const WARM_UP: Duration = Duration::from_secs(1);
/// What is waited for after peers have come, so that what they cause is not counted as their memory or CPU.
const CALM: Duration = Duration::from_millis(1_500);
/// What the time in a message takes.
const STAMP_BYTES: u32 = 16;
/// How many connections of the load that is not measured are made at a time.
const AT_A_TIME: usize = 64;

/// Load a server of your own and measure it
#[derive(Debug, Args)]
#[command(after_help = "\
Start the server with --limits open, and keep it and this program on different cores:

  taskset -c 0 runtime-server --ephemeral --limits open --max-clients 20000 --listen 127.0.0.1:4000
  taskset -c 1 cli bench 127.0.0.1:4000 --members 100 --server-pid $(pidof runtime-server)

With --plaintext on both ends, the same is measured without encryption.

Without --rate the senders post as fast as they are let, with --rate at a steady pace and latencies are measured.")]
pub(crate) struct Arguments {
    /// The server; else that of --server and so on
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<Address>,
    /// How many rooms
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rooms: u32,
    /// How many members each room has
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    members: u32,
    /// How many of them post
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    senders: u32,
    /// How long messages are; with --rate at least 16
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    size: u32,
    /// Messages a second of all senders together; 0 for as many as possible
    #[arg(long, value_name = "N", default_value_t = 0)]
    rate: u32,
    /// How many messages of one sender may be under way
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    /// How long to measure, after a second that does not count
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_duration)]
    duration: Duration,
    /// The server's process on this machine, to measure its CPU time and memory
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Measure instead how fast so many connect and enter, 64 at a time
    #[arg(long, value_name = "N", conflicts_with_all = ["idle", "fdatasync"])]
    connects: Option<u32>,
    /// Measure instead what so many cost that enter and then do nothing
    #[arg(long, value_name = "N", requires = "server_pid", conflicts_with = "fdatasync")]
    idle: Option<u32>,
    /// Measure instead how long this directory's disk takes to make 4 KiB durable, to compare a server's latency with
    #[arg(long, value_name = "DIRECTORY")]
    fdatasync: Option<PathBuf>,
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    if arguments.server.is_some() {
        context.common.server.clone_from(&arguments.server);
    }
    let report = match (&arguments.fdatasync, arguments.connects, arguments.idle) {
        (Some(directory), _, _) => {
            let times = disk::fdatasync_times(directory, arguments.duration);
            Report::Disk(times.map_err(|error| Failure::local(directory.display(), &error))?.into())
        }
        (None, Some(count), _) => Report::Connects(connects(count, &arguments, context)?),
        (None, None, Some(count)) => Report::Idle(idle(count, &arguments, context)?),
        (None, None, None) => Report::Rooms(rooms(&arguments, context)?),
    };
    context.output.result(Body::Bench(&report), &report)
}

fn rooms(arguments: &Arguments, context: &mut Context) -> Result<Rooms, Failure> {
    if arguments.rate > 0 && arguments.size < STAMP_BYTES {
        return Err(Failure::usage(format!("with --rate, --size is at least {STAMP_BYTES}")));
    }
    let server = arguments.server_process()?;
    let (rooms, members) = (arguments.rooms as usize, arguments.members as usize);
    let mut load = load(context)?;
    load.enter(rooms * members, AT_A_TIME)?;
    load.join(rooms, members)?;
    load.run(CALM)?;
    load.start(Traffic {
        senders: members.min(arguments.senders as usize),
        text_bytes: arguments.size as usize,
        window: arguments.window,
        per_second: Some(arguments.rate).filter(|rate| *rate > 0),
    });
    load.run(WARM_UP)?;
    let before = server.sample()?;
    let measured = load.run(arguments.duration)?;
    let after = server.sample()?;
    load.finish()?;
    load.leave()?;
    Ok(Rooms::new(arguments, &measured, after.zip(before).map(|(after, before)| after.since(before))))
}

fn connects(count: u32, arguments: &Arguments, context: &mut Context) -> Result<Connects, Failure> {
    let server = arguments.server_process()?;
    let mut load = load(context)?;
    let before = server.sample()?;
    let elapsed = load.enter(count as usize, AT_A_TIME)?;
    let after = server.sample()?;
    load.leave()?;
    Ok(Connects::new(count, elapsed, after.zip(before).map(|(after, before)| after.since(before))))
}

fn idle(count: u32, arguments: &Arguments, context: &mut Context) -> Result<Idle, Failure> {
    let server = arguments.server_process()?;
    let mut load = load(context)?;
    let before = server.sample()?;
    load.enter(count as usize, AT_A_TIME)?;
    load.run(CALM)?;
    let calm = server.sample()?;
    let waited = load.run(arguments.duration)?;
    let after = server.sample()?;
    load.leave()?;
    let (Some(before), Some(calm), Some(after)) = (before, calm, after) else {
        return Err(Failure::usage("--idle needs --server-pid"));
    };
    Ok(Idle::new(count, before, calm, after, waited.elapsed))
}

/// A load is put on whatever server listens there, and tells it nothing that anybody has to keep.
fn load(context: &mut Context) -> Result<Load, Failure> {
    let server = context.server()?;
    let security = match context.plaintext()? {
        Plaintext::No => Security::Tls(Trust::Key(trust::look_at(context, &server)?.key)),
        Plaintext::Loopback | Plaintext::Anywhere => Security::Plain,
    };
    let address = resolve(&server).ok_or_else(|| {
        Failure::new(ExitStatus::Unavailable, "unreachable", format!("{server}: the name has no address"))
    })?;
    // Whoever loads a server twice is not in its own way.
    Ok(Load::new(address, security, &format!("load{}", std::process::id()))?)
}

fn resolve(server: &Address) -> Option<SocketAddr> {
    (server.host.as_str(), server.port).to_socket_addrs().ok()?.next()
}

impl Arguments {
    fn server_process(&self) -> Result<ServerProcess, Failure> {
        ServerProcess::find(self.server_pid)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let (status, code) = match &error {
            LoadError::System { .. } | LoadError::Ended(_) | LoadError::Stalled => {
                (ExitStatus::Unavailable, "load-failed")
            }
            LoadError::Refused(_) => (ExitStatus::Limit, "load-refused"),
            LoadError::Protocol(_) | LoadError::Hole { .. } => (ExitStatus::Protocol, "load-broken"),
        };
        Self::new(status, code, error.to_string())
    }
}
