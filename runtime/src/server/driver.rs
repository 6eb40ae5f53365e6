//! The poll loop.

use std::{
    io,
    net::TcpStream,
    num::NonZeroUsize,
    ops::ControlFlow,
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use palabre_core::{
    blob::BlobReply,
    channel::Channel,
    ids::ConnectionId,
    output::{Event, Output, Source},
    server::refusal_frame,
    storage::{StorageReply, StorageRequest},
};
use polling::{Events, Poller};

use super::{
    accept::{Accepted, Listeners},
    checking::Checking,
    event_log::EventLog,
    handle::{Command, Ending, ServerStats},
    identity::Identity,
    keys,
    seam::{Heard, Input, Seam},
    sockets::{Fate, Sockets},
};
use crate::{
    blobs::{self, BlobThreads},
    clock::Clock,
    readiness::Watched,
    storage::{Storage, StorageStopped},
    transport::{TlsStream, Transport},
};

/// Sockets that one turn serves; others have their turn in the next.
const EVENTS_PER_TURN_MAX: usize = 1_024;
/// Connections that one turn takes from one listener.
const ACCEPTS_PER_TURN_MAX: usize = 64;
/// What one turn reads from one socket: two of the longest frames.
const RECEIVE_BYTES_MAX: usize = 128 << 10;
/// How often one turn asks storage and hears its answers. Only a storage that answers at once comes so far.
const ROUNDS_MAX: usize = 8;

/// The loop: waits for sockets, storage, commands and deadlines, and carries everything to the core and back.
pub(super) struct Driver {
    pub(super) clock: Clock,
    pub(super) poller: Arc<Poller>,
    pub(super) core: Seam,
    pub(super) storage: Storage,
    pub(super) checking: Checking,
    /// Nothing where no files are taken.
    pub(super) blobs: Option<BlobThreads>,
    pub(super) listeners: Listeners,
    pub(super) protection: Protecting,
    pub(super) commands: Receiver<Command>,
    pub(super) sockets: Sockets,
    pub(super) log: EventLog,
    pub(super) work: Work,
}

/// How connections are protected that are accepted from now on.
#[derive(Debug)]
pub(super) enum Protecting {
    /// Not at all: the operator wants it so.
    Plaintext,
    /// By TLS.
    Tls(Identity),
}

/// What is carried about within a turn. Kept between turns for the memory, and for what is left over.
pub(super) struct Work {
    buffer: Box<[u8]>,
    to_send: Vec<ConnectionId>,
    ending: Vec<ConnectionId>,
    unread: Vec<ConnectionId>,
    requests: Vec<StorageRequest>,
    replies: Vec<StorageReply>,
    blob_replies: Vec<BlobReply>,
    turns: u64,
    /// How far a shutdown is; `None` before it begins.
    shutdown: Option<Shutdown>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shutdown {
    drained: bool,
    /// Connections that were let go of before they had taken all there was for them.
    cut_short: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            buffer: vec![0; RECEIVE_BYTES_MAX].into_boxed_slice(),
            to_send: Vec::new(),
            ending: Vec::new(),
            unread: Vec::new(),
            requests: Vec::new(),
            replies: Vec::new(),
            blob_replies: Vec::new(),
            turns: 0,
            shutdown: None,
        }
    }
}

impl Driver {
    /// Turns until it is over.
    pub(super) fn run(mut self) -> Ending {
        let capacity = NonZeroUsize::new(EVENTS_PER_TURN_MAX).expect("it is not 0");
        let mut events = Events::with_capacity(capacity);
        // The core may have something to do before anything happened: rooms to create, guests to expire.
        let mut result = self.carry().map(ControlFlow::Continue);
        loop {
            match result {
                Ok(ControlFlow::Continue(())) => result = self.turn(&mut events),
                Ok(ControlFlow::Break(ending)) => return self.end(ending),
                Err(Stop::Poller(error)) => return Ending::System(error),
                Err(Stop::Storage(reason)) => return Ending::Storage(reason),
            }
        }
    }

    fn turn(&mut self, events: &mut Events) -> Result<ControlFlow<Ending>, Stop> {
        events.clear();
        let timeout = self.wait_time();
        self.poller.wait(events, timeout)?;
        self.work.turns += 1;
        self.core.set_now(self.clock.now());
        if let ControlFlow::Break(ending) = self.obey() {
            return Ok(ControlFlow::Break(ending));
        }
        self.listeners.resume_if_due(self.core.now().monotonic)?;
        for event in events.iter() {
            match keys::listener(event.key) {
                Some(index) => self.accept(index),
                None => self.serve(event),
            }
        }
        self.serve_unread();
        while let Some(verified) = self.checking.take() {
            self.core.feed(Input::Work(verified));
        }
        self.settle()?;
        self.send();
        self.disconnect_ended();
        self.carry()?;
        Ok(match self.work.shutdown {
            Some(Shutdown { drained: true, cut_short }) => ControlFlow::Break(Ending::drained(cut_short)),
            Some(Shutdown { drained: false, .. }) | None => ControlFlow::Continue(()),
        })
    }

