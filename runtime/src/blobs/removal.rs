//! Gives back the space of what is deleted, a little at a time.
//!
//! Some file systems take a second to free half a gigabyte, and whoever makes something durable meanwhile, as chat does, waits for
//! that. So a large file loses its name at once and its content in steps.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
};

use crate::{clock::Clock, saved_hash::no_follow};

/// What is freed at a time.
const STEP_BYTES: u64 = 4 << 20;

/// It pauses for so much longer than it works.
const PAUSE: u32 = 2;

/// Files whose content waits to be freed; what is more is freed at once.
const WAITING_MAX: usize = 64;

/// The thread that does it.
#[derive(Debug)]
pub(super) struct Remover {
    jobs: Option<SyncSender<Job>>,
    /// How many wait for it to free what it has without a pause.
    hurried: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Free(File),
    Tell(Sender<()>),
}

impl Remover {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let hurried = Arc::new(AtomicUsize::new(0));
        let hurry = Arc::clone(&hurried);
        let run = move || run(&waiting, &hurry);
        let thread = thread::Builder::new().name("files-removed".into()).spawn(run)?;
        Ok(Self { jobs: Some(jobs), hurried, thread: Some(thread) })
    }

    /// Deletes a file. Its space is free then, or soon.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().write(true).custom_flags(no_follow()).open(path);
        fs::remove_file(path)?;
        // What has another name keeps its content.
        if let Ok(file) = file
            && file.metadata().is_ok_and(|metadata| metadata.nlink() == 0 && space(&metadata) > STEP_BYTES)
            && let Some(jobs) = &self.jobs
        {
            // Where too many wait it is closed here, and so freed.
            let _ = jobs.try_send(Job::Free(file));
        }
        Ok(())
    }

    /// Waits until the space of all that was deleted is free.
    pub(super) fn finish(&self) {
        let (tell, told) = channel();
        self.hurried.fetch_add(1, Ordering::Relaxed);
        if self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job::Tell(tell)).is_ok()) {
            // It fails only if the thread has panicked.
            let _ = told.recv();
        }
        self.hurried.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.hurried.fetch_add(1, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Its panic, if it had one, has been printed.
            let _ = thread.join();
        }
    }
}

fn run(jobs: &Receiver<Job>, hurried: &AtomicUsize) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Free(file) => free(&file, hurried),
            Job::Tell(tell) => {
                // Whoever asked may be gone.
                let _ = tell.send(());
            }
        }
    }
}

/// Frees most of it; the rest goes when it is closed.
fn free(file: &File, hurried: &AtomicUsize) {
    let Ok(mut left) = file.metadata().map(|metadata| space(&metadata)) else { return };
    let clock = Clock::start();
    while left > STEP_BYTES && hurried.load(Ordering::Relaxed) == 0 {
        left -= STEP_BYTES;
        let begun = clock.monotonic();
        if file.set_len(left).is_err() {
            return;
        }
        thread::sleep(clock.monotonic().since(begun) * PAUSE);
    }
}

/// What a file takes, also where that was only promised to it.
fn space(metadata: &fs::Metadata) -> u64 {
    metadata.len().max(metadata.blocks().saturating_mul(512))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 10 * STEP_BYTES;

    fn file(path: &Path) -> File {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, MANY).unwrap();
        file
    }

    #[test]
    fn what_is_deleted_has_no_name_at_once_and_no_content_soon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let (file, remover) = (file(&path), Remover::start().unwrap());
        remover.remove(&path).unwrap();
        assert!(!path.exists());
        while file.metadata().unwrap().len() > STEP_BYTES {
            thread::yield_now();
        }
        assert_eq!(remover.remove(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_has_another_name_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        let (file, remover) = (file(&path), Remover::start().unwrap());
        fs::hard_link(&path, &other).unwrap();
        remover.remove(&path).unwrap();
        remover.finish();
        assert_eq!(file.metadata().unwrap().len(), MANY);
        assert!(other.exists());
    }

    #[test]
    fn whoever_lacks_the_space_need_not_wait_for_all_the_pauses() {
        let folder = tempfile::tempdir().unwrap();
        let remover = Remover::start().unwrap();
        for name in ["a", "b", "c"] {
            let path = folder.path().join(name);
            drop(file(&path));
            remover.remove(&path).unwrap();
        }
        remover.finish();
        assert_eq!(remover.hurried.load(Ordering::Relaxed), 0, "what comes later is not hurried");
        // What was closed is gone with its name.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
