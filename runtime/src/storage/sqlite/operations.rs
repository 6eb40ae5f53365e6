//! Each operation of the port in SQL. Whoever calls is responsible for the transaction around it.

use std::sync::Arc;

use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    rights::{Role, RoomChange, RoomMode, Standing},
    storage::{
        About, Appended, EventKind, FoundEvent, NewEvent, PageRange, RoomKey, RoomRecord, StorageOperation,
        StorageOutcome, StoredEvent, TokenHash,
    },
    time::WallTime,
};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    accounts, conversation,
    error::Problem,
    files, rights,
    rooms::{RoomLog, Rooms},
    search::{self, Wanted},
};

/// Executes one operation.
pub(super) fn execute(
    connection: &Connection,
    rooms: &mut Rooms,
    operation: &StorageOperation,
) -> Result<StorageOutcome, Problem> {
    match operation {
        StorageOperation::OpenRoom { key, owner } => open_room(connection, rooms, key, owner.as_ref()),
        StorageOperation::DropRoom { room } => drop_room(connection, rooms, *room),
        StorageOperation::Append { room, event, change } => {
            append(connection, rooms, *room, event, *change).map(StorageOutcome::Appended)
        }
        StorageOperation::AppendAbout { room, event, whose } => {
            conversation::append_about(connection, rooms, *room, event, whose).map(StorageOutcome::Appended)
        }
        StorageOperation::FindNonce { author, nonce } => {
            find_nonce(connection, rooms, *author, *nonce).map(StorageOutcome::Found)
        }
        StorageOperation::ReadPage { room, range, events_max, bytes_max } => {
            read_page(connection, rooms, *room, *range, Limit { events: *events_max, bytes: *bytes_max })
        }
        StorageOperation::Search { rooms: in_rooms, query, before, hits_max, bytes_max } => {
            let wanted = Wanted {
                rooms: in_rooms,
                query,
                before: *before,
                hits_max: *hits_max,
                bytes_max: *bytes_max,
            };
            search::search(connection, rooms, &wanted)
        }
        StorageOperation::CreateGuest { nick, token_hash } => create_guest(connection, nick, token_hash),
        StorageOperation::UpdateGuest { user, nick, expires } => {
            update_guest(connection, *user, nick, *expires)
        }
        StorageOperation::RemoveGuest { user } => remove_guest(connection, *user),
        StorageOperation::CreateAccount { nick, record, device, invitation } => {
            accounts::create_account(connection, nick, record, device, *invitation)
        }
        StorageOperation::ForgetInvitation { id } => accounts::forget_invitation(connection, *id),
        StorageOperation::SetRead { user, room, seq } => {
            accounts::set_read(connection, rooms, *user, *room, *seq)
        }
        StorageOperation::AddDevice { user, device } => accounts::add_device(connection, *user, device),
        StorageOperation::SeeDevice { device, seen, token } => {
            accounts::see_device(connection, *device, *seen, *token)
        }
        StorageOperation::RemoveDevice { device } => accounts::remove_device(connection, *device),
        StorageOperation::SetPassword { user, record, keep } => {
            accounts::set_password(connection, *user, record, *keep)
        }
        StorageOperation::SetMember { user, room, member } => {
            set_member(connection, rooms, *user, *room, *member)
        }
        StorageOperation::Files(operation) => files::execute(connection, rooms, operation),
    }
}

/// Whether the operation leaves everything as it is.
pub(super) const fn only_reads(operation: &StorageOperation) -> bool {
    match operation {
        StorageOperation::FindNonce { .. }
        | StorageOperation::ReadPage { .. }
        | StorageOperation::Search { .. } => true,
        StorageOperation::Files(operation) => files::only_reads(operation),
        StorageOperation::OpenRoom { .. }
        | StorageOperation::DropRoom { .. }
        | StorageOperation::Append { .. }
        | StorageOperation::AppendAbout { .. }
        | StorageOperation::CreateGuest { .. }
        | StorageOperation::UpdateGuest { .. }
        | StorageOperation::RemoveGuest { .. }
        | StorageOperation::CreateAccount { .. }
        | StorageOperation::AddDevice { .. }
        | StorageOperation::SeeDevice { .. }
        | StorageOperation::RemoveDevice { .. }
        | StorageOperation::SetPassword { .. }
        | StorageOperation::ForgetInvitation { .. }
        | StorageOperation::SetRead { .. }
        | StorageOperation::SetMember { .. } => false,
    }
}

