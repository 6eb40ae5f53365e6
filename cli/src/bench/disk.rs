//! How long a disk takes to make a little durable: what no durable message is faster than.

use std::{
    fs::{self, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::Path,
    time::Duration,
};

use palabre_runtime::{clock::Clock, load::Latencies};

const BLOCK_BYTES: usize = 4 << 10;
/// As many blocks as a database's log has before it begins anew. They are there before, so that only data has to be
/// written, as in such a log.
const BLOCKS: u64 = 1_000;

/// Times of `fdatasync` after a write of 4 KiB each, in a file of this directory that is removed again.
pub(super) fn fdatasync_times(directory: &Path, duration: Duration) -> io::Result<Latencies> {
    let path = directory.join(format!("palabre-bench-{}", std::process::id()));
    let times = measure(&path, duration);
    fs::remove_file(&path)?;
    times
}

fn measure(path: &Path, duration: Duration) -> io::Result<Latencies> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let block = [0x5a; BLOCK_BYTES];
    for _ in 0..BLOCKS {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let clock = Clock::start();
    let until = clock.monotonic().after(duration);
    let mut times = Latencies::default();
    loop {
        let start = clock.monotonic();
        if start >= until {
            return Ok(times);
        }
        file.seek(SeekFrom::Start(times.count() % BLOCKS * BLOCK_BYTES as u64))?;
        file.write_all(&block)?;
        file.sync_data()?;
        times.record(clock.monotonic().since(start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let times = fdatasync_times(directory.path(), Duration::from_millis(20)).unwrap();
        assert!(times.count() > 0 && times.quantile(0.5) <= times.quantile(0.99));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
