//! The operations on accounts and their devices in SQL. Whoever calls is responsible for the transaction around it.

use palabre_core::{
    ids::{DeviceId, RoomId, Seq, UserId},
    password::PasswordRecord,
    storage::{DeviceToken, InvitationId, InvitationUse, NewDevice, StorageOutcome, TokenHash},
    time::WallTime,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    error::Problem,
    operations::{count_up, signed},
    rooms::Rooms,
};

pub(super) fn create_account(
    connection: &Connection,
    nick: &str,
    record: &PasswordRecord,
    device: &NewDevice,
    invitation: Option<InvitationUse>,
) -> Result<StorageOutcome, Problem> {
    if let Some((user, device)) = find_token(connection, device.token_hash)? {
        return Ok(StorageOutcome::AccountCreated { user, device });
    }
    if connection.prepare_cached("SELECT 1 FROM accounts WHERE nick = ?1")?.exists([nick])? {
        return Err(Problem::NameTaken);
    }
    if let Some(InvitationUse { id, expires }) = invitation {
        connection
            .prepare_cached(
                "INSERT INTO invitations (id, uses, expires) VALUES (?1, 1, ?2)
                 ON CONFLICT (id) DO UPDATE SET uses = uses + 1",
            )?
            .execute(params![id.0.as_slice(), signed(expires.as_millis())])?;
    }
    let user = insert_account(connection, nick, record, device.at)?;
    let device = insert_device(connection, user, device)?;
    Ok(StorageOutcome::AccountCreated { user, device })
}

pub(super) fn add_device(
    connection: &Connection,
    user: UserId,
    device: &NewDevice,
) -> Result<StorageOutcome, Problem> {
    if !connection.prepare_cached("SELECT 1 FROM accounts WHERE user = ?1")?.exists([signed(user.get())])? {
        return Err(Problem::NoSuchUser);
    }
    if let Some((_, device)) = find_token(connection, device.token_hash)? {
        return Ok(StorageOutcome::DeviceAdded { device });
    }
    Ok(StorageOutcome::DeviceAdded { device: insert_device(connection, user, device)? })
}

pub(super) fn forget_invitation(
    connection: &Connection,
    id: InvitationId,
) -> Result<StorageOutcome, Problem> {
    connection.prepare_cached("DELETE FROM invitations WHERE id = ?1")?.execute([id.0.as_slice()])?;
    Ok(StorageOutcome::Done)
}

pub(super) fn set_read(
    connection: &Connection,
    rooms: &Rooms,
    user: UserId,
    room: RoomId,
    seq: Seq,
) -> Result<StorageOutcome, Problem> {
    if rooms.log(room).is_none() {
        return Err(Problem::NoSuchRoom);
    }
    connection
        .prepare_cached(
            "INSERT INTO read_markers (user, room, seq)
             SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM accounts WHERE user = ?1)
             ON CONFLICT (user, room) DO UPDATE SET seq = max(seq, excluded.seq)",
        )?
        .execute([signed(user.get()), signed(room.get()), signed(seq.get())])?;
    Ok(StorageOutcome::Done)
}

/// What an account has read of a room that it is no member of any more.
pub(super) fn forget_read(connection: &Connection, user: UserId, room: RoomId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM read_markers WHERE user = ?1 AND room = ?2")?
        .execute([signed(user.get()), signed(room.get())])?;
    Ok(())
}

/// One row without any index over what changes: it happens each time that somebody enters. Tokens change rarely.
pub(super) fn see_device(
    connection: &Connection,
    device: DeviceId,
    seen: WallTime,
    token: Option<DeviceToken>,
) -> Result<StorageOutcome, Problem> {
    if let Some(DeviceToken { hash, since, next }) = token {
        connection
            .prepare_cached(
                "UPDATE devices SET token_hash = ?2, token_since = ?3, next_token_hash = ?4 WHERE device = ?1",
            )?
            .execute(params![
                signed(device.get()),
                hash.0.as_slice(),
                signed(since.as_millis()),
                next.map(|next| next.0),
            ])?;
    }
    connection
        .prepare_cached("UPDATE devices SET seen = ?2 WHERE device = ?1 AND seen IS NOT ?2")?
        .execute([signed(device.get()), signed(seen.as_millis())])?;
    Ok(StorageOutcome::Done)
}

pub(super) fn remove_device(connection: &Connection, device: DeviceId) -> Result<StorageOutcome, Problem> {
    connection.prepare_cached("DELETE FROM devices WHERE device = ?1")?.execute([signed(device.get())])?;
    Ok(StorageOutcome::Done)
}

pub(super) fn set_password(
    connection: &Connection,
    user: UserId,
    record: &PasswordRecord,
    keep: DeviceId,
) -> Result<StorageOutcome, Problem> {
    let stored = connection
        .prepare_cached("SELECT record = ?2 FROM accounts WHERE user = ?1")?
        .query_row(params![signed(user.get()), record.to_bytes().as_slice()], |row| row.get(0))
        .optional()?;
    match stored {
        None => return Err(Problem::NoSuchUser),
        Some(true) => {}
        Some(false) => {
            connection
                .prepare_cached("UPDATE accounts SET record = ?2 WHERE user = ?1")?
                .execute(params![signed(user.get()), record.to_bytes().as_slice()])?;
        }
    }
    connection
        .prepare_cached("DELETE FROM devices WHERE user = ?1 AND device IS NOT ?2")?
        .execute([signed(user.get()), signed(keep.get())])?;
    Ok(StorageOutcome::Done)
}

/// Whose device a token is of, and which.
fn find_token(connection: &Connection, hash: TokenHash) -> rusqlite::Result<Option<(UserId, DeviceId)>> {
    connection
        .prepare_cached("SELECT user, device FROM devices WHERE token_hash = ?1")?
        .query_row([hash.0.as_slice()], |row| {
            let user = UserId::new(row.get::<_, i64>(0)?.cast_unsigned());
            Ok((user, DeviceId::new(row.get::<_, i64>(1)?.cast_unsigned())))
        })
        .optional()
}

/// Stores an account whose name is known to be free.
pub(super) fn insert_account(
    connection: &Connection,
    nick: &str,
    record: &PasswordRecord,
    created: WallTime,
) -> rusqlite::Result<UserId> {
    let user = count_up(connection, "last_user")?;
    connection
        .prepare_cached("INSERT INTO accounts (user, nick, record, created) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![user, nick, record.to_bytes().as_slice(), signed(created.as_millis())])?;
    Ok(UserId::new(user.cast_unsigned()))
}

fn insert_device(connection: &Connection, user: UserId, new: &NewDevice) -> rusqlite::Result<DeviceId> {
    let device = count_up(connection, "last_device")?;
    connection
        .prepare_cached(
            "INSERT INTO devices (device, user, name, token_hash, since, seen, token_since)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5)",
        )?
        .execute(params![
            device,
            signed(user.get()),
            &*new.name,
            new.token_hash.0.as_slice(),
            signed(new.at.as_millis()),
        ])?;
    Ok(DeviceId::new(device.cast_unsigned()))
}
