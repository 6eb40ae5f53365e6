//! Running one world, whatever becomes of it.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use crate::{
    choices::Choices,
    marks::{self, Counts},
    report::{Failure, Verdict, panic_message},
    world::{Options, World},
};

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// A hash of everything that happened.
    pub hash: u64,
    /// How many inputs changed a state.
    pub events: u64,
    /// How many operations and faults there were.
    pub actions: (u64, u64),
    /// How often each mark was hit.
    pub marks: Counts,
    /// What went wrong, if something did.
    pub failure: Option<Failure>,
}

/// Runs a seed.
#[must_use]
pub fn run_seed(seed: u64, options: &Options) -> Outcome {
    run(Choices::seeded(seed), options)
}

/// Runs a world on these choices. A panic is a way for it to end.
#[must_use]
pub fn run(choices: Choices, options: &Options) -> Outcome {
    install_panic_hook();
    drop(marks::take());
    let mut world = World::new(choices, options.clone());
    PANIC_PLACE.set(None);
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    QUIET.set(false);
    let verdict = match result {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(Verdict::of(violation)),
        Err(panic) => {
            let place = PANIC_PLACE.take().unwrap_or_default();
            Some(Verdict::Panicked(format!("{} at {place}", panic_message(&*panic))))
        }
    };
    Outcome {
        hash: world.trace().hash(),
        events: world.events(),
        actions: world.actions(),
        marks: marks::take(),
        failure: verdict.map(|verdict| Failure::of(&world, verdict)),
    }
}

thread_local! {
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics inside a world are reported with its trace, not by the hook.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.get() {
                PANIC_PLACE.set(panic.location().map(ToString::to_string));
            } else {
                default(panic);
            }
        }));
    });
}
