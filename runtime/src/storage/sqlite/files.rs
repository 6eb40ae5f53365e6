//! The operations on files in SQL. Whoever calls is responsible for the transaction around it.
//!
//! Nothing is written before everything is judged: an operation that is refused leaves no trace, also where its transaction goes on.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use palabre_core::{
    ids::{RoomId, UserId},
    storage::{
        Appended, FileOperation, FileOutcome, FileRecord, NewEvent, NewFile, Place, PutContent,
        RecoveredFiles, StorageOutcome, UploadRecord, Usage,
    },
    time::WallTime,
    transfer::{BlobHash, FileName, SharedFile, UploadId, UploadKey, Version},
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, types::Type};

use super::{
    error::Problem,
    operations::{self, count_up, signed},
    rooms::Rooms,
};
use crate::disk_space;

/// How long it is remembered what an upload became (`PROTOCOL.md` U3), in milliseconds.
const FINISHED_KEPT_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// The columns of a file, as [`file_record`] reads them.
const FILE: &str = "room, shelf, name, version, size, hash, executable, by, nick, at";

/// Executes one operation.
pub(super) fn execute(
    connection: &Connection,
    rooms: &mut Rooms,
    operation: &FileOperation,
) -> Result<StorageOutcome, Problem> {
    let outcome = match operation {
        FileOperation::LookUp { user, key, place, name } => look_up(connection, *user, *key, *place, name)?,
        FileOperation::OpenUpload { upload } => {
            open_upload(connection, upload)?;
            return Ok(StorageOutcome::Done);
        }
        FileOperation::Checkpoint { upload, durable, at } => {
            connection
                .prepare_cached("UPDATE uploads SET durable = ?2, at = ?3 WHERE id = ?1")?
                .execute(params![upload.0, signed(*durable), signed(at.as_millis())])?;
            return Ok(StorageOutcome::Done);
        }
        FileOperation::DropUpload { upload } => {
            connection.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([upload.0])?;
            return Ok(StorageOutcome::Done);
        }
        FileOperation::Commit { upload, file, event } => {
            commit(connection, rooms, *upload, file, event.as_ref())?
        }
        FileOperation::Put { upload, key, file, content, event } => {
            put(connection, rooms, (*upload, *key), file, content, event.as_ref())?
        }
        FileOperation::Find { place, name, content } => {
            let file = find(connection, *place, name)?;
            let wanted = file.as_ref().filter(|_| *content);
            let content = wanted.map(|file| self::content(connection, file.hash)).transpose()?.flatten();
            FileOutcome::Found { file, content }
        }
        FileOperation::List { place, after, files_max, bytes_max } => {
            list(connection, *place, after.as_ref(), *files_max, *bytes_max)?
        }
        FileOperation::Older { than, files_max } => older(connection, *than, *files_max)?,
        FileOperation::Delete { place, name, version, by, event } => {
            delete(connection, rooms, *place, name, (*version, *by), event.as_ref())?
        }
        FileOperation::IsUsed { hash } => FileOutcome::Used(is_used(connection, *hash)?),
    };
    Ok(StorageOutcome::Files(Box::new(outcome)))
}

/// Whether the operation leaves everything as it is.
pub(super) const fn only_reads(operation: &FileOperation) -> bool {
    match operation {
        FileOperation::LookUp { .. }
        | FileOperation::Find { .. }
        | FileOperation::List { .. }
        | FileOperation::Older { .. }
        | FileOperation::IsUsed { .. } => true,
        FileOperation::OpenUpload { .. }
        | FileOperation::Checkpoint { .. }
        | FileOperation::DropUpload { .. }
        | FileOperation::Commit { .. }
        | FileOperation::Put { .. }
        | FileOperation::Delete { .. } => false,
    }
}

/// What is known of files at start.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<RecoveredFiles> {
    let mut uploads = connection.prepare(
        "SELECT id, user, key, room, shelf, name, size, executable, over, durable, at FROM uploads ORDER BY id",
    )?;
    let mut usage =
        connection.prepare("SELECT user, files, bytes FROM usage WHERE files > 0 ORDER BY user")?;
    Ok(RecoveredFiles {
        uploads: uploads.query_map([], upload_record)?.collect::<Result<_, _>>()?,
        usage: usage.query_map([], usage_of)?.collect::<Result<_, _>>()?,
    })
}

