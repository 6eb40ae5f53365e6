//! The simulated disk as SQLite asks for it: a VFS.
//!
//! It stands where SQLite's `unix` VFS stands in production and does what that does: the directory is synced with
//! the first sync of a log or journal that was created, an empty file counts as none, and the device is said to
//! damage nothing beside what it writes. Locks always succeed: there is one connection at a time, which is checked.
#![allow(unsafe_code, reason = "SQLite calls a VFS through function pointers of C")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr, slice,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering, fence},
    },
};

use rusqlite::ffi;

use crate::disk::{Disk, DiskError, FileId};

/// What SQLite's `unix` VFS says of a device.
const SECTOR_BYTES: c_int = 4_096;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A disk that SQLite knows by a name, for as long as this lives.
pub(crate) struct Vfs {
    name: String,
    /// Leaked while a connection is open.
    registered: *mut Registered,
    disk: Arc<Mutex<Disk>>,
}

// SAFETY: the pointer is to a heap allocation that only `Drop` takes back, and what lies behind it is either never
// written after registration or guarded by a mutex.
unsafe impl Send for Vfs {}
// SAFETY: as for `Send`.
unsafe impl Sync for Vfs {}

struct Registered {
    vfs: ffi::sqlite3_vfs,
    _name: CString,
    shared: Shared,
}

/// What the calls of a VFS find behind its `pAppData`.
struct Shared {
    disk: Arc<Mutex<Disk>>,
    open: AtomicU64,
    temporary: AtomicU64,
}

impl Vfs {
    /// Makes a disk known to SQLite.
    pub(crate) fn register(disk: Disk) -> Self {
        let name = format!("palabre-disk-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let c_name = CString::new(name.as_str()).expect("no zero in it");
        let disk = Arc::new(Mutex::new(disk));
        let shared =
            Shared { disk: Arc::clone(&disk), open: AtomicU64::new(0), temporary: AtomicU64::new(0) };
        let vfs = methods(c_name.as_ptr());
        let registered = Box::into_raw(Box::new(Registered { vfs, _name: c_name, shared }));
        // SAFETY: the allocation stays where it is until `Drop` has unregistered it.
        let code = unsafe {
            (*registered).vfs.pAppData = (&raw mut (*registered).shared).cast();
            ffi::sqlite3_vfs_register(&raw mut (*registered).vfs, 0)
        };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the VFS");
        Self { name, registered, disk }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: registered by `register` and not unregistered since.
        unsafe { ffi::sqlite3_vfs_unregister(&raw mut (*self.registered).vfs) };
        // SAFETY: nobody else writes `shared.open` but connections, which are counted in it.
        let open = unsafe { (*self.registered).shared.open.load(Ordering::Acquire) };
        if open == 0 {
            // SAFETY: it came from `Box::into_raw`, and neither SQLite nor a connection knows it any more.
            drop(unsafe { Box::from_raw(self.registered) });
        }
    }
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().expect("a call of the disk does not panic")
}

/// A file of SQLite's, which allocates `szOsFile` bytes for it.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

struct Handle {
    shared: *const Shared,
    disk: Arc<Mutex<Disk>>,
    file: FileId,
    /// Whether the directory does not yet know of it for sure, and the next sync must see to that.
    directory_unsynced: bool,
    /// To be deleted when it is closed.
    temporary: Option<String>,
    /// The index of the log, which other processes would share. Regions as SQLite asks for them.
    index: Vec<Box<[u64]>>,
    is_database: bool,
}

fn methods(name: *const c_char) -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<OpenFile>() as c_int,
        mxPathname: 1_024,
        pNext: ptr::null_mut(),
        zName: name,
        pAppData: ptr::null_mut(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_path_name),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

static FILE_METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(always_locked),
    xUnlock: Some(always_locked),
    xCheckReservedLock: Some(nobody_reserves),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(index_map),
    xShmLock: Some(index_lock),
    xShmBarrier: Some(index_barrier),
    xShmUnmap: Some(index_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn code(result: Result<(), DiskError>, io: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(DiskError::Full) => ffi::SQLITE_FULL,
        Err(DiskError::Off | DiskError::Io | DiskError::Missing) => io,
    }
}

/// # Safety
/// `vfs` was registered by [`Vfs::register`], and a connection or a call of SQLite keeps it.
unsafe fn shared_of<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Shared {
    // SAFETY: `register` has pointed it there.
    unsafe { &*(*vfs).pAppData.cast::<Shared>() }
}

/// # Safety
/// `file` was opened by [`open`] and not closed since, and SQLite calls for one file on one thread at a time.
unsafe fn handle_of<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: `open` has put a handle there, which `close` takes away.
    unsafe { &mut *(*file.cast::<OpenFile>()).handle }
}

