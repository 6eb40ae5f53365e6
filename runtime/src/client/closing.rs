//! Closing a connection so that the server receives what was said last.

use std::time::Duration;

use palabre_core::time::Monotonic;

use crate::{
    readiness::Readiness,
    transport::{Flushed, Progress, Transport},
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
    /// Whether the server was told that nothing more comes.
    told: Flushed,
}

impl Closing {
    /// Tells the server that nothing more comes; `None` if it is gone already.
    pub(super) fn begin(transport: Transport, now: Monotonic) -> Option<Self> {
        let mut closing = Self { transport, deadline: now.after(LINGER_MAX), told: Flushed::Blocked };
        closing.tell().then_some(closing)
    }

    /// Whether the connection is of use still.
    fn tell(&mut self) -> bool {
        if self.told == Flushed::Blocked {
            let Ok(told) = self.transport.shut_down_sending() else { return false };
            self.told = told;
        }
        self.transport.watch(Readiness { read: true, write: self.told == Flushed::Blocked }).is_ok()
    }

    /// When it is given up.
    pub(super) const fn deadline(&self) -> Monotonic {
        self.deadline
    }

    /// Goes as far as it can without waiting. Whether it is over.
    pub(super) fn advance(&mut self, scratch: &mut [u8], now: Monotonic) -> bool {
        if !self.tell() {
            return true;
        }
        for _ in 0..READS_PER_TURN_MAX {
            match self.transport.discard(scratch) {
                Progress::Moved(_) | Progress::Secured(_) => {}
                Progress::Blocked => break,
                Progress::End | Progress::Failed(_) => return true,
            }
        }
        now >= self.deadline
    }
}
