//! Where every decision of the simulated world comes from.
//!
//! A decision is a number below a bound, and 0 is always the quietest choice: no fault, no delay, nothing to do.
//! Decisions come from a seed, with one independent stream per subsystem, or from bytes that a fuzzer, proptest or a
//! recording made. Bytes that are used up decide 0 for ever, so every run ends quietly.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};

/// Who decides. Each has its own stream, so that a new decision in one changes nothing in the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Subsystem {
    /// Which faults exist, how many clients there are, what the limits are.
    Plan,
    /// What happens to bytes.
    Network,
    /// How long commits take and which fail.
    Store,
    /// Crashes, pauses, clocks.
    Process,
    /// What honest people do.
    Operations,
    /// What dishonest peers do.
    Peers,
    /// The seeds handed to servers and clients.
    Seeds,
}

const SUBSYSTEMS: usize = 7;

/// A source of decisions.
#[derive(Debug)]
pub struct Choices {
    source: Source,
    recording: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Source {
    Seeded(Box<[ChaCha8Rng; SUBSYSTEMS]>),
    Bytes { bytes: Vec<u8>, taken: usize },
}

impl Choices {
    /// Decisions drawn from a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let streams = std::array::from_fn(|subsystem| {
            let mut stream = ChaCha8Rng::seed_from_u64(seed);
            stream.set_stream(subsystem as u64);
            stream
        });
        Self { source: Source::Seeded(Box::new(streams)), recording: None }
    }

    /// Decisions taken from bytes in the order asked for, whichever subsystem asks.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { source: Source::Bytes { bytes: bytes.into(), taken: 0 }, recording: None }
    }

    /// The same, and every decision is written down: [`Self::from_bytes`] of the recording decides alike.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.recording = Some(Vec::new());
        self
    }

    /// What was decided so far, if it is written down.
    #[must_use]
    pub fn recording(&self) -> Option<&[u8]> {
        self.recording.as_deref()
    }

    /// Whether every further decision is 0.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        match &self.source {
            Source::Seeded(_) => false,
            Source::Bytes { bytes, taken } => *taken >= bytes.len(),
        }
    }

    /// A number from 0 to `bound` - 1; 0 where there is no choice.
    pub fn below(&mut self, subsystem: Subsystem, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        let width = width_of(bound);
        let decision = match &mut self.source {
            Source::Seeded(streams) => streams[subsystem as usize].next_u64() % bound,
            Source::Bytes { bytes, taken } => take_number(bytes, taken, width) % bound,
        };
        if let Some(recording) = &mut self.recording {
            recording.extend_from_slice(&decision.to_le_bytes()[..width]);
        }
        decision
    }

    /// A number in `from..=to`; `from` is the quietest.
    pub fn between(&mut self, subsystem: Subsystem, from: u64, to: u64) -> u64 {
        from + self.below(subsystem, to.saturating_sub(from).saturating_add(1))
    }

    /// True `times` out of `of`; never when exhausted.
    pub fn chance(&mut self, subsystem: Subsystem, times: u64, of: u64) -> bool {
        times > 0 && self.below(subsystem, of) >= of - times.min(of)
    }

    /// One of `items`, the first when exhausted.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, subsystem: Subsystem, items: &'a [T]) -> &'a T {
        let index = self.below(subsystem, items.len() as u64);
        &items[usize::try_from(index).expect("an index of a slice")]
    }

    /// The index of a weight, chosen in proportion to it; the first when exhausted.
    pub fn weighted(&mut self, subsystem: Subsystem, weights: &[u64]) -> usize {
        let mut left = self.below(subsystem, weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    /// An index below `bound`.
    pub fn index(&mut self, subsystem: Subsystem, bound: usize) -> usize {
        usize::try_from(self.below(subsystem, bound as u64)).expect("below a usize")
    }

    /// A time around `typical`, seldom a few times as long; the shortest when exhausted.
    pub fn duration(&mut self, subsystem: Subsystem, typical: Duration) -> Duration {
        let micros = u64::try_from(typical.as_micros()).unwrap_or(u64::MAX / 16).max(1);
        let spread = match self.below(subsystem, 16) {
            0..=11 => micros,
            12..=14 => micros.saturating_mul(3),
            _ => micros.saturating_mul(8),
        };
        Duration::from_micros(micros / 8 + self.below(subsystem, spread))
    }

    /// 32 bytes that differ from run to run, or zeros.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for chunk in seed.chunks_mut(8) {
            chunk.copy_from_slice(&self.below(Subsystem::Seeds, u64::MAX).to_le_bytes());
        }
        seed
    }
}

/// How many bytes of a recording a decision takes.
const fn width_of(bound: u64) -> usize {
    match bound {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        0x1_0001..=0x1_0000_0000 => 4,
        _ => 8,
    }
}

fn take_number(bytes: &[u8], taken: &mut usize, width: usize) -> u64 {
    let mut number = [0; 8];
    let available = bytes.len().saturating_sub(*taken).min(width);
    number[..available].copy_from_slice(&bytes[*taken..*taken + available]);
    *taken += width.min(bytes.len() - *taken);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_decides_like_the_seed() {
        let bounds = [2, 300, 70_000, u64::MAX, 1, 256, 257, 65_536, 65_537];
        let mut seeded = Choices::seeded(7).recorded();
        let decided: Vec<_> = bounds.iter().map(|bound| seeded.below(Subsystem::Network, *bound)).collect();
        let mut replayed = Choices::from_bytes(seeded.recording().expect("it records"));
        let again: Vec<_> = bounds.iter().map(|bound| replayed.below(Subsystem::Store, *bound)).collect();
        assert_eq!(decided, again);
    }

    #[test]
    fn exhausted_bytes_decide_quietly() {
        let mut choices = Choices::from_bytes([]);
        assert!(choices.is_exhausted());
        assert!(!choices.chance(Subsystem::Process, 99, 100));
        assert_eq!(choices.between(Subsystem::Network, 5, 9), 5);
        assert_eq!(choices.weighted(Subsystem::Operations, &[3, 4]), 0);
    }

    #[test]
    fn streams_do_not_disturb_each_other() {
        let mut one = Choices::seeded(1);
        let mut other = Choices::seeded(1);
        other.below(Subsystem::Store, 1_000);
        let draw = |choices: &mut Choices| choices.below(Subsystem::Network, u64::MAX);
        assert_eq!(draw(&mut one), draw(&mut other));
    }
}
