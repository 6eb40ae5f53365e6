//! Plants each seeded bug in turn and has the simulated world find it. Built and run by `.ci/nightly seeded-bugs`.

use std::process::ExitCode;

#[cfg(not(seeded_bug = "any"))]
fn main() -> ExitCode {
    eprintln!("This build has no bugs to plant; run .ci/nightly seeded-bugs.");
    ExitCode::from(2)
}

#[cfg(seeded_bug = "any")]
fn main() -> ExitCode {
    planting::main()
}

#[cfg(seeded_bug = "any")]
mod planting {
    use std::process::ExitCode;

    use clap::Parser;
    use palabre_core::seeded::{SEEDED_BUGS, SeededBug, plant};
    use palabre_tests::{
        campaign::{Campaign, Tally},
        files,
        report::{Verdict, line},
        world::Options,
    };

    /// Plants each seeded bug in turn and runs seeds until an invariant is broken. Ends with 1 if a bug was not found,
    /// or only by a panic, or if something is found with no bug planted.
    #[derive(Parser, Debug)]
    #[command(name = "seeded_bugs", version)]
    struct Arguments {
        /// The bugs to plant; all, if none is named.
        names: Vec<String>,
        /// How many seeds a bug may take.
        #[arg(long, default_value_t = 2_000)]
        seeds: u64,
        /// How many events before faults stop, instead of what each bug needs.
        #[arg(long)]
        events: Option<u64>,
        /// On how many threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Do not run the seeds without any bug first.
        #[arg(long)]
        without_control: bool,
    }

    pub(super) fn main() -> ExitCode {
        let arguments = Arguments::parse();
        let named = |bug: &&SeededBug| {
            arguments.names.is_empty() || arguments.names.iter().any(|name| name == bug.name)
        };
        let bugs: Vec<_> = SEEDED_BUGS.iter().filter(named).collect();
        if bugs.is_empty() || bugs.len() < arguments.names.len() {
            line("There is no such bug; core/src/seeded.rs lists them.");
            return ExitCode::from(2);
        }
        line("| Bug | File | Breaks | Found by | Seeds | Events a seed |\n|---|---|---|---|---|---|");
        let mut all_found = true;
        let mut most_seeds = 0;
        for bug in &bugs {
            let (found, seeds) = find(bug, &arguments);
            all_found &= found;
            most_seeds = most_seeds.max(seeds);
        }
        if !arguments.without_control {
            all_found &= is_clean(&bugs, most_seeds, &arguments);
        }
        ExitCode::from(u8::from(!all_found))
    }

    /// Runs seeds with a bug until one fails: whether an invariant found it, and after how many seeds.
    fn find(bug: &SeededBug, arguments: &Arguments) -> (bool, u64) {
        plant(Some(bug));
        let events = arguments.events.unwrap_or(bug.events);
        if bug.in_files {
            return find_in_files(bug, events, arguments);
        }
        let tally = campaign(arguments.seeds, events, arguments);
        plant(None);
        let (found, how) = judge(&tally);
        let seeds = tally.failures.first().map_or(arguments.seeds, |(seed, _)| *seed);
        let SeededBug { name, file, rule, .. } = bug;
        line(&format!("| `{name}` | `{file}` | {rule} | {how} | {seeds} | {events} |"));
        (found, seeds)
    }

    /// The same in the world of files.
    fn find_in_files(bug: &SeededBug, events: u64, arguments: &Arguments) -> (bool, u64) {
        let steps = u32::try_from(events).unwrap_or(u32::MAX);
        let found = (1..=arguments.seeds).find_map(|seed| Some((seed, files::run(seed, steps).err()?)));
        plant(None);
        let SeededBug { name, file, rule, .. } = bug;
        let (seeds, how) = match &found {
            Some((seed, how)) => (*seed, how.as_str()),
            None => (arguments.seeds, "**not found**"),
        };
        line(&format!("| `{name}` | `{file}` | {rule} | {how} | {seeds} | {events} |"));
        let clean = found.is_some() && (1..=seeds).all(|seed| files::run(seed, steps).is_ok());
        (clean, seeds)
    }

    fn judge(tally: &Tally) -> (bool, String) {
        match tally.failures.first().map(|(_, failure)| &failure.verdict) {
            Some(Verdict::NotSafe(violation) | Verdict::NotLive(violation)) => {
                (true, violation.invariant.name().to_owned())
            }
            Some(Verdict::Panicked(message)) => (false, format!("**only a panic**: {message}")),
            None => (false, "**not found**".to_owned()),
        }
    }

    /// The same seeds without any bug: what fails there as well was not found by it.
    fn is_clean(bugs: &[&SeededBug], seeds: u64, arguments: &Arguments) -> bool {
        let mut events: Vec<_> = bugs
            .iter()
            .filter(|bug| !bug.in_files)
            .map(|bug| arguments.events.unwrap_or(bug.events))
            .collect();
        events.sort_unstable();
        events.dedup();
        events.into_iter().all(|events| {
            let tally = campaign(seeds, events, arguments);
            let clean = tally.failures.is_empty();
            let found = if clean { "nothing".to_owned() } else { judge(&tally).1 };
            line(&format!("\nWith no bug planted, {} seeds of {events} events find {found}.", tally.seeds));
            clean
        })
    }

    fn campaign(seeds: u64, events_max: u64, arguments: &Arguments) -> Tally {
        let options = Options { events_max, ..Options::default() };
        let campaign =
            Campaign { first: 1, seeds: Some(seeds), jobs: arguments.jobs, keep_going: false, options };
        campaign.run(|| false, |_| {})
    }
}
