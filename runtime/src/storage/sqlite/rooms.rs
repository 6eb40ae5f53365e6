//! The end of each room's log, kept in memory so that an append needs no look-up.

use std::collections::HashMap;

use palabre_core::ids::{RoomId, Seq};

/// Where the log of a room begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomLog {
    /// The first number that is still kept.
    pub(super) first: Seq,
    /// The last number given.
    pub(super) last: Seq,
    /// The last number that was answered. It is behind `last` only after a commit that was thought to have failed
    /// turned out to have worked: then its requests are executed once more, and must neither be told that they
    /// had been stored before nor see what came after them.
    pub(super) answered: Seq,
}

/// All rooms there are, as the open transaction sees them.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    logs: HashMap<RoomId, RoomLog>,
    /// What the open transaction has changed, and what had been there.
    undo: Vec<(RoomId, Option<RoomLog>)>,
}

impl Rooms {
    pub(super) fn log(&self, room: RoomId) -> Option<RoomLog> {
        self.logs.get(&room).copied()
    }

    pub(super) fn set(&mut self, room: RoomId, log: RoomLog) {
        let before = self.logs.insert(room, log);
        self.undo.push((room, before));
    }

    pub(super) fn remove(&mut self, room: RoomId) {
        let before = self.logs.remove(&room);
        self.undo.push((room, before));
    }

    /// The transaction was committed.
    pub(super) fn keep_changes(&mut self) {
        self.undo.clear();
    }

    /// The transaction was rolled back.
    pub(super) fn undo_changes(&mut self) {
        while let Some((room, before)) = self.undo.pop() {
            match before {
                Some(log) => self.logs.insert(room, log),
                None => self.logs.remove(&room),
            };
        }
    }

    /// Takes over what was found when the database was opened again; what had been answered stays so.
    pub(super) fn replace_after_doubt(&mut self, mut found: Self) {
        self.undo_changes();
        for (room, log) in &mut found.logs {
            let answered = self.logs.get(room).map_or(Seq::new(0), |known| known.answered);
            log.answered = answered.min(log.last);
        }
        found.undo.clear();
        *self = found;
    }
}
