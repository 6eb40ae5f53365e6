//! What is asked of a storage: batches that a server could ask for.
//!
//! A server asks for what depends on an answer only when it has it. So nothing in a batch depends on what another
//! request of the batch makes or deletes; what deletes comes alone.

use std::sync::Arc;

use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    storage::{EventKind, NewEvent, PageRange, RoomKey, StorageOperation, StorageRequest, Ticket, TokenHash},
    time::WallTime,
};
use palabre_tests::{
    choices::{Choices, Subsystem::Operations},
    store::Tables,
};

const AUTHORS: u64 = 4;
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
}

impl Generator {
    /// The next batch for a storage that holds this.
    pub(crate) fn batch(&mut self, held: &Tables, choices: &mut Choices) -> Vec<StorageRequest> {
        let operations = match choices.below(Operations, 16) {
            14 => vec![StorageOperation::RemoveGuest { user: user(choices) }],
            15 => vec![StorageOperation::DropRoom { room: room(held, choices) }],
            // A room is opened, or gets a topic: what opening answers tells the topic.
            number => self.harmless(number % 2 == 0, held, choices),
        };
        operations.into_iter().map(|operation| self.request(operation)).collect()
    }

    fn request(&mut self, operation: StorageOperation) -> StorageRequest {
        self.tickets += 1;
        StorageRequest { ticket: Ticket::from_number(self.tickets), operation }
    }

    /// All events that were ever asked for, by author and nonce.
    pub(crate) fn nonces(&self) -> impl Iterator<Item = (UserId, Nonce)> + use<> {
        let nonces = self.nonces;
        let authors = (1..=AUTHORS).map(UserId::new);
        authors.flat_map(move |author| (1..=nonces).map(move |nonce| (author, Nonce::new(nonce))))
    }

    fn harmless(&mut self, opens: bool, held: &Tables, choices: &mut Choices) -> Vec<StorageOperation> {
        let count = choices.between(Operations, 1, REQUESTS_MAX);
        (0..count).map(|_| self.one(opens, held, choices)).collect()
    }

    fn one(&mut self, opens: bool, held: &Tables, choices: &mut Choices) -> StorageOperation {
        match choices.below(Operations, 16) {
            0..8 => self.append(!opens, held, choices),
            8 | 9 if opens => StorageOperation::OpenRoom { key: key(choices) },
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

    fn create_guest(&mut self, choices: &mut Choices) -> StorageOperation {
        if !choices.chance(Operations, 1, 8) {
            self.guests = self.guests.wrapping_add(1);
        }
        let nick: Arc<str> = format!("guest{}", self.guests).into();
        StorageOperation::CreateGuest { nick, token_hash: TokenHash([self.guests; 32]) }
    }
}

fn user(choices: &mut Choices) -> UserId {
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
fn room(held: &Tables, choices: &mut Choices) -> RoomId {
    let rooms: Vec<_> = held.rooms().map(|(id, _)| id).collect();
    if rooms.is_empty() || choices.chance(Operations, 1, 32) {
        return RoomId::new(1_000);
    }
    *choices.pick(Operations, &rooms)
}
