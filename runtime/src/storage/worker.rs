//! The thread on which a database waits for its disk, so that the poll loop never does.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use palabre_core::{
    storage::{FileOperation, PutContent, StorageOperation, StorageReply, StorageRequest},
    time::Monotonic,
    wire::PUT_BYTES_MAX,
};

use super::{
    StorageStats, StorageStopped,
    sqlite::{SqliteStorage, Unrecoverable},
};

/// The most requests that are committed together.
const BATCH_REQUESTS_MAX: usize = 1_024;
/// The most bytes that the requests of one batch and their answers may carry.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A [`SqliteStorage`] on its own thread.
///
/// While one batch is committed, requests queue up and become the next: the busier the server, the larger the
/// batches. How many may be queued is the core's business, which bounds the requests that each peer may have
/// outstanding.
///
/// Dropping it executes what was submitted, closes the database and waits for that.
pub struct StorageThread {
    /// `None` once no more are to come.
    requests: Option<Sender<Vec<StorageRequest>>>,
    reports: Receiver<Report>,
    thread: Option<JoinHandle<()>>,
    stats: StorageStats,
}

/// What the thread tells.
enum Report {
    Batch { replies: Vec<StorageReply>, time: Duration },
    Stopped(Unrecoverable),
}

impl StorageThread {
    /// Starts the thread. It calls `wake` whenever there is something to collect, and `clock` around each batch,
    /// for the statistics.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub fn start(
        storage: SqliteStorage,
        clock: impl Fn() -> Monotonic + Send + 'static,
        wake: Box<dyn Fn() + Send>,
    ) -> io::Result<Self> {
        let (requests, incoming) = channel();
        let (outgoing, reports) = channel();
        let worker = Worker { storage, incoming, outgoing, waiting: VecDeque::new(), clock };
        let thread = thread::Builder::new().name(String::from("storage")).spawn(move || {
            let wake = WakeAtEnd(wake);
            worker.run(&wake);
        })?;
        Ok(Self { requests: Some(requests), reports, thread: Some(thread), stats: StorageStats::default() })
    }

    /// Hands requests over, to be executed in this order. Never waits.
    pub fn submit(&mut self, requests: impl IntoIterator<Item = StorageRequest>) {
        let requests: Vec<_> = requests.into_iter().collect();
        self.stats.count_submitted(requests.len());
        if let Some(queue) = &self.requests
            && !requests.is_empty()
        {
            // A thread that is gone is reported by the next `poll_replies`.
            let _ = queue.send(requests);
        }
    }

    /// Appends the answers that have arrived to `replies`. Never waits.
    ///
    /// # Errors
    ///
    /// The thread has ended and what it had not answered never will be: the server must stop.
    pub fn poll_replies(&mut self, replies: &mut Vec<StorageReply>) -> Result<(), StorageStopped> {
        loop {
            match self.reports.try_recv() {
                Ok(report) => self.collect(report, replies)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(StorageStopped::ThreadEnded),
            }
        }
    }

    /// What has gone through so far, as far as its answers were collected.
    #[must_use]
    pub const fn stats(&self) -> StorageStats {
        self.stats
    }

    /// Executes all that was submitted, closes the database and waits for that. Appends the last answers to
    /// `replies`.
    ///
    /// # Errors
    ///
    /// As for [`StorageThread::poll_replies`].
    pub fn close(mut self, replies: &mut Vec<StorageReply>) -> Result<(), StorageStopped> {
        self.requests = None;
        while let Ok(report) = self.reports.recv() {
            self.collect(report, replies)?;
        }
        self.join()
    }

    fn collect(&mut self, report: Report, replies: &mut Vec<StorageReply>) -> Result<(), StorageStopped> {
        match report {
            Report::Batch { replies: mut arrived, time } => {
                self.stats.count_batch(arrived.len(), time);
                replies.append(&mut arrived);
                Ok(())
            }
            Report::Stopped(reason) => Err(StorageStopped::Unrecoverable(reason)),
        }
    }

    fn join(&mut self) -> Result<(), StorageStopped> {
        self.requests = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(())) | None => Ok(()),
            Some(Err(_)) => Err(StorageStopped::ThreadEnded),
        }
    }
}