/// Whether any file has a content.
pub(super) fn is_used(connection: &Connection, hash: BlobHash) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM files WHERE hash = ?1")?.exists([hash.0])
}

/// Deletes the files of a room that ceases, and the contents that are here and that no other file has.
pub(super) fn drop_of_room(connection: &Connection, room: RoomId) -> rusqlite::Result<()> {
    let room = signed(room.get());
    connection
        .prepare_cached(
            "DELETE FROM contents WHERE hash IN (SELECT hash FROM files WHERE room = ?1)
             AND NOT EXISTS (SELECT 1 FROM files WHERE files.hash = contents.hash AND room <> ?1)",
        )?
        .execute([room])?;
    connection.prepare_cached("DELETE FROM files WHERE room = ?1")?.execute([room]).map(drop)
}

/// The content of a small file.
fn content(connection: &Connection, hash: BlobHash) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT bytes FROM contents WHERE hash = ?1")?
        .query_row([hash.0], |row| row.get(0))
        .optional()
}

/// The hash of a content that no file has any more, which is not kept either if it is here.
fn unused(connection: &Connection, hash: BlobHash) -> rusqlite::Result<Option<BlobHash>> {
    if is_used(connection, hash)? {
        return Ok(None);
    }
    connection.prepare_cached("DELETE FROM contents WHERE hash = ?1")?.execute([hash.0])?;
    Ok(Some(hash))
}

fn look_up(
    connection: &Connection,
    user: UserId,
    key: UploadKey,
    place: Place,
    name: &FileName,
) -> rusqlite::Result<FileOutcome> {
    let committed = connection
        .prepare_cached(&format!("SELECT {FILE} FROM finished_uploads WHERE user = ?1 AND key = ?2"))?
        .query_row(params![signed(user.get()), key.0], file_record)
        .optional()?;
    let current = find(connection, place, name)?.map_or_else(Version::default, |file| file.version);
    Ok(FileOutcome::LookedUp { committed, current })
}

fn open_upload(connection: &Connection, upload: &UploadRecord) -> rusqlite::Result<()> {
    let (room, shelf) = columns(upload.place);
    connection
        .prepare_cached("DELETE FROM uploads WHERE user = ?1 AND key = ?2 AND id IS NOT ?3")?
        .execute(params![signed(upload.user.get()), upload.key.0, upload.id.0])?;
    connection
        .prepare_cached(
            "INSERT INTO uploads (id, user, key, room, shelf, name, size, executable, over, durable, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            upload.id.0,
            signed(upload.user.get()),
            upload.key.0,
            room,
            shelf,
            upload.name.as_str(),
            upload.size.map(signed),
            upload.executable,
            upload.over.map(|over| signed(over.get())),
            signed(upload.durable),
            signed(upload.at.as_millis()),
        ])
        .map(drop)
}

fn commit(
    connection: &Connection,
    rooms: &mut Rooms,
    upload: UploadId,
    new: &NewFile,
    event: Option<&NewEvent>,
) -> Result<FileOutcome, Problem> {
    let finished = connection
        .prepare_cached(&format!("SELECT {FILE}, replaced FROM finished_uploads WHERE id = ?1"))?
        .query_row([upload.0], finished_record)
        .optional()?;
    if let Some(finished) = finished {
        return answer_again(connection, rooms, finished, event);
    }
    let key = connection
        .prepare_cached("SELECT key FROM uploads WHERE id = ?1")?
        .query_row([upload.0], |row| row.get::<_, [u8; 16]>(0))
        .optional()?;
    let key = key.ok_or(Problem::NameTaken)?;
    let outcome = store(connection, rooms, (upload, UploadKey(key)), new, event)?;
    if let FileOutcome::Committed { .. } = outcome {
        connection.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([upload.0])?;
    }
    Ok(outcome)
}

