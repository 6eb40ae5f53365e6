//! The threads that wait for the disk.

use std::{
    fmt, io,
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use palabre_core::blob::{BlobFailure, BlobOperation, BlobReply, BlobRequest};

use super::BlobDirectory;

/// Some third of the share that a thread has otherwise.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// So many files are worked on at a time; a slow one keeps no more than its share of the others waiting.
const THREADS: usize = 4;

/// A [`BlobDirectory`] on threads of its own. What is asked about one upload or blob is done by one of them, in order.
pub struct BlobThreads {
    requests: Vec<Sender<BlobRequest>>,
    replies: Receiver<BlobReply>,
    threads: Vec<JoinHandle<()>>,
}

impl BlobThreads {
    /// Starts the threads on a directory. They call `wake` whenever there is something to collect.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(directory: &BlobDirectory, wake: impl Fn() + Clone + Send + 'static) -> io::Result<Self> {
        let (outgoing, replies) = channel();
        let (mut requests, mut threads) = (Vec::new(), Vec::new());
        for number in 0..THREADS {
            let (sender, incoming) = channel();
            let worker = Worker { directory: directory.another(), incoming, outgoing: outgoing.clone() };
            let wake = wake.clone();
            let name = format!("files-{number}");
            let run = move || {
                give_way();
                worker.run(wake);
            };
            threads.push(thread::Builder::new().name(name).spawn(run)?);
            requests.push(sender);
        }
        Ok(Self { requests, replies, threads })
    }

    /// Hands a request over. Never waits.
    pub fn submit(&self, request: BlobRequest) {
        let number = thread_of(&request.operation);
        if let Some(queue) = self.requests.get(number % self.requests.len().max(1)) {
            // A thread that is gone has panicked; its uploads stay as they are.
            let _ = queue.send(request);
        }
    }

    /// Appends all answers that have arrived to `replies`. Never waits.
    pub fn poll_replies(&self, replies: &mut Vec<BlobReply>) {
        replies.extend(self.replies.try_iter());
    }
}

impl Drop for BlobThreads {
    fn drop(&mut self) {
        self.requests.clear();
        for thread in self.threads.drain(..) {
            // Its panic, if it had one, has been printed.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for BlobThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobThreads").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

struct Worker {
    directory: BlobDirectory,
    incoming: Receiver<BlobRequest>,
    outgoing: Sender<BlobReply>,
}

impl Worker {
    fn run(mut self, wake: impl Fn()) {
        while let Ok(BlobRequest { ticket, operation }) = self.incoming.recv() {
            let result = self.directory.execute(operation);
            if self.outgoing.send(BlobReply { ticket, result }).is_err() {
                return;
            }
            wake();
        }
    }
}

/// Where there is too little of the processor for all, chat goes first: the calling thread takes a smaller share.
fn give_way() {
    // On Linux this is the thread's alone; elsewhere it would be the whole server's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "files have the same priority as chat");
    }
}

/// Which thread does it.
fn thread_of(operation: &BlobOperation) -> usize {
    match operation {
        BlobOperation::Open { upload, .. }
        | BlobOperation::Write { upload, .. }
        | BlobOperation::Sync { upload, .. }
        | BlobOperation::Seal { upload, .. }
        | BlobOperation::Close { upload }
        | BlobOperation::Discard { upload } => upload.0[0].into(),
        BlobOperation::Read { blob, .. }
        | BlobOperation::Outline { blob }
        | BlobOperation::Remove { blob } => blob.0[0].into(),
    }
}

/// What a server without a disk answers.
pub(crate) const fn refused(request: &BlobRequest) -> BlobReply {
    BlobReply { ticket: request.ticket, result: Err(BlobFailure::Failed) }
}
