//! Closing a connection so that the server receives what was said last.

use std::time::Duration;

use palabre_core::time::Monotonic;

use crate::{
    readiness::Readiness,
    transport::{Progress, Transport},
};

/// How long the server may take to close its side.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// Reads in one turn.
const READS_PER_TURN_MAX: usize = 16;

/// A connection on which all is said. What arrives is discarded: a socket that is closed with something unread is
/// reset, and what was said last may be lost with it.
#[derive(Debug)]
pub(super) struct Closing {
    transport: Transport,
    deadline: Monotonic,
}

impl Closing {
    /// Tells the server that nothing more comes; `None` if it is gone already.
    pub(super) fn begin(mut transport: Transport, now: Monotonic) -> Option<Self> {
        transport.shut_down_sending().ok()?;
        transport.watch(Readiness::READ).ok()?;
        Some(Self { transport, deadline: now.after(LINGER_MAX) })
    }

    /// When it is given up.
    pub(super) const fn deadline(&self) -> Monotonic {
        self.deadline
    }

    /// Goes as far as it can without waiting. Whether it is over.
    pub(super) fn advance(&self, scratch: &mut [u8], now: Monotonic) -> bool {
        for _ in 0..READS_PER_TURN_MAX {
            match self.transport.read(scratch) {
                Progress::Moved(_) => {}
                Progress::Blocked => return now >= self.deadline,
                Progress::End | Progress::Failed(_) => return true,
            }
        }
        now >= self.deadline
    }
}