/// Stores a file whose content comes along, or which some file in one of some places has.
fn put(
    connection: &Connection,
    rooms: &mut Rooms,
    (upload, key): (UploadId, UploadKey),
    new: &NewFile,
    content: &PutContent,
    event: Option<&NewEvent>,
) -> Result<FileOutcome, Problem> {
    let finished = connection
        .prepare_cached(&format!(
            "SELECT {FILE}, replaced FROM finished_uploads WHERE user = ?1 AND key = ?2"
        ))?
        .query_row(params![signed(new.by.get()), key.0], finished_record)
        .optional()?;
    if let Some(finished) = finished {
        return answer_again(connection, rooms, finished, event);
    }
    let bytes = match content {
        PutContent::Bytes(bytes) => bytes.len(),
        PutContent::OfFileIn(places) if any_has(connection, places, new)? => 0,
        PutContent::OfFileIn(_) => return Ok(FileOutcome::NoContent),
    };
    if !leaves_reserve(connection, bytes) {
        return Err(Problem::NoSpace);
    }
    let outcome = store(connection, rooms, (upload, key), new, event)?;
    if let (FileOutcome::Committed { .. }, PutContent::Bytes(bytes)) = (&outcome, content) {
        connection
            .prepare_cached("INSERT INTO contents (hash, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![new.hash.0, bytes])?;
    }
    Ok(outcome)
}

/// Whether a file in one of these places has the content of a new one.
fn any_has(connection: &Connection, places: &[Place], new: &NewFile) -> rusqlite::Result<bool> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM files WHERE hash = ?1 AND room = ?2 AND shelf = ?3 AND size = ?4")?;
    for place in places {
        let (room, shelf) = columns(*place);
        if statement.exists(params![new.hash.0, room, shelf, signed(new.size)])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether as much stays free beside so many bytes as the database may come to need. Where that cannot be told, it does.
fn leaves_reserve(connection: &Connection, bytes: usize) -> bool {
    connection.path().is_none_or(|path| disk_space::leaves_reserve(Path::new(path), bytes as u64))
}

/// An upload that is a file already is answered with that file.
fn answer_again(
    connection: &Connection,
    rooms: &mut Rooms,
    (file, replaced): (FileRecord, UserId),
    event: Option<&NewEvent>,
) -> Result<FileOutcome, Problem> {
    let event = announce(connection, rooms, &file, event)?;
    let usage = usage(connection, [file.by, replaced])?;
    Ok(FileOutcome::Committed { file, event, unused: None, usage })
}

/// Makes an upload a file.
fn store(
    connection: &Connection,
    rooms: &mut Rooms,
    (upload, key): (UploadId, UploadKey),
    new: &NewFile,
    event: Option<&NewEvent>,
) -> Result<FileOutcome, Problem> {
    if let Place::Room(room) = new.place
        && rooms.log(room).is_none()
    {
        return Err(Problem::NoSuchRoom);
    }
    let replaced = find(connection, new.place, &new.name)?;
    let current = replaced.as_ref().map_or_else(Version::default, |file| file.version);
    if new.over.is_some_and(|over| over != current) {
        return Ok(FileOutcome::Conflict { current });
    }
    if let Some(event) = event
        && operations::nonce_is_used(connection, event.author, event.nonce)?
    {
        return Err(Problem::NameTaken);
    }
    let version = Version::new(count_up(connection, "last_version")?.cast_unsigned());
    let NewFile { place, name, over: _, size, hash, executable, by, nick, at } = new.clone();
    let file = FileRecord { place, name, version, size, hash, executable, by, nick, at };
    let appended = announce(connection, rooms, &file, event)?;
    if let Some(replaced) = &replaced {
        remove(connection, replaced)?;
    }
    insert(connection, "files", None, &file)?;
    let replaced_by = replaced.as_ref().map(|replaced| signed(replaced.by.get()));
    insert(connection, "finished_uploads", Some((upload, key, replaced_by)), &file)?;
    connection
        .prepare_cached("DELETE FROM finished_uploads WHERE at < ?1")?
        .execute([signed(file.at.as_millis().saturating_sub(FINISHED_KEPT_MILLIS))])?;
    let unused = match &replaced {
        Some(replaced) => unused(connection, replaced.hash)?,
        None => None,
    };
    let usage = usage(connection, [file.by, replaced.map_or(file.by, |replaced| replaced.by)])?;
    Ok(FileOutcome::Committed { file, event: appended, unused, usage })
}

/// Appends the event about a file to its room's log.
fn announce(
    connection: &Connection,
    rooms: &mut Rooms,
    file: &FileRecord,
    event: Option<&NewEvent>,
) -> Result<Option<(Appended, Arc<str>)>, Problem> {
    let (Place::Room(room), Some(event)) = (file.place, event) else { return Ok(None) };
    let FileRecord { name, version, size, hash, .. } = file.clone();
    let text: Arc<str> = SharedFile { name, version, size, hash }.to_text().into();
    let event = NewEvent { text: Arc::clone(&text), ..event.clone() };
    Ok(Some((operations::append(connection, rooms, room, &event, None)?, text)))
}

fn find(connection: &Connection, place: Place, name: &FileName) -> rusqlite::Result<Option<FileRecord>> {
    let (room, shelf) = columns(place);
    connection
        .prepare_cached(&format!("SELECT {FILE} FROM files WHERE room = ?1 AND shelf = ?2 AND name = ?3"))?
        .query_row(params![room, shelf, name.as_str()], file_record)
        .optional()
}

fn list(
    connection: &Connection,
    place: Place,
    after: Option<&FileName>,
    files_max: u32,
    bytes_max: u32,
) -> rusqlite::Result<FileOutcome> {
    let (room, shelf) = columns(place);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {FILE} FROM files WHERE room = ?1 AND shelf = ?2 AND name > ?3 ORDER BY name LIMIT ?4"
    ))?;
    // No file is called nothing.
    let after = after.map_or("", FileName::as_str);
    let mut rows = statement.query(params![room, shelf, after, files_max.saturating_add(1)])?;
    let (mut files, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let file = file_record(row)?;
        bytes += file.name.as_str().len() + file.nick.len();
        let full = files.len() == files_max as usize || bytes > bytes_max as usize;
        if full && !files.is_empty() {
            return Ok(FileOutcome::Page { files, more: true });
        }
        files.push(file);
    }
    Ok(FileOutcome::Page { files, more: false })
}

