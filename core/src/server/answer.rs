//! Answers of storage, each to what asked for it.

use super::{Pending, Server};
use crate::storage::{FileOutcome, StorageFailure, StorageOutcome, StorageReply};

impl Server {
    pub(super) fn stored(&mut self, reply: StorageReply) {
        let StorageReply { ticket, result } = reply;
        let Some(pending) = self.pending.remove(ticket) else { return };
        match pending {
            Pending::Lobby { key } => {
                if let Err(failure) = self.opened_named(&key, result) {
                    self.storage_refusal("open the lobby", failure);
                }
            }
            Pending::OpenForJoin { asked, user, key, after } => {
                let opened = self.opened_named(&key, result);
                self.opened_for_join(asked, user, after, opened);
            }
            Pending::Join { asked, user, room, after } => {
                self.membership_written(asked, user, room, after, done(result));
            }
            Pending::Part { asked, user, room, following } => {
                self.membership_deleted(asked, user, room, following, done(result));
            }
            Pending::OpenForDirect { asked, user, other, after } => {
                self.opened_direct(asked, user, other, after, result);
            }
            Pending::Post { asked, room, event } => {
                let result = match result {
                    Ok(StorageOutcome::Appended(appended)) => Ok(appended),
                    other => Err(failure(other)),
                };
                self.appended(asked, room, event, result);
            }
            Pending::Govern { asked, room, number, event, change } => {
                let result = match result {
                    Ok(StorageOutcome::Appended(appended)) => Ok(appended),
                    other => Err(failure(other)),
                };
                self.governed(asked, room, number, event, change, result);
            }
            Pending::Note { room, event } => {
                let result = match result {
                    Ok(StorageOutcome::Appended(appended)) => Ok(appended),
                    other => Err(failure(other)),
                };
                self.noted(room, event, result);
            }
            Pending::Lookup { asked, room, event, refusal } => {
                let result = match result {
                    Ok(StorageOutcome::Found(found)) => Ok(found),
                    other => Err(failure(other)),
                };
                self.looked_up(asked, room, &event, &refusal, result);
            }
            Pending::CreateAccount { connection, account, device } => {
                self.account_written(connection, ticket, &account, device, result);
            }
            Pending::AddDevice { connection, user, version, device } => {
                self.device_added(connection, ticket, (user, version), device, result);
            }
            Pending::Revoke { asked, holder, removed } => {
                self.revoked(asked, holder, removed, done(result));
            }
            Pending::SetPassword { asked, holder, record } => {
                self.password_set(asked, holder, record, done(result));
            }
            Pending::MarkRead { asked, user, room, seq } => {
                self.marked_read(asked, user, room, seq, done(result));
            }
            Pending::Create { connection } => self.written(connection, ticket, result),
            Pending::Return { connection, token } => {
                if let (Some((holder, token)), Ok(_)) = (token, &result) {
                    self.users.set_token(holder, token, self.peers.now.monotonic);
                }
                self.written(connection, ticket, result);
            }
            Pending::Rename { asked, user, nick, key } => {
                self.finish(asked);
                self.renamed(asked, user, nick, key, done(result));
            }
            Pending::CatchUp { connection, room } => {
                self.read_back(ticket, connection, room, page(result));
            }
            Pending::History { asked, room } => self.history_read(asked, room, page(result)),
            Pending::Search { asked, room } => {
                let result = match result {
                    Ok(StorageOutcome::Hits { hits, next }) => Ok((hits, next)),
                    other => Err(failure(other)),
                };
                self.searched(asked, room, result);
            }
            Pending::LookUpUpload { asked, transfer, record } => {
                self.upload_looked_up(asked, transfer, *record, files(result));
            }
            Pending::OpenUpload { upload } => self.upload_stored(upload, done(result)),
            Pending::Checkpoint { upload } => self.journaled(upload, done(result)),
            Pending::Commit { upload, place, event } => {
                self.committed(upload, place, event.map(|event| *event), files(result));
            }
            Pending::Put { asked, put } => self.put_answered(asked, *put, files(result)),
            Pending::Discard { asked, upload } => self.discarded(asked, upload, done(result)),
            Pending::Download { asked, wish } => self.download_found(asked, *wish, files(result)),
            Pending::Files { asked, room } => self.files_listed(asked, room, files(result)),
            Pending::FindToDelete { asked, room, name, version } => {
                self.found_to_delete(asked, room, &name, version, files(result));
            }
            Pending::DeleteFile { asked, place, name, event } => {
                self.file_deleted(asked, place, &name, event.map(|event| *event), files(result));
            }
            Pending::OldFiles => self.old_files_found(files(result)),
            Pending::IsUsed { blob } => self.looked_for_use(blob, files(result)),
            Pending::Background => {
                if let Err(failure) = result {
                    self.storage_refusal("write in the background", failure);
                }
            }
        }
        self.check_drained();
    }
}

/// An answer that does not fit its question is storage's failure.
fn failure(result: Result<StorageOutcome, StorageFailure>) -> StorageFailure {
    result.err().unwrap_or(StorageFailure::Failed)
}

fn done(result: Result<StorageOutcome, StorageFailure>) -> Result<(), StorageFailure> {
    match result {
        Ok(StorageOutcome::Done) => Ok(()),
        other => Err(failure(other)),
    }
}

fn files(result: Result<StorageOutcome, StorageFailure>) -> Result<FileOutcome, StorageFailure> {
    match result {
        Ok(StorageOutcome::Files(outcome)) => Ok(*outcome),
        other => Err(failure(other)),
    }
}

fn page(
    result: Result<StorageOutcome, StorageFailure>,
) -> Result<(crate::ids::Seq, alloc::vec::Vec<crate::storage::StoredEvent>), StorageFailure> {
    match result {
        Ok(StorageOutcome::Page { first, events }) => Ok((first, events)),
        other => Err(failure(other)),
    }
}
