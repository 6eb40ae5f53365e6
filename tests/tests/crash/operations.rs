//! What is asked of a storage: batches that a server could ask for.
//!
//! A server asks for what depends on an answer only when it has it. So nothing in a batch depends on what another
//! request of the batch makes or deletes; what deletes comes alone.

use std::sync::Arc;

use crate::files;
use palabre_core::{
    ids::{DeviceId, Nonce, RoomId, Seq, UserId},
    password::PasswordRecord,
    storage::{
        AccountRecord, DeviceToken, EventKind, InvitationId, InvitationUse, NewDevice, NewEvent, PageRange,
        RoomKey, StorageOperation, StorageRequest, Ticket, TokenHash,
    },
    time::WallTime,
};
use palabre_tests::{
    choices::{Choices, Subsystem::Operations},
    store::Tables,
};

pub(crate) const AUTHORS: u64 = 4;
const ROOM_NAMES: u64 = 4;
const REQUESTS_MAX: u64 = 8;
/// Lengths of texts: within a page of the database, and over several.
const TEXT_BYTES: [usize; 6] = [5, 20, 80, 300, 3_000, 12_000];

/// Draws batches.
#[derive(Debug, Default)]
pub(crate) struct Generator {
    tickets: u64,
    nonces: u64,
    guests: u8,
    accounts: u8,
    devices: u64,
    uploads: u8,
}

impl Generator {
    /// The next batch for a storage that holds this.
    pub(crate) fn batch(&mut self, held: &Tables, choices: &mut Choices) -> Vec<StorageRequest> {
        let operations = match choices.below(Operations, 22) {
            18.. => files::batch(&mut self.uploads, &mut self.nonces, held, choices),
            14 => vec![StorageOperation::RemoveGuest { user: user(choices) }],
            15 => vec![StorageOperation::DropRoom { room: room(held, choices) }],
            16 => self.revocation(held, choices),
            17 => self.password_change(held, choices),
            // A room is opened, or gets a topic: what opening answers tells the topic.
            number => self.harmless(number % 2 == 0, held, choices),
        };
        operations.into_iter().map(|operation| self.request(operation)).collect()
    }

    fn request(&mut self, operation: StorageOperation) -> StorageRequest {
        self.tickets += 1;
        StorageRequest { ticket: Ticket::from_number(self.tickets), operation }
    }

    /// Questions about all events and uploads that were ever asked for.
    pub(crate) fn questions(&self) -> impl Iterator<Item = StorageOperation> + use<> {
        let nonces = self.nonces;
        let authors = (1..=AUTHORS).map(UserId::new);
        let events =
            authors.flat_map(move |author| (1..=nonces).map(move |nonce| (author, Nonce::new(nonce))));
        events
            .map(|(author, nonce)| StorageOperation::FindNonce { author, nonce })
            .chain(files::questions(self.uploads))
    }

    fn harmless(&mut self, opens: bool, held: &Tables, choices: &mut Choices) -> Vec<StorageOperation> {
        let count = choices.between(Operations, 1, REQUESTS_MAX);
        (0..count).map(|_| self.one(opens, held, choices)).collect()
    }

    fn one(&mut self, opens: bool, held: &Tables, choices: &mut Choices) -> StorageOperation {
        match choices.below(Operations, 20) {
            16 => self.create_account(choices),
            17 => self.add_device(held, choices),
            18 => self.renewal(held, choices),
            19 => StorageOperation::SetRead {
                user: account(held, choices),
                room: room(held, choices),
                seq: Seq::new(choices.below(Operations, 20)),
            },
            0..8 => self.append(!opens, held, choices),
            8 | 9 if opens => StorageOperation::OpenRoom { key: key(choices), owner: None },
            8..11 => StorageOperation::SetMember {
                user: user(choices),
                room: room(held, choices),
                member: choices.chance(Operations, 1, 2),
            },
            11 => self.create_guest(choices),
            12 => StorageOperation::UpdateGuest {
                user: guest(held, choices),
                nick: format!("renamed{}", choices.below(Operations, 9)).into(),
                expires: choices
                    .chance(Operations, 1, 2)
                    .then(|| WallTime::from_millis(choices.below(Operations, 9))),
            },
            13 => StorageOperation::FindNonce { author: user(choices), nonce: self.nonce(choices) },
            _ => StorageOperation::ReadPage {
                room: room(held, choices),
                range: PageRange::After(Seq::new(choices.below(Operations, 20))),
                events_max: 10,
                bytes_max: 10_000,
            },
        }
    }

    fn append(&mut self, topics: bool, held: &Tables, choices: &mut Choices) -> StorageOperation {
        let nonce = self.nonce(choices);
        let length = *choices.pick(Operations, &TEXT_BYTES);
        let is_topic = topics && choices.chance(Operations, 1, 8);
        // The text follows from the nonce, so that a nonce that is drawn again may be the same event.
        let text: String = format!("{nonce} ").chars().cycle().take(length).collect();
        StorageOperation::Append {
            room: room(held, choices),
            event: NewEvent {
                author: user(choices),
                nick: "somebody".into(),
                nonce,
                at: WallTime::from_millis(self.tickets),
                kind: if is_topic { EventKind::Topic } else { EventKind::Posted },
                text: text.into(),
                about: None,
            },
            change: None,
        }
    }

    /// Mostly a new one.
    fn nonce(&mut self, choices: &mut Choices) -> Nonce {
        if self.nonces > 0 && choices.chance(Operations, 1, 8) {
            return Nonce::new(choices.between(Operations, 1, self.nonces));
        }
        self.nonces += 1;
        Nonce::new(self.nonces)
    }

