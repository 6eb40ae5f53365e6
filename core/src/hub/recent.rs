//! The last events of a room, encoded once, as one stretch of bytes: what is missing to a reader is one copy.

use alloc::{collections::VecDeque, vec::Vec};
use core::ops::Range;

use crate::ids::Seq;

/// The frames of consecutive events.
#[derive(Debug)]
pub(crate) struct Recent {
    bytes: Vec<u8>,
    /// Where in `bytes` the frames that are kept begin.
    start: usize,
    /// Where each frame ends, counted from the beginning of time.
    ends: VecDeque<u64>,
    /// What was dropped from `bytes` since the beginning of time.
    dropped: u64,
    /// The number of the first event kept.
    first: Seq,
}

impl Recent {
    /// No events yet; the next is `first`.
    pub(crate) const fn new(first: Seq) -> Self {
        Self { bytes: Vec::new(), start: 0, ends: VecDeque::new(), dropped: 0, first }
    }

    /// The number the next event has.
    pub(crate) fn next(&self) -> Seq {
        Seq::new(self.first.get() + self.ends.len() as u64)
    }

    /// Bytes of frames kept.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Adds the frame that `encode` appends, and forgets the oldest past `bytes_max`, but never the new one.
    pub(crate) fn push(&mut self, bytes_max: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
        self.ends.push_back(self.dropped + self.bytes.len() as u64);
        while self.len() > bytes_max && self.ends.len() > 1 {
            self.pop_front();
        }
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.dropped += self.start as u64;
            self.start = 0;
        }
    }

    fn pop_front(&mut self) {
        if let Some(end) = self.ends.pop_front() {
            self.start = self.offset(end);
            self.first = self.first.next();
        }
    }

    /// Forgets everything; the next event is `first`.
    pub(crate) fn clear(&mut self, first: Seq) {
        *self = Self::new(first);
    }

    /// The frames from `next` on, as many whole ones as fit into `bytes_max`: their bytes, and the number after
    /// the last of them. `None` if `next` is not kept any more.
    pub(crate) fn from(&self, next: Seq, bytes_max: usize) -> Option<(&[u8], Seq)> {
        let skipped = usize::try_from(next.get().checked_sub(self.first.get())?).ok()?;
        if skipped > self.ends.len() {
            return None;
        }
        let start = match skipped.checked_sub(1) {
            None => self.start,
            Some(before) => self.offset(self.ends[before]),
        };
        let Range { end, .. } = start..self.bytes.len();
        if end - start <= bytes_max {
            return Some((&self.bytes[start..], self.next()));
        }
        let most = self.dropped + (start + bytes_max) as u64;
        let fitting = self.ends.partition_point(|end| *end <= most);
        if fitting <= skipped {
            return Some((&[], next));
        }
        let end = self.offset(self.ends[fitting - 1]);
        Some((&self.bytes[start..end], Seq::new(self.first.get() + fitting as u64)))
    }

    const fn offset(&self, absolute: u64) -> usize {
        // What was dropped is never more than what any kept frame ends at.
        (absolute - self.dropped) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: u64, bytes_max: usize) -> Recent {
        let mut recent = Recent::new(Seq::new(1));
        for number in 1..=count {
            recent.push(bytes_max, |out| out.extend_from_slice(&[number as u8; 10]));
        }
        recent
    }

    #[test]
    fn a_reader_gets_whole_frames_that_fit_and_the_number_after_them() {
        let recent = filled(5, 1_000);
        let (bytes, next) = recent.from(Seq::new(2), 25).expect("kept");
        assert_eq!((bytes, next), (&[[2; 10], [3; 10]].concat()[..], Seq::new(4)));
        let (bytes, next) = recent.from(Seq::new(4), 20).expect("kept");
        assert_eq!((bytes.len(), next), (20, Seq::new(6)));
        assert_eq!(recent.from(Seq::new(1), 9), Some((&[][..], Seq::new(1))));
        assert_eq!(recent.from(Seq::new(6), 9), Some((&[][..], Seq::new(6))));
        assert_eq!(recent.from(Seq::new(7), 9), None);
    }

    #[test]
    fn the_oldest_are_forgotten_past_the_cap_and_the_rest_stays_right() {
        for count in 1..200 {
            let recent = filled(count, 55);
            let first = count.saturating_sub(4).max(1);
            assert_eq!(recent.first, Seq::new(first));
            assert_eq!(recent.next(), Seq::new(count + 1));
            for number in first..=count {
                let (bytes, next) = recent.from(Seq::new(number), 10).expect("kept");
                assert_eq!((bytes, next), (&[number as u8; 10][..], Seq::new(number + 1)));
            }
            assert_eq!(recent.from(Seq::new(first - 1), 10), None);
        }
    }
}