/// The last part of a path.
///
/// # Safety
/// `path` is a string of C.
unsafe fn file_name(path: *const c_char) -> String {
    // SAFETY: as said.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `file` has room for `szOsFile` bytes; without methods SQLite does not close it.
    unsafe { (*file).pMethods = ptr::null() };
    // SAFETY: SQLite hands over the VFS that was registered.
    let shared = unsafe { shared_of(vfs) };
    let is_database = flags & ffi::SQLITE_OPEN_MAIN_DB != 0;
    let temporary = path.is_null().then(|| {
        let number = shared.temporary.fetch_add(1, Ordering::Relaxed);
        format!("temporary-{number}")
    });
    // SAFETY: a path that is not null is a string of C.
    let name = temporary.clone().unwrap_or_else(|| unsafe { file_name(path) });
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let Ok((id, created)) = lock(&shared.disk).open(&name, create) else { return ffi::SQLITE_CANTOPEN };
    if is_database && shared.open.swap(1, Ordering::AcqRel) != 0 {
        return ffi::SQLITE_CANTOPEN;
    }
    let logs = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
    let handle = Box::new(Handle {
        shared,
        disk: Arc::clone(&shared.disk),
        file: id,
        directory_unsynced: created && flags & logs != 0,
        temporary,
        index: Vec::new(),
        is_database,
    });
    let opened = file.cast::<OpenFile>();
    // SAFETY: SQLite has allocated an `OpenFile` there; `out_flags` may be null.
    unsafe {
        (*opened).handle = Box::into_raw(handle);
        (*opened).base.pMethods = &raw const FILE_METHODS;
        if let Some(out) = out_flags.as_mut() {
            *out = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: SQLite hands over the VFS that was registered and a string of C.
    let (shared, name) = unsafe { (shared_of(vfs), file_name(path)) };
    match lock(&shared.disk).delete(&name, sync_directory != 0) {
        Err(DiskError::Missing) => ffi::SQLITE_IOERR_DELETE_NOENT,
        result => code(result, ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands over the VFS that was registered, a string of C and a place for the answer.
    unsafe {
        let (shared, name) = (shared_of(vfs), file_name(path));
        *out = c_int::from(lock(&shared.disk).exists(&name));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path_name(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a string of C, and room for so many bytes.
    unsafe {
        let bytes = CStr::from_ptr(path).to_bytes_with_nul();
        if bytes.len() > usize::try_from(room).unwrap_or(0) {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_vfs: *mut ffi::sqlite3_vfs, count: c_int, out: *mut c_char) -> c_int {
    // SAFETY: room for so many bytes.
    unsafe { ptr::write_bytes(out, 0x5a, usize::try_from(count).unwrap_or(0)) };
    count
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    micros
}

/// A day in 2026, in the unit of `xCurrentTimeInt64`: milliseconds since noon in Greenwich on 24 November 4714 BC.
const TODAY: i64 = 2_461_000 * 86_400_000;

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *out = TODAY as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_int64(_vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *out = TODAY };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_vfs: *mut ffi::sqlite3_vfs, _room: c_int, _out: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `open` has put a handle there, and SQLite closes a file once.
    let handle = unsafe { Box::from_raw((*file.cast::<OpenFile>()).handle) };
    if let Some(name) = &handle.temporary {
        // A disk without power has lost it anyway.
        let _ = lock(&handle.disk).delete(name, false);
    }
    if handle.is_database {
        // SAFETY: what it belongs to lives until no database is open.
        unsafe { &*handle.shared }.open.store(0, Ordering::Release);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let (Ok(count), Ok(offset)) = (usize::try_from(count), usize::try_from(offset)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: an open file, and room for so many bytes.
    let (handle, buffer) = unsafe { (handle_of(file), slice::from_raw_parts_mut(out.cast::<u8>(), count)) };
    match lock(&handle.disk).read(handle.file, offset, buffer) {
        Ok(got) if got == count => ffi::SQLITE_OK,
        Ok(got) => {
            buffer[got..].fill(0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let (Ok(count), Ok(offset)) = (usize::try_from(count), usize::try_from(offset)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: an open file, and so many bytes.
    let (handle, bytes) = unsafe { (handle_of(file), slice::from_raw_parts(bytes.cast::<u8>(), count)) };
    code(lock(&handle.disk).write(handle.file, offset, bytes), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let Ok(size) = usize::try_from(size) else { return ffi::SQLITE_IOERR_TRUNCATE };
    // SAFETY: an open file.
    let handle = unsafe { handle_of(file) };
    code(lock(&handle.disk).truncate(handle.file, size), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle_of(file) };
    let result = lock(&handle.disk).sync(handle.file, handle.directory_unsynced);
    if result.is_ok() {
        handle.directory_unsynced = false;
    }
    code(result, ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    let handle = unsafe { handle_of(file) };
    let size = lock(&handle.disk).size(handle.file);
    // SAFETY: a place for the answer.
    unsafe { *out = size.unwrap_or(0) as ffi::sqlite3_int64 };
    code(size.map(drop), ffi::SQLITE_IOERR_FSTAT)
}

unsafe extern "C" fn always_locked(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn nobody_reserves(_file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_file: *mut ffi::sqlite3_file, _op: c_int, _arg: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_BYTES
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn index_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file.
    let index = unsafe { &mut handle_of(file).index };
    let (Ok(region), Ok(bytes)) = (usize::try_from(region), usize::try_from(bytes)) else {
        return ffi::SQLITE_IOERR_SHMMAP;
    };
    while extend != 0 && index.len() <= region {
        index.push(vec![0_u64; bytes.div_ceil(8)].into_boxed_slice());
    }
    let found = index.get_mut(region).map_or(ptr::null_mut(), |region| region.as_mut_ptr().cast());
    // SAFETY: a place for the answer; the region stays where it is until it is unmapped.
    unsafe { *out = found };
    ffi::SQLITE_OK
}

unsafe extern "C" fn index_lock(
    _file: *mut ffi::sqlite3_file,
    _first: c_int,
    _count: c_int,
    _flags: c_int,
) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn index_barrier(_file: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn index_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: an open file, whose regions SQLite does not use any more.
    unsafe { handle_of(file) }.index.clear();
    ffi::SQLITE_OK
}
