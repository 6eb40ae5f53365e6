//! Files whose time is over (`PROTOCOL.md` U16).

use alloc::sync::Arc;
use core::time::Duration;

use super::list::shared;
use crate::{
    config::FilesConfig,
    server::{Pending, Server},
    storage::{FileOperation, FileOutcome, StorageFailure, StorageOperation},
    time::WallTime,
    timer::Timer,
};

/// Files that are deleted at a time; the next are looked for after [`SOON`], so that nobody waits for them.
const FILES_MAX: u32 = 32;

const SOON: Duration = Duration::from_secs(1);

/// Files are looked for each hour, or sooner where they are kept for less than a day.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

impl Server {
    /// Looks for files whose time is over, if files have one.
    pub(in crate::server) fn look_for_old_files(&mut self) {
        let Some(kept) = self.config.limits.file_kept else { return };
        if self.config.files == FilesConfig::Off || self.drain.is_some() {
            return;
        }
        let kept = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        let than = WallTime::from_millis(self.peers.now.wall.as_millis().saturating_sub(kept));
        let operation = FileOperation::Older { than, files_max: FILES_MAX };
        self.ask_storage(Pending::OldFiles, StorageOperation::Files(operation.into()));
    }

    pub(in crate::server) fn old_files_found(&mut self, result: Result<FileOutcome, StorageFailure>) {
        let files = match result {
            Ok(FileOutcome::Page { files, .. }) => files,
            other => {
                let failure = other.err().unwrap_or(StorageFailure::Failed);
                self.storage_refusal("look for old files", failure);
                alloc::vec::Vec::new()
            }
        };
        let kept = self.config.limits.file_kept.unwrap_or_default();
        let wait = if files.is_empty() { LOOK_EVERY.min(kept / 24).max(SOON) } else { SOON };
        self.peers.timers.arm(self.peers.now.monotonic.after(wait), Timer::Files);
        if self.drain.is_some() {
            return;
        }
        for file in files {
            let (author, text) = ((file.by, Arc::clone(&file.nick)), shared(&file).to_text_of_expired());
            self.start_deletion(None, author, file, text);
        }
    }
}
