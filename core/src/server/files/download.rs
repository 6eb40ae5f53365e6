//! How content is taken (`PROTOCOL.md` U11, U17).

use alloc::{collections::VecDeque, format, vec::Vec};

use super::{Work, no_such_file, wire_file};
use crate::{
    blob::{BlobFailure, BlobOperation},
    connection::{Chunk, Download, Ready},
    error::{ProtocolError, Refusal, RefusalCode},
    ids::{ConnectionId, RoomId, UserId},
    server::{Pending, Server, pending::Asked, receive::Taken},
    storage::{FileOperation, FileOutcome, FileRecord, Place, StorageFailure, StorageOperation},
    transfer::{BlobHash, FileName, Sending, Subtree, outline_length, outline_to_bytes},
    wire,
};

/// Reads of one download that the disk is asked for at a time.
const READS_MAX: u32 = 2;

/// The stretches of the largest content whose outline is told: 32 KiB of them.
const OUTLINE_MAX: u64 = 1_024;

/// A download that is being opened.
#[derive(Debug)]
pub(crate) struct DownloadWish {
    transfer: u32,
    room: RoomId,
    name: FileName,
    hash: Option<BlobHash>,
    offset: u64,
    limit: u64,
    /// Whether its outline is wanted, too.
    outline: bool,
}

/// A download that is being opened, and waits for the outline of its content.
#[derive(Debug)]
pub(crate) struct Outlining {
    asked: Asked,
    wish: DownloadWish,
    file: FileRecord,
}

impl Server {
    pub(in crate::server) fn download(&mut self, id: ConnectionId, wish: &wire::Download<'_>) -> Taken {
        if !self.takes_transfer(id, wish.transfer) {
            return self.accuse(id, ProtocolError::SequenceBroken);
        }
        match self.check_download(id, wish) {
            Ok((place, name)) => {
                self.note_opening(id, 1);
                let asked = self.begin(id, wish.id);
                let operation = FileOperation::Find { place, name: name.clone(), content: true };
                let wire::Download { transfer, room, hash, offset, limit, outline, .. } = *wish;
                let outline = outline == Some(true);
                let wish = DownloadWish { transfer, room, name, hash, offset, limit, outline };
                let pending = Pending::Download { asked, wish: wish.into() };
                self.ask_storage(pending, StorageOperation::Files(operation.into()));
            }
            Err(refusal) => self.refuse(id, wish.id, &refusal),
        }
        Taken::Yes
    }

    fn check_download(
        &self,
        id: ConnectionId,
        wish: &wire::Download<'_>,
    ) -> Result<(Place, FileName), Refusal> {
        self.check_transfers(id)?;
        let (_, place) = self.readable_place(id, wish.room)?;
        Ok((place, FileName::parse(wish.name)?))
    }

    /// Storage has looked for a file that somebody wants. Whether they may have it is judged once more.
    pub(in crate::server) fn download_found(
        &mut self,
        asked: Asked,
        wish: DownloadWish,
        result: Result<FileOutcome, StorageFailure>,
    ) {
        let found = match result {
            Ok(FileOutcome::Found { file, content }) => Ok((file, content)),
            Ok(_) => Err(StorageFailure::Failed),
            Err(failure) => Err(failure),
        };
        let (found, content) = match found {
            Ok(found) => found,
            Err(failure) => {
                let refusal = self.storage_refusal("look for the file", failure);
                return self.refuse_upload(asked, &refusal);
            }
        };
        match self.check_found(asked.connection, &wish, found) {
            Ok(file) if wish.outline && outline_length(file.size) > 0 => {
                self.lease(file.hash);
                let operation = BlobOperation::Outline { blob: file.hash };
                self.ask_disk(Work::Outline(Outlining { asked, wish, file }.into()), operation);
            }
            Ok(file) => self.begin_download(asked, &wish, &file, content, &[]),
            Err(refusal) => self.refuse_upload(asked, &refusal),
        }
    }

