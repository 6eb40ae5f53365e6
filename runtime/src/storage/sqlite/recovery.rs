//! Reading all that the core must know at start.

use std::sync::Arc;

use palabre_core::{
    ids::{Incarnation, RoomId, Seq, UserId},
    storage::{GuestRecord, Recovered, RoomKey, RoomRecord, TokenHash},
    time::WallTime,
};
use rusqlite::{Connection, Row};

use super::rooms::{RoomLog, Rooms};

/// Reads rooms, guests and their memberships.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<Recovered> {
    Ok(Recovered {
        incarnation: incarnation_of(connection)?,
        rooms: room_records(connection)?,
        guests: guest_records(connection)?,
    })
}

/// Which database this is.
pub(super) fn incarnation_of(connection: &Connection) -> rusqlite::Result<Incarnation> {
    let bits: i64 =
        connection.query_row("SELECT value FROM meta WHERE name = 'incarnation'", [], |row| row.get(0))?;
    Ok(Incarnation::new(bits.cast_unsigned()))
}

/// All rooms, ascending by id.
pub(super) fn room_records(connection: &Connection) -> rusqlite::Result<Vec<RoomRecord>> {
    let mut statement = connection.prepare(
        "SELECT id, name, lower_user, higher_user, topic, first,
             (SELECT seq FROM events WHERE room = rooms.id ORDER BY seq DESC LIMIT 1)
         FROM rooms ORDER BY id",
    )?;
    statement.query_map([], room_record)?.collect()
}

/// The ends of the logs of these rooms.
pub(super) fn rooms_of(records: &[RoomRecord]) -> Rooms {
    let mut rooms = Rooms::default();
    for RoomRecord { id, first, last, .. } in records {
        rooms.set(*id, RoomLog { first: *first, last: *last, answered: *last });
    }
    rooms.keep_changes();
    rooms
}

fn room_record(row: &Row<'_>) -> rusqlite::Result<RoomRecord> {
    let key = match row.get_ref(1)?.as_str_or_null()? {
        Some(name) => RoomKey::Named(Arc::from(name)),
        None => RoomKey::Direct(user(row.get(2)?), user(row.get(3)?)),
    };
    let first = Seq::new(row.get::<_, i64>(5)?.cast_unsigned());
    let last: Option<i64> = row.get(6)?;
    Ok(RoomRecord {
        id: RoomId::new(row.get::<_, i64>(0)?.cast_unsigned()),
        key,
        topic: Arc::from(row.get_ref(4)?.as_str()?),
        first,
        last: last.map_or_else(|| first.previous(), |last| Seq::new(last.cast_unsigned())),
    })
}

fn guest_records(connection: &Connection) -> rusqlite::Result<Vec<GuestRecord>> {
    let mut members = connection.prepare("SELECT room FROM members WHERE user = ?1 ORDER BY room")?;
    let mut statement =
        connection.prepare("SELECT user, nick, token_hash, expires FROM guests ORDER BY user")?;
    let mut rows = statement.query([])?;
    let mut guests = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let expires: Option<i64> = row.get(3)?;
        let rooms = members
            .query_map([number], |row| Ok(RoomId::new(row.get::<_, i64>(0)?.cast_unsigned())))?
            .collect::<Result<_, _>>()?;
        guests.push(GuestRecord {
            user: user(number),
            nick: Arc::from(row.get_ref(1)?.as_str()?),
            token_hash: TokenHash(row.get(2)?),
            expires: expires.map(|at| WallTime::from_millis(at.cast_unsigned())),
            rooms,
        });
    }
    Ok(guests)
}

const fn user(number: i64) -> UserId {
    UserId::new(number.cast_unsigned())
}
