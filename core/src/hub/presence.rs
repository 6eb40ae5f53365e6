//! What changed among a room's members, for those who follow it (`PROTOCOL.md` W1, W2).

use alloc::{collections::VecDeque, sync::Arc};

use super::User;
use crate::ids::UserId;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberChange {
    pub(crate) user: UserId,
    pub(crate) nick: Arc<str>,
    pub(crate) state: u8,
    pub(crate) was: Option<Arc<str>>,
    pub(crate) role: u8,
}

impl MemberChange {
    /// A user is in another state now.
    pub(crate) fn of(user: &User, state: u8) -> Self {
        Self { user: user.id, nick: user.nick.shared(), state, was: None, role: user.role() }
    }
}

/// The last changes of a room. Each reader remembers the number of the first it was not told.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    kept: VecDeque<MemberChange>,
    next: u64,
    /// Whether a time to tell them is armed.
    pub(crate) armed: bool,
}

impl Changes {
    /// The number of the next change.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn push(&mut self, change: MemberChange, changes_max: usize) {
        self.kept.push_back(change);
        self.next += 1;
        while self.kept.len() > changes_max {
            self.kept.pop_front();
        }
    }

    /// The changes from `first` on, and whether some are no longer known.
    pub(crate) fn from(&self, first: u64) -> (impl Iterator<Item = &MemberChange>, bool) {
        let oldest = self.next - self.kept.len() as u64;
        let skipped = usize::try_from(first.saturating_sub(oldest)).unwrap_or(usize::MAX);
        (self.kept.iter().skip(skipped), first < oldest)
    }

    /// Forgets the changes that everybody was told.
    pub(crate) fn forget_before(&mut self, first: u64) {
        while self.next - (self.kept.len() as u64) < first && self.kept.pop_front().is_some() {}
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }
}
