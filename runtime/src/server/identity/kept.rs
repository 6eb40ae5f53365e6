//! The pair that a server makes for itself.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, DnType, KeyPair};

use super::IdentityError;

const FOLDER: &str = "tls";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
/// Where a pair is made before it gets its place.
const UNFINISHED: &str = "tls.new";

/// A pair in PEM.
pub(super) struct Made {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The folder of the pair in a server's data directory.
pub(super) fn folder(directory: &Path) -> PathBuf {
    directory.join(FOLDER)
}

/// The files of certificate and key in their folder.
pub(super) fn files(folder: &Path) -> [PathBuf; 2] {
    [folder.join(CERTIFICATE), folder.join(KEY)]
}

/// Makes a pair: a P-256 key, and a certificate that it signed itself. Nobody believes what such a certificate says,
/// only that the server has the key; so it never expires.
pub(super) fn make() -> Result<Made, IdentityError> {
    let unmade = |error: rcgen::Error| IdentityError::Unmade(error.to_string());
    let key = KeyPair::generate().map_err(unmade)?;
    let mut certificate = CertificateParams::new(vec!["palabre.invalid".to_owned()]).map_err(unmade)?;
    certificate.distinguished_name.push(DnType::CommonName, "Palabre server");
    let certificate = certificate.self_signed(&key).map_err(unmade)?.pem();
    Ok(Made { certificate, key: key.serialize_pem() })
}

/// Makes a pair unless there is something in its place, whatever that is: what is damaged is for the operator to
/// judge, since a new key is a new server to all who know the old one.
///
/// Both files come into being together, durably, or neither does.
pub(super) fn make_unless_there(folder: &Path) -> Result<(), IdentityError> {
    let unwritable = |source| IdentityError::Unwritable { path: folder.to_owned(), source };
    if fs::symlink_metadata(folder).is_ok() {
        return Ok(());
    }
    let made = make()?;
    let unfinished = folder.with_file_name(UNFINISHED);
    write(&unfinished, &made).map_err(unwritable)?;
    fs::rename(&unfinished, folder).and_then(|()| sync_parent(folder)).map_err(unwritable)
}

fn write(folder: &Path, made: &Made) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    DirBuilder::new().mode(0o700).create(folder)?;
    let [certificate, key] = files(folder);
    for (path, content) in [(key, &made.key), (certificate, &made.certificate)] {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
    }
    File::open(folder)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
