//! Files of ours that are to be shared.

use std::path::{Path, PathBuf};

use palabre_core::{
    client::{PUT_BYTES_MAX, UploadWish},
    transfer::{FileName, UploadKey, Version},
};
use palabre_runtime::entropy;

use super::{
    Direction, FileSource, Held, Job, Kind, Offer, Place, Record, Records,
    tree::{ENDING, Links, TreeSource, folder_name, stored_name},
};
use crate::failure::{ExitStatus, Failure};

/// Larger files are not read twice unasked: the server is asked for the content of others before they are sent.
const ASK_FIRST_BYTES_MAX: u64 = 64 << 20;

/// How something is uploaded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// A file of the name that is there is replaced.
    pub(crate) force: bool,
    /// Another name is taken where there is a file of the name.
    pub(crate) keep_both: bool,
    /// The server is asked first whether it has the content, however large it is.
    pub(crate) ask_first: bool,
}

/// Has a file shared, or a folder: what was begun before of the same is gone on with.
pub(crate) fn share(
    path: &Path,
    offer: Offer,
    name: &FileName,
    to: Place,
    records: &Records,
    manner: Manner,
) -> Result<Job, Failure> {
    let (stamp, new_key) = (offer.stamp, new_key()?);
    if stamp.size <= PUT_BYTES_MAX {
        // It is sent in one piece, or not at all.
        return Ok(upload(offer, new_key, name.clone(), to, manner, None));
    }
    let local = std::fs::canonicalize(path).map_err(|error| not_readable(path, &error))?;
    let record = Record {
        direction: Direction::Upload,
        server: to.server.clone(),
        remote: format!("{}{name}", to.shown),
        local,
        key: Some(new_key.to_string()),
        folder: offer.folder.is_some(),
        links: offer.folder.unwrap_or_default(),
        modified: i64::try_from(stamp.modified).ok(),
        size: Some(stamp.size),
        hash: None,
        force: manner.force,
    };
    let held = records.find_or_add(record)?;
    let key = held.as_ref().and_then(|held| held.record.upload_key()).unwrap_or(new_key);
    Ok(upload(offer, key, name.clone(), to, manner, held))
}

/// Has an upload gone on with that was begun in another run.
pub(crate) fn go_on(held: Held, name: FileName, to: Place) -> Result<Job, Failure> {
    let path = held.record.local.clone();
    let offer: Offer = if held.record.folder {
        TreeSource::open(&path, folder_name(&name), held.record.links)?.into()
    } else {
        FileSource::open(&path).map_err(|error| not_readable(&path, &error))?.into()
    };
    let stamp = offer.stamp;
    let same =
        (held.record.size, held.record.modified) == (Some(stamp.size), i64::try_from(stamp.modified).ok());
    let (true, Some(key)) = (same, held.record.upload_key()) else {
        let sentence = format!("{}: it has changed since; upload it anew", path.display());
        return Err(Failure::new(ExitStatus::Other, "source-changed", sentence));
    };
    let manner = Manner { force: held.record.force, ..Manner::default() };
    Ok(upload(offer, key, name, to, manner, Some(held)))
}

fn upload(
    offer: Offer,
    key: UploadKey,
    name: FileName,
    to: Place,
    manner: Manner,
    held: Option<Held>,
) -> Job {
    let Offer { mut file, stamp, executable, .. } = offer;
    if let Some(held) = &held {
        file.save_hash(held.hasher(stamp.size, &file.seen()));
    }
    let ask_first = stamp.size > PUT_BYTES_MAX && (manner.ask_first || stamp.size <= ASK_FIRST_BYTES_MAX);
    let (size, keep_both) = (Some(stamp.size), manner.keep_both);
    let over = if manner.force { None } else { Some(Version::default()) };
    let label = name.to_string();
    let wish = UploadWish { key, room: to.room, name, size, executable, over, ask_first };
    Job { label, place: to.shown, kind: Kind::Upload { wish, file, keep_both }, held }
}

/// The name that a file has here, if it may have it there.
pub(crate) fn own_name(file: &Path) -> Result<FileName, Failure> {
    let shown = file.display();
    let name = file.file_name().and_then(std::ffi::OsStr::to_str);
    let name = name.ok_or_else(|| Failure::usage(format!("{shown}: say --as NAME: its own is no text")))?;
    FileName::parse(name).map_err(|error| Failure::usage(format!("{shown}: {error}; say --as NAME")))
}

/// The name that a folder has there if none is said; it has one here even if it is written as `.`.
fn own_stored_name(folder: &Path) -> Result<FileName, Failure> {
    let path = match folder.file_name() {
        Some(_) => folder.to_path_buf(),
        None => std::fs::canonicalize(folder).map_err(|error| not_readable(folder, &error))?,
    };
    let name = own_name(&path)?;
    FileName::parse(&format!("{name}{ENDING}"))
        .map_err(|error| Failure::usage(format!("{name}: {error}; say --as NAME")))
}

/// A folder with all that is in it, called so or as it is here: its path, its name there and what is offered.
pub(crate) fn offer_folder(
    folder: &Path,
    name: Option<&FileName>,
    links: Links,
) -> Result<(PathBuf, FileName, TreeSource), Failure> {
    let name = match name {
        Some(name) => stored_name(name.as_str())
            .map_err(|error| Failure::usage(format!("{name}: {error}; say another one with --as")))?,
        None => own_stored_name(folder)?,
    };
    let path = std::fs::canonicalize(folder).map_err(|error| not_readable(folder, &error))?;
    let source = TreeSource::open(&path, folder_name(&name), links)?;
    Ok((path, name, source))
}

pub(crate) fn new_key() -> Result<UploadKey, Failure> {
    let seed = entropy::seed().map_err(|error| Failure::local("randomness", &error))?;
    let mut key = [0; 16];
    key.copy_from_slice(&seed[..16]);
    Ok(UploadKey(key))
}

pub(crate) fn not_readable(file: &Path, error: &std::io::Error) -> Failure {
    let mut failure = Failure::local(file.display(), error);
    if error.kind() == std::io::ErrorKind::NotFound {
        failure.status = ExitStatus::NotFound;
    }
    failure
}
