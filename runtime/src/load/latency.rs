//! Durations, counted in buckets that are exact to 2 %.

use std::time::Duration;

/// Buckets between one power of 2 and the next: 64, so that a bucket is at most 1/64 wide.
const STEPS_BITS: u32 = 6;
const STEPS: usize = 1 << STEPS_BITS;
/// As many powers of 2 as microseconds of a day have.
const BUCKETS: usize = STEPS * 32;

/// How many durations there were of which length.
#[derive(Clone, Debug)]
pub struct Latencies {
    buckets: Box<[u64]>,
    count: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), count: 0 }
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros).min(BUCKETS - 1)] += 1;
        self.count += 1;
    }

    /// How many were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The duration that this share of all (0.5 for the median) does not exceed; `None` where none was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let index = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_micros(longest(index)))
    }
}

/// Short durations have a bucket each, longer ones share it with those that differ only in the last bits.
const fn bucket(micros: u64) -> usize {
    let bits = u64::BITS - micros.leading_zeros();
    let shift = bits.saturating_sub(STEPS_BITS + 1);
    (micros >> shift) as usize + shift as usize * STEPS
}

/// The longest duration of a bucket, in microseconds.
const fn longest(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    ((bucket - shift * STEPS + 1) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_differs_by_less_than_two_percent() {
        let mut previous = 0;
        for micros in (0..100_000).chain((100_000..100_000_000).step_by(9_973)) {
            let bucket = bucket(micros);
            assert!(bucket >= previous && bucket < BUCKETS);
            previous = bucket;
            let longest = longest(bucket);
            assert!(
                longest >= micros && (longest - micros) as f64 <= micros as f64 * 0.02,
                "{micros} {longest}"
            );
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for micros in 1..=100 {
            latencies.record(Duration::from_micros(micros));
        }
        let quantile = |share| latencies.quantile(share).unwrap().as_micros();
        assert_eq!((quantile(0.5), quantile(0.99), quantile(0.999), quantile(0.0)), (50, 99, 100, 1));
        latencies.record(Duration::MAX);
        assert_eq!(latencies.count(), 101);
    }
}
