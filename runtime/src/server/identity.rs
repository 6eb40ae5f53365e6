//! Who a server is: its key and certificate, where they are kept, and how they are made.

mod kept;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{server_key::ServerKey, tls::provider, transport::APPLICATION_PROTOCOL};

/// Where a server has its key and certificate from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// They are made at the start and forgotten at the end.
    Ephemeral,
    /// They are in the folder `tls` of this directory, and made if that is not there yet.
    Kept {
        /// The directory.
        directory: PathBuf,
    },
    /// They are the operator's, in PEM files that may be replaced while the server runs.
    Files {
        /// The certificate, and those that vouch for it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// Why there is no key and certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("The {what} {} cannot be read: {source}.{next_step}", .path.display())]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said, or what is wrong with it.
        source: Unreadable,
        /// What to do about it.
        next_step: NextStep,
    },
    /// Key and certificate are not fit for use, or not with each other.
    #[error(
        "The certificate {} and the key {} cannot be used: {source}.{next_step}",
        .certificate.display(), .key.display()
    )]
    Unfit {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        source: Box<rustls::Error>,
        /// What to do about it.
        next_step: NextStep,
    },
    /// A new pair cannot be written.
    #[error("The server's new key cannot be kept in {}: {source}.", .path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A new pair cannot be made.
    #[error("A key cannot be made: {0}.")]
    Unmade(String),
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system does not give it.
    #[error("{0}")]
    System(io::Error),
    /// It is not what it should be.
    #[error("{0}")]
    Malformed(String),
}

/// What an operator is to do about key and certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Mend the files that were named.
    Mend,
    /// Bring back what was made in this folder.
    Restore(PathBuf),
}

impl std::fmt::Display for NextStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mend => {
                f.write_str(" Both are PEM files; the certificate comes before those that vouch for it.")
            }
            Self::Restore(folder) => write!(
                f,
                " Restore {0} from a backup. If there is none, move {0} away: a new key is made then, and every \
                 client is told that this is another server.",
                folder.display()
            ),
        }
    }
}

/// A key, its certificate, and all that a handshake with them takes.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) key: ServerKey,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("key", &self.key).finish_non_exhaustive()
    }
}

impl IdentitySource {
    /// Reads the pair, or makes one where that is wanted.
    ///
    /// # Errors
    /// [`IdentityError`] says what is in the way and what to do about it.
    pub(crate) fn open(&self) -> Result<Identity, IdentityError> {
        match self {
            Self::Ephemeral => {
                let unmade = |error: &dyn std::fmt::Display| IdentityError::Unmade(error.to_string());
                let made = kept::make()?;
                let key =
                    PrivateKeyDer::from_pem_slice(made.key.as_bytes()).map_err(|error| unmade(&error))?;
                let certificate = CertificateDer::from_pem_slice(made.certificate.as_bytes());
                let certificate = certificate.map_err(|error| unmade(&error))?;
                identity(vec![certificate], key).map_err(|error| unmade(&error))
            }
            Self::Kept { directory } => {
                let folder = kept::folder(directory);
                kept::make_unless_there(&folder)?;
                let [certificate, key] = kept::files(&folder);
                read(&certificate, &key, &NextStep::Restore(folder))
            }
            Self::Files { certificate, key } => read(certificate, key, &NextStep::Mend),
        }
    }
}

fn read(certificate: &Path, key: &Path, next_step: &NextStep) -> Result<Identity, IdentityError> {
    let unreadable = |what, path: &Path, error| IdentityError::Unreadable {
        what,
        path: path.to_owned(),
        source: reason(error),
        next_step: next_step.clone(),
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain =
        chain.and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) });
    let chain = chain.map_err(|error| unreadable("certificate", certificate, error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, error))?;
    warn_if_others_read(key);
    identity(chain, private).map_err(|source| IdentityError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source: Box::new(source),
        next_step: next_step.clone(),
    })
}

fn reason(error: pem::Error) -> Unreadable {
    if let pem::Error::Io(error) = error {
        return Unreadable::System(error);
    }
    Unreadable::Malformed(if matches!(error, pem::Error::NoItemsFound) {
        "there is none in it".to_owned()
    } else {
        // This says where the text of the file is broken, and nothing of what is in it.
        format!("it is damaged ({error})")
    })
}

fn warn_if_others_read(key: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(key) else { return };
    if metadata.permissions().mode() & 0o007 != 0 {
        tracing::warn!(file = %key.display(), "everybody on this machine can read the server's key; chmod 600 it");
    }
}

fn identity(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Identity, rustls::Error> {
    let provider = provider();
    let certified = CertifiedKey::from_der(chain, key, &provider)?;
    let key = ServerKey::of_certificate(certified.end_entity_cert()?)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OnlyForUs { certified: Arc::new(certified) }));
    config.alpn_protocols = vec![APPLICATION_PROTOCOL.to_owned()];
    // Each handshake stands for itself: nothing is remembered of those before, whoever they were with.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Identity { config: Arc::new(config), key })
}

/// Shows the certificate to those who say that they speak our protocol. Those who name others are refused by rustls,
/// but it lets in who names none (T1).
#[derive(Debug)]
struct OnlyForUs {
    certified: Arc<CertifiedKey>,
}

impl ResolvesServerCert for OnlyForUs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_for_us = hello.alpn()?.any(|protocol| protocol == APPLICATION_PROTOCOL);
        is_for_us.then(|| Arc::clone(&self.certified))
    }
}
