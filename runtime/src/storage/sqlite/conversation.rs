//! Events about messages: answers, edits and deletions, judged and made in the transaction that appends them.

use palabre_core::{
    ids::{RoomId, Seq, UserId},
    storage::{Appended, EventFamily, EventKind, NewEvent, Unfit, Whose},
};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    error::Problem,
    operations::{append, append_again, kind, nonce_is_used, signed},
    rooms::Rooms,
    search,
};

/// Appends an event about the message that its `about` numbers. One that is stored already has made its change.
pub(super) fn append_about(
    connection: &Connection,
    rooms: &mut Rooms,
    room: RoomId,
    event: &NewEvent,
    whose: &Whose,
) -> Result<Appended, Problem> {
    let log = rooms.log(room).ok_or(Problem::NoSuchRoom)?;
    if nonce_is_used(connection, event.author, event.nonce)? {
        return append_again(connection, rooms, room, event, None);
    }
    let number = event.about.as_ref().map_or(0, |about| about.id);
    let message = (log.first.get()..=log.last.get()).contains(&number).then_some(Seq::new(number));
    let fit = match message {
        Some(message) => judge(connection, room, message, event.author, whose)?.map(|()| message),
        None => Err(Unfit::NoSuchMessage),
    };
    let message = match fit {
        Ok(message) => message,
        Err(unfit) => return Ok(Appended::Unfit(unfit)),
    };
    let appended = append(connection, rooms, room, event, None)?;
    let revision = log.last.next();
    if event.kind.family() == EventFamily::Revision {
        revise(connection, room, message, &event.text, revision)?;
    }
    if event.kind == EventKind::Deleted {
        empty_edits(connection, room, message, revision)?;
    }
    Ok(appended)
}

fn judge(
    connection: &Connection,
    room: RoomId,
    message: Seq,
    author: UserId,
    whose: &Whose,
) -> rusqlite::Result<Result<(), Unfit>> {
    let found = connection
        .prepare_cached(
            "SELECT kind, author, revised IS NOT NULL AND text = '' FROM events WHERE room = ?1 AND seq = ?2",
        )?
        .query_row([signed(room.get()), signed(message.get())], |row| {
            Ok((kind(row, 0)?, UserId::new(row.get::<_, i64>(1)?.cast_unsigned()), row.get::<_, bool>(2)?))
        })
        .optional()?;
    Ok(match found {
        Some((kind, _, true)) if kind.is_message() => Err(Unfit::Deleted),
        Some((kind, other, false)) if kind.is_message() => whose.allows(author, other),
        Some(_) | None => Err(Unfit::NoSuchMessage),
    })
}

/// A message has this text from now on, and is found by its words alone.
fn revise(
    connection: &Connection,
    room: RoomId,
    message: Seq,
    text: &str,
    revision: Seq,
) -> rusqlite::Result<()> {
    let (position, kind) = connection
        .prepare_cached(
            "UPDATE events SET text = ?3, revised = ?4 WHERE room = ?1 AND seq = ?2 RETURNING position, kind",
        )?
        .query_row(
            params![signed(room.get()), signed(message.get()), text, signed(revision.get())],
            |row| Ok((row.get(0)?, kind(row, 1)?)),
        )?;
    search::index_anew(connection, position, kind, text)
}

fn empty_edits(connection: &Connection, room: RoomId, message: Seq, revision: Seq) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE events SET text = '', revised = ?3 WHERE room = ?1 AND about_id = ?2 AND kind = 30",
        )?
        .execute([signed(room.get()), signed(message.get()), signed(revision.get())])?;
    Ok(())
}
