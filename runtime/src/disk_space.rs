//! Space that is left to the database, whatever is uploaded.

use std::path::Path;

use rustix::fs::statvfs;

/// So much, or a twentieth of a smaller disk.
const RESERVE_BYTES: u64 = 64 << 20;

/// Whether the reserve stays free where a path is, when so many bytes more are taken. Where the system does not tell, it does.
pub(crate) fn leaves_reserve(path: &Path, wanted: u64) -> bool {
    let Ok(space) = statvfs(path) else { return true };
    let total = space.f_blocks.saturating_mul(space.f_frsize);
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    free >= wanted.saturating_add(RESERVE_BYTES.min(total / 20))
}
