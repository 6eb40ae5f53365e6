//! Somebody who shares files: a client, its connection, and the files at its end.

use std::collections::{BTreeMap, VecDeque};

use palabre_core::{
    client::{
        Client, ClientConfig, LocalDone, LocalFailure, LocalOperation, LocalOutcome, LocalRequest,
        SavedSession, TransferId,
    },
    ids::{ConnectionId, RoomId},
    name::Nick,
    password::{PasswordRecord, Stretching},
    storage::{NewDevice, StorageOperation, StorageOutcome, TokenHash},
    time::{Now, WallTime},
    transfer::{BlobHash, UploadKey},
    wire::Token,
};

use crate::store::Tables;

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
    pub(super) fn new(number: usize, saved: Option<SavedSession>, now: Now) -> Self {
        let config = ClientConfig {
            program: "files".into(),
            nick: Nick::parse(&format!("c{number}")).expect("a name"),
            take_suggestion: true,
            asks: false,
            account: None,
            keeps_tokens: false,
            stretching_min: Stretching::LEAST,
            saved,
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
            (Self::Download { .. }, LocalOperation::Begin { outline, .. }) => {
                assert_eq!(outline, [], "one stretch has all of it");
                Ok(LocalOutcome::Begun)
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

/// The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
const POINT: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
    0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

/// An account that is logged in, by a password that nobody knows: guests own no rooms.
pub(super) fn account(name: &str, tables: &mut Tables) -> Result<SavedSession, String> {
    let nick = Nick::parse(name).map_err(|error| error.to_string())?;
    let Stretching { memory_kib, passes, lanes } = Stretching::CHEAPEST;
    let costs = [memory_kib, passes, lanes].map(u32::to_be_bytes).concat();
    let record = [&[1; 1][..], &[0; 8], &costs, &POINT, &[0x5a; 160]].concat();
    let record = PasswordRecord::from_bytes(&record).map_err(|error| format!("{error:?}"))?;
    let token = Token([9; 32]);
    let token_hash = TokenHash(*blake3::hash(&token.0).as_bytes());
    let device = NewDevice { name: "".into(), token_hash, at: WallTime::from_millis(0) };
    let nick_stored = nick.as_str().into();
    let operation = StorageOperation::CreateAccount { nick: nick_stored, record, device, invitation: None };
    match tables.execute(&operation) {
        Ok(StorageOutcome::AccountCreated { user, .. }) => Ok(SavedSession {
            incarnation: tables.recovered().incarnation,
            user,
            nick,
            token,
            is_account: true,
            rooms: Vec::new(),
            outbox: Vec::new(),
        }),
        other => Err(format!("the account was not made: {other:?}")),
    }
}

pub(super) fn hash(content: &[u8]) -> BlobHash {
    BlobHash(*blake3::hash(content).as_bytes())
}
