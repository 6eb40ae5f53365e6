//! The client's driver: one [`Client`] over the network.

mod closing;
mod connecting;
mod files;
mod link;
mod probe;
mod trust;
mod workshop;

use std::{collections::VecDeque, io, num::NonZeroUsize, sync::Arc, time::Duration};

use palabre_core::{
    channel::Channel,
    client::{
        Client, ClientConfig, ClientEvent, ClientOutput, DownloadWish, SavedSession, TransferEvent,
        TransferId, UploadWish,
    },
    error::Misuse,
    time::{Monotonic, Now},
};
use polling::{Events, Poller};

pub use self::files::LocalFile;
pub(crate) use self::trust::Securing;
use self::{
    files::Files,
    link::{Arrived, Link, Sent},
    workshop::Workshop,
};
pub use self::{
    probe::{Probed, probe},
    trust::{Distrust, Security, Trust},
};
use crate::{clock::Clock, entropy, server_key::ServerKey};

/// Events that wait to be taken, past which nothing more is read from the network.
const EVENTS_WAITING_MAX: usize = 1_024;
/// How often what a write makes room for is written in the same turn.
const ROUNDS_MAX: usize = 16;
/// What one read takes in at most.
const READ_BYTES_MAX: usize = 64 << 10;

/// Drives one [`Client`]: finds the server, connects, sends, receives, keeps time.
///
/// The application calls [`turn`](Self::turn) again and again, takes what happened with
/// [`next_event`](Self::next_event), and says what it wants with [`with_client`](Self::with_client). All of it
/// happens on the caller's thread; only names are looked up, and passwords stretched, on others. A turn that waits can be woken from any
/// thread with a [`Waker`].
#[allow(clippy::type_complexity)]
pub struct ClientDriver {
    client: Client,
    clock: Clock,
    poller: Arc<Poller>,
    ready: Events,
    link: Link,
    workshop: Workshop,
    files: Files,
    save: Box<dyn FnMut(Option<&SavedSession>, Option<ServerKey>)>,
    /// The key of the server that was talked to last.
    server_key: Option<ServerKey>,
    distrust: Option<Distrust>,
    events: VecDeque<ClientEvent>,
    unfinished: bool,
    ended: bool,
}

impl ClientDriver {
    /// A driver that connects to `host`, a name or an address, in its first turn.
    ///
    /// `save` is called with what has to survive the process whenever that changes, before anything is sent
    /// that depends on it; with `None` when there is nothing to keep any more. What is saved belongs to the server
    /// with the key it is called with, and must not be given to a driver that might talk to another; that is
    /// `None` in plaintext.
    ///
    /// # Errors
    /// The operating system gives neither a poller nor randomness, or what TLS needs is not there.
    #[allow(clippy::type_complexity)]
    pub fn new(
        host: &str,
        port: u16,
        security: Security,
        config: ClientConfig,
        save: Box<dyn FnMut(Option<&SavedSession>, Option<ServerKey>)>,
    ) -> io::Result<Self> {
        let clock = Clock::start();
        let poller = Arc::new(Poller::new()?);
        let securing = security.securing(host)?;
        Ok(Self {
            client: Client::new(config, entropy::seed()?, clock.now()),
            clock,
            ready: Events::with_capacity(NonZeroUsize::new(16).expect("16 is not 0")),
            link: Link::new(host, port, securing, &poller),
            workshop: Workshop::new(&poller),
            files: Files::new(&poller),
            poller,
            save,
            server_key: security.key(),
            distrust: None,
            events: VecDeque::new(),
            unfinished: true,
            ended: false,
        })
    }

    /// The client that is driven.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Says something to the client, with the time, then sends and saves what follows from it.
    pub fn with_client<R>(&mut self, act: impl FnOnce(&mut Client, Now) -> R) -> R {
        let now = self.clock.now();
        let answer = act(&mut self.client, now);
        self.settle(now);
        answer
    }

    /// Begins to upload a file.
    ///
    /// # Errors
    /// [`Misuse`] as `Client::upload`; and the system has no thread to give.
    pub fn upload(
        &mut self,
        wish: UploadWish,
        file: Box<dyn LocalFile>,
    ) -> Result<TransferId, TransferError> {
        self.files.prepare()?;
        let now = self.clock.now();
        let transfer = self.client.upload(wish, now)?;
        // Before anything is asked of it.
        self.files.open(transfer, file);
        self.settle(now);
        Ok(transfer)
    }

