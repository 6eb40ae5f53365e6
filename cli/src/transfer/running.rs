//! A transfer, whoever has it done: how it begins, what becomes of it and what is kept of it.

use std::{fmt::Display, io, path::PathBuf};

use palabre_core::{
    client::{
        DownloadWish, FileInfo, LocalFailure, TransferFailure, TransferId, TransferProgress, UploadWish,
    },
    error::RefusalCode,
    ids::RoomId,
    transfer::{FileName, UploadKey, Version},
};
use palabre_runtime::client::{ClientDriver, LocalFile, TransferError};

use super::{range::Part, record::Held, sink::delete_parts, tree::Verdict};
use crate::failure::{ExitStatus, Failure};

/// Names that are tried where there is a file of the name already.
pub(crate) const NAMES_MAX: u32 = 1_000;

/// Where files are on a server.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The server, as it is shown.
    pub(crate) server: String,
    /// The room; nothing for one's own shelf.
    pub(crate) room: Option<RoomId>,
    /// As it is shown, before a name: `#room/`.
    pub(crate) shown: String,
}

impl Place {
    pub(crate) fn new(server: impl Display, room: Option<RoomId>, shown: impl Display) -> Self {
        Self { server: server.to_string(), room, shown: format!("{shown}/") }
    }
}

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
        /// Why what arrived may not be kept.
        verdict: Verdict,
        /// Whether only a part of it is taken.
        part: Option<Part>,
    },
}

/// A transfer that goes on.
pub(crate) struct Running {
    pub(crate) id: TransferId,
    pub(crate) label: String,
    pub(crate) place: String,
    upload: Option<Upload>,
    /// Where a download will be.
    pub(crate) path: Option<PathBuf>,
    verdict: Verdict,
    /// Whether only a part of it is taken.
    pub(crate) part: Option<Part>,
    pub(crate) held: Option<Held>,
}

struct Upload {
    key: UploadKey,
    name: FileName,
    keep_both: bool,
    tries: u32,
}

impl Running {
    /// Begins a transfer.
    pub(crate) fn begin(job: Job, driver: &mut ClientDriver) -> Result<Self, Failure> {
        let Job { label, place, kind, held } = job;
        let (id, upload, path, verdict, part) = match kind {
            Kind::Upload { wish, file, keep_both } => {
                let upload = Upload { key: wish.key, name: wish.name.clone(), keep_both, tries: 1 };
                (driver.upload(wish, file).map_err(not_begun)?, Some(upload), None, Verdict::default(), None)
            }
            Kind::Download { wish, file, path, verdict, part } => {
                (driver.download(wish, file).map_err(not_begun)?, None, path, verdict, part)
            }
        };
        Ok(Self { id, label, place, upload, path, verdict, part, held })
    }

    pub(crate) const fn is_upload(&self) -> bool {
        self.upload.is_some()
    }

    /// How far it is.
    pub(crate) fn progress(&self, driver: &ClientDriver) -> Option<TransferProgress> {
        driver.client().transfer(self.id)
    }

    /// Takes note of what a download will be: what has arrived is of use only for the same content.
    pub(crate) fn found(&mut self, file: &FileInfo) -> Result<(), Failure> {
        let Some(held) = &mut self.held else { return Ok(()) };
        held.record.hash = Some(file.hash.to_string());
        held.record.size = Some(file.size);
        held.save().map_err(|error| folder_failed(&error))
    }

    /// Has an upload stored under another name, if that is wanted. Nothing is sent again.
    pub(crate) fn keep_both(&mut self, driver: &mut ClientDriver) -> bool {
        let id = self.id;
        let Some(upload) = self.upload.as_mut().filter(|upload| upload.keep_both && upload.tries < NAMES_MAX)
        else {
            return false;
        };
        upload.tries += 1;
        let Some(name) = numbered(&upload.name, upload.tries) else { return false };
        driver.with_client(|client, now| client.finish_as(id, name, Some(Version::default()), now))
    }

