//! Random numbers, from a seed that is handed in.

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::time::Now;

/// The generator of a server or client that starts now. The clocks are its stream, so that one that starts again with
/// a seed it had before (its machine was restored from a snapshot) does not draw its old tokens and nonces again.
pub(crate) fn generator(seed: [u8; 32], now: Now) -> ChaCha12Rng {
    let mut random = ChaCha12Rng::from_seed(seed);
    random.set_stream((now.wall.as_millis() << 20) ^ now.monotonic.as_micros());
    random
}

#[cfg(test)]
mod tests {
    use rand_core::RngCore as _;

    use super::*;
    use crate::time::{Monotonic, WallTime};

    #[test]
    fn a_seed_used_again_at_another_time_draws_other_numbers() {
        let draw = |wall, monotonic| {
            let now = Now { monotonic: Monotonic::from_micros(monotonic), wall: WallTime::from_millis(wall) };
            generator([7; 32], now).next_u64()
        };
        assert_eq!(
            draw(1_700_000_000_000, 5),
            draw(1_700_000_000_000, 5),
            "the same inputs, the same numbers"
        );
        assert_ne!(draw(1_700_000_000_000, 5), draw(1_700_000_000_001, 5));
        assert_ne!(draw(1_700_000_000_000, 5), draw(1_700_000_000_000, 6));
    }
}