fn open_room(
    connection: &Connection,
    rooms: &mut Rooms,
    key: &RoomKey,
    owner: Option<&(UserId, Arc<str>)>,
) -> Result<StorageOutcome, Problem> {
    let (name, lower, higher) = match key {
        RoomKey::Named(name) => (Some(&**name), None, None),
        RoomKey::Direct(lower, higher) => (None, Some(signed(lower.get())), Some(signed(higher.get()))),
    };
    let found = connection
        .prepare_cached(
            "SELECT id, topic, mode, slow_seconds FROM rooms
             WHERE name = ?1 OR (lower_user = ?2 AND higher_user = ?3)",
        )?
        .query_row(params![name, lower, higher], |row| {
            Ok((
                RoomId::new(row.get::<_, i64>(0)?.cast_unsigned()),
                text(row, 1)?,
                rights::read_mode(row, 2)?,
            ))
        })
        .optional()?;
    let (id, topic, mode) = if let Some(found) = found {
        found
    } else {
        let number = count_up(connection, "last_room")?;
        connection
            .prepare_cached("INSERT INTO rooms (id, name, lower_user, higher_user) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![number, name, lower, higher])?;
        let id = RoomId::new(number.cast_unsigned());
        if let Some((user, name)) = owner {
            let standing = Standing { role: Role::Owner, ..Standing::new(*user, Arc::clone(name)) };
            rights::write_standing(connection, id, &standing)?;
        }
        (id, Arc::from(""), RoomMode::default())
    };
    let log = rooms.log(id).unwrap_or_else(|| {
        let log = RoomLog { first: Seq::new(1), last: Seq::new(0), answered: Seq::new(0) };
        rooms.set(id, log);
        log
    });
    let record = RoomRecord {
        id,
        key: key.clone(),
        topic,
        first: log.first,
        last: log.answered,
        mode,
        standings: rights::standings_of(connection, id)?,
    };
    Ok(StorageOutcome::RoomOpened(record))
}

fn drop_room(connection: &Connection, rooms: &mut Rooms, room: RoomId) -> Result<StorageOutcome, Problem> {
    if rooms.log(room).is_some() {
        connection.prepare_cached("DELETE FROM rooms WHERE id = ?1")?.execute([signed(room.get())])?;
        files::drop_of_room(connection, room)?;
        rooms.remove(room);
    }
    Ok(StorageOutcome::Done)
}

pub(super) fn append(
    connection: &Connection,
    rooms: &mut Rooms,
    room: RoomId,
    event: &NewEvent,
    change: Option<RoomChange>,
) -> Result<Appended, Problem> {
    let log = rooms.log(room).ok_or(Problem::NoSuchRoom)?;
    let seq = log.last.next();
    let inserted = connection
        .prepare_cached(
            "INSERT INTO events
                 (room, seq, author, nonce, at, kind, nick, text, about_id, about_name, about_until, position)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                 (SELECT value + 1 FROM meta WHERE name = 'last_position'))
             ON CONFLICT (author, nonce) DO NOTHING",
        )?
        .execute(params![
            signed(room.get()),
            signed(seq.get()),
            signed(event.author.get()),
            signed(event.nonce.get()),
            signed(event.at.as_millis()),
            event.kind.number(),
            &*event.nick,
            &*event.text,
            event.about.as_ref().map(|about| signed(about.id)),
            event.about.as_ref().map(|about| &*about.name),
            event.about.as_ref().and_then(|about| about.until).map(|until| signed(until.as_millis())),
        ])?;
    if inserted == 0 {
        return append_again(connection, rooms, room, event, change);
    }
    search::append(connection, event.kind, &event.text)?;
    if let Some(change) = change {
        make_change(connection, room, event, change)?;
    }
    if event.kind == EventKind::Topic {
        connection
            .prepare_cached("UPDATE rooms SET topic = ?2 WHERE id = ?1")?
            .execute(params![signed(room.get()), &*event.text])?;
    }
    rooms.set(room, RoomLog { last: seq, answered: seq, ..log });
    Ok(Appended::Stored { seq, first: log.first })
}

