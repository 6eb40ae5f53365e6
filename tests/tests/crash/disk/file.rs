//! A file, with a line between what a program reads back and what is on the platter.

use palabre_tests::choices::{Choices, Subsystem};

/// A file on the simulated disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    /// What a program reads: the system's page cache.
    cached: Vec<u8>,
    /// What is on the platter for sure.
    durable: Vec<u8>,
    /// What was done to it since, in order.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

/// How a power cut treats what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tear {
    /// Writes are torn at multiples of so many bytes.
    pub(crate) sector_bytes: usize,
    /// Each sector, and each change of a size, survives with a chance of so many quarters.
    pub(crate) quarters: u64,
    /// What a file holds where it was made longer and nothing was written that survived.
    pub(crate) filler: u8,
}

impl Tear {
    /// Drawn from the disk's stream; a disk that keeps everything at first.
    pub(super) fn draw(choices: &mut Choices) -> Self {
        Self {
            sector_bytes: *choices.pick(Subsystem::Store, &[4_096, 512]),
            quarters: *choices.pick(Subsystem::Store, &[4, 0, 1, 2, 3]),
            filler: *choices.pick(Subsystem::Store, &[0, 0xa5]),
        }
    }

    pub(super) fn survives(self, choices: &mut Choices) -> bool {
        choices.below(Subsystem::Store, 4) < self.quarters
    }
}

impl File {
    pub(super) fn len(&self) -> usize {
        self.cached.len()
    }

    /// Copies what there is from `offset` on; how many bytes.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let from = self.cached.get(offset..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        count
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.cached, offset, bytes, 0);
        self.unsynced.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.cached.resize(length, 0);
        self.unsynced.push(Change::Truncate { length });
    }

    /// What was written reaches the platter. What an earlier sync has failed to bring there does not.
    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            change.apply(&mut self.durable, 0);
        }
    }

    /// Some of what was written reaches the platter, and the system forgets that the rest has not: the next sync
    /// finds nothing to do. What a program reads is from then on what it wrote, or what the platter says.
    pub(super) fn fail_to_sync(&mut self, tear: Tear, forgets: bool, choices: &mut Choices) {
        self.lose(tear, choices);
        if forgets {
            self.cached = self.durable.clone();
        }
    }

    /// The power goes.
    pub(super) fn cut(&mut self, tear: Tear, choices: &mut Choices) {
        self.lose(tear, choices);
        self.cached = self.durable.clone();
    }

    fn lose(&mut self, tear: Tear, choices: &mut Choices) {
        for change in std::mem::take(&mut self.unsynced) {
            for part in change.sectors(tear.sector_bytes) {
                if tear.survives(choices) {
                    part.apply(&mut self.durable, tear.filler);
                }
            }
        }
    }

    /// Turns one bit over, wherever it is kept.
    pub(super) fn flip(&mut self, bit: usize) {
        for bytes in [&mut self.cached, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>, filler: u8) {
        match self {
            Self::Write { offset, bytes } => put(content, *offset, bytes, filler),
            Self::Truncate { length } => content.resize(*length, filler),
        }
    }

    /// The parts that reach the platter each on its own.
    fn sectors(self, sector_bytes: usize) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else { return vec![self] };
        let mut parts = Vec::new();
        let mut rest = bytes.as_slice();
        let mut at = offset;
        while !rest.is_empty() {
            let (part, after) = rest.split_at((sector_bytes - at % sector_bytes).min(rest.len()));
            parts.push(Self::Write { offset: at, bytes: part.to_vec() });
            at += part.len();
            rest = after;
        }
        parts
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8], filler: u8) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, filler);
    }
    content[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Tear = Tear { sector_bytes: 512, quarters: 0, filler: 0 };
    const HALF: Tear = Tear { quarters: 2, ..NOTHING };

    #[test]
    fn what_was_not_synced_is_lost_in_a_power_cut() {
        let mut file = File::default();
        file.write(0, b"kept");
        file.sync();
        file.write(4, b" lost");
        file.cut(NOTHING, &mut Choices::seeded(1));
        assert_eq!(file.cached, b"kept");
    }

    #[test]
    fn a_write_is_torn_at_sectors_and_never_within() {
        let mut seen = [false; 2];
        for seed in 0..20 {
            let mut file = File::default();
            file.write(100, &[7; 2_000]);
            file.cut(HALF, &mut Choices::seeded(seed));
            for (index, sector) in file.cached.chunks(512).enumerate() {
                let written = sector.iter().skip(if index == 0 { 100 } else { 0 });
                let survived = written.clone().any(|byte| *byte == 7);
                assert!(written.clone().all(|byte| (*byte == 7) == survived));
                seen[usize::from(survived)] = true;
            }
        }
        assert_eq!(seen, [true; 2]);
    }

    #[test]
    fn a_sync_that_failed_is_not_made_good_by_the_next() {
        let mut file = File::default();
        file.write(0, b"gone");
        file.fail_to_sync(NOTHING, false, &mut Choices::seeded(1));
        file.sync();
        assert_eq!(file.cached, b"gone");
        file.cut(NOTHING, &mut Choices::seeded(1));
        assert_eq!(file.cached, b"");
    }
}
