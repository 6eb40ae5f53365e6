//! A disk in memory, for SQLite to write on: it knows what was synced, and loses the rest when the power goes.
//!
//! It holds files by their last name, as one directory does. A file that was created or deleted is so for sure only
//! after a sync of the directory. Calls are counted, and a [`Trouble`] says at which of them what goes wrong.

mod file;

use std::collections::BTreeMap;

use palabre_tests::choices::{Choices, Subsystem};

use self::file::{File, Tear};

/// Names a file as long as the disk has power, also after it was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(usize);

/// What SQLite may ask of a disk, as far as it can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Read,
    Size,
    Write,
    Truncate,
    Sync,
    Delete,
}

impl Call {
    /// Whether the disk is another one afterwards.
    const fn changes(self) -> bool {
        match self {
            Self::Write | Self::Truncate | Self::Sync | Self::Delete => true,
            Self::Open | Self::Read | Self::Size => false,
        }
    }
}

/// Why a call did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskError {
    /// There is no power, or no process any more.
    Off,
    /// The device does not answer as it should.
    Io,
    /// There is no space.
    Full,
    /// There is no such file.
    Missing,
}

/// What a cut takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The power: all that was not synced.
    Power,
    /// The process: the page cache stays, unsynced as it is.
    Process,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// A cut at the call that is so many changes away; 1 is the next.
    pub(crate) cut: Option<(u64, Cut)>,
    /// Calls fail from the one that is so many calls away, so many in a row.
    pub(crate) failure: Option<Failure>,
    /// One sync out of so many fails.
    pub(crate) failing_syncs: Option<u64>,
    /// Files do not grow.
    pub(crate) full: bool,
}

impl Trouble {
    /// Whether calls fail that a storage is told of.
    pub(crate) const fn fails(&self) -> bool {
        self.failure.is_some() || self.failing_syncs.is_some() || self.full
    }
}

/// Calls that fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// The first of them, 1 is the next call.
    pub(crate) first: u64,
    /// How many.
    pub(crate) calls: u64,
    /// How.
    pub(crate) error: DiskError,
}

/// What has been asked of it so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) changes: u64,
    pub(crate) failed_syncs: u64,
}

/// How much of a file is written anew at a time: little, so that there is much to cut.
const REWRITE_BYTES: usize = 10_000;

/// Called at a cut, once.
type Teller = Box<dyn FnOnce(Cut) + Send>;

/// The disk.
pub(crate) struct Disk {
    files: Vec<File>,
    /// The directory as programs see it, and as it is on the platter.
    entries: BTreeMap<String, FileId>,
    durable_entries: BTreeMap<String, FileId>,
    unsynced_entries: Vec<(String, Option<FileId>)>,
    choices: Choices,
    trouble: Trouble,
    counts: Counts,
    on: bool,
    cut: Option<(Cut, Teller)>,
}

