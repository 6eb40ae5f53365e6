//! `cli download`: take shared files.

use std::path::{Path, PathBuf};

use clap::Args;
use palabre_core::{
    client::{DownloadWish, LocalFailure},
    ids::RoomId,
};

use super::upload::Pace;
use crate::{
    arguments::Remote,
    context::Context,
    failure::{ExitStatus, Failure},
    session::{Session, with_session},
    transfer::{Destination, Direction, Held, Job, Kind, Record, Records, StandardOutput, run},
};

/// Take files that were shared
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli download report.iso                    from #lobby, into this folder
  cli download '#holiday/beach.jpg' -o pictures/
  cli download '~/notes.txt' -o - | less")]
pub(crate) struct Arguments {
    /// The files: #room/name, @name/name, ~/name, or a name in #lobby
    #[arg(required = true, value_name = "REMOTE")]
    files: Vec<Remote>,
    /// Where to: a file, or a folder; - for standard output
    #[arg(short, long, value_name = "DEST")]
    output: Option<PathBuf>,
    /// Replace files that are there
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    pace: Pace,
}

pub(crate) fn run_command(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let to_stdout = arguments.output.as_deref() == Some(Path::new("-"));
    if to_stdout && context.common.json {
        return Err(Failure::usage("--json and -o - both want standard output"));
    }
    if to_stdout && arguments.files.len() > 1 {
        return Err(Failure::usage("-o - takes one file"));
    }
    let showing = arguments.pace.showing(context);
    let records = Records::of(context);
    with_session(context, |session| {
        session.limit_rate(arguments.pace.limit_rate);
        let mut jobs = Vec::new();
        for remote in &arguments.files {
            let room = session.shelf_existing(&remote.shelf)?;
            if to_stdout {
                jobs.push(into_standard_output(remote, room));
                continue;
            }
            let several = arguments.files.len() > 1;
            let (folder, name) = destination(arguments.output.as_deref(), remote, several)?;
            let local = folder.join(&name);
            let record = Record {
                direction: Direction::Download,
                server: session.server().to_string(),
                remote: remote.to_string(),
                local: absolute(&local)?,
                key: None,
                modified: None,
                size: None,
                hash: None,
                force: arguments.force,
            };
            let held = records.find_or_add(record.clone())?;
            jobs.push(into_file(remote, room, held, record)?);
        }
        run(session, jobs, showing)
    })
}

fn into_standard_output(remote: &Remote, room: Option<RoomId>) -> Job {
    let wish = DownloadWish { room, name: remote.name.clone(), hash: None, offset: 0 };
    let kind = Kind::Download { wish, file: Box::new(StandardOutput::new()), path: None };
    Job { label: remote.to_string(), place: format!("{}/", remote.shelf), kind, held: None }
}

/// Into a file, behind what is there of the same content.
fn into_file(
    remote: &Remote,
    room: Option<RoomId>,
    held: Option<Held>,
    record: Record,
) -> Result<Job, Failure> {
    let record = held.as_ref().map_or(record, |held| held.record.clone());
    let fail = |failure: &LocalFailure| not_writable(&record.local, failure);
    let (folder, Some(name), Some(part)) = (
        record.local.parent(),
        record.local.file_name().and_then(std::ffi::OsStr::to_str),
        record.part_name(),
    ) else {
        return Err(Failure::usage(format!("{}: that is no name for a file", record.local.display())));
    };
    let folder = folder.unwrap_or_else(|| Path::new("/"));
    let mut file = Destination::open(folder, name, &part, held.is_some(), record.force)
        .map_err(|failure| fail(&failure))?;
    if record.content().is_none() {
        file.restart().map_err(|error| Failure::local(record.local.display(), &error))?;
    }
    let offset = file.written();
    let hash = record.content().filter(|_| offset > 0);
    let path = Some(file.path().to_path_buf());
    let wish = DownloadWish { room, name: remote.name.clone(), hash, offset };
    let kind = Kind::Download { wish, file: Box::new(file), path };
    Ok(Job { label: remote.to_string(), place: format!("{}/", remote.shelf), kind, held })
}

/// Goes on with a download that was begun in another run.
pub(super) fn resumed(session: &mut Session<'_>, held: Held, remote: &Remote) -> Result<Job, Failure> {
    let room = session.shelf_existing(&remote.shelf)?;
    let record = held.record.clone();
    into_file(remote, room, Some(held), record)
}

/// The folder a download goes into, and its name there: never more than the last part of its name on the server.
fn destination(output: Option<&Path>, remote: &Remote, several: bool) -> Result<(PathBuf, String), Failure> {
    let own = remote.name.parts().last().unwrap_or_default().to_owned();
    let Some(output) = output else { return Ok((PathBuf::from("."), own)) };
    let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
    if is_folder || several {
        return Ok((output.to_path_buf(), own));
    }
    let shown = output.display();
    let name = output.file_name().and_then(std::ffi::OsStr::to_str).map(ToOwned::to_owned);
    let name = name.ok_or_else(|| Failure::usage(format!("{shown}: that is no name for a file")))?;
    let folder =
        output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    Ok((folder.to_path_buf(), name))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::local(path.display(), &error))
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
