//! Reading all that the core must know at start.

use std::{path::Path, sync::Arc};

use palabre_core::{
    ids::{DeviceId, Incarnation, RoomId, Seq, UserId},
    password::PasswordRecord,
    storage::{
        AccountRecord, DeviceRecord, DeviceToken, GuestRecord, InvitationId, InvitationRecord, Recovered,
        RoomKey, RoomRecord, TokenHash,
    },
    time::WallTime,
};
use rusqlite::{Connection, Row, Statement};

use super::{
    error::OpenError,
    files,
    rights::{read_mode, standings_of},
    rooms::{RoomLog, Rooms},
};

/// Reads rooms, guests, accounts and their memberships from the database at `path`.
pub(super) fn recover(connection: &Connection, path: &Path) -> Result<Recovered, OpenError> {
    let fail = |error| OpenError::from_sqlite(path, error);
    Ok(Recovered {
        incarnation: incarnation_of(connection).map_err(fail)?,
        rooms: room_records(connection).map_err(fail)?,
        guests: guest_records(connection).map_err(fail)?,
        accounts: account_records(connection, path)?,
        invitations: invitation_records(connection).map_err(fail)?,
        files: files::recover(connection).map_err(fail)?,
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
             (SELECT seq FROM events WHERE room = rooms.id ORDER BY seq DESC LIMIT 1),
             mode, slow_seconds
         FROM rooms ORDER BY id",
    )?;
    let mut records: Vec<RoomRecord> = statement.query_map([], room_record)?.collect::<Result<_, _>>()?;
    for record in &mut records {
        record.standings = standings_of(connection, record.id)?;
    }
    Ok(records)
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
        mode: read_mode(row, 7)?,
        standings: Vec::new(),
    })
}

fn guest_records(connection: &Connection) -> rusqlite::Result<Vec<GuestRecord>> {
    let mut members = connection.prepare(ROOMS_OF)?;
    let mut statement =
        connection.prepare("SELECT user, nick, token_hash, expires FROM guests ORDER BY user")?;
    let mut rows = statement.query([])?;
    let mut guests = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let expires: Option<i64> = row.get(3)?;
        let rooms = rooms_of_user(&mut members, number)?;
        guests.push(GuestRecord {
            user: user(number),
            nick: Arc::from(row.get_ref(1)?.as_str()?),
            token_hash: TokenHash(row.get(2)?),
            expires: expires.map(time),
            rooms,
        });
    }
    Ok(guests)
}

/// All accounts, ascending by id. One that cannot be read is an error: nobody's account is dropped in silence.
pub(super) fn account_records(connection: &Connection, path: &Path) -> Result<Vec<AccountRecord>, OpenError> {
    stored_accounts(connection)
        .map_err(|error| OpenError::from_sqlite(path, error))?
        .into_iter()
        .map(|StoredAccount { user, nick, record, rooms, devices, read }| {
            match PasswordRecord::from_bytes(&record) {
                Ok(record) => Ok(AccountRecord { user, nick, record, rooms, devices, read }),
                Err(reason) => Err(OpenError::Account {
                    path: path.to_path_buf(),
                    user: user.get(),
                    nick: String::from(&*nick),
                    reason,
                }),
            }
        })
        .collect()
}

/// An account whose record nobody has looked at yet.
struct StoredAccount {
    user: UserId,
    nick: Arc<str>,
    record: Vec<u8>,
    rooms: Vec<RoomId>,
    devices: Vec<DeviceRecord>,
    read: Vec<(RoomId, Seq)>,
}

fn stored_accounts(connection: &Connection) -> rusqlite::Result<Vec<StoredAccount>> {
    let mut members = connection.prepare(ROOMS_OF)?;
    let mut devices = connection.prepare(
        "SELECT device, name, token_hash, since, seen, token_since, next_token_hash FROM devices
         WHERE user = ?1 ORDER BY device",
    )?;
    let mut read = connection.prepare("SELECT room, seq FROM read_markers WHERE user = ?1 ORDER BY room")?;
    let mut statement = connection.prepare("SELECT user, nick, record FROM accounts ORDER BY user")?;
    let mut rows = statement.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        accounts.push(StoredAccount {
            user: user(number),
            nick: Arc::from(row.get_ref(1)?.as_str()?),
            record: row.get(2)?,
            rooms: rooms_of_user(&mut members, number)?,
            devices: devices.query_map([number], device_record)?.collect::<Result<_, _>>()?,
            read: read.query_map([number], read_marker)?.collect::<Result<_, _>>()?,
        });
    }
    Ok(accounts)
}

fn device_record(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    Ok(DeviceRecord {
        device: DeviceId::new(row.get::<_, i64>(0)?.cast_unsigned()),
        name: Arc::from(row.get_ref(1)?.as_str()?),
        since: time(row.get(3)?),
        seen: time(row.get(4)?),
        token: DeviceToken {
            hash: TokenHash(row.get(2)?),
            since: time(row.get(5)?),
            next: row.get::<_, Option<[u8; 32]>>(6)?.map(TokenHash),
        },
    })
}

fn read_marker(row: &Row<'_>) -> rusqlite::Result<(RoomId, Seq)> {
    let (room, seq) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
    Ok((RoomId::new(room.cast_unsigned()), Seq::new(seq.cast_unsigned())))
}

fn invitation_records(connection: &Connection) -> rusqlite::Result<Vec<InvitationRecord>> {
    let mut statement = connection.prepare("SELECT id, uses, expires FROM invitations ORDER BY id")?;
    let record = |row: &Row<'_>| {
        Ok(InvitationRecord { id: InvitationId(row.get(0)?), uses: row.get(1)?, expires: time(row.get(2)?) })
    };
    statement.query_map([], record)?.collect()
}

/// The rooms that a user is a member of.
const ROOMS_OF: &str = "SELECT room FROM members WHERE user = ?1 ORDER BY room";

fn rooms_of_user(members: &mut Statement<'_>, user: i64) -> rusqlite::Result<Vec<RoomId>> {
    members.query_map([user], |row| Ok(RoomId::new(row.get::<_, i64>(0)?.cast_unsigned())))?.collect()
}

const fn user(number: i64) -> UserId {
    UserId::new(number.cast_unsigned())
}

const fn time(millis: i64) -> WallTime {
    WallTime::from_millis(millis.cast_unsigned())
}
