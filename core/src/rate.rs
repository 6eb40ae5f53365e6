//! Rates: a bucket that fills with time.

use core::time::Duration;

use crate::time::Monotonic;

/// Units of a thing, in millionths, so that a refill loses nothing to rounding.
const MICRO: u64 = 1_000_000;

/// A bucket that holds up to `burst` units and refills by `per_second`. Unlimited where that is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    level_micro: u64,
    burst: u64,
    per_second: u64,
    filled: Monotonic,
}

impl Bucket {
    pub(crate) const fn new(burst: u64, per_second: u64, now: Monotonic) -> Self {
        Self { level_micro: burst.saturating_mul(MICRO), burst, per_second, filled: now }
    }

    pub(crate) const fn is_unlimited(&self) -> bool {
        self.per_second == 0
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.is_unlimited() || self.level_micro == self.burst.saturating_mul(MICRO)
    }

    /// Brings the level up to date. Units a second times microseconds are millionths of units.
    pub(crate) fn refill(&mut self, now: Monotonic) {
        let micros = u64::try_from(now.since(self.filled).as_micros()).unwrap_or(u64::MAX);
        let gained = self.per_second.saturating_mul(micros);
        self.level_micro = self.level_micro.saturating_add(gained).min(self.burst.saturating_mul(MICRO));
        self.filled = self.filled.max(now);
    }

    /// Whole units at hand, as of the last refill.
    pub(crate) const fn level(&self) -> u64 {
        self.level_micro / MICRO
    }

    /// Whether so many units are at hand, as of the last refill. More than a burst never are: a full bucket does.
    pub(crate) const fn has(&self, units: u64) -> bool {
        let wanted = if units < self.burst { units } else { self.burst };
        self.is_unlimited() || self.level_micro >= wanted.saturating_mul(MICRO)
    }

    /// Takes units if they are at hand, as of the last refill.
    pub(crate) fn take(&mut self, units: u64) -> bool {
        if !self.has(units) {
            return false;
        }
        self.level_micro = self.level_micro.saturating_sub(units.saturating_mul(MICRO));
        true
    }

    /// How long from the last refill until so many units are at hand; at least a microsecond.
    pub(crate) fn wait(&self, units: u64) -> Duration {
        let wanted = units.min(self.burst).saturating_mul(MICRO);
        let missing = wanted.saturating_sub(self.level_micro);
        Duration::from_micros(missing.div_ceil(self.per_second.max(1)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_without_loss_to_rounding() {
        let mut bucket = Bucket::new(10, 5, Monotonic::ZERO);
        for _ in 0..10 {
            assert!(bucket.take(1));
        }
        assert!(!bucket.take(1));
        for micros in (0..=1_000_000).step_by(7) {
            bucket.refill(Monotonic::from_micros(micros));
        }
        bucket.refill(Monotonic::from_micros(1_000_000));
        assert_eq!(bucket.level(), 5);
    }

    #[test]
    fn after_the_wait_the_units_are_there() {
        let mut bucket = Bucket::new(100, 7, Monotonic::ZERO);
        assert!(bucket.take(100));
        let wait = bucket.wait(3);
        bucket.refill(Monotonic::ZERO.after(wait));
        assert!(bucket.take(3));
    }
}
