//! Files that are shared and taken while one chats.

use std::path::Path;

use palabre_core::{
    client::{ClientEvent, TransferEvent, TransferFailure, TransferId, TransferProgress},
    error::RefusalCode,
    ids::RoomId,
    transfer::FileName,
};

use super::{Chat, Shown, answers::Pending, commands::in_no_room, paths::Paths};
use crate::{
    context::Context,
    failure::{ExitStatus, Failure},
    output::{Printable, Size},
    transfer::{
        FileSource, Job, Links, Manner, NAMES_MAX, Place, Records, Running, fetch, folder_name, not_readable,
        numbered, offer_folder, own_name, resumable, share, stored_name, to_go_on,
    },
};

/// The transfers that go on, and where those are written down that do not.
pub(super) struct Transfers {
    records: Records,
    paths: Paths,
    running: Vec<Running>,
}

/// How far a transfer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::connect) struct Step {
    /// The file, as it is shown.
    pub(in crate::connect) label: String,
    pub(in crate::connect) is_upload: bool,
    pub(in crate::connect) progress: TransferProgress,
}

impl Transfers {
    pub(super) fn new(context: &Context) -> Self {
        let paths = Paths::new(context.environment.home.clone());
        Self { records: Records::of(context), paths, running: Vec::new() }
    }

    /// How those that have not ended can be gone on with.
    pub(super) fn to_go_on(&self) -> Option<String> {
        to_go_on(self.running.iter().filter_map(|transfer| transfer.held.as_ref()))
    }

    fn index(&self, id: TransferId) -> Option<usize> {
        self.running.iter().position(|transfer| transfer.id == id)
    }
}

impl Chat {
    /// Files of ours, as they are typed.
    pub(in crate::connect) fn paths(&self) -> Paths {
        self.transfers.paths.clone()
    }

    /// How far transfers are.
    pub(in crate::connect) fn transfers(&self) -> impl Iterator<Item = Step> {
        self.transfers.running.iter().filter_map(|transfer| {
            let progress = transfer.progress(&self.driver)?;
            let label = Printable::new(&transfer.label).to_string();
            Some(Step { label, is_upload: transfer.is_upload(), progress })
        })
    }

    pub(super) fn upload(&mut self, path: &str, line: &str) {
        let path = self.transfers.paths.path(path);
        let job = self.place().and_then(|to| {
            let manner = Manner { keep_both: true, ..Manner::default() };
            let records = self.transfers.records.clone();
            if path.is_dir() {
                let (path, name, source) = offer_folder(&path, None, Links::default())?;
                source.warnings().for_each(|warning| self.show(Shown::Warning(warning)));
                return share(&path, source.into(), &name, to, &records, manner);
            }
            let source = FileSource::open(&path).map_err(|error| not_readable(&path, &error))?;
            share(&path, source.into(), &own_name(&path)?, to, &records, manner)
        });
        self.begin(job, line);
    }

    pub(super) fn download(&mut self, name: &str, line: &str) {
        let job = self.place().and_then(|from| {
            let (name, folder) = name.strip_prefix("-r ").map_or((name, false), |name| (name.trim(), true));
            let parsed = if folder { stored_name(name) } else { FileName::parse(name) };
            let name =
                parsed.map_err(|error| Failure::usage(format!("{}: {error}", Printable::new(name))))?;
            let own = if folder { Some(folder_name(&name)) } else { name.parts().last() };
            let own = own.and_then(|own| FileName::parse(own).ok());
            let own = own.unwrap_or_else(|| name.clone());
            // What is there already is left alone.
            let mut names = (2..NAMES_MAX).filter_map(|number| numbered(&own, number));
            let mut to = own.clone();
            while Path::new(to.as_str()).exists() {
                let Some(next) = names.next() else { break };
                to = next;
            }
            fetch(name, from, Path::new(to.as_str()), &self.transfers.records, false, folder)
        });
        self.begin(job, line);
    }

    fn begin(&mut self, job: Result<Job, Failure>, line: &str) {
        match job.and_then(|job| Running::begin(job, &mut self.driver)) {
            Ok(running) => {
                if self.is_person && !self.is_ready() {
                    self.status(format_args!("{} waits for a connection", Printable::new(&running.label)));
                }
                self.transfers.running.push(running);
            }
            Err(failure) => {
                self.show(Shown::Mend(line.to_owned()));
                self.fail(failure);
            }
        }
    }

    /// The room that is written to, as a place of files.
    fn place(&self) -> Result<Place, Failure> {
        let view = self.views.current().ok_or_else(in_no_room)?;
        Ok(Place::new(self.connection.server(), Some(view.info.id), &view.place))
    }

