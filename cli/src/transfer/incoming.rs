//! Files of others that are to be taken.

use std::path::{Path, PathBuf};

use palabre_core::{
    client::{DownloadWish, LocalFailure},
    transfer::FileName,
};
use palabre_runtime::client::LocalFile;

use super::{
    Destination, Direction, Held, Job, Kind, Part, Place, Range, RangeDestination, Record, Records,
    StandardOutput,
    tree::{Links, TreeDestination, Verdict},
};
use crate::failure::{ExitStatus, Failure};

/// Has a file taken, or a folder: what was begun before of the same is gone on with.
pub(crate) fn fetch(
    name: FileName,
    from: Place,
    to: &Path,
    records: &Records,
    force: bool,
    folder: bool,
) -> Result<Job, Failure> {
    let record = new_record(&name, &from, to, force, folder)?;
    let held = records.find_or_add(record.clone())?;
    into_file(name, from, held, record)
}

fn new_record(
    name: &FileName,
    from: &Place,
    to: &Path,
    force: bool,
    folder: bool,
) -> Result<Record, Failure> {
    Ok(Record {
        direction: Direction::Download,
        server: from.server.clone(),
        remote: format!("{}{name}", from.shown),
        local: std::path::absolute(to).map_err(|error| Failure::local(to.display(), &error))?,
        key: None,
        folder,
        links: Links::default(),
        modified: None,
        size: None,
        hash: None,
        force,
    })
}

/// Has a part of a file taken, into a file or, where none is said, standard output. It is not gone on with in another run.
pub(crate) fn fetch_range(
    name: FileName,
    from: Place,
    range: Range,
    to: Option<&Path>,
    force: bool,
) -> Result<Job, Failure> {
    let (output, path, record): (Box<dyn LocalFile>, _, _) = match to {
        Some(to) => {
            let mut record = new_record(&name, &from, to, force, false)?;
            // What has arrived of it is not what has arrived of all.
            record.remote = format!("{} {range}", record.remote);
            let Opened { file, path, .. } = open(&record, None, true)?;
            (file, Some(path), Some(record))
        }
        None => (Box::new(StandardOutput::new()), None, None),
    };
    let file = Box::new(RangeDestination::new(range, output));
    let Place { room, shown: place, .. } = from;
    let label = format!("{place}{name}");
    let (offset, end) = range.stretches();
    let wish = DownloadWish { room, name, hash: None, offset, end: Some(end) };
    Ok(Job {
        label,
        place,
        kind: Kind::Download {
            wish,
            file,
            path,
            verdict: Verdict::default(),
            part: Some(Part::new(range, record)),
        },
        held: None,
    })
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
    let Opened { file, path, offset, verdict } = match open(&record, held.as_ref(), held.is_some()) {
        Ok(opened) => opened,
        Err(failure) => {
            // Nothing has arrived, so that there is nothing to go on with.
            if let Some(held) = held.filter(|_| record.content().is_none()) {
                held.forget().map_err(|error| Failure::local("the folder of transfers", &error))?;
            }
            return Err(failure);
        }
    };
    let hash = record.content().filter(|_| offset > 0);
    let wish = DownloadWish { room, name, hash, offset, end: None };
    let kind = Kind::Download { wish, file, path: Some(path), verdict, part: None };
    Ok(Job { label, place, kind, held })
}

/// Where a download goes.
struct Opened {
    file: Box<dyn LocalFile>,
    path: PathBuf,
    /// How much of it is here.
    offset: u64,
    verdict: Verdict,
}

/// With `resume` there may be something of it, left by an earlier run.
fn open(record: &Record, held: Option<&Held>, resume: bool) -> Result<Opened, Failure> {
    let fail = |failure: LocalFailure| not_writable(&record.local, &failure);
    let (folder, Some(own_name), Some(part)) = (
        record.local.parent(),
        record.local.file_name().and_then(std::ffi::OsStr::to_str),
        record.part_name(),
    ) else {
        return Err(Failure::usage(format!("{}: that is no name for a file", record.local.display())));
    };
    let folder = folder.unwrap_or_else(|| Path::new("/"));
    let mut file = Destination::open(folder, own_name, &part, resume, record.force).map_err(fail)?;
    let system = |error: &std::io::Error| Failure::local(record.local.display(), error);
    // Of whose content is not known nothing is of use.
    let offset = if record.content().is_none() { Ok(0) } else { file.length() };
    let offset = offset.map_err(|error| system(&error))?;
    let hasher = held.map(|held| held.hasher(offset, "")).unwrap_or_default();
    file.go_on(offset, hasher).map_err(|error| system(&error))?;
    let path = file.path().to_path_buf();
    let verdict = Verdict::default();
    let file: Box<dyn LocalFile> = match record.hidden_name() {
        Some(hidden) => Box::new(TreeDestination::new(file, hidden, resume, verdict.clone()).map_err(fail)?),
        None => Box::new(file),
    };
    Ok(Opened { file, path, offset, verdict })
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
