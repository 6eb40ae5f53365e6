//! Rights in rooms: what the act of an event changes, in the transaction that appends it.

use std::sync::Arc;

use palabre_core::{
    ids::{RoomId, UserId},
    rights::{Role, RoomChange, RoomMode, Standing, Term},
    time::WallTime,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{accounts, operations::signed};

const COLUMNS: &str = "user, name, role, invited, banned_since, banned_until, muted_since, muted_until";

/// Makes a change. Each is absolute, so that making it twice is making it once.
pub(super) fn make_change(
    connection: &Connection,
    room: RoomId,
    name: &str,
    change: RoomChange,
) -> rusqlite::Result<()> {
    match change {
        RoomChange::Mode(mode) => {
            connection
                .prepare_cached("UPDATE rooms SET mode = ?2, slow_seconds = ?3 WHERE id = ?1")?
                .execute(params![signed(room.get()), mode.bits(), mode.slow_seconds])?;
        }
        RoomChange::Right(user, change) => {
            let found = standing(connection, room, user)?;
            let mut standing = found.unwrap_or_else(|| Standing::new(user, Arc::from(name)));
            standing.name = Arc::from(name);
            standing.apply(change);
            write_standing(connection, room, &standing)?;
            if change.ends_membership() {
                connection
                    .prepare_cached("DELETE FROM members WHERE room = ?1 AND user = ?2")?
                    .execute([signed(room.get()), signed(user.get())])?;
                accounts::forget_read(connection, user, room)?;
            }
        }
    }
    Ok(())
}

/// Writes what is particular about a user, or forgets it where nothing is.
pub(super) fn write_standing(
    connection: &Connection,
    room: RoomId,
    standing: &Standing,
) -> rusqlite::Result<()> {
    if standing.is_ordinary() {
        connection
            .prepare_cached("DELETE FROM standings WHERE room = ?1 AND user = ?2")?
            .execute([signed(room.get()), signed(standing.user.get())])?;
        return Ok(());
    }
    let since = |term: Option<Term>| term.map(|term| signed(term.since.as_millis()));
    let until = |term: Option<Term>| term.and_then(|term| term.until).map(|until| signed(until.as_millis()));
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO standings
                 (room, user, name, role, invited, banned_since, banned_until, muted_since, muted_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            signed(room.get()),
            signed(standing.user.get()),
            &*standing.name,
            standing.role.number(),
            standing.invited,
            since(standing.banned),
            until(standing.banned),
            since(standing.muted),
            until(standing.muted),
        ])?;
    Ok(())
}

/// What is particular about whom in a room, ascending by id.
pub(super) fn standings_of(connection: &Connection, room: RoomId) -> rusqlite::Result<Vec<Standing>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM standings WHERE room = ?1 ORDER BY user"))?
        .query_map([signed(room.get())], read_standing)?
        .collect()
}

fn standing(connection: &Connection, room: RoomId, user: UserId) -> rusqlite::Result<Option<Standing>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM standings WHERE room = ?1 AND user = ?2"))?
        .query_row([signed(room.get()), signed(user.get())], read_standing)
        .optional()
}

fn read_standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let number: u8 = row.get(2)?;
    let role = Role::from_number(number).ok_or_else(|| {
        let reason = format!("there is no role with number {number}");
        rusqlite::Error::FromSqlConversionFailure(2, Type::Integer, reason.into())
    })?;
    Ok(Standing {
        user: UserId::new(row.get::<_, i64>(0)?.cast_unsigned()),
        name: Arc::from(row.get_ref(1)?.as_str()?),
        role,
        invited: row.get(3)?,
        banned: term(row, 4)?,
        muted: term(row, 6)?,
    })
}

/// The term that begins in a column and ends in the next.
fn term(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Term>> {
    let time = |millis: i64| WallTime::from_millis(millis.cast_unsigned());
    let Some(since) = row.get::<_, Option<i64>>(column)? else { return Ok(None) };
    Ok(Some(Term { since: time(since), until: row.get::<_, Option<i64>>(column + 1)?.map(time) }))
}

/// What kind of room it is, by two columns.
pub(super) fn read_mode(row: &Row<'_>, column: usize) -> rusqlite::Result<RoomMode> {
    Ok(RoomMode::from_bits(row.get(column)?, row.get(column + 1)?))
}
