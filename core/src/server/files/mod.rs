//! Files (`PROTOCOL.md` section U): what is known of uploads, and who may do what.
//!
//! ```text
//! Upload ─▶ Opening ─▶ Storing ─▶ Open ◀──────────────▶ Closed      nobody goes on with it
//!             disk       journal   │ ▲    Close, Open
//!                                  │ └ refused, conflict
//!                     Finish ──▶ Sealing ──▶ Committing ──▶ a file
//!                                  disk         journal
//! ```
//!
//! Everything that waits for the disk is a [`Work`], everything that waits for storage a [`Pending`](super::Pending). Whatever
//! happens to an upload ends in `go_on_with`, the one place that decides what is to be done with it next.

mod bulk;
mod commit;
mod data;
mod download;
mod expiry;
mod list;
mod put;
mod removal;
mod upload;
mod work;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
};

pub(crate) use self::{
    download::DownloadWish,
    put::Putting,
    work::{Work, WorkTable},
};
use super::{Server, pending::Asked};
use crate::{
    config::FilesConfig,
    error::{Refusal, RefusalCode},
    ids::{ConnectionId, RoomId, UserId},
    storage::{FileRecord, Place, UploadRecord, Usage},
    time::Monotonic,
    transfer::{BlobHash, Checkpoints, FileName, Receiving, UploadId, UploadKey, Version},
    wire,
};

/// What is known of files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) uploads: BTreeMap<UploadId, Upload>,
    pub(crate) by_key: BTreeMap<(UserId, UploadKey), UploadId>,
    /// Keys that storage is asked about.
    looking_up: BTreeSet<(UserId, UploadKey)>,
    /// What users have stored.
    pub(crate) usage: BTreeMap<UserId, Usage>,
    /// What their uploads may become.
    reserved: BTreeMap<UserId, Usage>,
    /// Memory that senders were promised, and that of contents that storage is being given.
    pub(crate) windows_bytes: u64,
    /// Uploads that were promised none for lack of it.
    starved: BTreeSet<UploadId>,
    pub(crate) work: WorkTable,
    /// Contents that are being read, and how often.
    leases: BTreeMap<BlobHash, u32>,
    /// Contents that are about to become files.
    sealing: BTreeMap<BlobHash, u32>,
    /// Contents that no file has, to be removed when nobody uses them any more.
    doomed: BTreeSet<BlobHash>,
    /// Contents that are being removed: until that is done none of them becomes a file.
    removing: BTreeSet<BlobHash>,
}

/// An upload that is not a file yet.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) record: UploadRecord,
    /// Whether storage knows of it.
    is_stored: bool,
    /// What it counts against its user's quota.
    reserved: u64,
    stage: Stage,
    /// Requests to the disk with an earlier number are of no interest any more.
    epoch: u32,
    checkpoints: Checkpoints,
    /// The transfer that goes on with it.
    stream: Option<Stream>,
    /// Whoever wants to go on with it as soon as that is possible, and the number of its transfer.
    waiting: Option<(Asked, u32)>,
    finishing: Option<Finishing>,
    /// When it was last gone on with.
    touched: Monotonic,
    armed: Option<Monotonic>,
}

#[derive(Debug)]
enum Stage {
    /// The disk is opening it.
    Opening,
    /// Storage is writing it down for the first time.
    Storing(Receiving),
    /// The disk takes bytes of it.
    Open(Receiving),
    /// The disk is letting go of it.
    Closing(Receiving),
    /// What is durable of it is all that there is.
    Closed,
}

/// A transfer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stream {
    connection: ConnectionId,
    transfer: u32,
}

/// An upload whose last byte was announced.
#[derive(Debug)]
struct Finishing {
    asked: Asked,
    size: u64,
    hash: BlobHash,
    name: FileName,
    over: Option<Version>,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The last bytes are on their way to the disk, or its content is being removed for the file that had it last.
    Wanted,
    /// The disk compares and keeps it.
    Sealing,
    /// Storage makes it a file.
    Committing,
}

impl Upload {
    const fn receiving(&self) -> Option<&Receiving> {
        match &self.stage {
            Stage::Storing(receiving) | Stage::Open(receiving) | Stage::Closing(receiving) => Some(receiving),
            Stage::Opening | Stage::Closed => None,
        }
    }

    const fn receiving_mut(&mut self) -> Option<&mut Receiving> {
        match &mut self.stage {
            Stage::Storing(receiving) | Stage::Open(receiving) | Stage::Closing(receiving) => Some(receiving),
            Stage::Opening | Stage::Closed => None,
        }
    }
}

impl Files {
    /// Memory that the senders of a user's uploads were promised.
    fn windows_of(&self, user: UserId) -> u64 {
        let of_user = (user, UploadKey([0; 16]))..=(user, UploadKey([0xff; 16]));
        let uploads = self.by_key.range(of_user).filter_map(|(_, id)| self.uploads.get(id));
        uploads.filter_map(Upload::receiving).map(Receiving::window_bytes).sum()
    }

