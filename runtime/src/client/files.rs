//! The files at a client's end of its transfers, on a thread of their own.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{Arc, mpsc},
    thread,
};

use palabre_core::{
    client::{LocalDone, LocalFailure, LocalOperation, LocalOutcome, LocalRequest, TransferId},
    transfer::{BlobHash, Subtree},
};
use polling::Poller;

/// A file at this end of a transfer: what is uploaded, or where a download goes. Calls take as long as the disk does, and
/// come in order. What is uploaded is only read and summed up, a download only written and kept: the others say so.
pub trait LocalFile: Send {
    /// Reads up to `count` bytes; less only where it ends.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, LocalFailure> {
        let _ = (offset, count);
        Err(LocalFailure::Failed("it is only written".into()))
    }

    /// The hash of its first `size` bytes, which are all it has, if it has not changed since it was opened.
    ///
    /// # Errors
    /// [`LocalFailure::Changed`], or why it cannot be read.
    fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        let _ = size;
        Err(LocalFailure::Failed("it is only written".into()))
    }

    /// Takes note of what only a part is taken of, before any of it is written.
    ///
    /// # Errors
    /// Why that part of it cannot be had.
    fn begin(&mut self, size: u64, hash: BlobHash, outline: Vec<Subtree>) -> Result<(), LocalFailure> {
        let _ = (size, hash, outline);
        Err(LocalFailure::Failed("only the whole of it can be verified".into()))
    }

    /// Writes bytes where they belong.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), LocalFailure> {
        let _ = (offset, bytes);
        Err(LocalFailure::Failed("it is only read".into()))
    }

    /// Verifies what was written, makes it durable and puts it into its place.
    ///
    /// # Errors
    /// [`LocalFailure::Mismatch`], [`LocalFailure::Exists`], or why it cannot be written.
    fn keep(&mut self, size: u64, hash: BlobHash, executable: bool) -> Result<(), LocalFailure> {
        let _ = (size, hash, executable);
        Err(LocalFailure::Failed("it is only read".into()))
    }
}

/// The thread, and what it is given and gives.
pub(super) struct Files {
    poller: Arc<Poller>,
    jobs: Option<mpsc::Sender<Job>>,
    give: mpsc::Sender<LocalDone>,
    done: mpsc::Receiver<LocalDone>,
}

enum Job {
    Open(TransferId, Box<dyn LocalFile>),
    Do(LocalRequest),
    Forget(TransferId),
}

impl Files {
    pub(super) fn new(poller: &Arc<Poller>) -> Self {
        let (give, done) = mpsc::channel();
        Self { poller: Arc::clone(poller), jobs: None, give, done }
    }

    /// Begins the thread, if there is none yet.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        if self.jobs.is_some() {
            return Ok(());
        }
        let (sender, jobs) = mpsc::channel();
        let (give, poller) = (self.give.clone(), Arc::clone(&self.poller));
        thread::Builder::new().name("transfers".into()).spawn(move || run(&jobs, &give, &poller))?;
        self.jobs = Some(sender);
        Ok(())
    }

    /// The file of a transfer.
    pub(super) fn open(&self, transfer: TransferId, file: Box<dyn LocalFile>) {
        self.submit(Job::Open(transfer, file));
    }

    /// A transfer has ended.
    pub(super) fn forget(&self, transfer: TransferId) {
        self.submit(Job::Forget(transfer));
    }

    pub(super) fn start(&self, request: LocalRequest) {
        self.submit(Job::Do(request));
    }

    pub(super) fn take(&self) -> Option<LocalDone> {
        self.done.try_recv().ok()
    }

    fn submit(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // It fails only if the thread has panicked; then the transfer stands still, and says so.
            let _ = jobs.send(job);
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

fn run(jobs: &mpsc::Receiver<Job>, give: &mpsc::Sender<LocalDone>, poller: &Poller) {
    let mut files: HashMap<TransferId, Box<dyn LocalFile>> = HashMap::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Open(transfer, file) => {
                files.insert(transfer, file);
            }
            Job::Forget(transfer) => {
                files.remove(&transfer);
            }
            Job::Do(LocalRequest { transfer, attempt, operation }) => {
                let Some(file) = files.get_mut(&transfer) else { continue };
                let result = execute(file.as_mut(), operation);
                if give.send(LocalDone { transfer, attempt, result }).is_err() {
                    return;
                }
                // It fails only if the driver is gone, and then nobody waits.
                let _ = poller.notify();
            }
        }
    }
}

fn execute(file: &mut dyn LocalFile, operation: LocalOperation) -> Result<LocalOutcome, LocalFailure> {
    match operation {
        LocalOperation::Read { offset, count } => file.read(offset, count as usize).map(LocalOutcome::Read),
        LocalOperation::Hash { size } => file.hash(size).map(LocalOutcome::Hashed),
        LocalOperation::Begin { size, hash, outline } => {
            file.begin(size, hash, outline).map(|()| LocalOutcome::Begun)
        }
        LocalOperation::Write { offset, bytes } => file.write(offset, &bytes).map(|()| LocalOutcome::Written),
        LocalOperation::Keep { size, hash, executable } => {
            file.keep(size, hash, executable).map(|()| LocalOutcome::Kept)
        }
    }
}
