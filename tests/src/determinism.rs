//! Running every seed twice, each time in a process of its own: what a process has (addresses, hashers, a profile it
//! was built with) must not leak into a run.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{report::replay_arguments, world::Options};

/// Which seeds are run twice, and by which programs.
#[derive(Clone, Debug)]
pub struct TwiceRun {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// How many at a time.
    pub jobs: usize,
    /// The program that runs a seed first, and the one that runs it again: the same, or another build of it.
    pub programs: [PathBuf; 2],
    /// How each is run.
    pub options: Options,
}

/// A seed that ran in two ways.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Which.
    pub seed: u64,
    /// What each run said.
    pub said: [String; 2],
}

impl TwiceRun {
    /// Runs them all; the lowest seed that differs, if one does.
    ///
    /// # Errors
    /// A program cannot be run.
    pub fn run(&self) -> io::Result<Option<Difference>> {
        let next = AtomicU64::new(self.first);
        let found: Mutex<io::Result<Option<Difference>>> = Mutex::new(Ok(None));
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&next, &found));
            }
        });
        found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn work(&self, next: &AtomicU64, found: &Mutex<io::Result<Option<Difference>>>) {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.first + self.seeds {
                return;
            }
            let outcome = self.run_twice(seed);
            if matches!(outcome, Ok(None)) {
                continue;
            }
            let mut found = found.lock().expect("no thread panics while it holds what was found");
            let known = matches!(&*found, Ok(Some(earlier)) if earlier.seed < seed);
            if !known {
                *found = outcome;
            }
            // Seeds before this one are under way already; none after it is begun.
            next.store(self.first + self.seeds, Ordering::Relaxed);
            return;
        }
    }

    fn run_twice(&self, seed: u64) -> io::Result<Option<Difference>> {
        let [one, other] = &self.programs;
        let said = [self.run_once(one, seed)?, self.run_once(other, seed)?];
        Ok((said[0] != said[1]).then_some(Difference { seed, said }))
    }

    /// What a run says: its hash, and its report if it failed. A run that says nothing was none.
    fn run_once(&self, program: &Path, seed: u64) -> io::Result<String> {
        let output = Command::new(program).args(replay_arguments(seed, &self.options)).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.is_empty() {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("{} on seed {seed}: {error}", program.display())));
        }
        Ok(said)
    }
}
