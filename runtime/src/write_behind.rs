//! Has the disk begin early with what is written, so that little is left of it when something is to be made durable.

use std::{fs::File, num::NonZeroU64};

use rustix::fs::{Advice, fadvise};

/// After so many bytes the disk is told.
const STRETCH_BYTES: NonZeroU64 = NonZeroU64::new(1 << 20).unwrap();

/// Tells the disk of the whole stretches that a write behind `before` bytes has filled, of a file that has `length` bytes now.
pub fn begin(file: &File, before: u64, length: u64) {
    let (from, to) = (before / STRETCH_BYTES, length / STRETCH_BYTES);
    if let Some(stretches) = to.checked_sub(from).and_then(NonZeroU64::new) {
        // Linux begins to write back what it is told will not be read again. Where that is not so, nothing is lost.
        let count = stretches.checked_mul(STRETCH_BYTES);
        let _ = fadvise(file, from * STRETCH_BYTES.get(), count, Advice::DontNeed);
    }
}