impl Disk {
    /// An empty one, whose misfortunes are drawn from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            files: Vec::new(),
            entries: BTreeMap::new(),
            durable_entries: BTreeMap::new(),
            unsynced_entries: Vec::new(),
            choices: Choices::seeded(seed),
            trouble: Trouble::default(),
            counts: Counts::default(),
            on: true,
            cut: None,
        }
    }

    /// The disk as the next process finds it, drawn from a seed: after a cut, or after an end without one.
    pub(crate) fn after(&self, cut: Cut, seed: u64) -> Self {
        let mut next = Self::new(seed);
        next.files.clone_from(&self.files);
        next.entries.clone_from(&self.entries);
        next.durable_entries.clone_from(&self.durable_entries);
        next.unsynced_entries.clone_from(&self.unsynced_entries);
        match cut {
            Cut::Process => {}
            Cut::Power => next.lose_power(),
        }
        next
    }

    fn lose_power(&mut self) {
        let tear = Tear::draw(&mut self.choices);
        for (name, entry) in std::mem::take(&mut self.unsynced_entries) {
            if tear.survives(&mut self.choices) {
                set(&mut self.durable_entries, name, entry);
            }
        }
        self.entries.clone_from(&self.durable_entries);
        for file in &mut self.files {
            file.cut(tear, &mut self.choices);
        }
    }

    /// What goes wrong from now on. A cut is told as it happens, from within the call that it cuts.
    pub(crate) fn suffer(&mut self, trouble: Trouble, tell: impl FnOnce(Cut) + Send + 'static) {
        self.cut = trouble.cut.map(|(_, cut)| (cut, Box::new(tell) as Teller));
        self.trouble = trouble;
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.trouble = Trouble::default();
        self.cut = None;
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// How long a file is.
    pub(crate) fn length_of(&self, name: &str) -> usize {
        self.entries.get(name).map_or(0, |id| self.files[id.0].len())
    }

    /// Turns a bit of a file over.
    pub(crate) fn flip(&mut self, name: &str, bit: usize) {
        if let Some(id) = self.entries.get(name) {
            self.files[id.0].flip(bit);
        }
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.length_of(name) > 0
    }

    /// Finds a file, or creates it; whether it did.
    pub(crate) fn open(&mut self, name: &str, create: bool) -> Result<(FileId, bool), DiskError> {
        self.call(Call::Open)?;
        if let Some(id) = self.entries.get(name) {
            return Ok((*id, false));
        }
        if !create {
            return Err(DiskError::Missing);
        }
        let id = FileId(self.files.len());
        self.files.push(File::default());
        self.entries.insert(name.to_owned(), id);
        self.unsynced_entries.push((name.to_owned(), Some(id)));
        Ok((id, true))
    }

    pub(crate) fn read(
        &mut self,
        file: FileId,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, DiskError> {
        self.call(Call::Read)?;
        Ok(self.files[file.0].read(offset, buffer))
    }

    pub(crate) fn size(&mut self, file: FileId) -> Result<usize, DiskError> {
        self.call(Call::Size)?;
        Ok(self.files[file.0].len())
    }

    pub(crate) fn write(&mut self, file: FileId, offset: usize, bytes: &[u8]) -> Result<(), DiskError> {
        self.call(Call::Write)?;
        if self.trouble.full && offset + bytes.len() > self.files[file.0].len() {
            return Err(DiskError::Full);
        }
        self.files[file.0].write(offset, bytes);
        self.changed()
    }

    pub(crate) fn truncate(&mut self, file: FileId, length: usize) -> Result<(), DiskError> {
        self.call(Call::Truncate)?;
        self.files[file.0].truncate(length);
        self.changed()
    }

    /// Syncs a file, and the directory with it if it was only just created.
    pub(crate) fn sync(&mut self, file: FileId, directory: bool) -> Result<(), DiskError> {
        if let Err(error) = self.call(Call::Sync) {
            if error != DiskError::Off {
                self.fail_to_sync(file);
            }
            return Err(error);
        }
        if let Some(of) = self.trouble.failing_syncs
            && self.choices.chance(Subsystem::Store, 1, of)
        {
            self.fail_to_sync(file);
            return Err(DiskError::Io);
        }
        self.files[file.0].sync();
        if directory {
            self.sync_directory();
        }
        self.changed()
    }

    fn fail_to_sync(&mut self, file: FileId) {
        self.counts.failed_syncs += 1;
        let tear = Tear::draw(&mut self.choices);
        let forgets = self.choices.chance(Subsystem::Store, 1, 2);
        self.files[file.0].fail_to_sync(tear, forgets, &mut self.choices);
    }

    pub(crate) fn delete(&mut self, name: &str, sync_directory: bool) -> Result<(), DiskError> {
        self.call(Call::Delete)?;
        if self.entries.remove(name).is_none() {
            return Err(DiskError::Missing);
        }
        self.unsynced_entries.push((name.to_owned(), None));
        if sync_directory {
            self.sync_directory();
        }
        self.changed()
    }

    /// Writes a file anew with the bytes it has, if it is there, and syncs it and the directory.
    pub(crate) fn rewrite(&mut self, name: &str) -> Result<(), DiskError> {
        if self.entries.contains_key(name) {
            let (file, _) = self.open(name, false)?;
            let mut bytes = vec![0; self.size(file)?];
            self.read(file, 0, &mut bytes)?;
            for (index, chunk) in bytes.chunks(REWRITE_BYTES).enumerate() {
                self.write(file, index * REWRITE_BYTES, chunk)?;
            }
            self.sync(file, false)?;
        }
        self.call(Call::Sync)?;
        self.sync_directory();
        self.changed()
    }

    fn sync_directory(&mut self) {
        self.durable_entries.clone_from(&self.entries);
        self.unsynced_entries.clear();
    }

    /// Counts a call, and says whether it fails.
    fn call(&mut self, call: Call) -> Result<(), DiskError> {
        if !self.on {
            return Err(DiskError::Off);
        }
        self.counts.calls += 1;
        if call.changes() {
            self.counts.changes += 1;
            // Half of the cuts come before the call has done anything, the others when it has.
            if self.choices.chance(Subsystem::Store, 1, 2) && self.is_cut_due() {
                self.turn_off();
                return Err(DiskError::Off);
            }
        }
        let Some(failure) = &mut self.trouble.failure else { return Ok(()) };
        failure.first = failure.first.saturating_sub(1);
        if failure.first > 0 || failure.calls == 0 {
            return Ok(());
        }
        failure.calls -= 1;
        let error = failure.error;
        // Only what needs space can lack it.
        if error == DiskError::Full && call != Call::Write { Ok(()) } else { Err(error) }
    }

    /// Notes that a call has changed the disk.
    fn changed(&mut self) -> Result<(), DiskError> {
        let due = self.is_cut_due();
        if let Some((changes, _)) = &mut self.trouble.cut {
            *changes = changes.saturating_sub(1);
        }
        if due {
            self.turn_off();
            return Err(DiskError::Off);
        }
        Ok(())
    }

    fn is_cut_due(&self) -> bool {
        matches!(self.trouble.cut, Some((0 | 1, _)))
    }

    /// From now on no call does anything.
    pub(crate) fn turn_off(&mut self) {
        self.on = false;
        if let Some((cut, tell)) = self.cut.take() {
            tell(cut);
        }
    }
}

fn set(entries: &mut BTreeMap<String, FileId>, name: String, entry: Option<FileId>) {
    match entry {
        Some(id) => entries.insert(name, id),
        None => entries.remove(&name),
    };
}