    /// Mostly a new one; every other one by an invitation, of which there are three.
    fn create_account(&mut self, choices: &mut Choices) -> StorageOperation {
        if !choices.chance(Operations, 1, 8) {
            self.accounts = self.accounts.wrapping_add(1);
        }
        let id = InvitationId([self.accounts % 3; 16]);
        let invitation = self.accounts.is_multiple_of(2);
        StorageOperation::CreateAccount {
            nick: format!("account{}", self.accounts).into(),
            record: record(0),
            device: NewDevice {
                name: "the first".into(),
                token_hash: TokenHash([self.accounts; 32]),
                at: WallTime::from_millis(1),
            },
            invitation: invitation.then(|| InvitationUse { id, expires: WallTime::from_millis(9) }),
        }
    }

    /// A hash that no token had before.
    fn token_hash(&mut self) -> TokenHash {
        self.devices += 1;
        let mut hash = [0xdd; 32];
        hash[..8].copy_from_slice(&self.devices.to_be_bytes());
        TokenHash(hash)
    }

    fn add_device(&mut self, held: &Tables, choices: &mut Choices) -> StorageOperation {
        let device =
            NewDevice { name: "another".into(), token_hash: self.token_hash(), at: WallTime::from_millis(2) };
        StorageOperation::AddDevice { user: account(held, choices), device }
    }

    fn renewal(&mut self, held: &Tables, choices: &mut Choices) -> StorageOperation {
        let token = DeviceToken {
            hash: self.token_hash(),
            since: WallTime::from_millis(self.tickets),
            next: choices.chance(Operations, 1, 2).then(|| self.token_hash()),
        };
        let (_, device) = device(held, choices);
        StorageOperation::SeeDevice { device, seen: WallTime::from_millis(self.tickets), token: Some(token) }
    }

    fn revocation(&mut self, held: &Tables, choices: &mut Choices) -> Vec<StorageOperation> {
        vec![StorageOperation::RemoveDevice { device: device(held, choices).1 }]
    }

    fn password_change(&mut self, held: &Tables, choices: &mut Choices) -> Vec<StorageOperation> {
        let (user, keep) = device(held, choices);
        let number = u8::try_from(self.tickets % 200).unwrap_or(0);
        vec![StorageOperation::SetPassword { user, record: record(number), keep }]
    }

    fn create_guest(&mut self, choices: &mut Choices) -> StorageOperation {
        if !choices.chance(Operations, 1, 8) {
            self.guests = self.guests.wrapping_add(1);
        }
        let nick: Arc<str> = format!("guest{}", self.guests).into();
        StorageOperation::CreateGuest { nick, token_hash: TokenHash([self.guests; 32]) }
    }
}

/// One of the accounts there are, or nobody.
fn account(held: &Tables, choices: &mut Choices) -> UserId {
    let accounts: Vec<_> = held.recovered().accounts.iter().map(|account| account.user).collect();
    if accounts.is_empty() { UserId::new(1_000) } else { *choices.pick(Operations, &accounts) }
}

/// One of the devices there are, or none, and whose it is.
fn device(held: &Tables, choices: &mut Choices) -> (UserId, DeviceId) {
    let accounts = held.recovered().accounts;
    let of = |account: &AccountRecord| {
        let user = account.user;
        account.devices.iter().map(move |device| (user, device.device)).collect::<Vec<_>>()
    };
    let devices: Vec<_> = accounts.iter().flat_map(of).collect();
    if devices.is_empty() {
        (UserId::new(1_000), DeviceId::new(1_000))
    } else {
        *choices.pick(Operations, &devices)
    }
}

/// A record of a password that nobody knows.
fn record(number: u8) -> PasswordRecord {
    // The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
    const POINT: [u8; 32] = [
        0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
        0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
    ];
    let costs = [19 * 1_024_u32, 2, 1].map(u32::to_be_bytes);
    let parts = [&[1], [7; 8].as_slice(), costs.as_flattened(), &POINT, &[number; 160]];
    PasswordRecord::from_bytes(&parts.concat()).expect("a record in its stored form")
}

pub(crate) fn user(choices: &mut Choices) -> UserId {
    UserId::new(choices.between(Operations, 1, AUTHORS))
}

/// One of the guests there are: nobody asks for a change of one that is not.
fn guest(held: &Tables, choices: &mut Choices) -> UserId {
    let guests: Vec<_> =
        (1..=u64::from(u8::MAX)).map(UserId::new).filter(|user| held.has_guest(*user)).collect();
    if guests.is_empty() { UserId::new(1_000) } else { *choices.pick(Operations, &guests) }
}

fn key(choices: &mut Choices) -> RoomKey {
    if choices.chance(Operations, 1, 4) {
        let lower = choices.between(Operations, 1, AUTHORS - 1);
        RoomKey::Direct(UserId::new(lower), UserId::new(AUTHORS))
    } else {
        RoomKey::Named(format!("#room{}", choices.below(Operations, ROOM_NAMES)).into())
    }
}

/// One of the rooms there are, or at times one that is not there.
pub(crate) fn room(held: &Tables, choices: &mut Choices) -> RoomId {
    let rooms: Vec<_> = held.rooms().map(|(id, _)| id).collect();
    if rooms.is_empty() || choices.chance(Operations, 1, 32) {
        return RoomId::new(1_000);
    }
    *choices.pick(Operations, &rooms)
}
