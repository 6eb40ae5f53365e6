//! The write-ahead log as a file, before SQLite opens it.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

const CHUNK_BYTES: usize = 1 << 20;

/// Makes the log on the disk the one that is about to be read, byte for byte, and its being there or not as well.
///
/// A sync that failed leaves pages that the system takes for clean: they can be read, the next sync does not write
/// them, and nobody is told, a new process least of all. SQLite would move such a log into the database, and after
/// a power cut play back the shorter one on the disk over it. Pages that are written anew are synced. And a log that
/// was deleted is gone for sure only once its directory was synced.
///
/// Nobody else writes it meanwhile: servers keep each other out, and what else opens the database only reads.
///
/// # Errors
///
/// What the system says. The log is then as it was, and no more sure than before.
pub fn rewrite_log(log: &Path) -> io::Result<()> {
    match OpenOptions::new().read(true).write(true).open(log) {
        Ok(file) => rewrite(&file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let directory = log.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn rewrite(file: &File) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut chunk, offset)?;
        if count == 0 {
            return file.sync_all();
        }
        file.write_all_at(&chunk[..count], offset)?;
        offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_rewritten_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("palabre.db-wal");
        let bytes: Vec<u8> = (0..2 * CHUNK_BYTES + 77).map(|index| (index % 251) as u8).collect();
        std::fs::write(&log, &bytes).unwrap();
        rewrite_log(&log).unwrap();
        assert!(std::fs::read(&log).unwrap() == bytes);
    }

    #[test]
    fn a_log_that_is_not_there_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("palabre.db-wal");
        rewrite_log(&log).unwrap();
        assert!(!log.exists());
    }
}