    /// Begins to download into a file.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub fn download(
        &mut self,
        wish: DownloadWish,
        file: Box<dyn LocalFile>,
    ) -> Result<TransferId, TransferError> {
        self.files.prepare()?;
        let now = self.clock.now();
        let transfer = self.client.download(wish, now)?;
        self.files.open(transfer, file);
        self.settle(now);
        Ok(transfer)
    }

    /// Waits until something happens, at most for `timeout` (`None`: as long as it takes), and handles it.
    ///
    /// It also returns when it was woken, when a deadline of the client came, or for no reason an application
    /// could see; and at once while events wait to be taken.
    ///
    /// # Errors
    /// The operating system cannot wait, or the server is [not to be trusted](DriveError::Distrusted). Failures of the
    /// network are events instead.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<(), DriveError> {
        if let Some(distrust) = &self.distrust {
            return Err(DriveError::Distrusted(distrust.clone()));
        }
        self.ready.clear();
        let timeout = self.wait_time(timeout);
        self.poller.wait(&mut self.ready, timeout)?;
        let now = self.clock.now();
        self.link.note_ready(&self.ready);
        if self.events.len() < EVENTS_WAITING_MAX {
            self.receive(now);
        }
        while let Some(done) = self.workshop.take() {
            self.client.handle_work(done, now);
        }
        while let Some(done) = self.files.take() {
            self.client.handle_local(done, now);
        }
        if self.client.poll_timeout().is_some_and(|(deadline, _)| deadline <= now.monotonic) {
            self.client.handle_timeout(now);
        }
        self.settle(now);
        match &self.distrust {
            None => Ok(()),
            Some(distrust) => Err(DriveError::Distrusted(distrust.clone())),
        }
    }

    /// The next thing that happened; `None` until another turn brings more.
    pub fn next_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Wakes this driver from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker { poller: Arc::clone(&self.poller) }
    }

    /// Whether it is over: the client has ended, and what it had to say is sent or given up. The last events may
    /// still wait to be taken.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended && !self.link.is_closing()
    }

    /// Why the server was last not reached, in the words of the operating system.
    #[must_use]
    pub const fn connect_error(&self) -> Option<&io::Error> {
        self.link.connect_error()
    }

    /// The key of the server that was talked to last; `None` before, and in plaintext.
    #[must_use]
    pub const fn server_key(&self) -> Option<ServerKey> {
        self.server_key
    }

    fn wait_time(&self, asked: Option<Duration>) -> Option<Duration> {
        if self.unfinished || !self.events.is_empty() || self.link.has_unread() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.monotonic();
        let until = |deadline: Monotonic| deadline.since(now);
        let client = self.client.poll_timeout().map(|(deadline, _)| until(deadline));
        let link = self.link.deadline().map(until);
        [asked, client, link].into_iter().flatten().min()
    }

    /// Hands to the client what the network has for it.
    fn receive(&mut self, now: Now) {
        match self.link.advance(now.monotonic) {
            Arrived::Nothing => {}
            Arrived::Connected(channel) => {
                self.link.remember(channel);
                self.server_key = match channel {
                    Channel::Plain => None,
                    Channel::Tls { server_key, .. } => Some(ServerKey(server_key)),
                };
                self.client.handle_connected(channel, now);
            }
            Arrived::Disconnected => self.client.handle_disconnected(now),
            // The client is not told: it would try again.
            Arrived::Distrusted(distrust) => self.distrust = Some(distrust),
        }
        let client = &mut self.client;
        if !self.link.receive(|bytes| client.handle_received(bytes, now)) {
            // What the peer sent last may end the client in a better way than a cut.
            self.settle(now);
            if self.link.disconnect() {
                self.client.handle_disconnected(now);
            }
        }
    }

    /// Does what the client asks for, until it asks for nothing more.
    fn settle(&mut self, now: Now) {
        self.unfinished = true;
        for _ in 0..ROUNDS_MAX {
            self.drain(now);
            if !self.send(now) {
                self.unfinished = false;
                break;
            }
        }
        self.link.mind();
    }

    /// Sends what waits. Whether that may have changed anything for the client.
    fn send(&mut self, now: Now) -> bool {
        let bytes = self.client.sendable();
        if bytes.is_empty() {
            self.link.all_sent(now.monotonic);
            return false;
        }
        match self.link.send(bytes) {
            Sent::Some(count) => {
                self.client.handle_sent(count, now);
                true
            }
            Sent::Nothing => false,
        }
    }

    fn drain(&mut self, now: Now) {
        let mut unsaved = false;
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Connect => self.link.connect(now.monotonic),
                ClientOutput::Send => {}
                ClientOutput::Close => self.link.close(),
                ClientOutput::Drop => self.link.release(),
                ClientOutput::Save => unsaved = true,
                ClientOutput::Work(work) => self.workshop.start(work),
                ClientOutput::File(request) => self.files.start(request),
                ClientOutput::Event(event) => {
                    if let Some(transfer) = ended_transfer(&event) {
                        self.files.forget(transfer);
                    }
                    self.ended |= matches!(event, ClientEvent::Ended { .. });
                    self.events.push_back(event);
                }
            }
        }
        // Nothing is written to the network before outputs are drained, so that saving once is soon enough.
        if unsaved {
            (self.save)(self.client.saved().as_ref(), self.server_key);
        }
    }
}

/// The transfer that has ended by this.
const fn ended_transfer(event: &ClientEvent) -> Option<TransferId> {
    let ClientEvent::Transfer(event) = event else { return None };
    match event {
        TransferEvent::Uploaded { transfer, .. }
        | TransferEvent::Downloaded { transfer, .. }
        | TransferEvent::Failed { transfer, .. } => Some(*transfer),
        TransferEvent::Begun { .. } | TransferEvent::Found { .. } | TransferEvent::Conflict { .. } => None,
    }
}

/// Why a transfer cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The operating system has no thread for it.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The client does not take it.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// Why a driver cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The operating system cannot wait for the network.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The server is not the one it should be. It was told nothing, and is not tried again.
    #[error(transparent)]
    Distrusted(Distrust),
}

impl std::fmt::Debug for ClientDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientDriver")
            .field("link", &self.link)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Ends the waiting of a [`ClientDriver`], from any thread.
#[derive(Clone, Debug)]
pub struct Waker {
    poller: Arc<Poller>,
}

impl Waker {
    /// Lets the turn that waits return, or the next one not wait.
    pub fn wake(&self) {
        // It fails only if the driver is gone, and then nobody waits.
        let _ = self.poller.notify();
    }
}