    /// The disk has said what the content of a file is made of. Whether it may be had is judged once more.
    pub(super) fn outlined(&mut self, outlining: &Outlining, outline: &[Subtree]) {
        let Outlining { asked, wish, file } = outlining;
        match self.readable_place(asked.connection, wish.room) {
            Ok(_) => {
                self.begin_download(*asked, wish, file, None, &outline_to_bytes(outline));
            }
            Err(refusal) => self.refuse_upload(*asked, &refusal),
        }
        self.end_lease(file.hash);
    }

    pub(super) fn not_outlined(&mut self, outlining: &Outlining, failure: BlobFailure) {
        let refusal = self.disk_refusal("read a file", failure);
        self.refuse_upload(outlining.asked, &refusal);
        self.end_lease(outlining.file.hash);
    }

    fn check_found(
        &self,
        id: ConnectionId,
        wish: &DownloadWish,
        found: Option<FileRecord>,
    ) -> Result<FileRecord, Refusal> {
        self.readable_place(id, wish.room)?;
        let file = found.ok_or_else(|| no_such_file(&wish.name))?;
        let about = |refusal: Refusal| refusal.about(wish.name.as_str());
        if wish.hash.is_some_and(|hash| hash != file.hash) {
            let text = "The file has another content now; take it from its beginning.";
            return Err(about(Refusal::new(RefusalCode::FileChanged, text)));
        }
        if wish.offset > file.size {
            let text = format!("{} has only {} bytes; take it from its beginning.", wish.name, file.size);
            return Err(about(Refusal::new(RefusalCode::FileChanged, text)));
        }
        if wish.outline && outline_length(file.size) > OUTLINE_MAX {
            let text = format!("{} is too large for parts of it to be verified; take all of it.", wish.name);
            return Err(about(Refusal::new(RefusalCode::FileTooLarge, text)));
        }
        Ok(file)
    }

    /// Content that came along is there to be sent; other content is read as it is wanted.
    fn begin_download(
        &mut self,
        asked: Asked,
        wish: &DownloadWish,
        file: &FileRecord,
        content: Option<Vec<u8>>,
        outline: &[u8],
    ) {
        self.note_opening(asked.connection, -1);
        self.finish(asked);
        let (transfer, offset) = (wish.transfer, wish.offset);
        let ready =
            self.peers.connections.get_mut(asked.connection).and_then(|connection| connection.ready_mut());
        let Some(ready) = ready else { return };
        if offset < file.size {
            let sent = usize::try_from(offset).unwrap_or(usize::MAX);
            let chunks: VecDeque<_> = content.map(|bytes| Chunk { bytes, sent }).into_iter().collect();
            ready.transfers.downloads.push_back(Download {
                transfer,
                room: wish.room,
                blob: file.hash,
                size: file.size,
                sending: Sending::new(offset, wish.limit),
                asked: if chunks.is_empty() { offset } else { file.size },
                reading: 0,
                chunks,
            });
            self.lease(file.hash);
        }
        let outline = wish.outline.then_some(outline);
        let sending = wire::Sending { id: asked.request, transfer, file: wire_file(file), offset, outline };
        self.peers.answer(asked.connection, sending, &self.config.limits);
        self.read_ahead(asked.connection, transfer);
        self.peers.queue_bulk(asked.connection);
    }