    /// What a user has stored and announced.
    fn charged(&self, user: UserId) -> Usage {
        let of = |table: &BTreeMap<UserId, Usage>| table.get(&user).copied().unwrap_or_default();
        let (stored, announced) = (of(&self.usage), of(&self.reserved));
        Usage {
            files: stored.files.saturating_add(announced.files),
            bytes: stored.bytes.saturating_add(announced.bytes),
        }
    }

    /// Whether an upload of this key is under way.
    fn knows_key(&self, user: UserId, key: UploadKey) -> bool {
        self.by_key.contains_key(&(user, key)) || self.looking_up.contains(&(user, key))
    }

    /// A file is announced.
    fn reserve(&mut self, user: UserId, bytes: u64) {
        self.reserved.entry(user).or_default().files += 1;
        self.reserve_more(user, bytes);
    }

    /// A file that is announced may have so many bytes more.
    fn reserve_more(&mut self, user: UserId, bytes: u64) {
        self.reserved.entry(user).or_default().bytes += bytes;
    }

    /// A file that was announced has become one, or will not.
    fn release(&mut self, user: UserId, bytes: u64) {
        if crate::seeded_bug!("quota-kept-on-abort") {
            return;
        }
        if let Some(reserved) = self.reserved.get_mut(&user) {
            reserved.files = reserved.files.saturating_sub(1);
            reserved.bytes = reserved.bytes.saturating_sub(bytes);
            if *reserved == Usage::default() {
                self.reserved.remove(&user);
            }
        }
    }

    fn note_usage(&mut self, usage: &[(UserId, Usage)]) {
        for (user, usage) in usage {
            if usage.files == 0 {
                self.usage.remove(user);
            } else {
                self.usage.insert(*user, *usage);
            }
        }
    }

    /// All that counts against quotas.
    pub(crate) fn bytes(&self) -> u64 {
        self.usage.values().chain(self.reserved.values()).map(|usage| usage.bytes).sum()
    }
}

impl Server {
    /// The place of a request, if its user may read it (U1).
    fn readable_place(&self, id: ConnectionId, room: RoomId) -> Result<(UserId, Place), Refusal> {
        if self.config.files == FilesConfig::Off {
            let text = "This server takes no files.";
            return Err(Refusal::new(RefusalCode::FilesOff, text));
        }
        let Some(user) = self.user_of(id) else {
            return Err(Refusal::new(RefusalCode::NotPossible, "Enter first."));
        };
        if room == SHELF {
            return Ok((user, Place::Shelf(user)));
        }
        self.membership(id, room)?;
        Ok((user, Place::Room(room)))
    }

    /// Whether a user may add files to a place now.
    fn may_upload(&self, user: UserId, place: Place) -> Result<(), Refusal> {
        let Some(found) = self.users.get(user) else {
            return Err(Refusal::new(RefusalCode::NoSuchUser, "You are not known here any more."));
        };
        if self.config.files != FilesConfig::Everybody && !found.is_account() {
            let text = "Guests upload no files here; register, or log in.";
            return Err(Refusal::new(RefusalCode::NotAllowed, text));
        }
        match place {
            Place::Shelf(_) => Ok(()),
            Place::Room(room) if found.is_member(room) => {
                self.may_add(user, room)?;
                self.has_partner(user, room)
            }
            Place::Room(_) => {
                let text = "You are not a member of the room any more; join it first.";
                Err(Refusal::new(RefusalCode::NotAMember, text))
            }
        }
    }

    /// A storage failure or a refusal of the disk in words.
    fn refuse_file(&mut self, asked: Asked, refusal: &Refusal) {
        self.finish(asked);
        self.refuse(asked.connection, asked.request, refusal);
    }

    /// What the uploads of a user may have on their way beside what they have.
    fn memory_left(&self, user: UserId) -> u64 {
        let limits = &self.config.limits;
        let of_all = limits.windows_bytes_max.saturating_sub(self.files.windows_bytes);
        let of_user = limits.user_windows_bytes_max.saturating_sub(self.files.windows_of(user));
        of_all.min(of_user)
    }
}

/// The room that stands for the user's own shelf (U1).
pub(crate) const SHELF: RoomId = RoomId::new(0);

/// The room of a place on the wire.
const fn room_of(place: Place) -> RoomId {
    match place {
        Place::Room(room) => room,
        Place::Shelf(_) => SHELF,
    }
}

fn wire_file(file: &FileRecord) -> wire::File<'_> {
    wire::File {
        name: file.name.as_str(),
        version: file.version,
        size: file.size,
        hash: file.hash,
        executable: file.executable,
        by: file.by,
        nick: &file.nick,
        at: file.at,
    }
}

fn no_such_file(name: &FileName) -> Refusal {
    let text = format!("There is no file called {name}; list the files to see which there are.");
    Refusal::new(RefusalCode::NoSuchFile, text).about(name.as_str())
}
