//! What must hold whatever happens, judged from outside: by what peers were told and by what is durable.
//!
//! The letters and numbers are those of `docs/TESTING.md`. The oracle knows the protocol, not the core.

mod followers;
mod ledger;
mod rare;
mod rights;
mod search;
mod session;

use std::fmt;

pub use self::{
    followers::{Follower, Followers},
    ledger::{Ledger, Outcome, Post, PostNumber, Said},
    rights::Rights,
    session::{Session, SessionFacts},
};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// I1: nothing acknowledged is ever lost.
    Kept,
    /// I2: nothing is delivered that its author did not submit.
    Authentic,
    /// I3: a post has one number.
    Once,
    /// I4: one order per room, without holes, the same for all; each author's own order is kept.
    Ordered,
    /// I5: history contains what was acknowledged before; pages have no gap and no overlap.
    History,
    /// I6: what is delivered or acknowledged is durable.
    Durable,
    /// I7: no event reaches a session that has no right to it.
    Private,
    /// I9: accounting equals the real sums, stays under the caps, is zero after close.
    Accounted,
    /// I10: no panic, bounded work.
    Bounded,
    /// I11: what is emitted parses back.
    WellFormed,
    /// I13: recovering twice equals recovering once.
    Recoverable,
    /// Rules 2, 3 and 5 of the contract of the core.
    Contract,
    /// Rule 9: two honest ends never accuse each other.
    Peaceful,
    /// E6, E8: a guest is kept as long as promised.
    GuestKept,
    /// The phase after faults stop: everything gets an answer, everybody sees the same, everything becomes idle.
    Live,
}

impl Invariant {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "I1 nothing acknowledged is lost",
            Self::Authentic => "I2 nothing is delivered that nobody submitted",
            Self::Once => "I3 a post has one number",
            Self::Ordered => "I4 one order without holes, the same for all",
            Self::History => "I5 history has what was acknowledged, without gaps",
            Self::Durable => "I6 delivered implies durable",
            Self::Private => "I7 no event without the right to it",
            Self::Accounted => "I9 accounting equals the real sums",
            Self::Bounded => "I10 no panic, bounded work",
            Self::WellFormed => "I11 what is emitted parses back",
            Self::Recoverable => "I13 recovering twice equals recovering once",
            Self::Contract => "C the contract of the core",
            Self::Peaceful => "C9 honest ends never accuse each other",
            Self::GuestKept => "E6 a guest is kept as long as promised",
            Self::Live => "L once faults stop, everything gets done",
        }
    }
}

/// An invariant that does not hold, and the facts that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The facts.
    pub facts: String,
}

impl Violation {
    /// These facts contradict each other.
    #[must_use]
    pub fn new(invariant: Invariant, facts: impl Into<String>) -> Self {
        Self { invariant, facts: facts.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.name(), self.facts)
    }
}

impl std::error::Error for Violation {}

/// Fails with these facts unless `holds`.
///
/// # Errors
/// The violation.
pub fn ensure(holds: bool, invariant: Invariant, facts: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::new(invariant, facts())) }
}
