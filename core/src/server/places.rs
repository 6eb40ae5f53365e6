//! Places, and the queue for them (`PROTOCOL.md` E9, E10).

use alloc::collections::VecDeque;

use crate::ids::ConnectionId;

/// Who has a place and who waits for one.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) taken: u32,
    /// Those who come back stand first.
    returning: VecDeque<ConnectionId>,
    new: VecDeque<ConnectionId>,
}

impl Places {
    pub(crate) fn queued(&self) -> usize {
        self.returning.len() + self.new.len()
    }

    pub(crate) fn enqueue(&mut self, id: ConnectionId, returning: bool) {
        if returning {
            self.returning.push_back(id);
        } else {
            self.new.push_back(id);
        }
    }

    pub(crate) fn dequeue(&mut self) -> Option<ConnectionId> {
        self.returning.pop_front().or_else(|| self.new.pop_front())
    }

    pub(crate) fn leave(&mut self, id: ConnectionId) {
        self.returning.retain(|waiting| *waiting != id);
        self.new.retain(|waiting| *waiting != id);
    }

    /// Those who wait, the next first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = ConnectionId> {
        self.returning.iter().chain(&self.new).copied()
    }
}
