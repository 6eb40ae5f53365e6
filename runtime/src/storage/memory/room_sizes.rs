//! Which room is the largest, found in constant time.

use std::collections::BTreeSet;

use palabre_core::ids::RoomId;

/// Rooms in buckets by the logarithm of their size: exact to a factor of two, and touched only when a room
/// crosses a power of two, so that an append hardly ever pays for it.
#[derive(Debug)]
pub(super) struct RoomSizes {
    buckets: Box<[BTreeSet<RoomId>; u64::BITS as usize]>,
    /// Bit *n* is set while bucket *n* holds a room.
    occupied: u64,
}

impl RoomSizes {
    pub(super) fn new() -> Self {
        Self { buckets: Box::new([const { BTreeSet::new() }; u64::BITS as usize]), occupied: 0 }
    }

    /// Notes that `room` went from one size to another, in bytes. A room of size 0 is not kept.
    pub(super) fn change(&mut self, room: RoomId, from: u64, to: u64) {
        let (from, to) = (from.checked_ilog2(), to.checked_ilog2());
        if from == to {
            return;
        }
        if let Some(bucket) = from {
            self.buckets[bucket as usize].remove(&room);
            if self.buckets[bucket as usize].is_empty() {
                self.occupied &= !(1 << bucket);
            }
        }
        if let Some(bucket) = to {
            self.buckets[bucket as usize].insert(room);
            self.occupied |= 1 << bucket;
        }
    }

    /// The largest room, or one more than half as large; the oldest among these.
    pub(super) fn largest(&self) -> Option<RoomId> {
        let bucket = self.occupied.checked_ilog2()?;
        self.buckets[bucket as usize].first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_room_is_found_after_any_change() {
        let (small, large) = (RoomId::new(1), RoomId::new(2));
        let mut sizes = RoomSizes::new();
        assert_eq!(sizes.largest(), None);
        sizes.change(small, 0, 100);
        sizes.change(large, 0, 1_000);
        assert_eq!(sizes.largest(), Some(large));
        sizes.change(large, 1_000, 10);
        assert_eq!(sizes.largest(), Some(small));
        sizes.change(small, 100, 0);
        sizes.change(large, 10, 0);
        assert_eq!(sizes.largest(), None);
    }

    #[test]
    fn among_rooms_of_like_size_the_oldest_is_taken() {
        let mut sizes = RoomSizes::new();
        sizes.change(RoomId::new(7), 0, 1_500);
        sizes.change(RoomId::new(3), 0, 1_100);
        assert_eq!(sizes.largest(), Some(RoomId::new(3)));
    }
}
