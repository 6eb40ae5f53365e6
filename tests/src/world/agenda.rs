//! What is to happen, and when.

use std::{cmp::Reverse, collections::BinaryHeap};

use palabre_core::time::Monotonic;

use crate::network::LinkId;

/// Something that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// One end of a link may read or write.
    Transfer(LinkId, Transfer),
    /// A link comes to the server.
    Arrive(LinkId),
    /// The client learns that its link is there.
    Connected(LinkId),
    /// The client learns that its link will never be there.
    Unreachable(LinkId),
    /// A closing client waits no longer.
    GiveUpClosing(LinkId),
    /// The server's deadline.
    ServerTimer,
    /// A client's deadline.
    ClientTimer(usize),
    /// The server's process goes on.
    Resume,
    /// The server is shut down, for an operator to be made.
    ShutDown,
    /// The server has shut down.
    ServerExits,
    /// The server starts again.
    StartServer,
    /// A client process starts again.
    StartClient(usize),
    /// A client leaves, keeping its guest or not, and is killed meanwhile.
    LeaveDying(usize, bool),
    /// A client tries another name, or another password.
    Rename(usize),
    /// A client's password is stretched.
    Worked(usize),
    /// The server hears of a password that was checked.
    Checked,
    /// Storage ends its commit.
    Commit,
    /// Storage tells its next answer.
    Answer,
    /// An honest client's turn.
    Operation(usize),
    /// A raw peer's turn.
    Peer(usize),
    /// A class of faults has its turn.
    Fault(crate::plan::Fault),
}

/// What an end of a link may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transfer {
    ServerRead,
    ServerWrite,
    ClientRead,
    ClientWrite,
}

impl Transfer {
    pub(super) const COUNT: usize = 4;
}

/// Tasks by time; among those of one time, in the order they were added.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    tasks: BinaryHeap<Reverse<(Monotonic, u64, Task)>>,
    added: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Monotonic, task: Task) {
        self.added += 1;
        self.tasks.push(Reverse((at, self.added, task)));
    }

    pub(super) fn next_at(&self) -> Option<Monotonic> {
        self.tasks.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<(Monotonic, Task)> {
        self.tasks.pop().map(|Reverse((at, _, task))| (at, task))
    }
}
