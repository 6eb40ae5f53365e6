//! A server that can be started in-process: the poll loop around the core's state machine.

mod accept;
mod checking;
mod driver;
mod event_log;
mod handle;
mod identity;
mod keys;
mod seam;
mod sockets;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
};

use palabre_core::{
    config::{AccountsConfig, FilesConfig, Registration, ServerConfig},
    ids::Incarnation,
    password::{Setup, Stretching},
    storage::Recovered,
};
use polling::Poller;

use self::{
    accept::Listeners,
    driver::{Driver, Protecting},
    event_log::EventLog,
    seam::Seam,
};
pub use self::{
    handle::{Ending, Remote, RunningServer, ServerStats},
    identity::{IdentityError, IdentitySource, NextStep, Unreadable},
};
use crate::{
    accounts::{self, SecretError},
    blobs::{BlobDirectory, BlobThreads},
    clock::Clock,
    descriptors, entropy,
    listen::{self, ListenAddress, ListenError, Reach},
    storage::{
        ImmediateStorage, MEMORY_BYTES_MAX, MemoryStorage, OpenError, SqliteOptions, SqliteStorage, Storage,
        StorageThread,
    },
};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it listens.
    pub listen: Vec<ListenAddress>,
    /// Who may reach it.
    pub reach: Reach,
    /// How connections are protected.
    pub protection: Protection,
    /// Where it keeps its data.
    pub data: Data,
    /// What its core is held to. Its accounts are filled in at start.
    pub config: ServerConfig,
    /// Who may make an account.
    pub registration: Registration,
    /// Whether clients that cannot do OPAQUE may send their password as it is, inside TLS.
    pub plain_logins: bool,
    /// What clients are to spend on a new password.
    pub stretching: Stretching,
}

/// How a server protects its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    Plaintext,
    /// By TLS, with this key and certificate.
    Tls(IdentitySource),
}

/// Where a server keeps its data.
#[derive(Clone, Debug)]
pub enum Data {
    /// Nowhere: it is gone when the server ends.
    Memory {
        /// How many bytes of events are kept until then.
        bytes_max: u64,
    },
    /// In a database.
    Sqlite(SqliteOptions),
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot listen where it should.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It has no key and certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its data cannot be opened.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// The secret of its accounts is not as it should be.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The files that were shared cannot be opened.
    #[error("{}: {source}. Files that were shared are kept there; make it readable and writable.", .directory.display())]
    Files {
        /// Where they are.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The limit of open files leaves no room for clients.
    #[error(
        "Only {limit} files may be open at a time, which leaves no room for clients. Raise the limit (ulimit -n, \
         or LimitNOFILE= in a systemd unit) to 256 or more."
    )]
    FewDescriptors {
        /// How many may be open.
        limit: u64,
    },
    /// The operating system does not play along.
    #[error("The operating system gives no {what}: {source}.")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl ServerOptions {
    /// A server that keeps nothing, not even its key, and listens on 127.0.0.1, on a port that is free: for tests.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self {
            listen: vec![ListenAddress::Address(([127, 0, 0, 1], 0).into())],
            reach: Reach::Loopback,
            protection: Protection::Tls(IdentitySource::Ephemeral),
            data: Data::Memory { bytes_max: MEMORY_BYTES_MAX },
            config: ServerConfig::default(),
            registration: Registration::Open,
            plain_logins: false,
            stretching: Stretching::default(),
        }
    }

    /// Starts the server on a thread of its own.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way and what to do about it.
    pub fn start(self) -> Result<RunningServer, StartError> {
        self.start_and_then(|| ())
    }

    /// The same; `at_end` is called on the server's thread when it has ended, however it did.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_and_then(
        mut self,
        at_end: impl FnOnce() + Send + 'static,
    ) -> Result<RunningServer, StartError> {
        let connections_max = descriptors::make_fit(&mut self.config.limits)?;
        let listeners = listen::bind(&self.listen, self.reach)?;
        let addresses = addresses(&listeners).map_err(lacking("addresses"))?;
        let poller = Arc::new(Poller::new().map_err(lacking("poller"))?);
        let clock = Clock::start();
        let Opened { storage, recovered, setup, blobs } = open(self.data, self.config.files, clock, &poller)?;
        if blobs.is_none() {
            self.config.files = FilesConfig::Off;
        }
        let (registration, stretching) = (self.registration, self.stretching);
        self.config.accounts =
            Some(AccountsConfig { setup, registration, plain: self.plain_logins, stretching });
        // After the data, whose directory then is there and ours alone.
        let (protection, source) = protect(self.protection)?;
        let (commands, incoming) = mpsc::channel();
        let seed = entropy::seed().map_err(lacking("randomness"))?;
        let key = match &protection {
            Protecting::Plaintext => None,
            Protecting::Tls(identity) => Some(identity.key),
        };
        let driver = Driver {
            clock,
            core: Seam::new(self.config, seed, recovered, clock.now()),
            storage,
            checking: checking::Checking::new(&poller),
            blobs,
            listeners: Listeners::new(listeners, connections_max, &poller).map_err(lacking("poller"))?,
            protection,
            commands: incoming,
            sockets: sockets::Sockets::default(),
            log: EventLog::default(),
            work: driver::Work::default(),
            poller: Arc::clone(&poller),
        };
        let at_end = AtEnd(Some(at_end));
        let run = move || {
            let _at_end = at_end;
            driver.run()
        };
        let thread = thread::Builder::new().name("server".into()).spawn(run).map_err(lacking("thread"))?;
        Ok(RunningServer::new(addresses, key, Remote::new(commands, poller, source), thread))
    }
}

