//! The end of a transfer that sends.

/// How far a transfer is sent, and how far it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    next: u64,
    limit: u64,
}

impl Sending {
    pub(crate) const fn new(offset: u64, limit: u64) -> Self {
        Self { next: offset, limit }
    }

    /// Where the next byte to be sent stands.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// How many bytes more may be sent.
    pub(crate) const fn credit(&self) -> u64 {
        self.limit.saturating_sub(self.next)
    }

    /// The other end takes more. A limit that was heard before changes nothing.
    pub(crate) const fn grant(&mut self, limit: u64) {
        if limit > self.limit {
            self.limit = limit;
        }
    }

    /// So many bytes were sent, no more than there was credit for.
    pub(crate) const fn sent(&mut self, count: u64) {
        debug_assert!(count <= self.credit(), "no sender goes past its credit");
        self.next = self.next.saturating_add(count);
    }
}