pub(super) fn append_again(
    connection: &Connection,
    rooms: &mut Rooms,
    room: RoomId,
    event: &NewEvent,
    change: Option<RoomChange>,
) -> Result<Appended, Problem> {
    let stored = stored_nonce(connection, event.author, event.nonce)?;
    let Some(FoundEvent { seq, at, .. }) = stored.filter(|found| found.room == room && found.is(event))
    else {
        return Ok(Appended::NonceReused);
    };
    if let Some(change) = change {
        make_change(connection, room, event, change)?;
    }
    let log = rooms.log(room).ok_or(Problem::NoSuchRoom)?;
    if seq <= log.answered {
        return Ok(Appended::Repeated { seq, at });
    }
    rooms.set(room, RoomLog { answered: seq, ..log });
    Ok(Appended::Stored { seq, first: log.first })
}

fn make_change(
    connection: &Connection,
    room: RoomId,
    event: &NewEvent,
    change: RoomChange,
) -> rusqlite::Result<()> {
    let name = event.about.as_ref().map_or("", |about| &*about.name);
    rights::make_change(connection, room, name, change)
}

fn find_nonce(
    connection: &Connection,
    rooms: &Rooms,
    author: UserId,
    nonce: Nonce,
) -> Result<Option<FoundEvent>, Problem> {
    let found = stored_nonce(connection, author, nonce)?;
    Ok(found.filter(|found| rooms.log(found.room).is_some_and(|log| found.seq <= log.answered)))
}

/// Whether an author has an event with this number.
pub(super) fn nonce_is_used(connection: &Connection, author: UserId, nonce: Nonce) -> rusqlite::Result<bool> {
    Ok(stored_nonce(connection, author, nonce)?.is_some())
}

fn stored_nonce(
    connection: &Connection,
    author: UserId,
    nonce: Nonce,
) -> rusqlite::Result<Option<FoundEvent>> {
    connection
        .prepare_cached(
            "SELECT room, seq, at, kind, text, about_id, revised FROM events WHERE author = ?1 AND nonce = ?2",
        )?
        .query_row([signed(author.get()), signed(nonce.get())], |row| {
            Ok(FoundEvent {
                room: RoomId::new(row.get::<_, i64>(0)?.cast_unsigned()),
                seq: Seq::new(row.get::<_, i64>(1)?.cast_unsigned()),
                at: WallTime::from_millis(row.get::<_, i64>(2)?.cast_unsigned()),
                kind: kind(row, 3)?,
                text: text(row, 4)?,
                about: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
                revised: row.get::<_, Option<i64>>(6)?.is_some(),
            })
        })
        .optional()
}

/// How much a page may hold.
#[derive(Clone, Copy)]
struct Limit {
    events: u32,
    bytes: u32,
}

fn read_page(
    connection: &Connection,
    rooms: &Rooms,
    room: RoomId,
    range: PageRange,
    limit: Limit,
) -> Result<StorageOutcome, Problem> {
    let Some(log) = rooms.log(room) else {
        return Ok(StorageOutcome::Page { first: Seq::new(1), events: Vec::new() });
    };
    let (select, from, to) = match range {
        PageRange::After(seq) => (
            "SELECT seq, author, nick, at, kind, text, about_id, about_name, about_until, revised FROM events
             WHERE room = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT ?4",
            seq.next(),
            log.answered,
        ),
        PageRange::Before(end) => (
            "SELECT seq, author, nick, at, kind, text, about_id, about_name, about_until, revised FROM events
             WHERE room = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT ?4",
            Seq::new(1),
            end.map_or(log.answered, |end| end.previous().min(log.answered)),
        ),
    };
    let mut statement = connection.prepare_cached(select)?;
    let mut rows =
        statement.query(params![signed(room.get()), position(from), position(to), limit.events])?;
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let event = stored_event(row)?;
        bytes += event.readable_bytes() as u64;
        if bytes > u64::from(limit.bytes) && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    if matches!(range, PageRange::Before(_)) {
        events.reverse();
    }
    Ok(StorageOutcome::Page { first: log.first, events })
}

