//! What the program keeps between runs, in `$XDG_STATE_HOME/palabre`: folders are 0700, files 0600, and every file
//! is replaced as a whole.

mod credential;
mod known;
mod saved;
mod slot;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use palabre_runtime::client::Security;

pub(crate) use self::{known::Known, slot::Slot};
use crate::{arguments::Address, trust::Contact};

/// The folder of the state.
#[derive(Clone, Debug)]
pub(crate) struct State {
    folder: PathBuf,
}

impl State {
    /// State in a folder, which need not exist.
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server connected to last.
    pub(crate) fn last_server(&self) -> Option<Address> {
        fs::read_to_string(self.folder.join("last-server")).ok()?.trim_end().parse().ok()
    }

    /// Remembers the server connected to last.
    pub(crate) fn remember_server(&self, server: &Address) -> io::Result<()> {
        if self.last_server().is_some_and(|last| last.to_string() == server.to_string()) {
            return Ok(());
        }
        create_folder(&self.folder)?;
        replace(&self.folder.join("last-server"), format!("{server}\n").as_bytes())
    }

    /// The file with the lines that were typed. It exists, and only its owner reads it.
    pub(crate) fn line_history(&self) -> io::Result<PathBuf> {
        create_folder(&self.folder)?;
        let file = self.folder.join("history");
        open_private(&file)?;
        Ok(file)
    }

    /// The folder with the sessions of a server. What was told to one under encryption is not told to any without.
    fn sessions(&self, contact: &Contact) -> PathBuf {
        let sessions = self.folder.join("sessions");
        let sessions = match contact.security {
            Security::Tls(_) => sessions,
            Security::Plain => sessions.join("plaintext"),
        };
        sessions.join(file_name(&contact.server.to_string()))
    }
}

/// Makes a folder and those above it, for its owner alone.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Opens a file that only its owner reads, and makes it if there is none.
pub(crate) fn open_private(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file)
}

/// Writes a file durably: after a crash there is either the old content or the new.
pub(crate) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = file.with_added_extension("new");
    let mut new = open_private(&temporary)?;
    new.set_len(0)?;
    new.write_all(content)?;
    new.sync_all()?;
    fs::rename(&temporary, file)?;
    sync_folder_of(file)
}

/// Removes a file durably; one that does not exist is removed already.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Ok(()) => sync_folder_of(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder_of(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// A text as the name of a file: what might mean something to a file system is written as its number.
fn file_name(text: &str) -> String {
    let mut name = String::new();
    for char in text.chars() {
        let is_plain = char.is_alphanumeric() || matches!(char, '-' | '_' | ':' | '[' | ']');
        if is_plain || (char == '.' && !name.is_empty()) {
            name.push(char);
        } else {
            name.push_str(&format!("%{:02X}", u32::from(char)));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_last_server_is_remembered_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let state = State::new(home.path().join("state/palabre"));
        assert_eq!(state.last_server(), None);
        let server: Address = "chat.example:5000".parse().unwrap();
        state.remember_server(&server).unwrap();
        assert_eq!(state.last_server(), Some(server));
        assert_eq!(mode(&home.path().join("state/palabre")), 0o700);
        assert_eq!(mode(&home.path().join("state/palabre/last-server")), 0o600);
    }

    #[test]
    fn a_shorter_content_replaces_a_longer_one_whole() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(home.path().join("file.new"), "left over from a crash, and longer").unwrap();
        replace(&file, b"first, long").unwrap();
        replace(&file, b"second").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"second");
        remove(&file).unwrap();
        remove(&file).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn no_host_leaves_its_folder() {
        assert_eq!(file_name("chat.example:4000"), "chat.example:4000");
        assert_eq!(file_name("../x"), "%2E.%2Fx");
        assert_eq!(file_name("[::1]:4000"), "[::1]:4000");
    }
}
