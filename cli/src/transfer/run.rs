//! Having transfers done, and telling how they ended.

use std::{path::PathBuf, time::Duration};

use palabre_core::{
    client::{
        ClientEvent, DownloadWish, FileInfo, LocalFailure, TransferEvent, TransferFailure, TransferId,
        UploadWish,
    },
    error::RefusalCode,
    transfer::{FileName, UploadKey, Version},
};
use palabre_runtime::client::LocalFile;

use super::{
    Showing,
    progress::{Meter, Progress},
    record::Held,
};
use crate::{
    failure::{ExitStatus, Failure},
    output::{Body, Printable},
    session::Session,
};

/// How often it is looked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A transfer to be done.
pub(crate) struct Job {
    /// What a person calls it.
    pub(crate) label: String,
    /// Where it is there, without the name: `#room/`.
    pub(crate) place: String,
    pub(crate) kind: Kind,
    /// What is kept of it for another run.
    pub(crate) held: Option<Held>,
}

pub(crate) enum Kind {
    Upload {
        wish: UploadWish,
        file: Box<dyn LocalFile>,
        /// Whether another name is taken where there is a file of the name already.
        keep_both: bool,
    },
    Download {
        wish: DownloadWish,
        file: Box<dyn LocalFile>,
        /// Where it will be; nothing for standard output.
        path: Option<PathBuf>,
    },
}

/// A transfer that goes on.
struct Running {
    id: TransferId,
    label: String,
    place: String,
    upload: Option<Upload>,
    path: Option<PathBuf>,
    held: Option<Held>,
    meter: Meter,
}

struct Upload {
    key: UploadKey,
    name: FileName,
    keep_both: bool,
    tries: u32,
}

/// Has all of them done.
pub(crate) fn run(session: &mut Session<'_>, jobs: Vec<Job>, showing: Showing) -> Result<(), Failure> {
    let several = jobs.len() > 1;
    let mut progress = Progress::new(showing, session.now().monotonic);
    let mut running = Vec::new();
    for job in jobs {
        running.push(begin(session, job, &progress)?);
    }
    let (mut failures, mut done) = (Vec::new(), 0_usize);
    while !running.is_empty() {
        let until = session.now().monotonic.after(LOOK_EVERY);
        let event = match session.next_event(Some(until)) {
            Ok(event) => event,
            Err(failure) => {
                running.iter().for_each(|transfer| transfer.meter.clear());
                return Err(resumable(failure, &running));
            }
        };
        if let Some(ClientEvent::Transfer(event)) = event {
            match take(session, &mut running, event, &progress) {
                Ok(true) => done += 1,
                Ok(false) => {}
                Err(failure) => {
                    if several {
                        progress.print(|| session.output().failure(&failure));
                    }
                    failures.push(failure);
                }
            }
        }
        let now = session.now().monotonic;
        let mut steps: Vec<_> =
            running.iter().map(|transfer| session.client().transfer(transfer.id)).collect();
        let meters = running
            .iter_mut()
            .zip(&mut steps)
            .filter_map(|(transfer, step)| step.take().map(|step| (&mut transfer.meter, step)));
        progress.show(meters, session.output(), now);
    }
    conclude(failures, done, several)
}

fn conclude(mut failures: Vec<Failure>, done: usize, several: bool) -> Result<(), Failure> {
    match (failures.pop(), several) {
        (None, _) => Ok(()),
        (Some(failure), false) => Err(failure),
        (Some(failure), true) => {
            let failed = failures.len() + 1;
            let worst = failures.iter().map(|failure| failure.status).chain([failure.status]).max();
            let status = if done > 0 { ExitStatus::Partial } else { worst.unwrap_or(ExitStatus::Other) };
            Err(Failure::new(
                status,
                "some-failed",
                format!("{failed} of {} transfers failed", failed + done),
            ))
        }
    }
}

