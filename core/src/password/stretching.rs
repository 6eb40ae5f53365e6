//! How costly a guess is made.

use argon2::{Algorithm, Argon2, Params, Version};

/// How a client stretches a password (Argon2id, RFC 9106). Kept with each account, so that a server may ask more of new
/// ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretching {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// What a client is willing to spend on a server's word: 1 GiB.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

impl Default for Stretching {
    /// RFC 9106's second recommendation, on one lane.
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 1 }
    }
}

impl Stretching {
    /// The least there is: for tests and simulations.
    pub const CHEAPEST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    /// The least that a client registers with: the OWASP minimum.
    pub const LEAST: Self = Self { memory_kib: 19 << 10, passes: 2, lanes: 1 };

    /// Whether it makes a guess at least as costly as another does, in memory and in all.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        let cost = |it: Self| u64::from(it.memory_kib) * u64::from(it.passes);
        self.memory_kib >= other.memory_kib && cost(self) >= cost(other)
    }

    /// Whether a client can be asked to.
    #[must_use]
    pub fn is_possible(self) -> bool {
        self.memory_kib <= MEMORY_KIB_MAX
            && self.passes <= PASSES_MAX
            && self.lanes <= LANES_MAX
            && self.argon2().is_some()
    }

    pub(super) fn argon2(self) -> Option<Argon2<'static>> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None).ok()?;
        Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}
