//! `cli share`: files of the server shared elsewhere on it, without being sent again.

use clap::Args;
use palabre_core::{
    client::{LocalFailure, UploadWish},
    transfer::{BlobHash, FileName, Version},
};
use palabre_runtime::client::LocalFile;

use super::upload::Pace;
use crate::{
    arguments::{Remote, Shelf},
    context::Context,
    failure::Failure,
    session::with_session,
    transfer::{Job, Kind, Place, new_key, run},
};

/// Share files that are on the server already with others, or keep them on your shelf: nothing is sent again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli share '#holiday/beach.jpg' --to '#family'
  cli share '@ana/report.pdf' --to '~' --as ana/report.pdf")]
pub(crate) struct Arguments {
    /// The files: #room/name, @name/name, ~/name, or a name in #lobby
    #[arg(required = true, value_name = "REMOTE")]
    files: Vec<Remote>,
    /// Where to: #room, @name, or ~ for your own shelf
    #[arg(long, value_name = "TO")]
    to: Shelf,
    /// Call it so there; for one file
    #[arg(long = "as", value_name = "NAME", value_parser = FileName::parse)]
    name: Option<FileName>,
    /// Replace a file of the same name
    #[arg(short, long)]
    force: bool,
    /// Take another name where there is a file of the same name
    #[arg(long, conflicts_with = "force")]
    keep_both: bool,
    #[command(flatten)]
    pace: Pace,
}

pub(crate) fn run_command(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    if arguments.files.len() > 1 && arguments.name.is_some() {
        return Err(Failure::usage("--as is for one file"));
    }
    let showing = arguments.pace.showing(context);
    with_session(context, |session| {
        let room = session.shelf(&arguments.to)?;
        let mut jobs = Vec::new();
        for remote in &arguments.files {
            let from = session.shelf_existing(&remote.shelf)?;
            let found = session.stored_file(remote, from)?;
            let place = Place::new(session.server(), room, &arguments.to).shown;
            let name = arguments.name.clone().unwrap_or(found.name);
            let over = if arguments.force { None } else { Some(Version::default()) };
            let wish = UploadWish {
                key: new_key()?,
                room,
                name: name.clone(),
                size: Some(found.size),
                executable: found.executable,
                over,
                ask_first: true,
            };
            let file = Box::new(Stored { size: found.size, hash: found.hash });
            let kind = Kind::Upload { wish, file, keep_both: arguments.keep_both };
            jobs.push(Job { label: name.to_string(), place, kind, held: None });
        }
        run(session, jobs, showing)
    })
}

/// A content of which only the server has the bytes.
struct Stored {
    size: u64,
    hash: BlobHash,
}

impl LocalFile for Stored {
    fn hash(&mut self, size: u64) -> Result<BlobHash, LocalFailure> {
        if size == self.size { Ok(self.hash) } else { Err(LocalFailure::Changed) }
    }

    fn read(&mut self, _: u64, _: usize) -> Result<Vec<u8>, LocalFailure> {
        Err(LocalFailure::Failed("it was deleted or replaced meanwhile; look which files there are".into()))
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), LocalFailure> {
        Err(LocalFailure::Failed("it is only read".into()))
    }

    fn keep(&mut self, _: u64, _: BlobHash, _: bool) -> Result<(), LocalFailure> {
        Err(LocalFailure::Failed("it is only read".into()))
    }
}
