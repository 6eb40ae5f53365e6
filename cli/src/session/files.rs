//! What a session has to do with files.

use palabre_core::{
    client::{ClientEvent, FileInfo},
    error::RefusalCode,
    ids::RoomId,
    transfer::UploadKey,
};
use palabre_runtime::client::ClientDriver;

use super::{Session, unexpected};
use crate::{
    arguments::{Remote, Shelf},
    failure::{ExitStatus, Failure},
};

impl Session<'_> {
    /// The room of a shelf, which is entered, or made; nothing for one's own.
    pub(crate) fn shelf(&mut self, shelf: &Shelf) -> Result<Option<RoomId>, Failure> {
        match shelf {
            Shelf::Own => Ok(None),
            Shelf::With(target) => self.join(target, None).map(|room| Some(room.id)),
        }
    }

    /// The room of a shelf, which must exist.
    pub(crate) fn shelf_existing(&mut self, shelf: &Shelf) -> Result<Option<RoomId>, Failure> {
        match shelf {
            Shelf::Own => Ok(None),
            Shelf::With(target) => self.join_existing(target, None).map(|room| Some(room.id)),
        }
    }

    /// What is known of a file.
    pub(crate) fn stored_file(&mut self, remote: &Remote, room: Option<RoomId>) -> Result<FileInfo, Failure> {
        let answer = self.ask(|client, now| client.files(room, now))?;
        let ClientEvent::Files { files, .. } = answer else { return Err(unexpected(&answer)) };
        files.into_iter().find(|file| file.name == remote.name).ok_or_else(|| {
            let sentence =
                format!("there is no file called {remote}; cli files '{}' lists them", remote.shelf);
            Failure::new(ExitStatus::NotFound, RefusalCode::NoSuchFile.name(), sentence)
        })
    }

    pub(crate) fn limit_rate(&mut self, bytes_per_second: Option<u64>) {
        self.driver.with_client(|client, now| client.limit_rate(bytes_per_second, now));
    }

    pub(crate) const fn driver_mut(&mut self) -> &mut ClientDriver {
        &mut self.driver
    }

    /// Has the server forget an upload; one that it does not know is forgotten.
    pub(crate) fn discard_upload(&mut self, key: UploadKey) -> Result<(), Failure> {
        match self.ask(|client, now| client.discard_upload(key, now)) {
            Ok(ClientEvent::UploadDiscarded { .. }) => Ok(()),
            Ok(other) => Err(unexpected(&other)),
            Err(failure) if failure.code == RefusalCode::NoSuchUpload.name() => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