fn lacking(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

fn protect(protection: Protection) -> Result<(Protecting, Option<IdentitySource>), IdentityError> {
    match protection {
        Protection::Plaintext => Ok((Protecting::Plaintext, None)),
        Protection::Tls(source) => Ok((Protecting::Tls(source.open()?), Some(source))),
    }
}

fn addresses(listeners: &[TcpListener]) -> io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

/// The storage, what is in it, the secret of its accounts, and the disk for files.
struct Opened {
    storage: Storage,
    recovered: Recovered,
    setup: Setup,
    blobs: Option<BlobThreads>,
}

fn open(data: Data, files: FilesConfig, clock: Clock, poller: &Arc<Poller>) -> Result<Opened, StartError> {
    let seed = entropy::seed().map_err(lacking("randomness"))?;
    let [a, b, c, d, e, f, g, h, ..] = seed;
    let incarnation = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    match data {
        Data::Memory { bytes_max } => {
            let storage = MemoryStorage::with_bytes_max(Incarnation::new(incarnation), bytes_max);
            let recovered = storage.recovered();
            let setup = Setup::generate(entropy::seed().map_err(lacking("randomness"))?);
            let storage = Storage::Memory(Box::new(ImmediateStorage::new(storage)));
            Ok(Opened { storage, recovered, setup, blobs: None })
        }
        Data::Sqlite(options) => {
            let (storage, recovered) = SqliteStorage::open(options, incarnation)?;
            let setup = accounts::load_or_make(storage.directory(), &recovered.accounts)?;
            let blobs = match files {
                FilesConfig::Off => None,
                FilesConfig::Accounts | FilesConfig::Everybody => {
                    Some(open_files(&storage, &recovered, poller)?)
                }
            };
            let waker = Arc::clone(poller);
            let wake = Box::new(move || drop(waker.notify()));
            let thread = StorageThread::start(storage, move || clock.monotonic(), wake);
            let storage = Storage::Thread(thread.map_err(lacking("thread"))?);
            Ok(Opened { storage, recovered, setup, blobs })
        }
    }
}

/// The disk for files, rid of what a crash left behind.
fn open_files(
    storage: &SqliteStorage,
    recovered: &Recovered,
    poller: &Arc<Poller>,
) -> Result<BlobThreads, StartError> {
    let fail = |source| StartError::Files { directory: storage.directory().join("files"), source };
    let uploads = recovered.files.uploads.iter().map(|upload| upload.id).collect();
    let directory = BlobDirectory::open(storage.directory()).map_err(fail)?;
    directory.tidy(&uploads, |hash| storage.uses_blob(hash)).map_err(fail)?;
    let waker = Arc::clone(poller);
    BlobThreads::start(&directory, move || drop(waker.notify())).map_err(fail)
}

/// Calls back when it is dropped, also by a panic.
struct AtEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}
