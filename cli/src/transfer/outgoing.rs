//! Files of ours that are to be shared.

use std::path::Path;

use palabre_core::{
    client::UploadWish,
    transfer::{FileName, UploadKey, Version},
};
use palabre_runtime::entropy;

use super::{Direction, FileSource, Job, Kind, Place, Record, Records};
use crate::failure::{ExitStatus, Failure};

/// Has a file shared: what was begun before of the same is gone on with.
pub(crate) fn share(
    path: &Path,
    source: Box<FileSource>,
    name: &FileName,
    to: Place,
    records: &Records,
    force: bool,
    keep_both: bool,
) -> Result<Job, Failure> {
    let (stamp, new_key) = (source.stamp(), new_key()?);
    let local = std::fs::canonicalize(path).map_err(|error| not_readable(path, &error))?;
    let Place { server, room, shown: place } = to;
    let record = Record {
        direction: Direction::Upload,
        server,
        remote: format!("{place}{name}"),
        local,
        key: Some(new_key.to_string()),
        modified: i64::try_from(stamp.modified).ok(),
        size: Some(stamp.size),
        hash: None,
        force,
    };
    let held = records.find_or_add(record)?;
    let key = held.as_ref().and_then(|held| held.record.upload_key()).unwrap_or(new_key);
    let executable = source.is_executable();
    let over = if force { None } else { Some(Version::default()) };
    let wish = UploadWish { key, room, name: name.clone(), size: Some(stamp.size), executable, over };
    let kind = Kind::Upload { wish, file: source, keep_both };
    Ok(Job { label: name.to_string(), place, kind, held })
}

/// The name that a file has here, if it may have it there.
pub(crate) fn own_name(file: &Path) -> Result<FileName, Failure> {
    let shown = file.display();
    let name = file.file_name().and_then(std::ffi::OsStr::to_str);
    let name = name.ok_or_else(|| Failure::usage(format!("{shown}: say --as NAME: its own is no text")))?;
    FileName::parse(name).map_err(|error| Failure::usage(format!("{shown}: {error}; say --as NAME")))
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
