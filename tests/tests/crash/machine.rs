//! A machine with a disk, on which the real storage runs until somebody pulls the plug.
//!
//! The storage lives on a thread of its own and is left behind there when it is cut: it finds a disk that is off,
//! tries for some seconds to open its database again, and gives up, while the next machine runs already.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, Weak,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use palabre_core::storage::{Recovered, StorageReply, StorageRequest};
use palabre_runtime::storage::{
    OpenError, SqliteLimits, SqliteOptions, SqliteStorage, Synchronous, Unrecoverable,
};
use tempfile::TempDir;

use crate::{
    disk::{Counts, Cut, Disk, DiskError, Trouble},
    vfs::Vfs,
};

/// How the storage is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) synchronous: Synchronous,
    pub(crate) limits: SqliteLimits,
    /// Whether it writes a log anew before it reads it.
    pub(crate) rewrites_log: bool,
}

/// Why a machine does no more.
#[derive(Debug)]
pub(crate) enum End {
    /// It was cut.
    Cut(Cut),
    /// The database could not be opened.
    NotOpened(OpenError),
    /// The storage has stopped by itself.
    Stopped(Unrecoverable),
}

/// What is heard of a storage.
enum Told {
    Opened(Result<Recovered, OpenError>),
    Answered(Result<Vec<StorageReply>, Unrecoverable>),
    Cut(Cut),
}

/// A machine that runs.
pub(crate) struct Machine {
    vfs: Arc<Vfs>,
    requests: Sender<Vec<StorageRequest>>,
    told: Receiver<Told>,
    teller: Sender<Told>,
}

impl Machine {
    /// Opens the storage on a disk, in trouble while it does. The machine is there in any case, so that its disk can
    /// be taken out.
    pub(crate) fn start(
        disk: Disk,
        setup: Setup,
        incarnation: u64,
        trouble: Trouble,
    ) -> (Self, Result<Recovered, End>) {
        let vfs = Arc::new(Vfs::register(disk));
        let (requests, incoming) = channel();
        let (teller, told) = channel();
        let machine = Self { vfs, requests, told, teller };
        machine.suffer(trouble);
        let (vfs, teller) = (Arc::clone(&machine.vfs), machine.teller.clone());
        let work = move || run(&vfs, setup, incarnation, &incoming, &teller);
        thread::Builder::new().name("machine".into()).spawn(work).expect("a thread");
        let opened = match machine.hear() {
            Told::Opened(Ok(recovered)) => Ok(recovered),
            Told::Opened(Err(error)) => Err(End::NotOpened(error)),
            Told::Cut(cut) => Err(End::Cut(cut)),
            Told::Answered(_) => unreachable!("nothing was asked"),
        };
        (machine, opened)
    }

    /// What goes wrong from now on.
    pub(crate) fn suffer(&self, trouble: Trouble) {
        let teller = self.teller.clone();
        self.vfs.disk().suffer(trouble, move |cut| drop(teller.send(Told::Cut(cut))));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.vfs.disk().heal();
    }

    /// What was asked of its disk.
    pub(crate) fn counts(&self) -> Counts {
        self.vfs.disk().counts()
    }

    /// Executes a batch.
    pub(crate) fn execute(&mut self, batch: Vec<StorageRequest>) -> Result<Vec<StorageReply>, End> {
        // If nobody takes it, that is heard next.
        let _ = self.requests.send(batch);
        match self.hear() {
            Told::Answered(Ok(replies)) => Ok(replies),
            Told::Answered(Err(reason)) => Err(End::Stopped(reason)),
            Told::Cut(cut) => Err(End::Cut(cut)),
            Told::Opened(_) => unreachable!("it is opened once"),
        }
    }

    fn hear(&self) -> Told {
        self.told.recv().expect("it holds a teller itself")
    }

    /// Takes the disk out, as the next machine finds it after such a cut, drawn from a seed.
    pub(crate) fn stop(self, cut: Cut, seed: u64) -> Disk {
        let mut disk = self.vfs.disk();
        disk.heal();
        let next = disk.after(cut, seed);
        disk.turn_off();
        next
    }

    /// Ends the storage in order: its database is closed.
    pub(crate) fn close(self, seed: u64) -> Disk {
        self.heal();
        let Self { vfs, requests, told, teller } = self;
        drop((requests, teller));
        while told.recv().is_ok() {}
        vfs.disk().after(Cut::Process, seed)
    }
}

fn run(
    vfs: &Arc<Vfs>,
    setup: Setup,
    incarnation: u64,
    incoming: &Receiver<Vec<StorageRequest>>,
    teller: &Sender<Told>,
) {
    let directory = Plugged::new(vfs);
    let options = SqliteOptions {
        vfs: Some(vfs.name().to_owned()),
        rewrite_log: if setup.rewrites_log { Plugged::rewrite_log } else { |_| Ok(()) },
        synchronous: setup.synchronous,
        limits: setup.limits,
        ..SqliteOptions::new(directory.0.path())
    };
    // Whoever listened may have gone on to the next machine.
    let mut storage = match SqliteStorage::open(options, incarnation) {
        Ok((storage, recovered)) => {
            let _ = teller.send(Told::Opened(Ok(recovered)));
            storage
        }
        Err(error) => {
            let _ = teller.send(Told::Opened(Err(error)));
            return;
        }
    };
    while let Ok(batch) = incoming.recv() {
        if teller.send(Told::Answered(storage.execute_batch(&batch))).is_err() {
            return;
        }
    }
}

/// The directory in which a storage has its lock, and a disk its files as far as the storage knows.
struct Plugged(TempDir);

static PLUGGED: Mutex<BTreeMap<PathBuf, Weak<Vfs>>> = Mutex::new(BTreeMap::new());

impl Plugged {
    fn new(vfs: &Arc<Vfs>) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the lock");
        PLUGGED
            .lock()
            .expect("nobody panics with it")
            .insert(directory.path().to_path_buf(), Arc::downgrade(vfs));
        Self(directory)
    }

    /// What `palabre_runtime::storage::rewrite_log` does, on the disk.
    fn rewrite_log(log: &Path) -> io::Result<()> {
        let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else {
            unreachable!("a log is a file in a directory")
        };
        let result = Self::vfs_of(directory).disk().rewrite(&name.to_string_lossy());
        result.map_err(|error| match error {
            DiskError::Full => io::ErrorKind::StorageFull.into(),
            DiskError::Off | DiskError::Io | DiskError::Missing => io::Error::other("the disk failed"),
        })
    }

    fn vfs_of(directory: &Path) -> Arc<Vfs> {
        let plugged = PLUGGED.lock().expect("nobody panics with it");
        plugged.get(directory).and_then(Weak::upgrade).expect("a disk is plugged in")
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        PLUGGED.lock().expect("nobody panics with it").remove(self.0.path());
    }
}
