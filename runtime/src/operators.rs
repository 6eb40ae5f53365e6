//! Who the server's operators are: the first is made on its own machine (`PROTOCOL.md` O1).

use std::sync::Arc;

use palabre_core::{
    ids::{Nonce, UserId},
    name::{NameError, Nick, OPERATORS, nearest},
    rights::{RightChange, Role, RoomChange},
    storage::{
        About, EventKind, NewEvent, Recovered, RoomKey, StorageOperation, StorageOutcome, StorageRequest,
        Ticket,
    },
};

use crate::{
    clock::Clock,
    entropy,
    storage::{OpenError, SqliteOptions, SqliteStorage},
};

/// Why somebody was not made an operator. Nothing was done then.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The database cannot be opened or written.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// There is no database.
    #[error("There is no database in {}. Name the server's data directory with --data.", .0.display())]
    NoDatabase(std::path::PathBuf),
    /// What was typed is no name.
    #[error("{0}: {1}")]
    Name(String, NameError),
    /// There is no such account.
    #[error("There is no account {name}; {}", meant(.near.as_deref()))]
    NoSuchAccount {
        /// As it was typed.
        name: String,
        /// One that may have been meant.
        near: Option<String>,
    },
    /// The operating system gives no randomness.
    #[error("The operating system gives no randomness: {0}.")]
    Randomness(std::io::Error),
    /// Storage failed.
    #[error("The database could not be written; check its disk, and run this again.")]
    NotWritten,
}

fn meant(near: Option<&str>) -> String {
    near.map_or_else(|| "register it first.".to_owned(), |near| format!("did you mean {near}?"))
}

/// Makes an account an operator, in a data directory that no server uses. Answers its name as it is written.
///
/// # Errors
/// [`OperatorError`] says what is in the way.
pub fn add(data: SqliteOptions, name: &str) -> Result<Arc<str>, OperatorError> {
    let wanted = Nick::parse(name).map_err(|error| OperatorError::Name(name.to_owned(), error))?;
    if !data.is_there() {
        return Err(OperatorError::NoDatabase(data.directory));
    }
    let seed = entropy::seed().map_err(OperatorError::Randomness)?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| seed[at + byte]));
    let (mut storage, recovered) = SqliteStorage::open(data, number(0))?;
    let (user, nick) = account(&recovered, &wanted)?;
    let key = RoomKey::Named(OPERATORS.into());
    let opened = execute(&mut storage, 1, StorageOperation::OpenRoom { key, owner: None })?;
    let StorageOutcome::RoomOpened(room) = opened else { return Err(OperatorError::NotWritten) };
    let event = NewEvent {
        author: user,
        nick: Arc::clone(&nick),
        nonce: Nonce::new(number(8)),
        at: Clock::start().now().wall,
        kind: EventKind::Owned,
        text: "on the server's own machine".into(),
        about: Some(About { id: user.get(), name: Arc::clone(&nick), until: None }),
    };
    let change = Some(RoomChange::Right(user, RightChange::Role(Role::Owner)));
    execute(&mut storage, 2, StorageOperation::SetMember { user, room: room.id, member: true })?;
    execute(&mut storage, 3, StorageOperation::Append { room: room.id, event, change })?;
    Ok(nick)
}

fn account(recovered: &Recovered, wanted: &Nick) -> Result<(UserId, Arc<str>), OperatorError> {
    let key = wanted.key();
    let is_wanted = |nick: &str| Nick::parse(nick).is_ok_and(|nick| nick.key().folded() == key.folded());
    let found = recovered.accounts.iter().find(|account| is_wanted(&account.nick));
    found.map(|account| (account.user, Arc::clone(&account.nick))).ok_or_else(|| {
        let names = recovered.accounts.iter().map(|account| &*account.nick);
        let near = nearest(wanted.as_str(), names).map(Into::into);
        OperatorError::NoSuchAccount { name: wanted.to_string(), near }
    })
}

fn execute(
    storage: &mut SqliteStorage,
    ticket: u64,
    operation: StorageOperation,
) -> Result<StorageOutcome, OperatorError> {
    let request = StorageRequest { ticket: Ticket::from_number(ticket), operation };
    let replies = storage.execute_batch(&[request]).map_err(|_| OperatorError::NotWritten)?;
    let reply = replies.into_iter().next().ok_or(OperatorError::NotWritten)?;
    reply.result.map_err(|_| OperatorError::NotWritten)
}
