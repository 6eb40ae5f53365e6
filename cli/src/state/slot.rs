//! Places for saved sessions, each used by one process at a time: two processes never share a guest.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use palabre_core::{client::SavedSession, name::Nick};
use palabre_runtime::server_key::ServerKey;

use super::{State, create_folder, open_private, remove, replace, saved};
use crate::trust::Contact;

/// How many sessions of the same name on the same server are saved; more can run, but are not resumed.
const SLOTS_MAX: u32 = 16;

/// How long the session of a key is kept after it was last used. The server has forgotten its guest long before.
const KEY_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A place for a saved session, ours until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    file: PathBuf,
    /// Held for the lock on it, which ends with the process, however it ends.
    _lock: File,
}

impl Slot {
    /// The first place for this server and name that no other process uses.
    pub(crate) fn acquire(state: &State, contact: &Contact, nick: &Nick) -> io::Result<Option<Self>> {
        let folder = state.sessions(contact);
        create_folder(&folder)?;
        for number in 1..=SLOTS_MAX {
            let slot = Self::lock(folder.join(format!("{nick}.{number}.json")))?;
            if slot.is_some() {
                return Ok(slot);
            }
        }
        Ok(None)
    }

    /// The place for the guest that sends the message of a key; nothing while another process uses it.
    pub(crate) fn for_key(state: &State, contact: &Contact, key: &str) -> io::Result<Option<Self>> {
        let folder = state.sessions(contact).join("keys");
        create_folder(&folder)?;
        forget_old_keys(&folder);
        let hash = blake3::hash(key.as_bytes()).to_hex();
        Self::lock(folder.join(format!("{}.json", &hash[..32])))
    }

    fn lock(file: PathBuf) -> io::Result<Option<Self>> {
        let lock = open_private(&file.with_extension("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { file, _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The session saved here and the key of the server that it is for, or the reason why it cannot be read.
    pub(crate) fn read(&self) -> Result<Option<(SavedSession, Option<ServerKey>)>, String> {
        let explain = |reason: &dyn std::fmt::Display| format!("{}: {reason}", self.file.display());
        match fs::read(&self.file) {
            Ok(bytes) => saved::decode(&bytes).map(Some).map_err(|error| explain(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    /// Saves a session durably, or forgets the one saved.
    pub(crate) fn write(
        &self,
        session: Option<&SavedSession>,
        server_key: Option<ServerKey>,
    ) -> io::Result<()> {
        match session {
            Some(session) => replace(&self.file, &saved::encode(session, server_key)?),
            None => remove(&self.file),
        }
    }
}

/// Removes what was not used for long. It is only tidying: what cannot be removed stays.
fn forget_old_keys(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
        if matches!(age, Ok(Ok(age)) if age > KEY_KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use palabre_runtime::client::{Security, Trust};

    use super::{super::saved::tests::session, *};

    const KEY: ServerKey = ServerKey([3; 32]);

    fn contact(security: Security) -> Contact {
        Contact { server: "chat.example".parse().unwrap(), security }
    }

    fn place() -> (tempfile::TempDir, State, Contact, Nick) {
        let home = tempfile::tempdir().unwrap();
        let state = State::new(home.path().join("palabre"));
        (home, state, contact(Security::Tls(Trust::Key(KEY))), Nick::parse("ana").unwrap())
    }

    #[test]
    fn a_session_survives_the_process() {
        let (_home, state, server, nick) = place();
        let slot = Slot::acquire(&state, &server, &nick).unwrap().unwrap();
        assert_eq!(slot.read(), Ok(None));
        slot.write(Some(&session()), Some(KEY)).unwrap();
        drop(slot);
        let slot = Slot::acquire(&state, &server, &nick).unwrap().unwrap();
        assert_eq!(slot.read(), Ok(Some((session(), Some(KEY)))));
        slot.write(None, Some(KEY)).unwrap();
        assert_eq!(slot.read(), Ok(None));
    }

    #[test]
    fn two_processes_never_share_a_guest() {
        let (_home, state, server, nick) = place();
        let first = Slot::acquire(&state, &server, &nick).unwrap().unwrap();
        first.write(Some(&session()), Some(KEY)).unwrap();
        let second = Slot::acquire(&state, &server, &nick).unwrap().unwrap();
        assert_eq!(second.read(), Ok(None));
        drop(first);
        let third = Slot::acquire(&state, &server, &nick).unwrap().unwrap();
        assert_eq!(third.read(), Ok(Some((session(), Some(KEY)))));
    }

    #[test]
    fn what_was_told_under_encryption_is_not_found_without() {
        let (_home, state, server, nick) = place();
        let slot = Slot::acquire(&state, &server, &nick).unwrap().unwrap();
        slot.write(Some(&session()), Some(KEY)).unwrap();
        drop(slot);
        let slot = Slot::acquire(&state, &contact(Security::Plain), &nick).unwrap().unwrap();
        assert_eq!(slot.read(), Ok(None));
    }

    #[test]
    fn a_key_has_one_guest() {
        let (_home, state, server, _) = place();
        let first = Slot::for_key(&state, &server, "build 42").unwrap();
        assert!(first.is_some());
        assert!(Slot::for_key(&state, &server, "build 42").unwrap().is_none());
        assert!(Slot::for_key(&state, &server, "build 43").unwrap().is_some());
    }

    #[test]
    fn a_damaged_file_is_named_and_not_fatal() {
        let (_home, state, server, nick) = place();
        let slot = Slot::acquire(&state, &server, &nick).unwrap().unwrap();
        fs::write(&slot.file, "{").unwrap();
        assert!(slot.read().unwrap_err().contains("ana.1.json"));
    }
}
