//! Making a folder of a stream that others made.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _, Write as _},
    os::fd::AsFd as _,
};

use palabre_core::transfer::FileName;

use super::{
    growing::{Growing, set_time},
    stays_inside,
};

/// How much is read and written at a time.
const BUFFER_BYTES: usize = 128 << 10;
/// How much may be said about one thing before it comes.
const EXTENSION_BYTES_MAX: u64 = 64 << 10;

/// Why there is no folder.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is none, or one that could do harm.
    Unfit(String),
    /// It cannot be written here.
    Local(io::Error),
}

/// Makes what the stream says beneath a folder, in place of the one that all its names begin with.
pub(super) fn unpack(mut stream: &File, mut into: Growing) -> Result<(), Trouble> {
    stream.rewind()?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(BUFFER_BYTES, stream));
    let (mut top, mut ahead) = (None, Ahead::default());
    let mut buffer = vec![0; BUFFER_BYTES];
    // Raw, so that nobody else follows what stands in headers, and nothing is as large in memory as they say.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        if ahead.take(&mut entry)? {
            continue;
        }
        let thing = Thing::new(&entry, std::mem::take(&mut ahead))?;
        let mut parts = thing.path.split('/');
        let first = parts.next().map(str::to_owned);
        if *top.get_or_insert_with(|| first.clone()) != first {
            return Err(Trouble::Unfit("there are several folders in it".into()));
        }
        let parts: Vec<&str> = parts.collect();
        match &thing.what {
            What::Folder => into.folder(&parts, thing.modified)?,
            What::Link(target) => {
                if !stays_inside(target, parts.len().saturating_sub(1)) {
                    return Err(Trouble::Unfit(format!("the link {} leads out of it", thing.path)));
                }
                into.link(&parts, target)?;
            }
            What::File { executable } => {
                let mut file = into.file(&parts, *executable)?;
                copy(&mut entry, &mut file, &mut buffer, &thing)?;
                set_time(file.as_fd(), thing.modified);
            }
        }
    }
    if top.is_none() {
        return Err(Trouble::Unfit("there is nothing in it".into()));
    }
    into.finish().map_err(Trouble::Local)
}

/// A thing of the folder.
struct Thing {
    path: String,
    what: What,
    size: u64,
    modified: u64,
}

enum What {
    Folder,
    File { executable: bool },
    Link(String),
}

impl Thing {
    fn new<R: Read>(entry: &tar::Entry<'_, R>, ahead: Ahead) -> Result<Self, Trouble> {
        let header = entry.header();
        let path = ahead.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let (kind, size) = (header.entry_type(), entry.size());
        if ahead.size.is_some_and(|said| said != size) {
            return Err(Trouble::Unfit("a file in it has two sizes".into()));
        }
        let path = acceptable(if kind.is_dir() { path.strip_suffix(b"/").unwrap_or(&path) } else { &path })?;
        let what = if kind.is_dir() {
            What::Folder
        } else if kind.is_file() {
            What::File { executable: header.mode()? & 0o100 != 0 }
        } else if kind.is_symlink() {
            let target = ahead.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
            let target = String::from_utf8(target.unwrap_or_default());
            What::Link(target.map_err(|_| Trouble::Unfit(format!("the link {path} leads to no text")))?)
        } else {
            return Err(Trouble::Unfit(format!("{path} is neither a file, a folder nor a symbolic link")));
        };
        Ok(Self { path, what, size, modified: header.mtime()? })
    }
}

/// What was said about the thing that comes next.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Ahead {
    /// Whether this is about the next thing, and none itself.
    fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<bool, Trouble> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(true);
        }
        let (longer_path, longer_link) = (kind.is_gnu_longname(), kind.is_gnu_longlink());
        if !longer_path && !longer_link && !kind.is_pax_local_extensions() {
            return Ok(false);
        }
        if entry.size() > EXTENSION_BYTES_MAX {
            return Err(Trouble::Unfit("a name in it is far too long".into()));
        }
        if longer_path || longer_link {
            let mut name = Vec::new();
            entry.read_to_end(&mut name)?;
            if name.last() == Some(&0) {
                name.pop();
            }
            *if longer_path { &mut self.path } else { &mut self.link } = Some(name);
            return Ok(true);
        }
        let Some(extensions) = entry.pax_extensions()? else { return Ok(true) };
        for extension in extensions {
            let extension = extension?;
            let value = extension.value_bytes();
            match extension.key_bytes() {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok()),
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(Trouble::Unfit("a file in it has holes".into()));
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

/// A path that no folder of ours is left by.
fn acceptable(path: &[u8]) -> Result<String, Trouble> {
    let text = String::from_utf8_lossy(path);
    let name = std::str::from_utf8(path).map_err(|_| "it is no text".to_owned());
    match name.and_then(|name| FileName::parse(name).map_err(|error| error.to_string())) {
        Ok(_) => Ok(text.into_owned()),
        Err(error) => {
            Err(Trouble::Unfit(format!("there is a name in it that cannot be used, {text}: {error}")))
        }
    }
}

fn copy(from: &mut impl Read, to: &mut File, buffer: &mut [u8], thing: &Thing) -> Result<(), Trouble> {
    let mut left = thing.size;
    while left > 0 {
        let count = from.read(buffer)?;
        if count == 0 {
            return Err(Trouble::Unfit(format!("it ends in the middle of {}", thing.path)));
        }
        to.write_all(&buffer[..count])?;
        left = left.saturating_sub(count as u64);
    }
    Ok(())
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        // What the system says has a number; what else is said is about the stream.
        if error.raw_os_error().is_some() {
            Self::Local(error)
        } else {
            Self::Unfit(format!("it is no folder that was shared; take it without -r ({error})"))
        }
    }
}

impl From<rustix::io::Errno> for Trouble {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Local(error.into())
    }
}
