//! A folder that grows: whatever names say, nothing is touched but what is beneath it.
//!
//! Each folder on the way is opened by its name in the one above, never through a link, and stays open while one is in it.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT},
    io::Errno,
};

use super::{DEPTH_MAX, ENTRIES_MAX, unpack::Trouble};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// The folder, and those beneath it that one is in.
pub(super) struct Growing {
    root: Open,
    within: Vec<(String, Open)>,
    made: usize,
}

struct Open {
    folder: OwnedFd,
    /// The time that it is given when nothing more comes into it.
    modified: Option<u64>,
}

impl Growing {
    /// Makes a folder.
    pub(super) fn make(within: BorrowedFd<'_>, name: &CStr) -> io::Result<Self> {
        rustix::fs::mkdirat(within, name, Mode::from_raw_mode(0o777))?;
        let folder = rustix::fs::openat(within, name, FOLDER, Mode::empty())?;
        Ok(Self { root: Open { folder, modified: None }, within: Vec::new(), made: 0 })
    }

    /// A folder beneath, or this one, made if it is not there.
    pub(super) fn folder(&mut self, parts: &[&str], modified: u64) -> Result<(), Trouble> {
        self.enter(parts)?;
        let open = self.within.last_mut().map_or(&mut self.root, |(_, open)| open);
        open.modified = Some(modified);
        Ok(())
    }

    /// A new file beneath.
    pub(super) fn file(&mut self, parts: &[&str], executable: bool) -> Result<File, Trouble> {
        let (folder, name) = self.place(parts)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Whoever may read it may run it.
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        match rustix::fs::openat(folder, name, flags, mode) {
            Ok(file) => Ok(file.into()),
            Err(Errno::EXIST) => Err(twice(parts)),
            Err(error) => Err(error.into()),
        }
    }

    /// A new symbolic link beneath.
    pub(super) fn link(&mut self, parts: &[&str], target: &str) -> Result<(), Trouble> {
        let (folder, name) = self.place(parts)?;
        match rustix::fs::symlinkat(target, folder, name) {
            Err(Errno::EXIST) => Err(twice(parts)),
            other => Ok(other?),
        }
    }

    /// Nothing more comes: all of it is made durable, by one sync.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.leave(0);
        self.root.set_time();
        Ok(rustix::fs::syncfs(&self.root.folder)?)
    }

    /// Where a new thing is to be.
    fn place<'a>(&mut self, parts: &[&'a str]) -> Result<(BorrowedFd<'_>, &'a str), Trouble> {
        let Some((name, above)) = parts.split_last() else {
            return Err(Trouble::Unfit("it is a file, or a link, and no folder".into()));
        };
        self.count()?;
        self.enter(above)?;
        Ok((self.current(), name))
    }

    fn current(&self) -> BorrowedFd<'_> {
        self.within.last().map_or(&self.root, |(_, open)| open).folder.as_fd()
    }

    fn enter(&mut self, parts: &[&str]) -> Result<(), Trouble> {
        if parts.len() > DEPTH_MAX {
            return Err(Trouble::Unfit(format!("its folders are more than {DEPTH_MAX} deep")));
        }
        let same = self.within.iter().zip(parts).take_while(|((open, _), part)| open == *part).count();
        self.leave(same);
        for part in &parts[same..] {
            let folder = self.open_or_make(part, parts)?;
            self.within.push(((*part).to_owned(), Open { folder, modified: None }));
        }
        Ok(())
    }

    fn open_or_make(&mut self, name: &str, parts: &[&str]) -> Result<OwnedFd, Trouble> {
        let open = |folder: BorrowedFd<'_>| rustix::fs::openat(folder, name, FOLDER, Mode::empty());
        let opened = match open(self.current()) {
            Err(Errno::NOENT) => {
                self.count()?;
                rustix::fs::mkdirat(self.current(), name, Mode::from_raw_mode(0o777))?;
                open(self.current())
            }
            other => other,
        };
        match opened {
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let path = parts[..=self.within.len()].join("/");
                Err(Trouble::Unfit(format!("{path} is in it as a folder, and as something else")))
            }
            other => Ok(other?),
        }
    }

    /// Leaves the folders that are deeper than this.
    fn leave(&mut self, depth: usize) {
        while self.within.len() > depth {
            if let Some((_, open)) = self.within.pop() {
                open.set_time();
            }
        }
    }

    fn count(&mut self) -> Result<(), Trouble> {
        self.made += 1;
        if self.made > ENTRIES_MAX {
            return Err(Trouble::Unfit(format!("there is more in it than {ENTRIES_MAX} files")));
        }
        Ok(())
    }
}

impl Open {
    fn set_time(&self) {
        if let Some(modified) = self.modified {
            set_time(self.folder.as_fd(), modified);
        }
    }
}

/// Has something look last written to at this time, in seconds since 1970.
pub(super) fn set_time(of: BorrowedFd<'_>, modified: u64) {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: i64::try_from(modified).unwrap_or(i64::MAX), tv_nsec: 0 },
    };
    // A time that the file system cannot write down is no reason to be without the file.
    let _ = rustix::fs::futimens(of, &times);
}

/// Removes what has this name in a folder, with all that is in it; nothing is fine.
pub(in crate::transfer) fn remove(within: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    match rustix::fs::unlinkat(within, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // What Linux and POSIX say of a folder.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let folder = rustix::fs::openat(within, name, FOLDER, Mode::empty())?;
    let names = Dir::read_from(&folder)?
        .map(|entry| entry.map(|entry| entry.file_name().to_owned()))
        .collect::<Result<Vec<_>, _>>()?;
    for name in names {
        if !matches!(name.to_bytes(), b"." | b"..") {
            remove(folder.as_fd(), &name)?;
        }
    }
    Ok(rustix::fs::unlinkat(within, name, AtFlags::REMOVEDIR)?)
}

fn twice(parts: &[&str]) -> Trouble {
    Trouble::Unfit(format!("{} is in it twice", parts.join("/")))
}
