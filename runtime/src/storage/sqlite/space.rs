//! Whether a write failed for want of space. SQLite says so of a full device; of a quota that is used up, and of the
//! index of its log that does not fit, it only says that a write failed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// More than the index of a log takes at first.
const PROBE_BYTES: usize = 64 * 1024;

/// Whether the device is full, or a quota used up.
pub(super) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Tries whether there is space in a directory: writes a file and deletes it again.
pub(super) fn probe(directory: &Path) -> io::Result<()> {
    let path = directory.join("space-probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; PROBE_BYTES])?;
        // Some file systems look for space only now.
        file.sync_all()
    });
    // Where it cannot be deleted it is written over next time.
    let _ = fs::remove_file(&path);
    written
}

/// Whether a directory has no space left.
pub(super) fn is_lacking(probed: &io::Result<()>) -> bool {
    probed.as_ref().is_err_and(is_out_of_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!is_lacking(&probe(directory.path())));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_quota_is_space_and_a_broken_device_is_not() {
        let [full, quota, broken] =
            [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT, rustix::io::Errno::IO].map(io::Error::from);
        assert!(is_lacking(&Err(full)) && is_lacking(&Err(quota)) && !is_lacking(&Err(broken)));
    }
}
