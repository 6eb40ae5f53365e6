//! Many seeds, one after another on several threads.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{marks::Counts, report::Failure, run::run_seed, world::Options};

/// Which seeds, on how many threads, for how long.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many seeds; without a number, as many as the time allows.
    pub seeds: Option<u64>,
    /// Threads.
    pub jobs: usize,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// How each is run.
    pub options: Options,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Seeds run.
    pub seeds: u64,
    /// Inputs that changed a state, in all.
    pub events: u64,
    /// Marks hit, in all.
    pub marks: Counts,
    /// Seeds that failed, with their reports, ascending.
    pub failures: Vec<(u64, Failure)>,
}

impl Campaign {
    /// Runs it. `is_time_up` is asked before each seed; `progress` hears of each.
    pub fn run(&self, is_time_up: impl Fn() -> bool + Sync, progress: impl Fn(&Tally) + Sync) -> Tally {
        let next = AtomicU64::new(self.first);
        let stop = AtomicBool::new(false);
        let tally = Mutex::new(Tally::default());
        let work = || {
            while !stop.load(Ordering::Relaxed) && !is_time_up() {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if self.seeds.is_some_and(|seeds| seed - self.first >= seeds) {
                    return;
                }
                let outcome = run_seed(seed, &self.options);
                let mut tally = tally.lock().expect("no thread panics while it holds the tally");
                tally.seeds += 1;
                tally.events += outcome.events;
                tally.marks.add(&outcome.marks);
                if let Some(failure) = outcome.failure {
                    tally.failures.push((seed, failure));
                    stop.fetch_or(!self.keep_going, Ordering::Relaxed);
                }
                progress(&tally);
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(work);
            }
        });
        let mut tally = tally.into_inner().expect("no thread panics while it holds the tally");
        tally.failures.sort_by_key(|(seed, _)| *seed);
        tally
    }
}

impl Tally {
    /// A few words on how far it is.
    #[must_use]
    pub fn progress(&self, elapsed: Duration) -> String {
        #[allow(clippy::cast_precision_loss)]
        let per_second = self.events as f64 / elapsed.as_secs_f64().max(0.001);
        format!(
            "{} seeds, {} events, {per_second:.0} events/s, {} marks not hit, {} failures",
            self.seeds,
            self.events,
            self.marks.missed().len(),
            self.failures.len(),
        )
    }

    /// Every mark with its count.
    #[must_use]
    pub fn marks_table(&self) -> String {
        let lines = self.marks.iter().map(|(mark, count)| format!("{count:>10}  {}\n", mark.name));
        lines.collect()
    }
}
