//! Contents that no file has any more: removed once nobody reads them or is about to make them a file again.

use super::{Step, Work};
use crate::{
    blob::BlobOperation,
    server::{Pending, Server},
    storage::{FileOperation, FileOutcome, StorageFailure, StorageOperation},
    transfer::{BlobHash, UploadId},
};

impl Server {
    /// Somebody reads a content.
    pub(super) fn lease(&mut self, blob: BlobHash) {
        *self.files.leases.entry(blob).or_default() += 1;
    }

    pub(super) fn end_lease(&mut self, blob: BlobHash) {
        if count_down(&mut self.files.leases, blob) {
            self.remove_if_doomed(blob);
        }
    }

    /// A content is not about to become a file any more.
    pub(super) fn unseal(&mut self, blob: BlobHash, step: Step) {
        let counted = match step {
            Step::Wanted => false,
            Step::Sealing | Step::Committing => true,
        };
        if counted && count_down(&mut self.files.sealing, blob) {
            self.remove_if_doomed(blob);
        }
    }

    fn remove_if_doomed(&mut self, blob: BlobHash) {
        if self.files.doomed.remove(&blob) {
            self.remove_unused(Some(blob));
        }
    }

    /// Has a content removed that no file has.
    pub(super) fn remove_unused(&mut self, blob: Option<BlobHash>) {
        let Some(blob) = blob else { return };
        let files = &mut self.files;
        if files.removing.contains(&blob) {
            return;
        }
        if files.leases.contains_key(&blob) || files.sealing.contains_key(&blob) {
            files.doomed.insert(blob);
            return;
        }
        // From here on no upload of it becomes a file until this is done, so that the answer stays true.
        files.removing.insert(blob);
        let operation = FileOperation::IsUsed { hash: blob };
        self.ask_storage(Pending::IsUsed { blob }, StorageOperation::Files(operation.into()));
    }

    /// Storage has said whether any file has a content.
    pub(in crate::server) fn looked_for_use(
        &mut self,
        blob: BlobHash,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        if let Ok(FileOutcome::Used(false)) = result {
            self.ask_disk(Work::Remove { blob }, BlobOperation::Remove { blob });
        } else {
            self.removed(blob);
        }
    }

    /// A content is gone, or stays; those who wait to make it a file go on.
    pub(super) fn removed(&mut self, blob: BlobHash) {
        self.files.removing.remove(&blob);
        let waits = |id: &UploadId| {
            let finishing = self.files.uploads.get(id).and_then(|upload| upload.finishing.as_ref());
            finishing.is_some_and(|finishing| finishing.hash == blob)
        };
        let waiting: alloc::vec::Vec<_> = self.files.uploads.keys().copied().filter(waits).collect();
        for id in waiting {
            self.go_on_finishing(id);
        }
    }
}

/// Takes one off a count; whether none is left.
fn count_down(counts: &mut alloc::collections::BTreeMap<BlobHash, u32>, blob: BlobHash) -> bool {
    match counts.get_mut(&blob) {
        Some(count) if *count > 1 => {
            *count -= 1;
            false
        }
        Some(_) => {
            counts.remove(&blob);
            true
        }
        None => false,
    }
}
