//! Making a failing seed small: classes of faults, clients, events, faults and operations are left out as long as the
//! same stays wrong.

use crate::{
    plan::Fault,
    report::{Failure, Verdict},
    run::{Outcome, run_seed},
    skip::Numbers,
    world::Options,
};

/// The smallest options found with which `seed` still fails like `verdict`, and that failure.
pub fn minimise(
    seed: u64,
    options: &Options,
    failure: Failure,
    mut progress: impl FnMut(&Options),
) -> (Options, Failure) {
    let mut search = Search {
        seed,
        best: options.clone(),
        verdict: failure.verdict.clone(),
        failure,
        progress: &mut progress,
    };
    search.fewer_events();
    search.fewer_faults();
    search.fewer_clients();
    search.skip(|options| &mut options.skip.faults, |actions| actions.1);
    search.skip(|options| &mut options.skip.operations, |actions| actions.0);
    search.fewer_events();
    (search.best, search.failure)
}

struct Search<'a> {
    seed: u64,
    best: Options,
    verdict: Verdict,
    failure: Failure,
    progress: &'a mut dyn FnMut(&Options),
}

impl Search<'_> {
    /// Takes the options over if they fail in the same way.
    fn accept(&mut self, options: Options) -> bool {
        let Outcome { failure: Some(failure), .. } = run_seed(self.seed, &options) else { return false };
        let like = failure.verdict.is_like(&self.verdict);
        if like {
            self.best = options;
            self.failure = failure;
            (self.progress)(&self.best);
        }
        like
    }

    /// No more than until it failed, then by halves.
    fn fewer_events(&mut self) {
        let until_failure = self.failure.events.min(self.best.events_max);
        self.accept(Options { events_max: until_failure, ..self.best.clone() });
        let mut step = self.best.events_max / 2;
        while step > 8 {
            let fewer =
                Options { events_max: self.best.events_max.saturating_sub(step), ..self.best.clone() };
            if fewer.events_max == 0 || !self.accept(fewer) {
                step /= 2;
            }
        }
    }

    fn fewer_faults(&mut self) {
        let present: Vec<_> = self.failure.plan.faults().collect();
        for fault in present {
            let mut without: Vec<Fault> = self.best.without.clone();
            without.push(fault);
            self.accept(Options { without, ..self.best.clone() });
        }
    }

    fn fewer_clients(&mut self) {
        for clients in 1..self.failure.plan.clients {
            if self.accept(Options { clients_max: Some(clients), ..self.best.clone() }) {
                return;
            }
        }
    }

    /// Leaves actions out in ever smaller groups.
    fn skip(&mut self, numbers: fn(&mut Options) -> &mut Numbers, count: fn((u64, u64)) -> u64) {
        let total = count(run_seed(self.seed, &self.best).actions);
        let mut group = total.div_ceil(2).max(1);
        loop {
            for first in (1..=total).step_by(usize::try_from(group).unwrap_or(usize::MAX)) {
                let mut options = self.best.clone();
                let skipped = numbers(&mut options);
                let left: Vec<_> = (first..(first + group).min(total + 1))
                    .filter(|number| !skipped.contains(*number))
                    .collect();
                if !left.is_empty() {
                    *skipped = skipped.with(left);
                    self.accept(options);
                }
            }
            if group == 1 {
                return;
            }
            group = group.div_ceil(2);
        }
    }
}
