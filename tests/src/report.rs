//! How a run ended, as people read it.

use std::{any::Any, fmt, time::Duration};

use crate::{
    oracle::{Invariant, Violation},
    plan::Plan,
    trace::Trace,
    world::{Options, World},
};

/// How a run ended that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The core, or the simulator, panicked.
    Panicked(String),
    /// Something did not get done.
    NotLive(Violation),
    /// Something happened that never may.
    NotSafe(Violation),
}

impl Verdict {
    /// The verdict on a violation.
    #[must_use]
    pub fn of(violation: Violation) -> Self {
        if violation.invariant == Invariant::Live {
            Self::NotLive(violation)
        } else {
            Self::NotSafe(violation)
        }
    }

    /// What is wrong, without the facts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Panicked(_) => "panic",
            Self::NotLive(violation) | Self::NotSafe(violation) => violation.invariant.name(),
        }
    }

    /// The exit code of `simulate`.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Panicked(_) => 127,
            Self::NotLive(_) => 128,
            Self::NotSafe(_) => 129,
        }
    }

    /// Whether the same is wrong, however it shows.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Panicked(one), Self::Panicked(two)) => one == two,
            (Self::NotLive(one) | Self::NotSafe(one), Self::NotLive(two) | Self::NotSafe(two)) => {
                one.invariant == two.invariant
            }
            (Self::Panicked(_), Self::NotLive(_) | Self::NotSafe(_))
            | (Self::NotLive(_) | Self::NotSafe(_), Self::Panicked(_)) => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "PANIC {message}"),
            Self::NotLive(violation) => write!(f, "LIVENESS {violation}"),
            Self::NotSafe(violation) => write!(f, "SAFETY {violation}"),
        }
    }
}

/// A run that did not end well.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong.
    pub verdict: Verdict,
    /// What kind of day it was.
    pub plan: Plan,
    /// The simulated time.
    pub elapsed: Duration,
    /// How many events there were.
    pub events: u64,
    /// The last lines of the trace.
    pub last_lines: Vec<String>,
}

impl Failure {
    /// What is known of a world in which something went wrong.
    #[must_use]
    pub fn of(world: &World, verdict: Verdict) -> Self {
        Self {
            verdict,
            plan: world.plan().clone(),
            elapsed: world.elapsed(),
            events: world.events(),
            last_lines: Trace::last_lines(world.trace()).collect(),
        }
    }

    /// What is known, without a way to run it again.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { verdict, plan, elapsed, events, last_lines } = self;
        let lines = last_lines.join("\n");
        format!(
            "{lines}\n\nplan: {plan}\nafter {elapsed:?} of simulated time and {events} events\n{verdict}\n"
        )
    }

    /// The whole report on a seed.
    #[must_use]
    pub fn report(&self, seed: u64, options: &Options) -> String {
        format!("{}seed: {seed}\nreplay: {}\n", self.text(), replay_command(seed, options))
    }
}

/// The command that runs a seed again.
#[must_use]
pub fn replay_command(seed: u64, options: &Options) -> String {
    format!("cargo run --release -p palabre-tests -- {}", replay_arguments(seed, options).join(" "))
}

/// The arguments with which `simulate` runs a seed again.
#[must_use]
pub fn replay_arguments(seed: u64, options: &Options) -> Vec<String> {
    let mut arguments = vec![seed.to_string(), "--events".to_owned(), options.events_max.to_string()];
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    if !options.without.is_empty() {
        let names: Vec<_> = options.without.iter().map(|fault| fault.name()).collect();
        add("--without", names.join(","));
    }
    if let Some(clients) = options.clients_max {
        add("--clients", clients.to_string());
    }
    if !options.skip.operations.is_empty() {
        add("--skip-operations", options.skip.operations.to_string());
    }
    if !options.skip.faults.is_empty() {
        add("--skip-faults", options.skip.faults.to_string());
    }
    if options.lying_store {
        arguments.push("--lying-store".to_owned());
    }
    arguments
}

/// What a panic said.
#[must_use]
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "something".to_owned())
}

/// Prints a line, for people who follow a run.
#[allow(clippy::print_stdout)]
pub fn line(text: &str) {
    println!("{text}");
}
