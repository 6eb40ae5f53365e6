//! What is asked about files, in batches that a server could ask for.

use std::collections::BTreeSet;

use palabre_core::{
    ids::{Nonce, UserId},
    storage::{
        EventKind, FileOperation, FileRecord, NewEvent, NewFile, Place, PutContent, StorageOperation,
        UploadRecord,
    },
    time::WallTime,
    transfer::{BlobHash, FileName, UploadId, UploadKey, Version},
};
use palabre_tests::{
    choices::{Choices, Subsystem::Operations},
    store::Tables,
};

use crate::operations::{AUTHORS, room, user};

/// Several uploads that begin or were made durable, or one that becomes a file or ends, or several small files that are stored in one
/// step, or one of what another has, or one file that is deleted.
pub(crate) fn batch(
    uploads: &mut u8,
    nonces: &mut u64,
    held: &Tables,
    choices: &mut Choices,
) -> Vec<StorageOperation> {
    let known: Vec<UploadRecord> = held.uploads().cloned().collect();
    let files: Vec<FileRecord> = held.files().cloned().collect();
    let count = choices.between(Operations, 1, 4);
    let operations: Vec<_> = match choices.below(Operations, 11) {
        0..3 => (0..count).map(|_| begin(uploads, held, choices)).collect(),
        3 if !known.is_empty() => {
            let chosen: BTreeSet<_> = (0..count).map(|_| choices.pick(Operations, &known).id).collect();
            let checkpoint = |upload| FileOperation::Checkpoint {
                upload,
                durable: choices.below(Operations, 1_000),
                at: WallTime::from_millis(choices.below(Operations, 100)),
            };
            chosen.into_iter().map(checkpoint).collect()
        }
        4 if !known.is_empty() => {
            vec![FileOperation::DropUpload { upload: choices.pick(Operations, &known).id }]
        }
        5 if !files.is_empty() => {
            let file = choices.pick(Operations, &files).clone();
            let event = event(file.place, EventKind::FileDeleted, file.by, nonces);
            let FileRecord { place, name, version, by, .. } = file;
            vec![FileOperation::Delete { place, name, version, by, event }]
        }
        8 | 9 => (0..count).map(|number| put(number, None, uploads, nonces, held, choices)).collect(),
        10 if !files.is_empty() => {
            let file = choices.pick(Operations, &files).clone();
            vec![put(0, Some(file), uploads, nonces, held, choices)]
        }
        _ if !known.is_empty() => vec![commit(choices.pick(Operations, &known).clone(), nonces, choices)],
        _ => vec![begin(uploads, held, choices)],
    };
    operations.into_iter().map(|operation| StorageOperation::Files(operation.into())).collect()
}

/// What is known of all uploads that were ever begun.
pub(crate) fn questions(uploads: u8) -> impl Iterator<Item = StorageOperation> {
    let name = name(0);
    (1..=uploads).flat_map(move |number| {
        let name = name.clone();
        (1..=AUTHORS).map(UserId::new).map(move |user| {
            let place = Place::Shelf(user);
            let operation =
                FileOperation::LookUp { user, key: UploadKey([number; 16]), place, name: name.clone() };
            StorageOperation::Files(operation.into())
        })
    })
}

/// Every place there may be files in, from its beginning, and every file that may be in it, with its content.
pub(crate) fn listings(rooms: impl Iterator<Item = Place>) -> impl Iterator<Item = StorageOperation> {
    rooms.chain((1..=AUTHORS).map(|user| Place::Shelf(UserId::new(user)))).flat_map(|place| {
        let list = FileOperation::List { place, after: None, files_max: 1_000, bytes_max: u32::MAX };
        let find = move |number| FileOperation::Find { place, name: name(number), content: true };
        let operations = std::iter::once(list).chain((0..4).map(find));
        operations.map(|operation| StorageOperation::Files(operation.into()))
    })
}

fn begin(uploads: &mut u8, held: &Tables, choices: &mut Choices) -> FileOperation {
    *uploads = uploads.wrapping_add(1);
    let user = user(choices);
    let place =
        if choices.chance(Operations, 1, 3) { Place::Shelf(user) } else { Place::Room(room(held, choices)) };
    FileOperation::OpenUpload {
        upload: UploadRecord {
            id: UploadId([*uploads; 16]),
            user,
            key: UploadKey([*uploads; 16]),
            place,
            name: name(choices.below(Operations, 4)),
            size: Some(u64::from(*uploads)),
            executable: false,
            over: None,
            durable: 0,
            at: WallTime::from_millis(choices.below(Operations, 100)),
        },
    }
}

fn commit(upload: UploadRecord, nonces: &mut u64, choices: &mut Choices) -> FileOperation {
    let UploadRecord { id, user, place, name, executable, at, .. } = upload;
    let event = event(place, EventKind::FileShared, user, nonces);
    let over = choices.chance(Operations, 1, 4).then(Version::default);
    let hash = BlobHash([u8::try_from(choices.below(Operations, 3)).expect("small"); 32]);
    let (size, nick) = (u64::from(id.0[0]), "somebody".into());
    let file = NewFile { place, name, over, size, hash, executable, by: user, nick, at };
    FileOperation::Commit { upload: id, file, event }
}

/// A small file with its content, or one with the content of another.
fn put(
    number: u64,
    of: Option<FileRecord>,
    uploads: &mut u8,
    nonces: &mut u64,
    held: &Tables,
    choices: &mut Choices,
) -> FileOperation {
    *uploads = uploads.wrapping_add(1);
    let by = user(choices);
    let place =
        if choices.chance(Operations, 1, 3) { Place::Shelf(by) } else { Place::Room(room(held, choices)) };
    let bytes = vec![*uploads % 5; usize::from(*uploads)];
    let (size, hash, content) = match of {
        Some(file) => (file.size, file.hash, PutContent::OfFileIn(vec![file.place])),
        None => (bytes.len() as u64, BlobHash(*blake3::hash(&bytes).as_bytes()), PutContent::Bytes(bytes)),
    };
    let (upload, key) = (UploadId([*uploads; 16]), UploadKey([*uploads; 16]));
    let at = WallTime::from_millis(choices.below(Operations, 100));
    let (nick, name, executable) = ("somebody".into(), name(number), false);
    let file = NewFile { place, name, over: None, size, hash, executable, by, nick, at };
    let event = event(place, EventKind::FileShared, by, nonces);
    FileOperation::Put { upload, key, file, content, event }
}

fn event(place: Place, kind: EventKind, author: UserId, nonces: &mut u64) -> Option<NewEvent> {
    let Place::Room(_) = place else { return None };
    *nonces += 1;
    let (nonce, at) = (Nonce::new(*nonces), WallTime::from_millis(*nonces));
    Some(NewEvent { author, nick: "somebody".into(), nonce, at, kind, text: "a file".into(), about: None })
}

fn name(number: u64) -> FileName {
    FileName::parse(&format!("file {number}")).expect("a name")
}
