//! Checking a password that a client sent as it is (`PROTOCOL.md` A15): the server plays OPAQUE's client as well, so that there
//! is one record of a password, however it is proved.

use core::fmt;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::{Attempt, Password, PasswordRecord, Setup, Stretching, WorkNumber, WorkOutcome};
use crate::{channel::Channel, ids::ConnectionId, name::NameKey};

/// A password to be checked: to be [`run`](Self::run) on another thread, which costs the stretching's time and memory.
#[derive(Clone)]
pub struct Verification {
    pub(crate) connection: ConnectionId,
    pub(crate) number: u64,
    pub(crate) setup: Setup,
    /// Without one, a check that fails after the same work.
    pub(crate) record: Option<PasswordRecord>,
    pub(crate) stretching: Stretching,
    pub(crate) name: NameKey,
    pub(crate) password: Password,
    pub(crate) seed: [u8; 32],
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    pub(crate) connection: ConnectionId,
    pub(crate) number: u64,
    pub(crate) is_right: bool,
}

impl Verification {
    /// Does it.
    #[must_use]
    pub fn run(self) -> Verified {
        let (connection, number) = (self.connection, self.number);
        Verified { connection, number, is_right: self.check().unwrap_or(false) }
    }

    fn check(self) -> Option<bool> {
        // Both ends are here: there is nothing between them to bind to.
        let channel = Channel::Plain;
        let mut random = ChaCha12Rng::from_seed(self.seed);
        let (attempt, start) = Attempt::begin(self.password, &mut random);
        let begun = self.setup.begin_login(self.record.as_ref(), &self.name, &start, channel, &mut random);
        let (response, challenged) = begun.ok()?;
        let work = attempt.work(WorkNumber(0), &response, self.stretching, channel, &mut random).ok()?;
        match work.run().outcome {
            WorkOutcome::Proved(finish) => Some(challenged.proves(&finish, channel)),
            WorkOutcome::Enrolled(_) | WorkOutcome::Failed => Some(false),
        }
    }
}

// Within a server, a number is given once.
impl PartialEq for Verification {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Verification {}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verification({})", self.number)
    }
}
