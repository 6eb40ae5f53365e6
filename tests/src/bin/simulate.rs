//! Runs seeds of the simulated world: one, or a campaign. See `docs/TESTING.md`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use palabre_tests::{
    campaign::{Campaign, Tally},
    determinism::{Difference, TwiceRun},
    minimise::minimise,
    plan::Fault,
    record::{self, Beginning},
    report::{Failure, line, replay_command},
    run::run_seed,
    skip::{Numbers, Skip},
    world::Options,
};

const NOT_DETERMINISTIC: u8 = 130;
const MARK_MISSED: u8 = 1;

/// Runs the simulated world. Ends with 0 if all is well, 127 after a panic, 128 if something did not get done, 129
/// if an invariant was broken, 130 if a seed ran in two ways, 1 if a campaign missed a mark.
#[derive(Parser, Debug)]
#[command(name = "simulate", version)]
struct Arguments {
    /// The seed to run, alone.
    seed_alone: Option<u64>,
    /// The first seed of a campaign.
    #[arg(long = "seed", default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long)]
    seeds: Option<u64>,
    /// For how long, instead.
    #[arg(long)]
    minutes: Option<f64>,
    /// How many events before faults stop.
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// On how many threads.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// What is printed of a seed that is run alone.
    #[arg(long, default_value = "short")]
    log: Log,
    /// Look for a smaller run that fails in the same way.
    #[arg(long)]
    minimise: bool,
    /// Run every seed twice, each in a process of its own, and compare.
    #[arg(long)]
    check_determinism: bool,
    /// Another build of this program, which runs each seed the second time.
    #[arg(long, requires = "check_determinism")]
    other_build: Option<PathBuf>,
    /// Append a row on the campaign to this ledger.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Do not fail for marks that were never hit.
    #[arg(long)]
    allow_missed_marks: bool,
    /// Classes of faults to leave out.
    #[arg(long, value_delimiter = ',', value_parser = parse_fault)]
    without: Vec<Fault>,
    /// At most so many honest clients.
    #[arg(long)]
    clients: Option<usize>,
    /// Operations to leave out.
    #[arg(long, default_value_t)]
    skip_operations: Numbers,
    /// Faults to leave out.
    #[arg(long, default_value_t)]
    skip_faults: Numbers,
    /// With a storage that answers before it has synced: must fail.
    #[arg(long)]
    lying_store: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Log {
    Short,
    Full,
}

fn parse_fault(name: &str) -> Result<Fault, String> {
    let names = || Fault::ALL.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(", ");
    Fault::ALL.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| format!("one of {}", names()))
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            events_max: self.events,
            without: self.without.clone(),
            clients_max: self.clients,
            skip: Skip { operations: self.skip_operations.clone(), faults: self.skip_faults.clone() },
            log: false,
            lying_store: self.lying_store,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = arguments.options();
    let ended = match arguments.seed_alone {
        _ if arguments.check_determinism => check_determinism(&arguments, options),
        Some(seed) => Ok(run_alone(seed, &arguments, options)),
        None => run_campaign(&arguments, &options),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("simulate: {error}");
        ExitCode::FAILURE
    })
}

fn run_alone(seed: u64, arguments: &Arguments, options: Options) -> ExitCode {
    let outcome = run_seed(seed, &Options { log: arguments.log == Log::Full, ..options.clone() });
    line(&format!("seed {seed}: {} events, hash {:016x}", outcome.events, outcome.hash));
    let Some(failure) = outcome.failure else { return ExitCode::SUCCESS };
    fail(seed, options, failure, arguments.minimise)
}

fn fail(seed: u64, mut options: Options, mut failure: Failure, minimised: bool) -> ExitCode {
    if minimised {
        let progress = |options: &Options| {
            eprint!("\r\x1b[K{}", replay_command(seed, options));
        };
        (options, failure) = minimise(seed, &options, failure, progress);
        eprintln!();
    }
    line(&failure.report(seed, &options));
    ExitCode::from(failure.verdict.exit_code())
}

fn run_campaign(arguments: &Arguments, options: &Options) -> io::Result<ExitCode> {
    let beginning = arguments.ledger.is_some().then(Beginning::take).transpose()?;
    let started = now();
    let time_max = arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let seeds = arguments.seeds.or_else(|| time_max.is_none().then_some(1_000));
    let campaign = Campaign {
        first: arguments.seed,
        seeds,
        jobs: arguments.jobs,
        keep_going: arguments.keep_going,
        options: options.clone(),
    };
    let told = AtomicUsize::new(0);
    let tally = campaign.run(
        || time_max.is_some_and(|max| started.elapsed() >= max),
        |tally| tell_progress(tally, &told, started.elapsed()),
    );
    let elapsed = started.elapsed();
    if let (Some(ledger), Some(beginning)) = (&arguments.ledger, beginning) {
        record::append(ledger, &beginning.row(&campaign, &tally, elapsed))?;
    }
    Ok(conclude(arguments, options, &tally, elapsed))
}

/// On a terminal, a line that changes; anywhere, a line for each failure when it happens.
fn tell_progress(tally: &Tally, told: &AtomicUsize, elapsed: Duration) {
    let is_terminal = io::stderr().is_terminal();
    if is_terminal {
        eprint!("\r\x1b[K{}", tally.progress(elapsed));
        let _ = io::stderr().flush();
    }
    if told.swap(tally.failures.len(), Ordering::Relaxed) < tally.failures.len()
        && let Some((seed, failure)) = tally.failures.last()
    {
        let newline = if is_terminal { "\n" } else { "" };
        eprintln!("{newline}seed {seed}: {}", failure.verdict);
    }
}

fn conclude(arguments: &Arguments, options: &Options, tally: &Tally, elapsed: Duration) -> ExitCode {
    line(&tally.marks_table());
    line(&format!("{} in {elapsed:.1?}", tally.progress(elapsed)));
    for (seed, failure) in tally.failures.iter().skip(1) {
        line(&format!("seed {seed}: {}", failure.verdict));
    }
    if let Some((seed, failure)) = tally.failures.first() {
        return fail(*seed, options.clone(), failure.clone(), arguments.minimise);
    }
    let missed = tally.marks.missed();
    for mark in &missed {
        line(&format!("never: {} ({})", mark.name, mark.situation));
    }
    if missed.is_empty() || arguments.allow_missed_marks {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(MARK_MISSED)
    }
}

fn check_determinism(arguments: &Arguments, options: Options) -> io::Result<ExitCode> {
    let this = std::env::current_exe()?;
    let other = arguments.other_build.clone().unwrap_or_else(|| this.clone());
    let first = arguments.seed_alone.unwrap_or(arguments.seed);
    let seeds = if arguments.seed_alone.is_some() { 1 } else { arguments.seeds.unwrap_or(1_000) };
    let twice = TwiceRun { first, seeds, jobs: arguments.jobs, programs: [this, other], options };
    if let Some(Difference { seed, said: [one, other] }) = twice.run()? {
        line(&format!("seed {seed} ran in two ways:\n{one}\n{other}"));
        return Ok(ExitCode::from(NOT_DETERMINISTIC));
    }
    line(&format!("{seeds} seeds ran twice, each time in the same way"));
    Ok(ExitCode::SUCCESS)
}

/// The only clock here: how long a campaign takes. Worlds have their own.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
