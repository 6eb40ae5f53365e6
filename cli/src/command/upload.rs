//! `cli upload`: share files.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use palabre_core::{
    client::UploadWish,
    ids::RoomId,
    transfer::{FileName, Version},
};

use crate::{
    arguments::{Remote, Shelf, parse_bytes},
    context::Context,
    failure::Failure,
    output::Printable,
    session::{Session, with_session},
    transfer::{
        FileSource, Held, Job, Kind, Links, Manner, Offer, Place, Records, Showing, StandardInput, go_on,
        new_key, not_readable, offer_folder, own_name, run, share,
    },
};

/// Share files, or folders, in a room, with a person, or keep them on your shelf
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli upload report.iso
  cli upload *.jpg --to '#holiday'
  cli upload notes.txt --to '~' --force
  cli upload -r src --to '#dev'        stored as src.tar, taken with cli download -r
  tar c src | cli upload - --as src.tar --to @ana")]
pub(crate) struct Arguments {
    /// The files; - takes what comes in by standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to: #room, @name, or ~ for your own shelf
    #[arg(long, value_name = "TO", default_value_t = Shelf::default())]
    to: Shelf,
    /// Call it so there; for one file
    #[arg(long = "as", value_name = "NAME", value_parser = FileName::parse)]
    name: Option<FileName>,
    /// Take folders, each with all that is in it; stored as NAME.tar
    #[arg(short, long)]
    recursive: bool,
    /// What becomes of symbolic links in folders
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, requires = "recursive")]
    links: Links,
    /// Replace a file of the same name
    #[arg(short, long)]
    force: bool,
    /// Take another name where there is a file of the same name
    #[arg(long, conflicts_with = "force")]
    keep_both: bool,
    /// Ask the server first whether it has the content of files over 64 MiB, too: reads them twice, sends nothing that is there
    #[arg(long)]
    ask_first: bool,
    #[command(flatten)]
    pub(super) pace: Pace,
}

/// How fast, and how that is shown.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Pace {
    /// Take at most so many bytes a second: 500k, 10M
    #[arg(long, value_name = "RATE", value_parser = parse_bytes)]
    pub(crate) limit_rate: Option<u64>,
    /// How to show how far it is
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ProgressStyle::Auto)]
    pub(crate) progress: ProgressStyle,
}

/// How to show how far transfers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Bars on a terminal, else nothing
    Auto,
    /// A line each ten seconds
    Plain,
    /// Nothing
    None,
}

impl Pace {
    /// What suits the streams there are.
    pub(crate) fn showing(self, context: &Context) -> Showing {
        let common = &context.common;
        match self.progress {
            ProgressStyle::None => Showing::Nothing,
            ProgressStyle::Plain => Showing::Lines,
            ProgressStyle::Auto if common.quiet || common.json || !context.environment.terminals.error => {
                Showing::Nothing
            }
            ProgressStyle::Auto if context.environment.dumb_terminal => Showing::Lines,
            ProgressStyle::Auto => Showing::Bars,
        }
    }
}

pub(crate) fn run_command(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    if arguments.files.len() > 1 && arguments.name.is_some() {
        return Err(Failure::usage("--as is for one file"));
    }
    // What cannot be read is told before anything is begun.
    let sources: Vec<Source> =
        arguments.files.iter().map(|file| Source::open(file, arguments)).collect::<Result<_, _>>()?;
    for warning in sources.iter().flat_map(Source::warnings) {
        context.output.warning(Printable::new(warning));
    }
    let showing = arguments.pace.showing(context);
    let records = Records::of(context);
    with_session(context, |session| {
        session.limit_rate(arguments.pace.limit_rate);
        let room = session.shelf(&arguments.to)?;
        let mut jobs = Vec::new();
        for source in sources {
            jobs.push(source.job(session, room, &records, arguments)?);
        }
        run(session, jobs, showing)
    })
}

/// What is to be uploaded.
enum Source {
    /// A file, or a folder.
    File {
        path: PathBuf,
        name: FileName,
        offer: Offer,
        warnings: Vec<String>,
    },
    Input {
        name: FileName,
    },
}

impl Source {
    fn open(file: &Path, arguments: &Arguments) -> Result<Self, Failure> {
        if file == Path::new("-") {
            let name = arguments.name.clone();
            let name =
                name.ok_or_else(|| Failure::usage("say --as NAME for what comes in by standard input"))?;
            return Ok(Self::Input { name });
        }
        if arguments.recursive && file.is_dir() {
            return Self::open_folder(file, arguments);
        }
        let source = FileSource::open(file).map_err(|error| not_readable(file, &error))?;
        let path = file.to_path_buf();
        let name = match &arguments.name {
            Some(name) => name.clone(),
            None => own_name(file)?,
        };
        Ok(Self::File { path, name, offer: source.into(), warnings: Vec::new() })
    }

    fn open_folder(folder: &Path, arguments: &Arguments) -> Result<Self, Failure> {
        let (path, name, source) = offer_folder(folder, arguments.name.as_ref(), arguments.links)?;
        let shown = folder.display();
        let warnings = source.warnings().map(|warning| format!("{shown}: {warning}")).collect();
        Ok(Self::File { path, name, offer: source.into(), warnings })
    }

    fn warnings(&self) -> &[String] {
        match self {
            Self::File { warnings, .. } => warnings,
            Self::Input { .. } => &[],
        }
    }

    fn job(
        self,
        session: &Session<'_>,
        room: Option<RoomId>,
        records: &Records,
        arguments: &Arguments,
    ) -> Result<Job, Failure> {
        let over = if arguments.force { None } else { Some(Version::default()) };
        let keep_both = arguments.keep_both;
        match self {
            Self::Input { name } => {
                let folder = records.folder().ok().flatten().map(Path::to_path_buf);
                let folder = folder.unwrap_or_else(std::env::temp_dir);
                let input =
                    StandardInput::open(&folder).map_err(|error| Failure::local(folder.display(), &error))?;
                let label = name.to_string();
                let key = new_key()?;
                let wish =
                    UploadWish { key, room, name, size: None, executable: false, over, ask_first: false };
                let kind = Kind::Upload { wish, file: Box::new(input), keep_both };
                Ok(Job { label, place: format!("{}/", arguments.to), kind, held: None })
            }
            Self::File { path, name, offer, .. } => {
                let to = Place::new(session.server(), room, &arguments.to);
                let Arguments { force, ask_first, .. } = *arguments;
                share(&path, offer, &name, to, records, Manner { force, keep_both, ask_first })
            }
        }
    }
}

/// Goes on with an upload that was begun in another run.
pub(super) fn resumed(session: &mut Session<'_>, held: Held, remote: &Remote) -> Result<Job, Failure> {
    let room = session.shelf(&remote.shelf)?;
    go_on(held, remote.name.clone(), Place::new(session.server(), room, &remote.shelf))
}