impl Drop for StorageThread {
    fn drop(&mut self) {
        // Its panic, if it had one, has been printed; there is nobody left to tell.
        let _ = self.join();
    }
}

impl fmt::Debug for StorageThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageThread").field("stats", &self.stats).finish_non_exhaustive()
    }
}

/// Wakes the poll loop a last time, also when the thread panics: it must notice.
struct WakeAtEnd(Box<dyn Fn() + Send>);

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        (self.0)();
    }
}

struct Worker<Clock> {
    storage: SqliteStorage,
    incoming: Receiver<Vec<StorageRequest>>,
    outgoing: Sender<Report>,
    waiting: VecDeque<StorageRequest>,
    clock: Clock,
}

impl<Clock: Fn() -> Monotonic> Worker<Clock> {
    fn run(mut self, wake: &WakeAtEnd) {
        while self.wait_for_requests() {
            let batch = self.next_batch();
            let start = (self.clock)();
            let executed = self.storage.execute_batch(&batch);
            let time = (self.clock)().since(start);
            let (report, stopped) = match executed {
                Ok(replies) => (Report::Batch { replies, time }, false),
                Err(reason) => (Report::Stopped(reason), true),
            };
            let unheard = self.outgoing.send(report).is_err();
            (wake.0)();
            if stopped || unheard {
                return;
            }
        }
    }

    /// Waits until something is to be done; false when nothing ever will be.
    fn wait_for_requests(&mut self) -> bool {
        if self.waiting.is_empty() {
            let Ok(requests) = self.incoming.recv() else { return false };
            self.waiting.extend(requests);
        }
        while self.waiting.len() < BATCH_REQUESTS_MAX
            && let Ok(requests) = self.incoming.try_recv()
        {
            self.waiting.extend(requests);
        }
        true
    }

    fn next_batch(&mut self) -> Vec<StorageRequest> {
        let mut bytes = 0;
        let fitting = self.waiting.iter().take(BATCH_REQUESTS_MAX).take_while(|request| {
            bytes += bytes_of(&request.operation);
            bytes <= BATCH_BYTES_MAX
        });
        let length = fitting.count().max(1);
        self.waiting.drain(..length).collect()
    }
}

/// What a request and its answer may carry.
fn bytes_of(operation: &StorageOperation) -> usize {
    match operation {
        StorageOperation::Append { event, .. } | StorageOperation::AppendAbout { event, .. } => {
            event.text.len() + event.nick.len()
        }
        StorageOperation::ReadPage { bytes_max, .. } | StorageOperation::Search { bytes_max, .. } => {
            *bytes_max as usize
        }
        StorageOperation::Files(operation) => match &**operation {
            FileOperation::List { bytes_max, .. } => *bytes_max as usize,
            FileOperation::Put { content: PutContent::Bytes(bytes), .. } => bytes.len(),
            FileOperation::Find { content: true, .. } => PUT_BYTES_MAX,
            FileOperation::LookUp { .. }
            | FileOperation::OpenUpload { .. }
            | FileOperation::Checkpoint { .. }
            | FileOperation::DropUpload { .. }
            | FileOperation::Commit { .. }
            | FileOperation::Put { content: PutContent::OfFileIn(_), .. }
            | FileOperation::Find { content: false, .. }
            | FileOperation::Older { .. }
            | FileOperation::Delete { .. }
            | FileOperation::IsUsed { .. } => 0,
        },
        // Passwords and devices of accounts are of a few hundred bytes, and so bounded by the number of requests.
        StorageOperation::OpenRoom { .. }
        | StorageOperation::DropRoom { .. }
        | StorageOperation::FindNonce { .. }
        | StorageOperation::CreateGuest { .. }
        | StorageOperation::UpdateGuest { .. }
        | StorageOperation::RemoveGuest { .. }
        | StorageOperation::CreateAccount { .. }
        | StorageOperation::AddDevice { .. }
        | StorageOperation::SeeDevice { .. }
        | StorageOperation::RemoveDevice { .. }
        | StorageOperation::SetPassword { .. }
        | StorageOperation::ForgetInvitation { .. }
        | StorageOperation::SetRead { .. }
        | StorageOperation::SetMember { .. } => 0,
    }
}
