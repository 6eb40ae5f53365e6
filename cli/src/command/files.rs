//! `cli files`: which files were shared. `cli rm`: delete some.

use clap::Args;
use palabre_core::client::{ClientEvent, FileInfo};

use crate::{
    arguments::{Remote, Shelf},
    context::Context,
    failure::{ExitStatus, Failure},
    output::{Body, LocalTime, Printable, Size},
    session::{Session, unexpected, with_session},
};

/// List the files of a room, a person, or your shelf
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli files '#holiday' -l")]
pub(crate) struct Arguments {
    /// Where: #room, @name, or ~ for your own shelf
    #[arg(default_value_t = Shelf::default())]
    to: Shelf,
    /// Tell size, date and who shared it
    #[arg(short, long)]
    long: bool,
    /// Only names that match: * stands for anything, ? for one character
    #[arg(long, value_name = "PATTERN")]
    glob: Option<String>,
}

/// Tell all that is known of files
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli stat '#holiday/beach.jpg'")]
pub(crate) struct StatArguments {
    /// The files: #room/name, @name/name, ~/name, or a name in #lobby
    #[arg(required = true, value_name = "REMOTE")]
    files: Vec<Remote>,
}

/// Delete files that you shared
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli rm '#holiday/beach.jpg'")]
pub(crate) struct RemoveArguments {
    /// The files: #room/name, @name/name, ~/name, or a name in #lobby
    #[arg(required = true, value_name = "REMOTE")]
    files: Vec<Remote>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let room = session.shelf_existing(&arguments.to)?;
        let answer = session.ask(|client, now| client.files(room, now))?;
        let ClientEvent::Files { files, .. } = answer else { return Err(unexpected(&answer)) };
        let place = format!("{}/", arguments.to);
        for file in &files {
            let wanted = arguments.glob.as_deref();
            if wanted.is_none_or(|pattern| matches(pattern, file.name.as_str())) {
                tell(session, &place, file, arguments.long)?;
            }
        }
        Ok(())
    })
}

fn tell(session: &mut Session<'_>, place: &str, file: &FileInfo, long: bool) -> Result<(), Failure> {
    let name = Printable::new(file.name.as_str());
    let line = if long {
        let at = LocalTime::new(file.at, session.now().wall);
        let mark = if file.executable { "x" } else { "-" };
        format!(
            "{mark} {:>10}  {at:>16}  {:<16} {name}",
            Size(file.size),
            Printable::new(&file.nick).to_string()
        )
    } else {
        name.to_string()
    };
    session.output().result(Body::file(place, file), line)
}

pub(crate) fn stat(arguments: &StatArguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        for remote in &arguments.files {
            let room = session.shelf_existing(&remote.shelf)?;
            let file = session.stored_file(remote, room)?;
            let text = format!(
                "{}\n  size     {} ({} bytes)\n  blake3   {}\n  version  {}\n  shared   {} by {}\n  program  {}",
                Printable::new(&remote.to_string()),
                Size(file.size),
                file.size,
                file.hash,
                file.version,
                LocalTime::new(file.at, session.now().wall),
                Printable::new(&file.nick),
                if file.executable { "yes" } else { "no" },
            );
            let place = format!("{}/", remote.shelf);
            session.output().result(Body::file(&place, &file), text)?;
        }
        Ok(())
    })
}

pub(crate) fn remove(arguments: &RemoveArguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let mut failures = Vec::new();
        for remote in &arguments.files {
            if let Err(failure) = remove_one(session, remote) {
                if failure.status == ExitStatus::Unavailable || failure.status == ExitStatus::Interrupted {
                    return Err(failure);
                }
                failures.push(failure);
            }
        }
        let (failed, all) = (failures.len(), arguments.files.len());
        match failures.pop() {
            None => Ok(()),
            Some(failure) if all == 1 => Err(failure),
            Some(failure) => {
                for failure in failures.iter().chain([&failure]) {
                    session.output().failure(failure);
                }
                let status = if failed < all { ExitStatus::Partial } else { failure.status };
                let sentence = format!("{failed} of {all} files were not deleted");
                Err(Failure::new(status, "some-failed", sentence))
            }
        }
    })
}

fn remove_one(session: &mut Session<'_>, remote: &Remote) -> Result<(), Failure> {
    let room = session.shelf_existing(&remote.shelf)?;
    let answer = session.ask(|client, now| client.delete_file(room, remote.name.clone(), None, now))?;
    let ClientEvent::FileDeleted { .. } = answer else { return Err(unexpected(&answer)) };
    session.output().status(format_args!("{} deleted", Printable::new(&remote.to_string())));
    Ok(())
}

/// Whether a name matches a pattern; `*` does not stop at a `/`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0, 0);
    // Where the last * was, and what of the name it has taken so far.
    let mut star = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(char) if *char == '?' || *char == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            Some(_) | None => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, in_name) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|char| *char == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name) in
            [("*", ""), ("*.txt", "a.txt"), ("a?c", "abc"), ("a*b*c", "axxbyyc"), ("*", "a/b"), ("a", "a")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("*.txt", "a.txtx"), ("a?c", "ac"), ("a*b", "a"), ("b", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
