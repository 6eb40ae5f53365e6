//! When to connect again after a connection was lost (`PROTOCOL.md` K7), and when not to.

use core::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::RngCore;

use super::{OfflineCause, goodbye};
use crate::{error::ProtocolError, time::Monotonic};

/// The longest wait between two connections (K7).
const WAIT_SECONDS_MAX: u64 = 30;

/// Being ready for so long says that connecting works again: longer than the longest wait.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// A server that breaks the protocol so often, without a settled connection between, is not tried again.
const BREACHES_MAX: u32 = 2;

/// How often connections were lost without one that settled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    losses: u32,
    breaches: u32,
    ready_since: Option<Monotonic>,
}

impl Backoff {
    /// The client became ready.
    pub(super) const fn ready(&mut self, now: Monotonic) {
        self.ready_since = Some(now);
    }

    /// The connection was lost: how long to wait before the next, or `None` if a new one would not mend it.
    pub(super) fn lost(
        &mut self,
        cause: &OfflineCause,
        now: Monotonic,
        random: &mut ChaCha12Rng,
    ) -> Option<Duration> {
        if self.ready_since.take().is_some_and(|since| now.since(since) >= SETTLED_AFTER) {
            *self = Self::default();
        }
        let wait = self.draw_wait(random);
        self.losses = self.losses.saturating_add(1);
        self.is_worth_retrying(cause).then_some(wait)
    }

    fn draw_wait(self, random: &mut ChaCha12Rng) -> Duration {
        let seconds =
            1_u64.checked_shl(self.losses).map_or(WAIT_SECONDS_MAX, |most| most.min(WAIT_SECONDS_MAX));
        let micros_max = seconds * 1_000_000;
        Duration::from_micros(random.next_u64() % (micros_max + 1))
    }

    fn is_worth_retrying(&mut self, cause: &OfflineCause) -> bool {
        match cause {
            OfflineCause::Left => false,
            OfflineCause::Unreachable
            | OfflineCause::Cut
            | OfflineCause::TimedOut
            | OfflineCause::ServerFull(_) => true,
            // Another process has taken this guest over; fighting for it would go on for ever.
            OfflineCause::Goodbye { reason, .. } => *reason != goodbye::SUPERSEDED,
            OfflineCause::Accused { code, .. } => {
                let over_cap = [ProtocolError::TooManyConnections, ProtocolError::TooManyFromAddress];
                over_cap.iter().any(|error| error.number() == *code)
            }
            OfflineCause::Broke(ProtocolError::VersionUnsupported) => false,
            OfflineCause::Broke(_) => {
                self.breaches = self.breaches.saturating_add(1);
                self.breaches < BREACHES_MAX
            }
        }
    }
}