fn begin(session: &mut Session<'_>, job: Job, progress: &Progress) -> Result<Running, Failure> {
    let Job { label, place, kind, held } = job;
    let meter = progress.meter(&label, session.now().monotonic);
    Ok(match kind {
        Kind::Upload { wish, file, keep_both } => {
            let upload = Upload { key: wish.key, name: wish.name.clone(), keep_both, tries: 1 };
            let id = session.begin_upload(wish, file)?;
            Running { id, label, place, upload: Some(upload), path: None, held, meter }
        }
        Kind::Download { wish, file, path } => {
            let id = session.begin_download(wish, file)?;
            Running { id, label, place, upload: None, path, held, meter }
        }
    })
}

/// Takes note of what happened to a transfer. Whether it is done.
fn take(
    session: &mut Session<'_>,
    running: &mut Vec<Running>,
    event: TransferEvent,
    progress: &Progress,
) -> Result<bool, Failure> {
    let of = |running: &Vec<Running>, id: TransferId| running.iter().position(|transfer| transfer.id == id);
    match event {
        TransferEvent::Begun { transfer, offset, .. } => {
            if let Some(index) = of(running, transfer)
                && let Some(sentence) = running[index].meter.went_on(offset)
            {
                progress.print(|| session.output().status(sentence));
            }
            Ok(false)
        }
        TransferEvent::Found { transfer, file } => {
            // What has arrived is of use only for the same content.
            if let Some(held) = of(running, transfer).and_then(|index| running[index].held.as_mut()) {
                held.record.hash = Some(file.hash.to_string());
                held.record.size = Some(file.size);
                held.save().map_err(|error| Failure::local("the folder of transfers", &error))?;
            }
            Ok(false)
        }
        TransferEvent::Uploaded { transfer, file } | TransferEvent::Downloaded { transfer, file } => {
            let Some(index) = of(running, transfer) else { return Ok(false) };
            let transfer = running.remove(index);
            let now = session.now().monotonic;
            let summary = transfer.meter.summary(file.size, now);
            progress.print(|| tell_done(session, &transfer, &file, &summary))?;
            if let Some(Err(error)) = transfer.held.map(Held::forget) {
                session.output().warning(format_args!("the transfer cannot be forgotten: {error}"));
            }
            Ok(true)
        }
        TransferEvent::Conflict { transfer, refusal } => {
            let Some(index) = of(running, transfer) else { return Ok(false) };
            if keep_both(session, &mut running[index]) {
                return Ok(false);
            }
            let transfer = running.remove(index);
            transfer.meter.clear();
            give_up(session, transfer)?;
            let mut failure = Failure::refused(&refusal);
            failure.sentence =
                format!("{} Say --force to replace it, --keep-both to keep both.", failure.sentence);
            Err(failure)
        }
        TransferEvent::Failed { transfer, failure } => {
            let Some(index) = of(running, transfer) else { return Ok(false) };
            let transfer = running.remove(index);
            transfer.meter.clear();
            Err(failed(session, transfer, &failure))
        }
    }
}

fn tell_done(
    session: &mut Session<'_>,
    transfer: &Running,
    file: &FileInfo,
    summary: &str,
) -> Result<(), Failure> {
    session.output().status(summary);
    let path = transfer.path.as_ref().map(|path| path.display().to_string());
    let remote = format!("{}{}", transfer.place, file.name);
    match (&transfer.upload, &path) {
        (None, None) => Ok(()),
        (Some(_), _) => {
            session.output().result(Body::transferred(&transfer.place, file, None), Printable::new(&remote))
        }
        (None, Some(path)) => {
            let body = Body::transferred(&transfer.place, file, Some(path));
            session.output().result(body, Printable::new(path))
        }
    }
}

/// Has an upload stored under another name, if that is wanted. Nothing is sent again.
fn keep_both(session: &mut Session<'_>, transfer: &mut Running) -> bool {
    let id = transfer.id;
    let Some(upload) = transfer.upload.as_mut().filter(|upload| upload.keep_both && upload.tries < 1_000)
    else {
        return false;
    };
    upload.tries += 1;
    let Some(name) = numbered(&upload.name, upload.tries) else { return false };
    session.finish_as(id, name, Some(Version::default()))
}

