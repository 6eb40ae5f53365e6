//! The lock on the data directory: one server at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use super::error::OpenError;

/// Held while a server uses the directory. The system lets go of it however the process ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Creates the directory where there is none, and locks it.
    pub(super) fn take(directory: &Path) -> Result<Self, OpenError> {
        create(directory)
            .map_err(|source| OpenError::NoDirectory { directory: directory.to_path_buf(), source })?;
        let path = directory.join("lock");
        let fail = |source| OpenError::from_io(directory, &path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(fail(error.into()));
            }
            return Err(OpenError::InUse { directory: directory.to_path_buf(), holder: holder(&mut file) });
        }
        // The number is for people only, and a full disk is no reason to keep a server from reading.
        if let Err(error) = write_holder(&mut file) {
            tracing::warn!(path = %path.display(), %error, "the process id could not be written into the lock file");
        }
        Ok(Self { _file: file })
    }
}

/// Creates a directory with those above it, so that a power cut does not take them away again.
fn create(directory: &Path) -> io::Result<()> {
    let missing: Vec<_> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for created in missing {
        // One that may not be opened for reading cannot be synced.
        if let Some(parent) = created.parent()
            && let Ok(parent) =
                File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
        {
            parent.sync_all()?;
        }
    }
    Ok(())
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(process)) => format!("process {process}"),
        Ok(Err(_)) | Err(_) => String::from("its process is not known"),
    }
}