    /// The client takes more of a download (U11).
    pub(in crate::server) fn window(&mut self, id: ConnectionId, window: &wire::Window) {
        let ready = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut());
        let Some(download) = ready.and_then(|ready| ready.transfers.download(window.transfer)) else {
            return;
        };
        download.sending.grant(window.limit);
        self.read_ahead(id, window.transfer);
        self.peers.queue_bulk(id);
    }

    /// Ends a transfer as its client wants (U9).
    pub(in crate::server) fn stop(&mut self, id: ConnectionId, stop: &wire::Stop) {
        let ready = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut());
        let Some(ready) = ready else { return };
        if let Some(upload) = ready.transfers.upload(stop.transfer) {
            ready.transfers.uploads.retain(|(number, _)| *number != stop.transfer);
            return self.detach(upload);
        }
        self.end_download(id, stop.transfer);
    }

    /// Forgets a download.
    pub(super) fn end_download(&mut self, id: ConnectionId, transfer: u32) {
        let ready = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut());
        let Some(downloads) = ready.map(|ready| &mut ready.transfers.downloads) else { return };
        let Some(index) = downloads.iter().position(|download| download.transfer == transfer) else { return };
        if let Some(Download { blob, .. }) = downloads.remove(index) {
            self.end_lease(blob);
        }
    }

    /// A user may not read a room any more: nothing of its files is sent from now on.
    pub(in crate::server) fn stop_downloads(&mut self, user: UserId, room: RoomId) {
        let connections: Vec<_> =
            self.users.get(user).into_iter().flat_map(|user| user.connections()).collect();
        for id in connections {
            let ready = self.peers.connections.get(id).and_then(|connection| connection.ready());
            let downloads = ready.into_iter().flat_map(|ready| &ready.transfers.downloads);
            let of_room = downloads.filter(|download| download.room == room);
            let transfers: Vec<_> = of_room.map(|download| download.transfer).collect();
            for transfer in transfers {
                self.end_download(id, transfer);
                let code = RefusalCode::NotAMember.number();
                let text = "You are not a member of the room any more.";
                self.peers.answer(id, wire::Stopped { transfer, code, text }, &self.config.limits);
            }
        }
    }

    /// The transfers of a connection that has ended.
    pub(in crate::server) fn end_transfers(&mut self, ready: &Ready) {
        for (_, upload) in &ready.transfers.uploads {
            self.detach(*upload);
        }
        for download in &ready.transfers.downloads {
            self.end_lease(download.blob);
        }
    }

    /// Has the disk read what may soon be sent.
    pub(super) fn read_ahead(&mut self, id: ConnectionId, transfer: u32) {
        let most = self.config.limits.read_bytes;
        loop {
            let ready = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut());
            let Some(download) = ready.and_then(|ready| ready.transfers.download(transfer)) else { return };
            let waiting = download.reading + u32::try_from(download.chunks.len()).unwrap_or(u32::MAX);
            let end = download.sending.next().saturating_add(download.sending.credit()).min(download.size);
            let count = u32::try_from(end.saturating_sub(download.asked)).unwrap_or(u32::MAX).min(most);
            if count == 0 || waiting >= READS_MAX {
                return;
            }
            let (blob, offset) = (download.blob, download.asked);
            download.asked += u64::from(count);
            download.reading += 1;
            let work = Work::Read { connection: id, transfer, count };
            self.ask_disk(work, BlobOperation::Read { blob, offset, count });
        }
    }

    /// The disk has read some of a content. Answers come in the order of the questions.
    pub(super) fn was_read(&mut self, id: ConnectionId, transfer: u32, count: u32, bytes: Vec<u8>) {
        let ready = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut());
        let Some(download) = ready.and_then(|ready| ready.transfers.download(transfer)) else { return };
        if bytes.len() != count as usize {
            return self.not_read(id, transfer, BlobFailure::Failed);
        }
        download.reading -= 1;
        download.chunks.push_back(Chunk { bytes, sent: 0 });
        self.peers.queue_bulk(id);
    }

    pub(super) fn not_read(&mut self, id: ConnectionId, transfer: u32, failure: BlobFailure) {
        let refusal = self.disk_refusal("read a file", failure);
        let ready = self.peers.connections.get_mut(id).and_then(|connection| connection.ready_mut());
        if ready.is_none_or(|ready| ready.transfers.download(transfer).is_none()) {
            return;
        }
        self.end_download(id, transfer);
        let stopped = wire::Stopped { transfer, code: refusal.code.number(), text: &refusal.text };
        self.peers.answer(id, stopped, &self.config.limits);
    }
}