    pub(super) fn list_files(&mut self, room: RoomId) {
        self.ask(Pending::Files, |client, now| client.files(Some(room), now));
    }

    /// Stops the only transfer, or that of this file.
    pub(super) fn cancel(&mut self, name: Option<&str>) {
        let running = &self.transfers.running;
        let meant = match name {
            None if running.len() < 2 => running.first(),
            None => {
                let sentence = "several files are on their way; say which: /cancel NAME";
                return self.fail(Failure::usage(sentence));
            }
            Some(name) => running
                .iter()
                .find(|transfer| transfer.label == name || transfer.label.ends_with(&format!("/{name}"))),
        };
        let Some(index) = meant.map(|meant| meant.id).and_then(|id| self.transfers.index(id)) else {
            return self.fail(Failure::new(
                ExitStatus::NotFound,
                "no-such-transfer",
                "there is none to stop",
            ));
        };
        let transfer = self.transfers.running.remove(index);
        let label = Printable::new(&transfer.label).to_string();
        if self.give_up(transfer) {
            self.status(format_args!("{label} was stopped"));
        }
    }

    /// Has a transfer forgotten, by the server as well.
    fn give_up(&mut self, transfer: Running) -> bool {
        match transfer.give_up(&mut self.driver) {
            Ok(Some(key)) => self.ask(Pending::Discard, |client, now| client.discard_upload(key, now)),
            Ok(None) => {}
            Err(failure) => {
                self.fail(failure);
                return false;
            }
        }
        true
    }

    /// Something happened to a transfer.
    pub(super) fn transferred(&mut self, event: TransferEvent) {
        match event {
            TransferEvent::Begun { transfer, offset, .. } => {
                if let Some(index) = self.transfers.index(transfer).filter(|_| offset > 0) {
                    let label = Printable::new(&self.transfers.running[index].label).to_string();
                    self.status(format_args!("{label} goes on at {}", Size(offset)));
                }
            }
            TransferEvent::Found { transfer, file } => {
                if let Some(index) = self.transfers.index(transfer)
                    && let Err(failure) = self.transfers.running[index].found(&file)
                {
                    self.fail(failure);
                }
            }
            TransferEvent::Uploaded { transfer, file } | TransferEvent::Downloaded { transfer, file } => {
                let Some(index) = self.transfers.index(transfer) else { return };
                let transfer = self.transfers.running.remove(index);
                let size = Size(file.size);
                let sentence = match &transfer.path {
                    Some(path) => {
                        format!("{} is in {} now ({size})", transfer.label, path.display())
                    }
                    None => {
                        format!("{} is shared as {}{} ({size})", transfer.label, transfer.place, file.name)
                    }
                };
                self.status(Printable::new(&sentence));
                if let Err(error) = transfer.forget() {
                    self.show(Shown::Warning(format!("the transfer cannot be forgotten: {error}")));
                }
            }
            TransferEvent::Conflict { transfer, refusal } => {
                let Some(index) = self.transfers.index(transfer) else { return };
                if !self.transfers.running[index].keep_both(&mut self.driver) {
                    let transfer = self.transfers.running.remove(index);
                    self.give_up(transfer);
                    self.fail(Failure::refused(&refusal));
                }
            }
            TransferEvent::Failed { transfer, failure } => self.transfer_failed(transfer, &failure),
        }
    }

    fn transfer_failed(&mut self, id: TransferId, failure: &TransferFailure) {
        let Some(index) = self.transfers.index(id) else { return };
        let transfer = self.transfers.running.remove(index);
        let (failure, keep) = transfer.explain(failure);
        if keep {
            return self.fail(resumable(failure, transfer.held.iter()));
        }
        drop(transfer.abandon());
        self.fail(failure);
    }

    /// The files of a room came, or an upload was forgotten.
    pub(super) fn files_told(&mut self, answer: ClientEvent) {
        let ClientEvent::Files { files, .. } = answer else { return };
        if files.is_empty() {
            return self.status("no files are shared here; /upload PATH shares one");
        }
        let lines = files.iter().map(|file| {
            let (name, nick) = (Printable::new(file.name.as_str()), Printable::new(&file.nick));
            format!("{name}  {}  from {nick}", Size(file.size))
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        self.show(Shown::Text(text));
    }

    /// Whether a refusal is none to tell: what is to be forgotten was forgotten already.
    pub(super) fn is_forgotten(pending: Option<&Pending>, code: RefusalCode) -> bool {
        pending == Some(&Pending::Discard) && code == RefusalCode::NoSuchUpload
    }
}
