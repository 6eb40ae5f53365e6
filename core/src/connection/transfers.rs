//! The transfers of one connection (`PROTOCOL.md` U4, U11).

use alloc::{collections::VecDeque, vec::Vec};

use crate::{
    ids::RoomId,
    transfer::{BlobHash, Sending, UploadId},
};

/// The transfers of one connection.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    /// The highest number that was given to one.
    pub(crate) last: u32,
    /// Requests for one that are not answered yet.
    pub(crate) opening: usize,
    /// Those that bring content.
    pub(crate) uploads: Vec<(u32, UploadId)>,
    /// Those that take content, the next to be served first.
    pub(crate) downloads: VecDeque<Download>,
}

impl Transfers {
    /// How many there are, and may soon be.
    pub(crate) fn count(&self) -> usize {
        self.opening + self.uploads.len() + self.downloads.len()
    }

    /// The upload of a transfer.
    pub(crate) fn upload(&self, transfer: u32) -> Option<UploadId> {
        self.uploads.iter().find(|(number, _)| *number == transfer).map(|(_, upload)| *upload)
    }

    pub(crate) fn download(&mut self, transfer: u32) -> Option<&mut Download> {
        self.downloads.iter_mut().find(|download| download.transfer == transfer)
    }

    /// What was read and waits to be sent.
    pub(crate) fn read_ahead_bytes(&self) -> u64 {
        let chunks = self.downloads.iter().flat_map(|download| &download.chunks);
        chunks.map(|chunk| (chunk.bytes.len() - chunk.sent) as u64).sum()
    }

    /// Whether content waits to be sent.
    pub(crate) fn has_content(&self) -> bool {
        self.downloads.iter().any(|download| !download.chunks.is_empty())
    }
}

/// A transfer that takes content.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) transfer: u32,
    /// Where the file is.
    pub(crate) room: RoomId,
    pub(crate) blob: BlobHash,
    pub(crate) size: u64,
    pub(crate) sending: Sending,
    /// Up to where it was asked of the disk.
    pub(crate) asked: u64,
    /// How many answers of the disk are to come.
    pub(crate) reading: u32,
    /// What was read and not sent, oldest first.
    pub(crate) chunks: VecDeque<Chunk>,
}

/// Some content that was read.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    /// How many of them were sent.
    pub(crate) sent: usize,
}
