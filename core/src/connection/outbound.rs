//! What waits to be sent on one connection.

use alloc::{collections::VecDeque, vec::Vec};

/// Buffers that no connection uses at the moment, so that an idle connection holds none.
#[derive(Debug, Default)]
pub(crate) struct BufferPool {
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
}

/// How much memory is kept in spare buffers.
const SPARE_BYTES_MAX: usize = 32 << 20;
/// What a buffer that was never used reserves first.
const FIRST_BYTES: usize = 1 << 10;

impl BufferPool {
    fn take(&mut self) -> Vec<u8> {
        match self.spare.pop() {
            Some(buffer) => {
                self.spare_bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(FIRST_BYTES),
        }
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        if self.spare_bytes + buffer.capacity() <= SPARE_BYTES_MAX {
            buffer.clear();
            self.spare_bytes += buffer.capacity();
            self.spare.push(buffer);
        }
    }
}

/// The bytes that wait to be sent on a connection, and how many of them are replies.
#[derive(Debug)]
pub(crate) struct Outbound {
    bytes: Vec<u8>,
    sent: usize,
    sent_total: u64,
    /// Up to where, counted from the connection's start, the last reply reaches.
    replies_end: u64,
    replies_bytes: usize,
    /// Where, counted likewise, content ends, and how many bytes it has.
    bulk: VecDeque<(u64, usize)>,
    /// What of the shared part is accounted to this connection.
    extra: usize,
}

impl Outbound {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
            sent_total: 0,
            replies_end: 0,
            replies_bytes: 0,
            bulk: VecDeque::new(),
            extra: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Bytes of replies among what waits; they count until the last of them is sent.
    pub(crate) const fn replies_bytes(&self) -> usize {
        self.replies_bytes
    }

    /// The buffer to append to.
    pub(crate) fn buffer(&mut self, pool: &mut BufferPool) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        &mut self.bytes
    }

    /// Notes that the last `count` bytes appended are a reply.
    pub(crate) const fn count_reply(&mut self, count: usize) {
        self.replies_end = self.sent_total + self.len() as u64;
        self.replies_bytes += count;
    }

    /// Notes that the last `count` bytes appended are content of files.
    pub(crate) fn count_bulk(&mut self, count: usize) {
        if count > 0 {
            self.bulk.push_back((self.sent_total + self.len() as u64, count));
        }
    }

    /// The bytes that wait and are no content of files.
    pub(crate) fn chat_bytes(&self) -> usize {
        let waiting = |(end, count): &(u64, usize)| {
            usize::try_from(end - self.sent_total).unwrap_or(usize::MAX).min(*count)
        };
        self.len() - self.bulk.iter().map(waiting).sum::<usize>()
    }

    /// Forgets the first `count` bytes; they were sent.
    pub(crate) fn advance(&mut self, count: usize, pool: &mut BufferPool) {
        let count = count.min(self.len());
        self.sent += count;
        if crate::seeded_bug!("resumed-one-byte-early") && count > 1 && !self.is_empty() {
            self.sent -= 1;
        }
        self.sent_total += count as u64;
        while self.bulk.front().is_some_and(|(end, _)| *end <= self.sent_total) {
            self.bulk.pop_front();
        }
        if self.sent_total >= self.replies_end {
            self.replies_bytes = 0;
        }
        if self.is_empty() {
            pool.put(core::mem::take(&mut self.bytes));
            self.sent = 0;
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Accounts what is over `own_bytes` to the shared part of which `shared` is used.
    pub(crate) fn account(&mut self, own_bytes: usize, shared: &mut usize) {
        let extra = self.len().saturating_sub(own_bytes);
        *shared = *shared - self.extra + extra;
        self.extra = extra;
    }

    /// What of the shared part is accounted to this connection.
    pub(crate) const fn extra(&self) -> usize {
        self.extra
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self, pool: &mut BufferPool) {
        pool.put(core::mem::take(&mut self.bytes));
        self.sent = 0;
        self.replies_bytes = 0;
        self.bulk.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drained_outbound_holds_no_memory_and_its_buffer_is_used_again() {
        let mut pool = BufferPool::default();
        let mut outbound = Outbound::new();
        outbound.buffer(&mut pool).extend_from_slice(&[1; 5_000]);
        let mut shared = 0;
        outbound.account(1_000, &mut shared);
        assert_eq!(shared, 4_000);
        outbound.advance(4_500, &mut pool);
        outbound.account(1_000, &mut shared);
        assert_eq!((outbound.len(), shared), (500, 0));
        outbound.advance(500, &mut pool);
        assert_eq!(outbound.bytes.capacity(), 0);
        assert_eq!(pool.spare.len(), 1);
        assert!(outbound.buffer(&mut pool).capacity() >= 5_000);
        assert_eq!(pool.spare_bytes, 0);
    }

    #[test]
    fn replies_count_until_the_last_of_them_is_sent() {
        let mut pool = BufferPool::default();
        let mut outbound = Outbound::new();
        outbound.buffer(&mut pool).extend_from_slice(b"reply");
        outbound.count_reply(5);
        outbound.buffer(&mut pool).extend_from_slice(b"event");
        outbound.advance(4, &mut pool);
        assert_eq!(outbound.replies_bytes(), 5);
        outbound.advance(1, &mut pool);
        assert_eq!(outbound.replies_bytes(), 0);
    }
}
