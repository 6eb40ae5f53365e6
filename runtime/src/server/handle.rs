//! What others hold on to while a server runs.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use palabre_core::output::Stats;
use polling::Poller;

use super::identity::{Identity, IdentityError, IdentitySource};
use crate::{
    server_key::ServerKey,
    storage::{StorageStats, StorageStopped},
};

/// How long to wait for figures: a loop that takes longer for a turn has other worries.
const STATS_WAIT_MAX: Duration = Duration::from_secs(5);

/// A server that runs on a thread of its own.
///
/// Dropping the handle stops the server at once, without waiting for it; [`shut_down`](Self::shut_down) and
/// [`join`](Self::join) end it in order.
pub struct RunningServer {
    addresses: Vec<SocketAddr>,
    key: Option<ServerKey>,
    remote: Remote,
    thread: Option<JoinHandle<Ending>>,
}

/// What a server is told from other threads.
pub(super) enum Command {
    ShutDown(String),
    StopNow,
    Stats(Sender<ServerStats>),
    Identify(Identity),
}

/// How a server ended.
#[derive(Debug)]
pub enum Ending {
    /// It was told to shut down, and everybody took what there was for them.
    Drained,
    /// It was told to stop at once, or the time to drain was not enough: so many connections were cut.
    CutShort(u64),
    /// Storage cannot tell any more what is stored.
    Storage(StorageStopped),
    /// The operating system does not let it wait for its sockets, or the server panicked.
    System(io::Error),
}

/// Counters since start and gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Of the core.
    pub core: Stats,
    /// Of the storage.
    pub storage: StorageStats,
    /// Open sockets of connections.
    pub sockets: u64,
    /// Bytes that TLS has taken from the core and the system not yet from TLS.
    pub tls_bytes: u64,
    /// Turns of the loop since start.
    pub turns: u64,
}

impl Ending {
    pub(super) const fn drained(cut_short: u64) -> Self {
        if cut_short == 0 { Self::Drained } else { Self::CutShort(cut_short) }
    }
}

impl RunningServer {
    pub(super) const fn new(
        addresses: Vec<SocketAddr>,
        key: Option<ServerKey>,
        remote: Remote,
        thread: JoinHandle<Ending>,
    ) -> Self {
        Self { addresses, key, remote, thread: Some(thread) }
    }

    /// Where it listens, with the ports it was given where it had asked for any.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The key that it showed at its start; nothing in plaintext.
    #[must_use]
    pub const fn key(&self) -> Option<ServerKey> {
        self.key
    }

    /// What speaks to the server from yet another thread.
    #[must_use]
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Begins an orderly shutdown: no more connections, what was taken is answered, clients are told `text`.
    pub fn shut_down(&self, text: &str) {
        self.remote.shut_down(text);
    }

    /// Its figures; `None` if it has ended.
    #[must_use]
    pub fn stats(&self) -> Option<ServerStats> {
        self.remote.stats()
    }

    /// Waits until it has ended.
    #[must_use]
    pub fn join(mut self) -> Ending {
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(ending)) => ending,
            Some(Err(_)) | None => Ending::System(io::Error::other("the server panicked")),
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.remote.stop_now();
        }
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Speaks to a running server. What is said to one that has ended is lost.
#[derive(Clone)]
pub struct Remote {
    commands: Sender<Command>,
    poller: Arc<Poller>,
    identity: Option<IdentitySource>,
}

impl Remote {
    pub(super) const fn new(
        commands: Sender<Command>,
        poller: Arc<Poller>,
        identity: Option<IdentitySource>,
    ) -> Self {
        Self { commands, poller, identity }
    }

    /// See [`RunningServer::shut_down`].
    pub fn shut_down(&self, text: &str) {
        self.tell(Command::ShutDown(text.to_owned()));
    }

    /// Ends the server within its next turn: connections are cut. What it had handed to storage is still stored.
    pub fn stop_now(&self) {
        self.tell(Command::StopNow);
    }

    /// Reads the operator's certificate and key again, on this thread. Whoever connects from now on is shown these;
    /// connections that there are go on. The key; nothing if the server has no such files.
    ///
    /// # Errors
    /// They cannot be used: the server goes on with those it has.
    pub fn reload_certificate(&self) -> Result<Option<ServerKey>, IdentityError> {
        match &self.identity {
            None | Some(IdentitySource::Ephemeral | IdentitySource::Kept { .. }) => Ok(None),
            Some(source @ IdentitySource::Files { .. }) => {
                let identity = source.open()?;
                let key = identity.key;
                self.tell(Command::Identify(identity));
                Ok(Some(key))
            }
        }
    }

    /// See [`RunningServer::stats`].
    #[must_use]
    pub fn stats(&self) -> Option<ServerStats> {
        let (sender, answer) = mpsc::channel();
        self.tell(Command::Stats(sender));
        answer.recv_timeout(STATS_WAIT_MAX).ok()
    }

    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
        let _ = self.poller.notify();
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