    fn wait_time(&self) -> Option<Duration> {
        if self.sockets.any_noted()
            || self.sockets.any_unread()
            || !self.work.replies.is_empty()
            || !self.work.blob_replies.is_empty()
        {
            return Some(Duration::ZERO);
        }
        let deadline = self.core.deadline().into_iter().chain(self.listeners.deadline()).min()?;
        Some(deadline.since(self.clock.monotonic()))
    }

    fn obey(&mut self) -> ControlFlow<Ending> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::ShutDown(text) => {
                    self.listeners.close();
                    self.work.shutdown.get_or_insert(Shutdown { drained: false, cut_short: 0 });
                    self.core.feed(Input::ShutDown(&text));
                }
                Command::StopNow => {
                    return ControlFlow::Break(Ending::CutShort(self.sockets.open() as u64));
                }
                // Whoever asked may have given up waiting.
                Command::Stats(answer) => drop(answer.send(self.stats())),
                Command::Identify(identity) => self.protection = Protecting::Tls(identity),
            }
        }
        ControlFlow::Continue(())
    }

    fn stats(&self) -> ServerStats {
        ServerStats {
            core: self.core.stats(),
            storage: self.storage.stats(),
            sockets: self.sockets.open() as u64,
            tls_bytes: self.sockets.bytes_waiting() as u64,
            turns: self.work.turns,
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let now = self.core.now().monotonic;
            match self.listeners.accept(index, self.sockets.open(), now) {
                Accepted::Connection(stream, source) => self.welcome(stream, source),
                Accepted::Lost => {}
                Accepted::Nothing => return,
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, source: Source) {
        match self.core.feed(Input::Connected(source)) {
            Heard::Accepted(id) => {
                tracing::debug!(connection = %id, ?source, "connected");
                self.protect(id, stream);
            }
            Heard::Refused(error) => {
                tracing::debug!(?source, %error, "connection refused");
                match self.protection {
                    // A socket that does not take these few bytes at once does not get them.
                    Protecting::Plaintext => drop(io::Write::write(&mut &stream, &refusal_frame(error))),
                    // A handshake only to say no would be work for nothing (K6).
                    Protecting::Tls(_) => {}
                }
            }
            Heard::Taken => unreachable!("a connection is accepted or refused"),
        }
    }

    fn protect(&mut self, id: ConnectionId, stream: TcpStream) {
        let socket = Watched::new(stream, &self.poller, keys::of(id));
        match &self.protection {
            Protecting::Plaintext => {
                self.sockets.insert(id, Transport::Plaintext(socket));
                self.core.feed(Input::Secured(id, Channel::Plain));
            }
            Protecting::Tls(identity) => {
                match TlsStream::server(socket, Arc::clone(&identity.config), identity.key) {
                    Ok(stream) => self.sockets.insert(id, Transport::Tls(Box::new(stream))),
                    Err(error) => {
                        tracing::error!(connection = %id, %error, "no handshake can be begun");
                        self.core.feed(Input::Disconnected(id));
                    }
                }
            }
        }
    }

    fn serve(&mut self, event: polling::Event) {
        let Some(id) = self.sockets.id_of(event.key) else { return };
        let Some(socket) = self.sockets.find(id) else { return };
        let mut fate = Fate::Kept;
        if event.readable {
            fate = socket.receive(&mut self.core, &mut self.work.buffer);
        }
        if event.writable {
            socket.unblock();
        }
        self.note_fate(id, fate);
    }

    /// Goes on with those of which something was left in the turn before that no socket reports.
    fn serve_unread(&mut self) {
        let mut unread = std::mem::take(&mut self.work.unread);
        self.sockets.take_unread(&mut unread);
        for id in unread.drain(..) {
            let Some(socket) = self.sockets.find(id) else { continue };
            let fate = socket.receive(&mut self.core, &mut self.work.buffer);
            self.note_fate(id, fate);
        }
        self.work.unread = unread;
    }

    fn note_fate(&mut self, id: ConnectionId, fate: Fate) {
        match fate {
            // What it is watched for may have to change, whether the core says so or not.
            Fate::Kept => self.sockets.note(id),
            Fate::Ending => {
                self.work.ending.push(id);
                self.sockets.note(id);
            }
            Fate::Over => self.disconnect(id),
        }
    }

    /// Lets the core, its deadlines and storage answer each other until nothing is left, or for long enough.
    fn settle(&mut self) -> Result<(), Stop> {
        self.storage.poll_replies(&mut self.work.replies)?;
        self.hear_blobs();
        for _ in 0..ROUNDS_MAX {
            let heard = !self.work.replies.is_empty();
            for reply in self.work.replies.drain(..) {
                self.core.feed(Input::Storage(reply));
            }
            let due = self.core.deadline().is_some_and(|deadline| deadline <= self.core.now().monotonic);
            if due {
                self.core.feed(Input::Timeout);
            }
            self.carry()?;
            if !heard && !due && self.work.replies.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn hear_blobs(&mut self) {
        if let Some(blobs) = &self.blobs {
            blobs.poll_replies(&mut self.work.blob_replies);
        }
        for reply in self.work.blob_replies.drain(..) {
            self.core.feed(Input::Blob(reply));
        }
    }

    /// Takes all that the core has for us, and hands to storage what it asks of it. Answers that are there at once
    /// are kept for the next round or turn.
    fn carry(&mut self) -> Result<(), Stop> {
        self.drain();
        if !self.work.requests.is_empty() {
            self.storage.submit(self.work.requests.drain(..));
            self.storage.poll_replies(&mut self.work.replies)?;
        }
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Interest(id) => self.sockets.note(id),
                Output::Storage(request) => self.work.requests.push(request),
                Output::Blob(request) => match &self.blobs {
                    Some(blobs) => blobs.submit(request),
                    None => self.work.blob_replies.push(blobs::refused(&request)),
                },
                Output::Close(id) => {
                    if let Some(socket) = self.sockets.find(id) {
                        socket.close();
                        self.sockets.note(id);
                    }
                }
                Output::Work(verification) => self.checking.start(verification),
                Output::Drop(id) => self.release(id),
                Output::Event(event) => {
                    if let (Event::Drained, Some(shutdown)) = (&event, &mut self.work.shutdown) {
                        shutdown.drained = true;
                    }
                    self.log.write(&event, self.core.now().monotonic);
                }
            }
        }
    }

    /// One write for every connection there is something new for. What that makes room for goes out in the next
    /// turn, so that no connection keeps the others waiting.
    fn send(&mut self) {
        let mut noted = std::mem::take(&mut self.work.to_send);
        self.sockets.take_noted(&mut noted);
        for id in noted.drain(..) {
            let Some(socket) = self.sockets.find(id) else { continue };
            let fate = match socket.send(&mut self.core) {
                Fate::Kept => socket.mind(self.core.interest(id)),
                Fate::Ending | Fate::Over => Fate::Over,
            };
            match fate {
                Fate::Kept => self.sockets.note_if_unread(id, self.core.interest(id)),
                Fate::Ending | Fate::Over => self.disconnect(id),
            }
        }
        self.work.to_send = noted;
    }

    fn disconnect_ended(&mut self) {
        for id in std::mem::take(&mut self.work.ending) {
            let over = self.sockets.find(id).is_some_and(|socket| socket.fate_after_end() == Fate::Over);
            if over {
                self.disconnect(id);
            }
        }
    }

    /// A connection has ended by itself.
    fn disconnect(&mut self, id: ConnectionId) {
        self.core.feed(Input::Disconnected(id));
        if self.sockets.remove(id) {
            self.listeners.note_ended();
        }
    }

    /// The core has no more use for a connection.
    fn release(&mut self, id: ConnectionId) {
        let unsaid = self.sockets.find(id).is_some_and(|socket| !socket.has_said_all());
        if let (true, Some(shutdown)) = (unsaid, &mut self.work.shutdown) {
            shutdown.cut_short += 1;
        }
        if self.sockets.remove(id) {
            self.listeners.note_ended();
        }
    }

    /// Storage executes what it was asked for before the end.
    fn end(mut self, ending: Ending) -> Ending {
        match self.storage.close(&mut self.work.replies) {
            Ok(()) => ending,
            Err(reason) => Ending::Storage(reason),
        }
    }
}

/// Why the loop cannot go on.
enum Stop {
    Poller(io::Error),
    Storage(StorageStopped),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Poller(error)
    }
}

impl From<StorageStopped> for Stop {
    fn from(reason: StorageStopped) -> Self {
        Self::Storage(reason)
    }
}
