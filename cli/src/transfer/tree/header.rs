//! What stands in the stream before each thing of a folder: the same bytes for the same thing, always.

use std::io;

/// A thing of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File {
        size: u64,
        executable: bool,
    },
    /// A symbolic link, with where it leads.
    Link(String),
}

impl Kind {
    /// How much content follows the header.
    pub(super) const fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            Self::Folder | Self::Link(_) => 0,
        }
    }
}

/// The header of a thing with this name, last written to at this time, in seconds since 1970.
pub(super) fn header(name: &str, kind: &Kind, modified: i64) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    let (entry_type, mode) = match kind {
        Kind::Folder => (tar::EntryType::Directory, 0o755),
        Kind::File { executable: true, .. } => (tar::EntryType::Regular, 0o755),
        Kind::File { executable: false, .. } => (tar::EntryType::Regular, 0o644),
        Kind::Link(_) => (tar::EntryType::Symlink, 0o777),
    };
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(kind.size());
    header.set_mtime(u64::try_from(modified).unwrap_or(0));
    let mut extensions: Vec<(&str, &[u8])> = Vec::new();
    if !name.is_ascii() || header.set_path(name).is_err() {
        extensions.push(("path", name.as_bytes()));
        set_short_name(&mut header, name);
    }
    if let Kind::Link(target) = kind
        && (!target.is_ascii() || header.set_link_name_literal(target).is_err())
    {
        extensions.push(("linkpath", target.as_bytes()));
    }
    header.set_cksum();
    let mut stream = tar::Builder::new(Vec::new());
    stream.append_pax_extensions(extensions)?;
    // What the builder would end the stream with comes at the end of ours.
    let mut bytes = std::mem::take(stream.get_mut());
    bytes.extend(header.as_bytes());
    Ok(bytes)
}

/// For those who do not know extensions: as much of the name as there is room for.
fn set_short_name(header: &mut tar::Header, name: &str) {
    let Some(ustar) = header.as_ustar_mut() else { return };
    ustar.prefix.fill(0);
    ustar.name.fill(0);
    let short = name.chars().map(|char| if char.is_ascii() { char as u8 } else { b'_' });
    ustar.name.iter_mut().zip(short).for_each(|(to, from)| *to = from);
}