fn older(connection: &Connection, than: WallTime, files_max: u32) -> rusqlite::Result<FileOutcome> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {FILE} FROM files WHERE at < ?1 ORDER BY at, room, shelf, name LIMIT ?2"
    ))?;
    let limits = params![signed(than.as_millis()), files_max.saturating_add(1)];
    let mut files = statement.query_map(limits, file_record)?.collect::<Result<Vec<_>, _>>()?;
    let more = files.len() > files_max as usize;
    files.truncate(files_max as usize);
    Ok(FileOutcome::Page { files, more })
}

fn delete(
    connection: &Connection,
    rooms: &mut Rooms,
    place: Place,
    name: &FileName,
    (version, by): (Version, UserId),
    event: Option<&NewEvent>,
) -> Result<FileOutcome, Problem> {
    let found = find(connection, place, name)?.filter(|file| file.version == version);
    let Some(file) = found else {
        // It may have been deleted by this very request, before a doubt.
        let existed = match (place, event) {
            (Place::Room(_), Some(event)) => {
                operations::nonce_is_used(connection, event.author, event.nonce)?
            }
            (Place::Shelf(_), _) | (_, None) => true,
        };
        let event = match (place, event) {
            (Place::Room(room), Some(event)) if existed => {
                Some(operations::append(connection, rooms, room, event, None)?)
            }
            (Place::Room(_) | Place::Shelf(_), _) => None,
        };
        let usage = usage(connection, [by, by])?;
        return Ok(FileOutcome::Deleted { event, existed, unused: None, usage });
    };
    let appended = match (place, event) {
        (Place::Room(room), Some(event)) => Some(operations::append(connection, rooms, room, event, None)?),
        (Place::Room(_) | Place::Shelf(_), _) => None,
    };
    remove(connection, &file)?;
    let unused = unused(connection, file.hash)?;
    let usage = usage(connection, [file.by, file.by])?;
    Ok(FileOutcome::Deleted { event: appended, existed: true, unused, usage })
}

