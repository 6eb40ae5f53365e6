//! `cli download`: take shared files.

use std::path::{Path, PathBuf};

use clap::Args;
use palabre_core::{client::DownloadWish, ids::RoomId};

use super::upload::Pace;
use crate::{
    arguments::Remote,
    context::Context,
    failure::Failure,
    session::{Session, with_session},
    transfer::{Held, Job, Kind, Place, Records, StandardOutput, fetch, into_file, run},
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
            let from = place(session, remote, room);
            jobs.push(fetch(remote.name.clone(), from, &local, &records, arguments.force)?);
        }
        run(session, jobs, showing)
    })
}

fn into_standard_output(remote: &Remote, room: Option<RoomId>) -> Job {
    let wish = DownloadWish { room, name: remote.name.clone(), hash: None, offset: 0 };
    let kind = Kind::Download { wish, file: Box::new(StandardOutput::new()), path: None };
    Job { label: remote.to_string(), place: format!("{}/", remote.shelf), kind, held: None }
}

/// Where files of a shelf are, whose room is this.
pub(super) fn place(session: &Session<'_>, remote: &Remote, room: Option<RoomId>) -> Place {
    Place::new(session.server(), room, &remote.shelf)
}

/// Goes on with a download that was begun in another run.
pub(super) fn resumed(session: &mut Session<'_>, held: Held, remote: &Remote) -> Result<Job, Failure> {
    let room = session.shelf_existing(&remote.shelf)?;
    let record = held.record.clone();
    into_file(remote.name.clone(), place(session, remote, room), Some(held), record)
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
