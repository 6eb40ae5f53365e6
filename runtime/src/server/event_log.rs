//! What the core reports, written into the log.

use std::time::Duration;

use palabre_core::{
    ids::{ConnectionId, UserId},
    output::{EndCause, Event},
    time::Monotonic,
};

use crate::printable::Printable;

/// Failures of storage that follow each other within this time are one episode, logged once.
const EPISODE: Duration = Duration::from_secs(60);
/// How many lines of a kind that peers can cause at will are written a second.
const LINES_PER_SECOND: u32 = 20;

/// Writes events into the log, and keeps those that come in masses from filling it.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    no_space: Episode,
    failed: Episode,
    files_no_space: Episode,
    files_failed: Episode,
    lag: Budget,
    faults: Budget,
}

impl EventLog {
    /// Writes one event.
    pub(super) fn write(&mut self, event: &Event, now: Monotonic) {
        match event {
            Event::Entered { connection, user, nick, resumed } => {
                tracing::debug!(%connection, %user, nick = %Printable(nick), resumed, "entered");
            }
            Event::Queued { connection, position } => {
                tracing::debug!(%connection, position, "waits for a place")
            }
            Event::Ended { connection, user, cause } => {
                self.write_end(*connection, user.map(UserId::get), *cause, now);
            }
            Event::GuestRemoved { user } => tracing::debug!(%user, "guest removed"),
            Event::TokenReused { user, device } => {
                tracing::warn!(%user, %device, "a token was used again after another had taken its place; the device was logged out");
            }
            Event::RoomCreated { room } => tracing::info!(%room, "room created"),
            Event::Lagging { connection, room, next } => {
                if let Some(unwritten) = self.lag.take(now) {
                    tracing::info!(%connection, %room, %next, unwritten, "lagging");
                }
            }
            Event::CaughtUp { connection, room, from_storage } => {
                if let Some(unwritten) = self.lag.take(now) {
                    tracing::info!(%connection, %room, from_storage, unwritten, "caught up");
                }
            }
            Event::StorageFailed { operation, no_space: true } => {
                if self.no_space.begins(now) {
                    tracing::error!(
                        operation,
                        "no space left for the data: what needs space is refused, everything else goes on. Free \
                         some space on the file system of the data directory"
                    );
                }
            }
            Event::StorageFailed { operation, no_space: false } => {
                if self.failed.begins(now) {
                    tracing::error!(operation, "storage failed; the peer was told. Look at the disk");
                }
            }
            Event::FileStored { user, size } => tracing::debug!(%user, size, "file stored"),
            Event::DiskFailed { operation, no_space: true } => {
                if self.files_no_space.begins(now) {
                    tracing::error!(
                        operation,
                        "no space left for files: uploads are refused, chat goes on. Free some space on the file \
                         system of the data directory, or have files deleted"
                    );
                }
            }
            Event::DiskFailed { operation, no_space: false } => {
                if self.files_failed.begins(now) {
                    tracing::error!(operation, "the disk for files failed; the peer was told. Look at it");
                }
            }
            Event::Drained => tracing::info!("all connections have ended"),
        }
    }

    fn write_end(&mut self, connection: ConnectionId, user: Option<u64>, cause: EndCause, now: Monotonic) {
        match cause {
            EndCause::Left
            | EndCause::Detached
            | EndCause::Cut
            | EndCause::Superseded
            | EndCause::ServerFull
            | EndCause::Revoked
            | EndCause::ShuttingDown => tracing::debug!(%connection, user, ?cause, "connection ended"),
            EndCause::TimedOut | EndCause::TooSlow | EndCause::Refused => {
                if let Some(unwritten) = self.faults.take(now) {
                    tracing::info!(%connection, user, ?cause, unwritten, "connection ended");
                }
            }
            EndCause::Broke(error) => {
                if let Some(unwritten) = self.faults.take(now) {
                    tracing::info!(%connection, user, %error, unwritten, "the peer broke the protocol");
                }
            }
            EndCause::Accused(code) => {
                if let Some(unwritten) = self.faults.take(now) {
                    tracing::warn!(%connection, user, code, unwritten, "the peer says that we broke the protocol");
                }
            }
        }
    }
}

/// Something that is worth one line, however often it happens in a row.
#[derive(Debug, Default)]
struct Episode {
    last: Option<Monotonic>,
}

impl Episode {
    /// Notes that it happened; whether it had not for a while.
    fn begins(&mut self, now: Monotonic) -> bool {
        self.last.replace(now).is_none_or(|last| now.since(last) >= EPISODE)
    }
}

/// Lines that may still be written within the second.
#[derive(Debug, Default)]
struct Budget {
    since: Monotonic,
    written: u32,
    unwritten: u64,
}

impl Budget {
    /// Whether to write a line; then how many were left out before it.
    fn take(&mut self, now: Monotonic) -> Option<u64> {
        if now.since(self.since) >= Duration::from_secs(1) {
            (self.since, self.written) = (now, 0);
        }
        if self.written >= LINES_PER_SECOND {
            self.unwritten += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_written_once_and_a_later_one_again() {
        let mut episode = Episode::default();
        assert!(episode.begins(Monotonic::from_millis(0)));
        assert!(!episode.begins(Monotonic::from_millis(59_000)));
        assert!(!episode.begins(Monotonic::from_millis(110_000)));
        assert!(episode.begins(Monotonic::from_millis(170_000)));
    }

    #[test]
    fn lines_over_the_budget_are_counted_in_the_next() {
        let mut budget = Budget::default();
        let written = (0..50).filter(|_| budget.take(Monotonic::from_millis(500)).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(budget.take(Monotonic::from_millis(1_000)), Some(30));
    }
}
