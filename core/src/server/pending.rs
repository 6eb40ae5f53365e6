//! What storage was asked, by ticket, and what is to happen when it answers.

use alloc::{boxed::Box, sync::Arc};

use slab::Slab;

use crate::{
    connection::NewAccount,
    error::Refusal,
    hub::{Device, Holder},
    ids::{ConnectionId, RoomId, Seq, UserId},
    name::{NameKey, Nick},
    password::PasswordRecord,
    rights::RoomChange,
    server::files::{DownloadWish, Putting},
    storage::{DeviceToken, NewDevice, NewEvent, Place, Ticket, UploadRecord},
    transfer::{BlobHash, FileName, UploadId, Version},
};

/// A request of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
}

/// What an answer of storage is for.
#[derive(Debug)]
pub(crate) enum Pending {
    /// The lobby is being opened.
    Lobby { key: NameKey },
    /// A room is being opened for somebody who joins it.
    OpenForJoin { asked: Asked, user: UserId, key: NameKey, after: Option<Seq> },
    /// A membership is being written.
    Join { asked: Asked, user: UserId, room: RoomId, after: Option<Seq> },
    /// A membership is being deleted; it had followed from `following` on.
    Part { asked: Asked, user: UserId, room: RoomId, following: Option<Seq> },
    /// A direct conversation is being opened.
    OpenForDirect { asked: Asked, user: UserId, other: UserId, after: Option<Seq> },
    /// An event is being appended.
    Post { asked: Asked, room: RoomId, event: NewEvent },
    /// An act upon the rights in a room is being appended.
    Govern { asked: Asked, room: RoomId, number: u64, event: NewEvent, change: RoomChange },
    /// An act of another room is being noted in the operators' log.
    Note { room: RoomId, event: NewEvent },
    /// A post that would be refused is being looked for.
    Lookup { asked: Asked, room: RoomId, event: NewEvent, refusal: Box<Refusal> },
    /// An account is being written for this connection.
    CreateAccount { connection: ConnectionId, account: Arc<NewAccount>, device: NewDevice },
    /// A device is being written for this connection, after a proof of the password of this version.
    AddDevice { connection: ConnectionId, user: UserId, version: u32, device: NewDevice },
    /// A device is being deleted; it stood there before.
    Revoke { asked: Asked, holder: Holder, removed: Option<Device> },
    /// Another password is being written.
    SetPassword { asked: Asked, holder: Holder, record: PasswordRecord },
    /// Up to where a room was read is being written.
    MarkRead { asked: Asked, user: UserId, room: RoomId, seq: Seq },
    /// A new guest is being written for this connection.
    Create { connection: ConnectionId },
    /// A returning user is being written for this connection; of a device, perhaps with another token.
    Return { connection: ConnectionId, token: Option<(Holder, DeviceToken)> },
    /// A new name is being written.
    Rename { asked: Asked, user: UserId, nick: Nick, key: NameKey },
    /// Events are being read for a connection that is behind.
    CatchUp { connection: ConnectionId, room: RoomId },
    /// A page is being read for somebody who asked.
    History { asked: Asked, room: RoomId },
    /// Somebody searches, in one room or in all it is in.
    Search { asked: Asked, room: Option<RoomId> },
    /// What is known of an upload is being looked up.
    LookUpUpload { asked: Asked, transfer: u32, record: Box<UploadRecord> },
    /// An upload is being written down.
    OpenUpload { upload: UploadId },
    /// How much of an upload is durable is being written down.
    Checkpoint { upload: UploadId },
    /// An upload is being made a file.
    Commit { upload: UploadId, place: Place, event: Option<Box<NewEvent>> },
    /// A file is being stored in one step.
    Put { asked: Asked, put: Box<Putting> },
    /// An upload is being forgotten, perhaps because somebody asked.
    Discard { asked: Option<Asked>, upload: UploadId },
    /// A file is being looked for that somebody wants.
    Download { asked: Asked, wish: Box<DownloadWish> },
    /// Files are being listed.
    Files { asked: Asked, room: RoomId },
    /// A file is being looked for that somebody wants to delete.
    FindToDelete { asked: Asked, room: RoomId, name: FileName, version: Option<Version> },
    /// Files whose time is over are being looked for.
    OldFiles,
    /// A file is being deleted.
    DeleteFile { asked: Option<Asked>, place: Place, name: FileName, event: Option<Box<NewEvent>> },
    /// Whether any file has a content is being looked up.
    IsUsed { blob: BlobHash },
    /// Nobody waits.
    Background,
}

/// All that is under way. Tickets carry a generation, so that none is mistaken for an earlier one.
#[derive(Debug, Default)]
pub(crate) struct PendingTable {
    entries: Slab<(u32, Pending)>,
    generation: u32,
    /// Posts, lookups and uploads that become files among them.
    pub(crate) posts: usize,
    /// Reads for connections that are behind among them.
    pub(crate) catch_ups: usize,
}

impl PendingTable {
    pub(crate) fn insert(&mut self, pending: Pending) -> Ticket {
        self.count(&pending, 1);
        self.generation = self.generation.wrapping_add(1);
        let slot = self.entries.insert((self.generation, pending));
        Ticket((u64::from(self.generation) << 32) | slot as u64)
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Pending> {
        let slot = usize::try_from(ticket.0 & u64::from(u32::MAX)).ok()?;
        let generation = u32::try_from(ticket.0 >> 32).ok()?;
        if self.entries.get(slot)?.0 != generation {
            return None;
        }
        let (_, pending) = self.entries.remove(slot);
        self.count(&pending, -1);
        Some(pending)
    }

    fn count(&mut self, pending: &Pending, by: isize) {
        match pending {
            Pending::Post { .. } | Pending::Lookup { .. } | Pending::Commit { .. } | Pending::Put { .. } => {
                self.posts = self.posts.saturating_add_signed(by)
            }
            Pending::CatchUp { .. } => self.catch_ups = self.catch_ups.saturating_add_signed(by),
            Pending::Lobby { .. }
            | Pending::OpenForJoin { .. }
            | Pending::Join { .. }
            | Pending::Part { .. }
            | Pending::OpenForDirect { .. }
            | Pending::CreateAccount { .. }
            | Pending::AddDevice { .. }
            | Pending::Revoke { .. }
            | Pending::SetPassword { .. }
            | Pending::MarkRead { .. }
            | Pending::Create { .. }
            | Pending::Return { .. }
            | Pending::Rename { .. }
            | Pending::LookUpUpload { .. }
            | Pending::OpenUpload { .. }
            | Pending::Checkpoint { .. }
            | Pending::Discard { .. }
            | Pending::Download { .. }
            | Pending::Files { .. }
            | Pending::FindToDelete { .. }
            | Pending::DeleteFile { .. }
            | Pending::OldFiles
            | Pending::IsUsed { .. }
            | Pending::History { .. }
            | Pending::Search { .. }
            | Pending::Govern { .. }
            | Pending::Note { .. }
            | Pending::Background => {}
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
