//! Somebody who shares files: a client, its connection, and the files at its end.

use std::collections::{BTreeMap, VecDeque};

use palabre_core::{
    client::{
        Client, ClientConfig, LocalDone, LocalFailure, LocalOperation, LocalOutcome, LocalRequest, TransferId,
    },
    ids::{ConnectionId, RoomId},
    name::Nick,
    password::Stretching,
    time::Now,
    transfer::{BlobHash, UploadKey},
};

/// A person with files.
pub(super) struct Actor {
    pub(super) client: Client,
    pub(super) link: Option<Link>,
    /// What is to be done with files, oldest first.
    pub(super) local: VecDeque<LocalRequest>,
    pub(super) transfers: BTreeMap<TransferId, Transfer>,
    pub(super) lobby: Option<RoomId>,
    /// A room with an owner.
    pub(super) tea: Option<RoomId>,
    /// Uploads that failed, and can be gone on with.
    pub(super) unfinished: Vec<(UploadKey, Vec<u8>, Option<RoomId>)>,
}

/// A connection, with what is on its way.
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) up: VecDeque<u8>,
    pub(super) down: VecDeque<u8>,
    /// It ends when all has arrived.
    pub(super) closing: bool,
}

/// A file at this end.
pub(super) enum Transfer {
    Upload { key: UploadKey, content: Vec<u8>, room: Option<RoomId> },
    Download { content: Vec<u8> },
}

impl Actor {
    pub(super) fn new(number: usize, now: Now) -> Self {
        let config = ClientConfig {
            program: "files".into(),
            nick: Nick::parse(&format!("c{number}")).expect("a name"),
            take_suggestion: true,
            asks: false,
            account: None,
            keeps_tokens: false,
            stretching_min: Stretching::LEAST,
            saved: None,
            reconnect: true,
            outbox_posts_max: 16,
        };
        let seed = [u8::try_from(number).expect("few"); 32];
        Self {
            client: Client::new(config, seed, now),
            link: None,
            local: VecDeque::new(),
            transfers: BTreeMap::new(),
            lobby: None,
            tea: None,
            unfinished: Vec::new(),
        }
    }

    /// Does with the files what was asked first.
    pub(super) fn work(&mut self) -> Option<LocalDone> {
        let LocalRequest { transfer, attempt, operation } = self.local.pop_front()?;
        let result = match self.transfers.get_mut(&transfer) {
            None => Err(LocalFailure::Failed("ended".into())),
            Some(file) => file.execute(operation),
        };
        Some(LocalDone { transfer, attempt, result })
    }
}

impl Transfer {
    fn execute(&mut self, operation: LocalOperation) -> Result<LocalOutcome, LocalFailure> {
        match (self, operation) {
            (Self::Upload { content, .. }, LocalOperation::Read { offset, count }) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
                let end = (start + count as usize).min(content.len());
                Ok(LocalOutcome::Read(content[start..end].to_vec()))
            }
            (Self::Upload { content, .. }, LocalOperation::Hash { .. }) => {
                Ok(LocalOutcome::Hashed(hash(content)))
            }
            (Self::Download { content }, LocalOperation::Write { offset, bytes }) => {
                assert_eq!(offset, content.len() as u64, "writes come in order");
                content.extend(bytes);
                Ok(LocalOutcome::Written)
            }
            (Self::Download { content }, LocalOperation::Keep { size, hash: wanted, .. }) => {
                if content.len() as u64 == size && hash(content) == wanted {
                    Ok(LocalOutcome::Kept)
                } else {
                    Err(LocalFailure::Mismatch)
                }
            }
            (Self::Upload { .. } | Self::Download { .. }, other) => unreachable!("{other:?} for this end"),
        }
    }
}

pub(super) fn hash(content: &[u8]) -> BlobHash {
    BlobHash(*blake3::hash(content).as_bytes())
}
