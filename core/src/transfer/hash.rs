//! The hash of content, taken so that it can be gone on with without what was summed up before.
//!
//! BLAKE3 is a tree: what a stretch comes to, at its place, does not depend on what stands beside it. So of every whole
//! [`SUBTREE_BYTES`] 32 bytes are enough, and content that has partly arrived is read again from the last such stretch only.

use alloc::vec::Vec;

use blake3::hazmat::{ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::BlobHash;

/// How long the stretches are that are summed up by themselves.
pub const SUBTREE_BYTES: u64 = 64 << 20;

/// What a whole stretch comes to, at its place: a chaining value of BLAKE3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree(pub [u8; 32]);

/// Sums up content, in stretches of [`SUBTREE_BYTES`].
pub type ContentHasher = TreeHasher<SUBTREE_BYTES>;

/// Sums up content, in stretches of so many bytes: a power of two, at least 1,024.
#[derive(Clone, Debug)]
pub struct TreeHasher<const BYTES: u64> {
    /// The stretches that are full and have something behind them.
    before: Vec<Subtree>,
    /// What comes behind them.
    last: blake3::Hasher,
}

impl<const BYTES: u64> TreeHasher<BYTES> {
    const SOUND: () = assert!(BYTES.is_power_of_two() && BYTES >= 1024);

    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::behind(Vec::new())
    }

    /// Goes on behind so many whole stretches. They are no content by themselves: something has to follow.
    #[must_use]
    pub fn behind(before: Vec<Subtree>) -> Self {
        let () = Self::SOUND;
        let mut last = blake3::Hasher::new();
        last.set_input_offset(before.len() as u64 * BYTES);
        Self { before, last }
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.before.len() as u64 * BYTES + self.last.count()
    }

    /// The stretches that are full and have something behind them: enough for [`Self::behind`].
    #[must_use]
    pub fn subtrees(&self) -> &[Subtree] {
        &self.before
    }

    /// More of it.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut room = BYTES - self.last.count();
            if room == 0 {
                // Not before there is more: of content that ends here this may be the root.
                self.before.push(Subtree(self.last.finalize_non_root()));
                self.last = blake3::Hasher::new();
                self.last.set_input_offset(self.before.len() as u64 * BYTES);
                room = BYTES;
            }
            let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            self.last.update(now);
            bytes = later;
        }
    }

    /// All stretches so far, the last one as long as it is. They are no content by themselves if there is one alone.
    #[must_use]
    pub fn stretches(&self) -> Vec<Subtree> {
        let mut stretches = self.before.clone();
        if self.last.count() > 0 {
            stretches.push(Subtree(self.last.finalize_non_root()));
        }
        stretches
    }

    /// The outline of all of it: its stretches, or nothing where one has all.
    #[must_use]
    pub fn outline(&self) -> Vec<Subtree> {
        if self.before.is_empty() { Vec::new() } else { self.stretches() }
    }

    /// The hash of all of it.
    #[must_use]
    pub fn hash(&self) -> BlobHash {
        if let Some(of_outline) = hash_of_outline(&self.outline()) {
            return of_outline;
        }
        match self.before.first() {
            None => BlobHash(*self.last.finalize().as_bytes()),
            // One stretch that was saved and nothing behind it, which is no content: this is the hash of none.
            Some(only) => BlobHash(only.0),
        }
    }
}

/// The hash of the content that has this outline; none follows from fewer than two stretches.
#[must_use]
pub fn hash_of_outline(outline: &[Subtree]) -> Option<BlobHash> {
    if outline.len() < 2 {
        return None;
    }
    let (left, right) = halves(outline);
    Some(BlobHash(*merge_subtrees_root(&merged(left), &merged(right), Mode::Hash).as_bytes()))
}

/// An outline as bytes: what each stretch comes to, in order.
#[must_use]
pub fn outline_to_bytes(outline: &[Subtree]) -> Vec<u8> {
    outline.iter().flat_map(|subtree| subtree.0).collect()
}

/// The outline that these bytes are.
#[must_use]
pub fn outline_from_bytes(bytes: &[u8]) -> Option<Vec<Subtree>> {
    let (stretches, rest) = bytes.as_chunks();
    rest.is_empty().then(|| stretches.iter().copied().map(Subtree).collect())
}

/// How many stretches the outline of content of this size has.
#[must_use]
pub const fn outline_length(size: u64) -> u64 {
    if size <= SUBTREE_BYTES { 0 } else { size.div_ceil(SUBTREE_BYTES) }
}

impl<const BYTES: u64> Default for TreeHasher<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// What several stretches come to that are not all of the content.
fn merged(stretches: &[Subtree]) -> ChainingValue {
    match stretches {
        [only] => only.0,
        several => {
            let (left, right) = halves(several);
            merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
        }
    }
}

/// The left half of a node has as many stretches as a power of two can while the right one has any.
fn halves(stretches: &[Subtree]) -> (&[Subtree], &[Subtree]) {
    stretches.split_at(stretches.len().div_ceil(2).next_power_of_two())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    type Small = TreeHasher<4096>;

    fn content(length: usize) -> Vec<u8> {
        let mut content = vec![0; length];
        blake3::Hasher::new().update(b"content").finalize_xof().fill(&mut content);
        content
    }

    #[test]
    fn it_is_the_hash_of_one_pass_at_every_length_near_an_edge() {
        let edges = (0..=10).map(|power| 1024 << power).chain((0..40).map(|count| count * 4096));
        let lengths = edges.flat_map(|edge: usize| edge.saturating_sub(1)..=edge + 1);
        let all = content(1 << 21);
        for length in lengths {
            let content = &all[..length];
            let mut hasher = Small::new();
            hasher.update(content);
            assert_eq!(hasher.length(), length as u64);
            assert_eq!(hasher.hash().0, *blake3::hash(content).as_bytes(), "{length} bytes");
        }
    }

    #[test]
    fn it_is_the_same_behind_any_number_of_saved_stretches_and_in_any_pieces() {
        for length in [1, 1023, 1025, 4095, 4096, 4097, 8192, 12_288, 12_289, 40_960, 70_001] {
            let content = content(length);
            let mut whole = Small::new();
            whole.update(&content);
            for count in 0..=whole.subtrees().len() {
                for piece in [1000, 4096, 5000, 100_000] {
                    let mut hasher = Small::behind(whole.subtrees()[..count].to_vec());
                    content[count * 4096..].chunks(piece).for_each(|piece| hasher.update(piece));
                    assert_eq!(
                        hasher.hash().0,
                        *blake3::hash(&content).as_bytes(),
                        "{length}, {count}, {piece}"
                    );
                    assert_eq!(hasher.subtrees(), whole.subtrees());
                }
            }
        }
    }
}
