//! Noticing that the server has gone silent (`PROTOCOL.md` K2).

use core::time::Duration;

use crate::time::Monotonic;

/// Silence after which the server is asked, where it did not say otherwise (K2).
const SILENCE_DEFAULT: Duration = Duration::from_secs(60);

/// What a server may ask for: more often is a nuisance, more seldom notices nothing.
const SILENCE_SECONDS: (u32, u32) = (5, 600);

/// When the server was last heard, and whether it has been asked for a sign of life since.
///
/// The end is counted from the question and not from the last word: a process that was suspended for an hour has
/// not listened for an hour, and finds the answer in its socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keepalive {
    silence_max: Duration,
    heard: Monotonic,
    asked: Option<Monotonic>,
}

/// What the silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing yet.
    Short,
    /// A `Ping`.
    Long,
    /// Giving the connection up.
    Endless,
}

impl Keepalive {
    pub(super) const fn new(now: Monotonic) -> Self {
        Self { silence_max: SILENCE_DEFAULT, heard: now, asked: None }
    }

    /// Takes over what the server said in `Welcome`.
    pub(super) fn set_silence_seconds(&mut self, seconds: u32) {
        let (least, most) = SILENCE_SECONDS;
        self.silence_max = Duration::from_secs(u64::from(seconds.clamp(least, most)));
    }

    pub(super) const fn heard(&mut self, now: Monotonic) {
        self.heard = now;
        self.asked = None;
    }

    pub(super) const fn last_heard(&self) -> Monotonic {
        self.heard
    }

    pub(super) fn deadline(&self) -> Monotonic {
        self.asked.unwrap_or(self.heard).after(self.silence_max)
    }

    /// What the silence calls for now; a `Long` one counts as asked about.
    pub(super) fn check(&mut self, now: Monotonic) -> Silence {
        if now < self.deadline() {
            return Silence::Short;
        }
        match self.asked {
            Some(_) => Silence::Endless,
            None => {
                self.asked = Some(now);
                Silence::Long
            }
        }
    }
}
