//! What kind of bad day it is to be: which faults exist in a run and how strong, who takes part, within which limits.
//!
//! Every run draws its plan first (swarm testing). Runs without any fault and with exactly one occur, since a world
//! in which everything fails at once hides the bugs that need one thing to go wrong and the rest to work.

use std::{fmt, time::Duration};

use palabre_core::{config::Registration, limits::Limits};

use crate::choices::{Choices, Subsystem};

/// How many posts an outbox holds: few enough that it is often full when its connection goes.
pub const OUTBOX_POSTS_MAX: usize = 32;

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $fault:ident = $name:literal,)*) => {
        /// A class of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(usize)]
        pub enum Fault {
            $($(#[doc = $doc])* $fault,)*
        }

        impl Fault {
            /// Every class.
            pub const ALL: &'static [Self] = &[$(Self::$fault),*];

            /// What it is called on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }
        }
    };
}

faults! {
    /// Bytes arrive in pieces, and several writes in one.
    Cut = "cut",
    /// A socket takes only some of what it is given, and has a small buffer.
    ShortWrite = "short-write",
    /// Bytes take their time, each write its own.
    Delay = "delay",
    /// Nothing arrives for a while, then everything.
    Freeze = "freeze",
    /// A direction of a connection never moves again.
    Stall = "stall",
    /// A connection is reset, at any byte.
    Reset = "reset",
    /// One side ends its stream and goes on reading.
    HalfClose = "half-close",
    /// Nobody, or one side only, hears the other for a while, and nobody connects.
    Partition = "partition",
    /// All connections are reset at once.
    Storm = "storm",
    /// People read slowly.
    SlowReader = "slow-reader",
    /// People's machines send a few bytes at a time.
    SlowWriter = "slow-writer",
    /// Commits take up to 30 s.
    SlowStore = "slow-store",
    /// Operations of storage fail.
    StoreFails = "store-fails",
    /// One operation of storage fails, by its number.
    StoreFailsOnce = "store-fails-once",
    /// Storage has no space for a while.
    StoreFull = "store-full",
    /// Storage does not know whether a commit succeeded, and executes it once more.
    StoreDoubt = "store-doubt",
    /// Storage keeps only the latest events of a room.
    Trim = "trim",
    /// The server process is killed.
    Crash = "crash",
    /// It is killed between two of its outputs.
    CrashMidway = "crash-midway",
    /// The server's machine loses power: peers are not told.
    PowerCut = "power-cut",
    /// It crashes again while it starts.
    Recrash = "recrash",
    /// The server shuts down in an orderly way and starts again.
    ShutDown = "shut-down",
    /// The server is paused, as by a debugger.
    Pause = "pause",
    /// The server has no descriptors left for a while, and accepts nobody.
    Descriptors = "descriptors",
    /// Servers and clients start with random numbers that they drew before.
    RepeatedSeeds = "repeated-seeds",
    /// Clocks leap for all.
    Leap = "leap",
    /// Wall clocks jump by up to ten years.
    WallJump = "wall-jump",
    /// The driver hands in times that went back.
    EarlierNow = "earlier-now",
    /// A client process is killed and starts from what it saved.
    ClientCrash = "client-crash",
    /// A client says goodbye, and comes back or not.
    Leave = "leave",
    /// Peers that lie: well-formed and malformed frames of any kind in any state.
    Liars = "liars",
    /// Peers that repeat what others sent, changed.
    Mutators = "mutators",
    /// Peers that send as much as they can.
    Floods = "floods",
    /// Peers that never read.
    Deaf = "deaf",
    /// Peers that use the token of somebody else.
    Thieves = "thieves",
    /// There are fewer places than clients.
    Crowding = "crowding",
    /// Little memory for outbound bytes and recent events, small pages.
    SmallBuffers = "small-buffers",
    /// The limits to rates that real servers have.
    Rates = "rates",
    /// People write long texts.
    LongTexts = "long-texts",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was drawn for a run.
#[derive(Clone, Debug)]
pub struct Plan {
    strengths: Vec<u64>,
    /// How many honest clients there are.
    pub clients: usize,
    /// The time that typically passes between two operations of a client.
    pub operation_every: Duration,
    /// What the server holds itself and its peers to.
    pub limits: Limits,
    /// Weights of the operations of honest clients.
    pub operation_weights: Vec<u64>,
    /// Who may make an account.
    pub registration: Registration,
    /// Whether the first account is made the server's operator.
    pub operated: bool,
}

impl Plan {
    /// Draws a plan, with weights for `operations` kinds of operations.
    #[must_use]
    pub fn draw(choices: &mut Choices, operations: usize) -> Self {
        let strengths = draw_strengths(choices);
        let clients = 2 + choices.index(Subsystem::Plan, 6);
        let operation_every = *choices.pick(
            Subsystem::Plan,
            &[
                Duration::from_millis(200),
                Duration::from_millis(50),
                Duration::from_secs(2),
                Duration::from_secs(20),
            ],
        );
        let operation_weights = (0..operations).map(|_| choices.between(Subsystem::Plan, 1, 8)).collect();
        let (limits, registration) = (Limits::open(), Registration::Open);
        let operated = choices.chance(Subsystem::Plan, 1, 2);
        let mut plan =
            Self { strengths, clients, operation_every, limits, operation_weights, registration, operated };
        plan.draw_limits(choices);
        plan.registration = *choices.pick(Subsystem::Plan, &[Registration::Open, Registration::Invite]);
        let renewals = [plan.limits.token_renewed_after, Duration::from_secs(20), Duration::ZERO];
        plan.limits.token_renewed_after = *choices.pick(Subsystem::Plan, &renewals);
        plan
    }

    /// How strong a class of faults is: 0 for none, up to 3.
    #[must_use]
    pub fn strength(&self, fault: Fault) -> u64 {
        self.strengths[fault as usize]
    }

    /// Whether a class of faults exists.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.strength(fault) > 0
    }

    /// Takes classes of faults away.
    pub fn remove(&mut self, fault: Fault) {
        self.strengths[fault as usize] = 0;
    }

    /// The classes that exist.
    pub fn faults(&self) -> impl Iterator<Item = Fault> + '_ {
        Fault::ALL.iter().copied().filter(|fault| self.has(*fault))
    }

    fn draw_limits(&mut self, choices: &mut Choices) {
        if self.has(Fault::Rates) {
            let default = Limits::default();
            self.limits.posts_per_second = default.posts_per_second;
            self.limits.requests_per_second = default.requests_per_second;
            self.limits.rooms_created_max = *choices.pick(Subsystem::Plan, &[default.rooms_created_max, 2]);
            self.limits.source_connections_max = *choices.pick(Subsystem::Plan, &[16, 3]);
            self.limits.entering_free = *choices.pick(Subsystem::Plan, &[default.entering_free, 1]);
            self.limits.entering_full = *choices.pick(Subsystem::Plan, &[default.entering_full, 4]);
        }
        let seconds = [600, 120, 30];
        self.limits.guest_kept = Duration::from_secs(*choices.pick(Subsystem::Plan, &seconds));
        let silence = *choices.pick(Subsystem::Plan, &[60, 10, 3]);
        self.limits.silence_max = Duration::from_secs(silence);
        self.limits.silence_end = Duration::from_secs(2 * silence);
        if self.has(Fault::Crowding) {
            let places = choices.between(Subsystem::Plan, 1, self.clients as u64);
            self.limits.clients_max = u32::try_from(places).expect("few clients");
            self.limits.queue_max = *choices.pick(Subsystem::Plan, &[100, 2, 1]);
            self.limits.user_rooms_max = *choices.pick(Subsystem::Plan, &[64, 2]);
            self.limits.user_directs_max = *choices.pick(Subsystem::Plan, &[128, 1]);
            self.limits.rooms_max = *choices.pick(Subsystem::Plan, &[10_000, 5]);
        }
        if self.has(Fault::SmallBuffers) {
            self.limits.outbound_own_bytes = *choices.pick(Subsystem::Plan, &[16 << 10, 4 << 10, 1 << 10]);
            self.limits.outbound_extra_bytes_max = *choices.pick(Subsystem::Plan, &[64 << 10, 8 << 10, 0]);
            self.limits.outbound_shared_bytes_max = *choices.pick(Subsystem::Plan, &[128 << 10, 16 << 10]);
            self.limits.recent_room_bytes_max = *choices.pick(Subsystem::Plan, &[16 << 10, 1 << 10, 0]);
            self.limits.recent_bytes_max = *choices.pick(Subsystem::Plan, &[64 << 10, 2 << 10]);
            self.limits.page_events_max = *choices.pick(Subsystem::Plan, &[50, 7, 1]);
            self.limits.catch_up_bytes_max = *choices.pick(Subsystem::Plan, &[128 << 10, 20 << 10]);
            self.limits.presence_changes_max = *choices.pick(Subsystem::Plan, &[256, 2]);
            self.limits.frames_per_call_max = *choices.pick(Subsystem::Plan, &[1_024, 3, 1]);
            self.limits.members_page_max = *choices.pick(Subsystem::Plan, &[500, 2]);
            self.limits.rooms_page_max = *choices.pick(Subsystem::Plan, &[100, 2]);
        }
    }
}

