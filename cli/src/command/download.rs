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
    transfer::{
        Held, Job, Kind, Place, Range, Records, StandardOutput, Verdict, fetch, fetch_range, folder_name,
        into_file, run, stored_name,
    },
};

/// Take files, or folders, that were shared
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli download report.iso                    from #lobby, into this folder
  cli download '#holiday/beach.jpg' -o pictures/
  cli download -r '#dev/src'                 the folder, which is there as src.tar
  cli download '~/notes.txt' -o - | less
  cli download disk.img --range 1G..1025M -o part.img")]
pub(crate) struct Arguments {
    /// The files: #room/name, @name/name, ~/name, or a name in #lobby
    #[arg(required = true, value_name = "REMOTE")]
    files: Vec<Remote>,
    /// Where to: a file, or a folder; - for standard output
    #[arg(short, long, value_name = "DEST")]
    output: Option<PathBuf>,
    /// Only some of its bytes, verified like all: 10M..11M, or 1G.. up to its end. After an interruption it begins anew
    #[arg(long, value_name = "FROM..TO")]
    range: Option<Range>,
    /// They are folders; each appears when all of it is there
    #[arg(short, long)]
    recursive: bool,
    /// Replace what is there
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    pace: Pace,
}

impl Arguments {
    /// The files on the server: a folder is one, whether its ending is said or not.
    fn wanted(&self) -> Result<Vec<Remote>, Failure> {
        let stored = |remote: &Remote| {
            let name = stored_name(remote.name.as_str());
            let name = name.map_err(|error| Failure::usage(format!("{remote}: {error}")))?;
            Ok(Remote { name, ..remote.clone() })
        };
        if self.recursive { self.files.iter().map(stored).collect() } else { Ok(self.files.clone()) }
    }
}

pub(crate) fn run_command(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let to_stdout = arguments.output.as_deref() == Some(Path::new("-"));
    if to_stdout && context.common.json {
        return Err(Failure::usage("--json and -o - both want standard output"));
    }
    if to_stdout && arguments.recursive {
        return Err(Failure::usage("leave -r out: what goes to standard output is the folder's tar stream"));
    }
    if arguments.range.is_some() && (arguments.recursive || arguments.files.len() > 1) {
        return Err(Failure::usage("--range takes a part of one file"));
    }
    if to_stdout && arguments.files.len() > 1 {
        return Err(Failure::usage("-o - takes one file"));
    }
    let wanted = arguments.wanted()?;
    let showing = arguments.pace.showing(context);
    let records = Records::of(context);
    with_session(context, |session| {
        session.limit_rate(arguments.pace.limit_rate);
        let mut jobs = Vec::new();
        for remote in &wanted {
            let room = session.shelf_existing(&remote.shelf)?;
            if to_stdout && arguments.range.is_none() {
                jobs.push(into_standard_output(remote, room));
                continue;
            }
            let several = arguments.files.len() > 1;
            let own = if arguments.recursive {
                folder_name(&remote.name)
            } else {
                remote.name.parts().last().unwrap_or_default()
            };
            let local = destination(arguments.output.as_deref(), own, several)?;
            let (name, from) = (remote.name.clone(), place(session, remote, room));
            if let Some(range) = arguments.range {
                let to = (!to_stdout).then_some(&*local);
                jobs.push(fetch_range(name, from, range, to, arguments.force)?);
                continue;
            }
            jobs.push(fetch(name, from, &local, &records, arguments.force, arguments.recursive)?);
        }
        run(session, jobs, showing)
    })
}

fn into_standard_output(remote: &Remote, room: Option<RoomId>) -> Job {
    let wish = DownloadWish { room, name: remote.name.clone(), hash: None, offset: 0, end: None };
    let kind = Kind::Download {
        wish,
        file: Box::new(StandardOutput::new()),
        path: None,
        verdict: Verdict::default(),
        part: None,
    };
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

/// Where a download goes: under a name of its own, which is never more than the last part of its name on the server, or another.
fn destination(output: Option<&Path>, own: &str, several: bool) -> Result<PathBuf, Failure> {
    let Some(output) = output else { return Ok(Path::new(".").join(own)) };
    let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
    if is_folder || several {
        return Ok(output.join(own));
    }
    let shown = output.display();
    if output.file_name().and_then(std::ffi::OsStr::to_str).is_none() {
        return Err(Failure::usage(format!("{shown}: that is no name for a file")));
    }
    Ok(output.to_path_buf())
}
