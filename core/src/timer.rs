//! Deadlines, in the order in which they come.

use alloc::collections::BTreeSet;

use crate::{
    ids::{ConnectionId, RoomId, UserId},
    time::Monotonic,
    transfer::UploadId,
};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection is to be looked at: entering, silence, stalling, credit, admission, linger.
    Connection(ConnectionId),
    /// A lost guest expires.
    Guest(UserId),
    /// Changes among a room's members are to be told.
    Presence(RoomId),
    /// An upload is to be made durable, or expires.
    Upload(UploadId),
    /// Files may have expired.
    Files,
    /// A shutdown has taken long enough.
    Drain,
}

impl Timer {
    const fn name(self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Guest(_) => "guest",
            Self::Presence(_) => "presence",
            Self::Upload(_) => "upload",
            Self::Files => "files",
            Self::Drain => "drain",
        }
    }
}

/// All deadlines of a server. Each timer is armed at most once; arming it again moves it.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    armed: BTreeSet<(Monotonic, Timer)>,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: Monotonic, timer: Timer) {
        self.armed.insert((at, timer));
    }

    pub(crate) fn disarm(&mut self, at: Monotonic, timer: Timer) {
        self.armed.remove(&(at, timer));
    }

    pub(crate) fn next(&self) -> Option<(Monotonic, &'static str)> {
        self.armed.first().map(|(at, timer)| (*at, timer.name()))
    }

    /// Takes the first timer whose time has come.
    pub(crate) fn pop_due(&mut self, now: Monotonic) -> Option<Timer> {
        let (at, _) = self.armed.first()?;
        if *at > now {
            return None;
        }
        self.armed.pop_first().map(|(_, timer)| timer)
    }
}