fn draw_strengths(choices: &mut Choices) -> Vec<u64> {
    let mut strengths = vec![0; Fault::ALL.len()];
    match choices.below(Subsystem::Plan, 16) {
        0 => {}
        1..=3 => {
            let only = choices.index(Subsystem::Plan, strengths.len());
            strengths[only] = choices.between(Subsystem::Plan, 1, 3);
        }
        4..=8 => {
            for strength in &mut strengths {
                if choices.chance(Subsystem::Plan, 1, 6) {
                    *strength = choices.between(Subsystem::Plan, 1, 3);
                }
            }
        }
        _ => {
            for strength in &mut strengths {
                *strength = choices.below(Subsystem::Plan, 4);
            }
        }
    }
    strengths
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} clients, an operation every {:?};", self.clients, self.operation_every)?;
        if self.faults().next().is_none() {
            return f.write_str(" no faults");
        }
        for fault in self.faults() {
            write!(f, " {fault}={}", self.strength(fault))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_source_plans_a_quiet_day() {
        let plan = Plan::draw(&mut Choices::from_bytes([]), 5);
        assert_eq!(plan.faults().count(), 0);
        assert_eq!(plan.clients, 2);
    }

    #[test]
    fn some_plans_have_one_fault_and_some_have_most() {
        let counts: Vec<_> =
            (0..200).map(|seed| Plan::draw(&mut Choices::seeded(seed), 5).faults().count()).collect();
        assert!(counts.contains(&0));
        assert!(counts.contains(&1));
        assert!(counts.iter().any(|count| *count > Fault::ALL.len() / 2));
    }
}
