//! Accounts outside the database: the secret that their passwords depend on, and their way out and in as a text file.

mod file;
mod hex;
mod secret;

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use palabre_core::{invitation::Invitation, storage::Recovered};

pub use self::{
    file::Mistake,
    secret::{SECRET_FILE, SecretError, load_or_make},
};
use crate::{
    clock::Clock,
    entropy,
    storage::{OpenError, SqliteOptions, SqliteStorage},
};

/// Why accounts were not exported or imported. Nothing was done then.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The database cannot be opened, read or written.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// The secret of the accounts is not as it should be.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is nothing to export from.
    #[error(
        "There is no database in {}. Name the server's data directory with --data.",
        .directory.display()
    )]
    NoDatabase {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// The file to export to exists.
    #[error("{} exists already. Move it away, or name another file.", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be {what}: {source}.", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// "read" or "written".
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{} was not imported; nothing was changed.{}", .path.display(), lines(.mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// The first of them.
        mistakes: Vec<Mistake>,
    },
    /// The accounts in the database could not be imported again.
    #[error(
        "The accounts were not exported: the file would not be one that can be imported.{}",
        lines(.mistakes)
    )]
    NotPortable {
        /// The first reasons.
        mistakes: Vec<Mistake>,
    },
    /// There are accounts already, and they have another secret.
    #[error(
        "The accounts in {} were made with another secret than those that are in {} already ({present}), and one server \
         has one secret. Import them into a server without accounts.",
        .path.display(), .directory.display()
    )]
    AnotherServer {
        /// The file.
        path: PathBuf,
        /// The data directory.
        directory: PathBuf,
        /// How many accounts it has.
        present: usize,
    },
    /// There is no secret yet.
    #[error(
        "There is no {SECRET_FILE} in {}. Name the server's data directory with --data; the server makes it at its \
         first start.",
        .directory.display()
    )]
    NoSecret {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// The operating system gives no randomness.
    #[error("The operating system gives no randomness: {0}.")]
    Randomness(io::Error),
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().fold(String::new(), |mut text, mistake| {
        let _ = write!(text, "\n  {mistake}");
        text
    })
}

/// Writes all accounts and their secret into a file that does not exist yet. Answers how many.
///
/// # Errors
/// [`TransferError`] says what is in the way; there is no such file then.
pub fn export(data: SqliteOptions, path: &Path) -> Result<usize, TransferError> {
    let directory = data.directory.clone();
    if !data.is_there() {
        return Err(TransferError::NoDatabase { directory });
    }
    let (storage, recovered) = open(data)?;
    let setup = load_or_make(&directory, &recovered.accounts)?;
    let accounts = storage.portable_accounts()?;
    let text = file::write(&setup, &accounts);
    // Better now than when the file is all there is.
    file::parse(&text, [].into_iter()).map_err(|mistakes| TransferError::NotPortable { mistakes })?;
    write_new(path, &text)?;
    Ok(accounts.len())
}

/// Makes a code by which so many accounts can be made, for so many hours. A server may run on the data.
///
/// # Errors
/// [`TransferError`] says why there is no secret to make it with.
pub fn invite(directory: &Path, uses: u16, hours: u32) -> Result<String, TransferError> {
    let Some(setup) = secret::load(directory, &[])? else {
        return Err(TransferError::NoSecret { directory: directory.to_path_buf() });
    };
    let [a, b, c, d, e, f, ..] = entropy::seed().map_err(TransferError::Randomness)?;
    let now = Clock::start().now().wall;
    Ok(Invitation::new(uses, hours, [a, b, c, d, e, f], now).code(&setup))
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// So many accounts are new.
    pub accounts: usize,
    /// So many guests were removed because they had a name of theirs.
    pub guests_removed: usize,
}

/// Adds all accounts of a file to a data directory that no server uses, or none.
///
/// # Errors
/// [`TransferError`] says what is in the way; no account was added then.
pub fn import(data: SqliteOptions, path: &Path) -> Result<Imported, TransferError> {
    let directory = data.directory.clone();
    let text = fs::read_to_string(path).map_err(|source| unfit(path, "read", source))?;
    let wrong = |mistakes| TransferError::Mistakes { path: path.to_path_buf(), mistakes };
    // Before a data directory is made for a file that cannot be used.
    file::parse(&text, [].into_iter()).map_err(wrong)?;
    let (mut storage, recovered) = open(data)?;
    let stored = secret::load(&directory, &recovered.accounts)?;
    let present = recovered.accounts.iter().map(|account| &*account.nick);
    let (setup, accounts) = file::parse(&text, present).map_err(wrong)?;
    if stored.is_none_or(|stored| stored.to_bytes() != setup.to_bytes()) {
        if !recovered.accounts.is_empty() {
            let (path, present) = (path.to_path_buf(), recovered.accounts.len());
            return Err(TransferError::AnotherServer { path, directory, present });
        }
        // A crash before the accounts follow leaves a secret without accounts, as a first start does.
        secret::store(&directory, &setup)?;
    }
    let guests = file::clashing(&recovered.guests, &accounts);
    storage.import_accounts(&accounts, &guests)?;
    Ok(Imported { accounts: accounts.len(), guests_removed: guests.len() })
}

fn open(data: SqliteOptions) -> Result<(SqliteStorage, Recovered), TransferError> {
    let seed = entropy::seed().map_err(TransferError::Randomness)?;
    let [a, b, c, d, e, f, g, h, ..] = seed;
    Ok(SqliteStorage::open(data, u64::from_be_bytes([a, b, c, d, e, f, g, h]))?)
}

/// Writes a file for its owner alone, all of it or none.
fn write_new(path: &Path, text: &str) -> Result<(), TransferError> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(TransferError::Exists { path: path.to_path_buf() });
        }
        Err(source) => return Err(unfit(path, "written", source)),
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
        // What is there of it is of no use.
        let _ = fs::remove_file(path);
        unfit(path, "written", source)
    })
}

fn unfit(path: &Path, what: &'static str, source: io::Error) -> TransferError {
    TransferError::File { path: path.to_path_buf(), what, source }
}