fn insert(
    connection: &Connection,
    table: &str,
    upload: Option<(UploadId, UploadKey, Option<i64>)>,
    file: &FileRecord,
) -> rusqlite::Result<()> {
    let (room, shelf) = columns(file.place);
    let (size, version, by) = (signed(file.size), signed(file.version.get()), signed(file.by.get()));
    let at = signed(file.at.as_millis());
    let (name, nick) = (file.name.as_str(), &*file.nick);
    let mut values: Vec<&dyn ToSql> =
        vec![&room, &shelf, &name, &version, &size, &file.hash.0, &file.executable, &by, &nick, &at];
    let (columns, marks) = match &upload {
        None => ("", ""),
        Some((id, key, replaced)) => {
            values.extend([&id.0 as &dyn ToSql, &by, &key.0, replaced]);
            (", id, user, key, replaced", ", ?11, ?12, ?13, ?14")
        }
    };
    connection
        .prepare_cached(&format!(
            "INSERT INTO {table} ({FILE}{columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10{marks})"
        ))?
        .execute(values.as_slice())
        .map(drop)
}

fn remove(connection: &Connection, file: &FileRecord) -> rusqlite::Result<()> {
    let (room, shelf) = columns(file.place);
    connection
        .prepare_cached("DELETE FROM files WHERE room = ?1 AND shelf = ?2 AND name = ?3")?
        .execute(params![room, shelf, file.name.as_str()])
        .map(drop)
}

/// What two users, who may be one, have stored; ascending, and each once.
fn usage(connection: &Connection, users: [UserId; 2]) -> rusqlite::Result<Vec<(UserId, Usage)>> {
    let mut statement = connection.prepare_cached("SELECT user, files, bytes FROM usage WHERE user = ?1")?;
    let mut of = |user: UserId| {
        let usage = statement.query_row([signed(user.get())], usage_of).optional()?;
        Ok(usage.unwrap_or_else(|| (user, Usage::default())))
    };
    BTreeSet::from(users).into_iter().map(&mut of).collect()
}

fn usage_of(row: &Row<'_>) -> rusqlite::Result<(UserId, Usage)> {
    let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
    Ok((UserId::new(number(0)?), Usage { files: number(1)?, bytes: number(2)? }))
}

/// A place as it is stored: as a room, or as the user whose shelf it is.
const fn columns(place: Place) -> (i64, i64) {
    match place {
        Place::Room(room) => (signed(room.get()), 0),
        Place::Shelf(user) => (0, signed(user.get())),
    }
}

fn place(room: i64, shelf: i64) -> Place {
    if room == 0 {
        Place::Shelf(UserId::new(shelf.cast_unsigned()))
    } else {
        Place::Room(RoomId::new(room.cast_unsigned()))
    }
}

fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<FileName> {
    FileName::parse(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// A file that an upload became, and the user whose file it took the place of.
fn finished_record(row: &Row<'_>) -> rusqlite::Result<(FileRecord, UserId)> {
    let file = file_record(row)?;
    let replaced: Option<i64> = row.get("replaced")?;
    let replaced = replaced.map_or(file.by, |user| UserId::new(user.cast_unsigned()));
    Ok((file, replaced))
}

fn file_record(row: &Row<'_>) -> rusqlite::Result<FileRecord> {
    Ok(FileRecord {
        place: place(row.get(0)?, row.get(1)?),
        name: name(row, 2)?,
        version: Version::new(row.get::<_, i64>(3)?.cast_unsigned()),
        size: row.get::<_, i64>(4)?.cast_unsigned(),
        hash: BlobHash(row.get(5)?),
        executable: row.get(6)?,
        by: UserId::new(row.get::<_, i64>(7)?.cast_unsigned()),
        nick: Arc::from(row.get_ref(8)?.as_str()?),
        at: WallTime::from_millis(row.get::<_, i64>(9)?.cast_unsigned()),
    })
}

fn upload_record(row: &Row<'_>) -> rusqlite::Result<UploadRecord> {
    Ok(UploadRecord {
        id: UploadId(row.get(0)?),
        user: UserId::new(row.get::<_, i64>(1)?.cast_unsigned()),
        key: UploadKey(row.get(2)?),
        place: place(row.get(3)?, row.get(4)?),
        name: name(row, 5)?,
        size: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
        executable: row.get(7)?,
        over: row.get::<_, Option<i64>>(8)?.map(|over| Version::new(over.cast_unsigned())),
        durable: row.get::<_, i64>(9)?.cast_unsigned(),
        at: WallTime::from_millis(row.get::<_, i64>(10)?.cast_unsigned()),
    })
}
