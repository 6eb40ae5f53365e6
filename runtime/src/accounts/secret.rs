//! The secret that the records of passwords depend on, in a file of its own beside the database.
//!
//! It is made at the first start and never again: another one beside the same accounts would lock everybody out, and a
//! backup without it holds no password that works.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use palabre_core::{
    name::printable,
    password::{Setup, SetupId},
    storage::AccountRecord,
};

use super::hex;
use crate::entropy;

/// Its name in the data directory.
pub const SECRET_FILE: &str = "accounts.secret";
/// What the file begins with: what it is, and the version of its format.
const HEAD: &str = "palabre-accounts-secret 1";

/// Why there is no secret to start with.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There are accounts, but not their secret.
    #[error(
        "The accounts' secret {} is missing, and without it nobody can log in (accounts: {accounts}). Put it back \
         from a backup of the data directory; or move {} away and import the accounts from an exported file.",
        .path.display(), .database.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// The database with the accounts.
        database: PathBuf,
        /// How many accounts there are.
        accounts: usize,
    },
    /// The accounts were made with another secret.
    #[error(
        "The accounts' secret {} is not the one that account \"{}\" was made with ({found} instead of {wanted}). Put \
         back from one backup what belongs together: the database and its secret.",
        .path.display(), printable(.nick)
    )]
    NotTheirs {
        /// Where it is.
        path: PathBuf,
        /// One of the accounts.
        nick: String,
        /// The secret that is there.
        found: SetupId,
        /// The secret of that account.
        wanted: SetupId,
    },
    /// The file is something else.
    #[error(
        "{} is not an accounts' secret that this version knows, or is damaged. Put it back from a backup; only if \
         there never were accounts here, remove it and a new one is made.",
        .path.display()
    )]
    Damaged {
        /// Where it is.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error(
        "The accounts' secret {} could not be read or written: {source}. It must belong to the user that runs the \
         server.",
        .path.display()
    )]
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The secret of the accounts in a data directory that is locked: from its file, or a new one where there are neither
/// file nor accounts.
///
/// # Errors
/// [`SecretError`] says why the server must not start with these accounts, and what to do.
pub fn load_or_make(directory: &Path, accounts: &[AccountRecord]) -> Result<Setup, SecretError> {
    if let Some(setup) = load(directory, accounts)? {
        return Ok(setup);
    }
    let setup = entropy::seed().map(Setup::generate).map_err(|source| failed(directory, source))?;
    store(directory, &setup)?;
    Ok(setup)
}

/// The secret, if there is one; it is an error if there is none but accounts, or if it is not theirs.
pub(super) fn load(directory: &Path, accounts: &[AccountRecord]) -> Result<Option<Setup>, SecretError> {
    let path = directory.join(SECRET_FILE);
    let Some(setup) = read(directory)? else {
        if accounts.is_empty() {
            return Ok(None);
        }
        let database = directory.join("palabre.db");
        return Err(SecretError::Missing { path, database, accounts: accounts.len() });
    };
    match accounts.iter().find(|account| account.record.setup != setup.id()) {
        None => Ok(Some(setup)),
        Some(stranger) => Err(SecretError::NotTheirs {
            path,
            nick: String::from(&*stranger.nick),
            found: setup.id(),
            wanted: stranger.record.setup,
        }),
    }
}

fn read(directory: &Path) -> Result<Option<Setup>, SecretError> {
    let path = directory.join(SECRET_FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SecretError::File { path, source }),
    };
    if fs::metadata(&path).is_ok_and(|file| file.mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others may read the accounts' secret: chmod 600 it");
    }
    let setup = str::from_utf8(&text).ok().and_then(parse);
    setup.map(Some).ok_or(SecretError::Damaged { path })
}

fn parse(text: &str) -> Option<Setup> {
    let secret = text.strip_prefix(HEAD)?.strip_prefix('\n')?;
    Setup::from_bytes(&hex::decode(secret.strip_suffix('\n')?)?).ok()
}

/// Writes the secret in place of whatever there is, as one step that survives a power cut.
pub(super) fn store(directory: &Path, setup: &Setup) -> Result<(), SecretError> {
    let path = directory.join(SECRET_FILE);
    let unfinished = directory.join(format!("{SECRET_FILE}.new"));
    let write = || {
        // An earlier start may have ended in the middle of this.
        if let Err(error) = fs::remove_file(&unfinished)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "{HEAD}\n{}", hex::encode(&setup.to_bytes()))?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| failed(directory, source))
}

fn failed(directory: &Path, source: io::Error) -> SecretError {
    SecretError::File { path: directory.join(SECRET_FILE), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_empty(directory: &Path) -> Result<Setup, SecretError> {
        load_or_make(directory, &[])
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("accounts.secret.new"), "of a start that was cut short").unwrap();
        let made = load_empty(directory.path()).unwrap();
        assert_eq!(load_empty(directory.path()).unwrap().to_bytes(), made.to_bytes());
        let path = directory.path().join(SECRET_FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!directory.path().join("accounts.secret.new").exists());
        let other = tempfile::tempdir().unwrap();
        assert_ne!(load_empty(other.path()).unwrap().id(), made.id());
    }

    #[test]
    fn a_damaged_secret_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        load_empty(directory.path()).unwrap();
        let path = directory.path().join(SECRET_FILE);
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..0], &whole[..100], &whole[1..], b"palabre-accounts-secret 2\n00\n"] {
            fs::write(&path, damaged).unwrap();
            let error = load_empty(directory.path()).unwrap_err();
            assert!(matches!(error, SecretError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("backup"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }
}
