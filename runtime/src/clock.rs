//! The clocks of this machine: the one module that reads them.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palabre_core::time::{Monotonic, Now, WallTime};

/// The monotonic clock, counted from when this was made, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both readings. A wall clock before 1970 reads as 1970.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Now { monotonic: self.monotonic(), wall: WallTime::from_millis(millis) }
    }

    /// The monotonic reading alone.
    #[must_use]
    pub fn monotonic(&self) -> Monotonic {
        Monotonic::ZERO.after(self.start.elapsed())
    }
}