    /// It is not gone on with: what the server is to forget, too.
    pub(crate) fn give_up(self, driver: &mut ClientDriver) -> Result<Option<UploadKey>, Failure> {
        driver.with_client(|client, now| client.cancel(self.id, now));
        let key = self.upload.as_ref().map(|upload| upload.key);
        self.abandon().map_err(|error| folder_failed(&error))?;
        Ok(key)
    }

    /// It is not gone on with: nothing is left of it here.
    pub(crate) fn abandon(self) -> io::Result<()> {
        if let Some(held) = self.held.as_ref().filter(|_| self.upload.is_none()) {
            delete_parts(&held.record)?;
        }
        self.forget()
    }

    /// It is done.
    pub(crate) fn forget(self) -> io::Result<()> {
        self.held.map_or(Ok(()), Held::forget)
    }

    /// Why it failed, and whether it can be gone on with. What the server found to be wrong is not believed again.
    pub(crate) fn explain(&self, failure: &TransferFailure) -> (Failure, bool) {
        match failure {
            TransferFailure::Refused(refusal) => {
                if let Some(held) = self.held.as_ref().filter(|_| refusal.code == RefusalCode::Integrity) {
                    // The next time all of it is read.
                    held.forget_hash();
                }
                let label = &self.label;
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
                let keep = passes || refusal.code == RefusalCode::FileChanged && self.path.is_none();
                (failure, keep)
            }
            TransferFailure::Local(failure) => self.explain_local(failure),
        }
    }

    /// A failure of the file here.
    fn explain_local(&self, failure: &LocalFailure) -> (Failure, bool) {
        let what = self.path.as_ref().map_or_else(|| self.label.clone(), |path| path.display().to_string());
        let (status, code, text, keep) = match failure {
            LocalFailure::Changed => (
                ExitStatus::Other,
                "source-changed",
                "it changed while it was read; try again".to_owned(),
                false,
            ),
            LocalFailure::Mismatch => match self.verdict.sentence() {
                Some(sentence) => {
                    let text = format!("nothing was made of it: {sentence}");
                    (ExitStatus::Integrity, "unsafe-folder", text, false)
                }
                None => (
                    ExitStatus::Integrity,
                    "integrity",
                    "what arrived is not what the server has; it was not kept, try again".to_owned(),
                    false,
                ),
            },
            LocalFailure::Exists => {
                let text = "it is there already; say --force to replace it, or -o for another place";
                (ExitStatus::Exists, "exists", text.to_owned(), true)
            }
            LocalFailure::NoSpace => {
                (ExitStatus::NoSpace, "no-space", "there is no space for it".to_owned(), true)
            }
            LocalFailure::Failed(text) => (ExitStatus::Other, "local-io", text.clone(), true),
        };
        (Failure::new(status, code, format!("{what}: {text}")), keep)
    }
}

/// Says how transfers can be gone on with.
pub(crate) fn resumable<'a>(mut failure: Failure, held: impl Iterator<Item = &'a Held>) -> Failure {
    if let Some(to_go_on) = to_go_on(held) {
        let sentence = failure.sentence.trim_end_matches('.');
        failure.sentence = format!("{sentence}. {to_go_on}");
    }
    failure
}

/// The command that goes on with transfers, if there are any of which something is kept.
pub(crate) fn to_go_on<'a>(held: impl Iterator<Item = &'a Held>) -> Option<String> {
    let numbers: Vec<_> = held.map(|held| held.id.to_string()).collect();
    (!numbers.is_empty()).then(|| format!("To go on, run: cli transfers resume {}", numbers.join(" ")))
}

fn not_begun(error: TransferError) -> Failure {
    match error {
        TransferError::System(error) => Failure::local("the transfer", &error),
        TransferError::Misuse(misuse) => misuse.into(),
    }
}

fn folder_failed(error: &io::Error) -> Failure {
    Failure::local("the folder of transfers", error)
}

/// `report (2).txt`.
pub(crate) fn numbered(name: &FileName, number: u32) -> Option<FileName> {
    let text = name.as_str();
    let start = text.rfind('/').map_or(0, |at| at + 1);
    let at = text[start..].rfind('.').filter(|at| *at > 0).map_or(text.len(), |at| start + at);
    FileName::parse(&format!("{} ({number}){}", &text[..at], &text[at..])).ok()
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