/// `report (2).txt`.
fn numbered(name: &FileName, number: u32) -> Option<FileName> {
    let text = name.as_str();
    let start = text.rfind('/').map_or(0, |at| at + 1);
    let at = text[start..].rfind('.').filter(|at| *at > 0).map_or(text.len(), |at| start + at);
    FileName::parse(&format!("{} ({number}){}", &text[..at], &text[at..])).ok()
}

/// An upload is not gone on with: the server may forget it.
fn give_up(session: &mut Session<'_>, transfer: Running) -> Result<(), Failure> {
    session.cancel_transfer(transfer.id);
    if let Some(upload) = &transfer.upload {
        session.discard_upload(upload.key)?;
    }
    transfer
        .held
        .map_or(Ok(()), Held::forget)
        .map_err(|error| Failure::local("the folder of transfers", &error))
}

fn failed(session: &mut Session<'_>, transfer: Running, failure: &TransferFailure) -> Failure {
    let label = &transfer.label;
    let (failure, keep) = match failure {
        TransferFailure::Refused(refusal) => {
            let mut failure = Failure::refused(refusal);
            if !failure.sentence.contains(label.as_str()) {
                failure.sentence = format!("{label}: {}", failure.sentence);
            }
            let passes = matches!(
                refusal.code,
                RefusalCode::NoSpace
                    | RefusalCode::StorageFailed
                    | RefusalCode::Superseded
                    | RefusalCode::Quota
                    | RefusalCode::Integrity
            );
            let keep = passes || refusal.code == RefusalCode::FileChanged && transfer.path.is_none();
            (failure, keep)
        }
        TransferFailure::Local(failure) => local(label, transfer.path.as_deref(), failure),
    };
    if keep {
        return resumable(failure, &[transfer]);
    }
    if let Some(Err(error)) = transfer.held.map(Held::forget) {
        session.output().warning(format_args!("the transfer cannot be forgotten: {error}"));
    }
    failure
}

/// A failure of the file here, and whether the transfer can be gone on with.
fn local(label: &str, path: Option<&std::path::Path>, failure: &LocalFailure) -> (Failure, bool) {
    let what = path.map_or_else(|| label.to_owned(), |path| path.display().to_string());
    let (status, code, text, keep) = match failure {
        LocalFailure::Changed => {
            (ExitStatus::Other, "source-changed", "it changed while it was read; try again".to_owned(), false)
        }
        LocalFailure::Mismatch => (
            ExitStatus::Integrity,
            "integrity",
            "what arrived is not what the server has; it was not kept, try again".to_owned(),
            false,
        ),
        LocalFailure::Exists => {
            let text = "it is there already; say --force to replace it, or -o for another place".to_owned();
            (ExitStatus::Exists, "exists", text, false)
        }
        LocalFailure::NoSpace => {
            (ExitStatus::NoSpace, "no-space", "there is no space for it".to_owned(), true)
        }
        LocalFailure::Failed(text) => (ExitStatus::Other, "local-io", text.clone(), true),
    };
    (Failure::new(status, code, format!("{what}: {text}")), keep)
}

/// Says how transfers can be gone on with.
fn resumable(mut failure: Failure, running: &[Running]) -> Failure {
    let numbers: Vec<_> = running
        .iter()
        .filter_map(|transfer| transfer.held.as_ref())
        .map(|held| held.id.to_string())
        .collect();
    if !numbers.is_empty() {
        let sentence = failure.sentence.trim_end_matches('.');
        failure.sentence = format!("{sentence}. To go on, run: cli transfers resume {}", numbers.join(" "));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_has_its_number_before_the_ending() {
        let shown = |name: &str| numbered(&FileName::parse(name).unwrap(), 2).unwrap().to_string();
        assert_eq!(shown("report.txt"), "report (2).txt");
        assert_eq!(shown("a.b/report"), "a.b/report (2)");
        assert_eq!(shown(".profile"), ".profile (2)");
        assert_eq!(shown("x.tar.gz"), "x.tar (2).gz");
    }
}
