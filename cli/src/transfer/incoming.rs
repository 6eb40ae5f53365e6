//! Files of others that are to be taken.

use std::path::Path;

use palabre_core::{
    client::{DownloadWish, LocalFailure},
    transfer::FileName,
};

use super::{Destination, Direction, Held, Job, Kind, Place, Record, Records};
use crate::failure::{ExitStatus, Failure};

/// Has a file taken: what was begun before of the same is gone on with.
pub(crate) fn fetch(
    name: FileName,
    from: Place,
    to: &Path,
    records: &Records,
    force: bool,
) -> Result<Job, Failure> {
    let record = Record {
        direction: Direction::Download,
        server: from.server.clone(),
        remote: format!("{}{name}", from.shown),
        local: std::path::absolute(to).map_err(|error| Failure::local(to.display(), &error))?,
        key: None,
        modified: None,
        size: None,
        hash: None,
        force,
    };
    let held = records.find_or_add(record.clone())?;
    into_file(name, from, held, record)
}

/// Into a file, behind what is there of the same content.
pub(crate) fn into_file(
    name: FileName,
    from: Place,
    held: Option<Held>,
    record: Record,
) -> Result<Job, Failure> {
    let Place { room, shown: place, .. } = from;
    let label = format!("{place}{name}");
    let record = held.as_ref().map_or(record, |held| held.record.clone());
    let fail = |failure: &LocalFailure| not_writable(&record.local, failure);
    let (folder, Some(file_name), Some(part)) = (
        record.local.parent(),
        record.local.file_name().and_then(std::ffi::OsStr::to_str),
        record.part_name(),
    ) else {
        return Err(Failure::usage(format!("{}: that is no name for a file", record.local.display())));
    };
    let folder = folder.unwrap_or_else(|| Path::new("/"));
    let mut file = Destination::open(folder, file_name, &part, held.is_some(), record.force)
        .map_err(|failure| fail(&failure))?;
    if record.content().is_none() {
        file.restart().map_err(|error| Failure::local(record.local.display(), &error))?;
    }
    let offset = file.written();
    let hash = record.content().filter(|_| offset > 0);
    let path = Some(file.path().to_path_buf());
    let wish = DownloadWish { room, name, hash, offset };
    let kind = Kind::Download { wish, file: Box::new(file), path };
    Ok(Job { label, place, kind, held })
}

fn not_writable(path: &Path, failure: &LocalFailure) -> Failure {
    let shown = path.display();
    match failure {
        LocalFailure::Exists => Failure::new(
            ExitStatus::Exists,
            "exists",
            format!("{shown}: it is there already; say --force to replace it, or -o for another place"),
        ),
        LocalFailure::NoSpace => {
            Failure::new(ExitStatus::NoSpace, "no-space", format!("{shown}: there is no space for it"))
        }
        LocalFailure::Changed | LocalFailure::Mismatch => {
            Failure::new(ExitStatus::Other, "local-io", format!("{shown}: it changed meanwhile"))
        }
        LocalFailure::Failed(text) => Failure::new(ExitStatus::Other, "local-io", format!("{shown}: {text}")),
    }
}
