//! Closing a connection so that the server receives what was said last.

use std::time::Duration;

use palabre_core::time::Monotonic;

use crate::{
    readiness::Readiness,
    transport::{Progress, Transport},
};

/// How long the server may take to receive what was said last.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// Reads in one turn.
const READS_PER_TURN_MAX: usize = 16;

/// A connection on which nothing new is said. What arrives is discarded: a socket that is closed with
/// something unread is reset, and what was said last may be lost with it.
#[derive(Debug)]
pub(super) struct Closing {
    transport: Transport,
    rest: Vec<u8>,
    sent: usize,
    deadline: Monotonic,
}

impl Closing {
    /// Begins to close; `None` if there is nothing to wait for.
    pub(super) fn begin(transport: Transport, rest: &[u8], now: Monotonic) -> Option<Self> {
        let mut closing = Self { transport, rest: rest.to_vec(), sent: 0, deadline: now.after(LINGER_MAX) };
        closing.send().then_some(closing)
    }

    /// Goes as far as it can without waiting. Whether it is over.
    pub(super) fn advance(&mut self, scratch: &mut [u8], now: Monotonic) -> bool {
        now >= self.deadline || !self.send() || !self.discard(scratch)
    }

    pub(super) const fn deadline(&self) -> Monotonic {
        self.deadline
    }

    /// Whether the connection goes on.
    fn send(&mut self) -> bool {
        while let Some(rest) = self.rest.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.transport.write(rest) {
                Progress::Moved(count) => self.sent += count,
                Progress::Blocked => {
                    return self.transport.watch(Readiness { read: true, write: true }).is_ok();
                }
                Progress::End | Progress::Failed(_) => return false,
            }
        }
        self.transport.shut_down_sending().is_ok() && self.transport.watch(Readiness::READ).is_ok()
    }

    /// Whether the connection goes on.
    fn discard(&self, scratch: &mut [u8]) -> bool {
        for _ in 0..READS_PER_TURN_MAX {
            match self.transport.read(scratch) {
                Progress::Moved(_) => {}
                Progress::Blocked => return true,
                Progress::End | Progress::Failed(_) => return false,
            }
        }
        true
    }
}