fn create_guest(
    connection: &Connection,
    nick: &str,
    token_hash: &TokenHash,
) -> Result<StorageOutcome, Problem> {
    let found = connection
        .prepare_cached("SELECT user FROM guests WHERE token_hash = ?1")?
        .query_row([token_hash.0.as_slice()], |row| row.get::<_, i64>(0))
        .optional()?;
    let user = if let Some(user) = found {
        user
    } else {
        let user = count_up(connection, "last_user")?;
        connection
            .prepare_cached("INSERT INTO guests (user, nick, token_hash) VALUES (?1, ?2, ?3)")?
            .execute(params![user, nick, token_hash.0.as_slice()])?;
        user
    };
    Ok(StorageOutcome::GuestCreated { user: UserId::new(user.cast_unsigned()) })
}

fn update_guest(
    connection: &Connection,
    user: UserId,
    nick: &str,
    expires: Option<WallTime>,
) -> Result<StorageOutcome, Problem> {
    connection
        .prepare_cached(
            "UPDATE guests SET nick = ?2, expires = ?3
             WHERE user = ?1 AND (nick IS NOT ?2 OR expires IS NOT ?3)",
        )?
        .execute(params![signed(user.get()), nick, expires.map(|at| signed(at.as_millis()))])?;
    Ok(StorageOutcome::Done)
}

fn remove_guest(connection: &Connection, user: UserId) -> Result<StorageOutcome, Problem> {
    delete_guest(connection, user)?;
    Ok(StorageOutcome::Done)
}

/// Deletes a guest and its memberships, but nothing of an account.
pub(super) fn delete_guest(connection: &Connection, user: UserId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM guests WHERE user = ?1")?.execute([signed(user.get())])?;
    connection
        .prepare_cached(
            "DELETE FROM members WHERE user = ?1 AND NOT EXISTS (SELECT 1 FROM accounts WHERE user = ?1)",
        )?
        .execute([signed(user.get())])?;
    Ok(())
}

fn set_member(
    connection: &Connection,
    rooms: &Rooms,
    user: UserId,
    room: RoomId,
    member: bool,
) -> Result<StorageOutcome, Problem> {
    if rooms.log(room).is_none() {
        return Err(Problem::NoSuchRoom);
    }
    let change = if member {
        "INSERT INTO members (room, user) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM members WHERE room = ?1 AND user = ?2"
    };
    connection.prepare_cached(change)?.execute([signed(room.get()), signed(user.get())])?;
    if !member {
        accounts::forget_read(connection, user, room)?;
    }
    Ok(StorageOutcome::Done)
}

/// The next value of a counter in `meta`.
pub(super) fn count_up(connection: &Connection, counter: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("UPDATE meta SET value = value + 1 WHERE name = ?1 RETURNING value")?
        .query_row([counter], |row| row.get(0))
}

pub(super) fn stored_event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        seq: Seq::new(row.get::<_, i64>(0)?.cast_unsigned()),
        author: UserId::new(row.get::<_, i64>(1)?.cast_unsigned()),
        nick: text(row, 2)?,
        at: WallTime::from_millis(row.get::<_, i64>(3)?.cast_unsigned()),
        kind: kind(row, 4)?,
        text: text(row, 5)?,
        about: about(row)?,
        revised: row.get::<_, Option<i64>>(9)?.map(|seq| Seq::new(seq.cast_unsigned())),
    })
}

fn about(row: &Row<'_>) -> rusqlite::Result<Option<About>> {
    let Some(id) = row.get::<_, Option<i64>>(6)? else { return Ok(None) };
    let until = row.get::<_, Option<i64>>(8)?.map(|until| WallTime::from_millis(until.cast_unsigned()));
    Ok(Some(About { id: id.cast_unsigned(), name: text(row, 7)?, until }))
}

pub(super) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<EventKind> {
    let number: u8 = row.get(column)?;
    EventKind::from_number(number).ok_or_else(|| {
        let reason = format!("there is no kind of event with number {number}");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, reason.into())
    })
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    Ok(Arc::from(row.get_ref(column)?.as_str()?))
}

/// The bits of a number, as SQLite stores them.
pub(super) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A place in a log to compare with: none is higher than SQLite's highest number.
fn position(seq: Seq) -> i64 {
    i64::try_from(seq.get()).unwrap_or(i64::MAX)
}
