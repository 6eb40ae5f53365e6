//! One peer of a load.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    time::Monotonic,
    wire::{self, Credit, EventHead, FRAME_BYTES_MAX, Frame, HEADER_BYTES, ToClient, ToServer, split_frame},
};
use polling::Poller;
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{LoadError, latency::Latencies, traffic::stamp};
use crate::{
    client::Securing,
    readiness::{Readiness, Watched},
    transport::{Progress, TlsStream, Transport},
};

/// The most that is left over from a read.
pub(super) const PARTIAL_BYTES_MAX: usize = FRAME_BYTES_MAX as usize + HEADER_BYTES;

/// What all peers of a load have seen.
#[derive(Debug, Default)]
pub(super) struct Observer {
    pub(super) now: Monotonic,
    pub(super) entered: usize,
    pub(super) joined: usize,
    pub(super) left: usize,
    pub(super) echoes: u64,
    pub(super) deliveries: u64,
    pub(super) latencies: Latencies,
    pub(super) measures_latency: bool,
}

impl Observer {
    /// Counts from here.
    pub(super) fn begin(&mut self) {
        (self.echoes, self.deliveries) = (0, 0);
        self.latencies = Latencies::default();
    }
}

/// One connection and what is known of it.
#[derive(Debug)]
pub(super) struct Peer {
    transport: Transport,
    phase: Phase,
    nick: String,
    user: UserId,
    room: RoomId,
    /// The number of the next event of its room.
    next: Seq,
    /// The beginning of a frame of which the rest is missing.
    partial: Vec<u8>,
    to_send: Vec<u8>,
    blocked: bool,
    credit: Credit,
    posted: u64,
    posted_bytes: u64,
    echoed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Securing,
    Greeting,
    Entering,
    Entered,
    Leaving,
    Ended,
}

impl Peer {
    /// Begins to connect.
    pub(super) fn connect(
        server: SocketAddr,
        securing: Option<&Securing>,
        poller: &Arc<Poller>,
        key: usize,
        nick: String,
    ) -> Result<Self, LoadError> {
        let transport = connect(server, securing, poller, key)
            .map_err(|source| LoadError::System { action: "connecting to the server", source })?;
        Ok(Self {
            transport,
            phase: Phase::Connecting,
            nick,
            user: UserId::new(0),
            room: RoomId::new(0),
            next: Seq::new(0),
            partial: Vec::new(),
            to_send: Vec::new(),
            blocked: true,
            credit: Credit { posts: 0, bytes: 0 },
            posted: 0,
            posted_bytes: 0,
            echoed: 0,
        })
    }

    /// The number of the next event of its room.
    pub(super) const fn next(&self) -> Seq {
        self.next
    }

    /// Whether it has seen all events of its own.
    pub(super) const fn has_all_back(&self) -> bool {
        self.echoed == self.posted
    }

    /// The socket takes bytes again; at first, because it is connected.
    pub(super) fn unblock(&mut self) -> Result<(), LoadError> {
        self.blocked = false;
        if self.phase == Phase::Connecting {
            match self.transport {
                Transport::Plaintext(_) => self.greet(),
                Transport::Tls(_) => self.phase = Phase::Securing,
            }
        }
        self.flush()?;
        self.watch()
    }

    fn greet(&mut self) {
        self.phase = Phase::Greeting;
        self.say(wire::Hello {
            first: wire::VERSION,
            last: wire::VERSION,
            client: "palabre load",
            features: 0,
            session: None,
        });
    }

    fn flush(&mut self) -> Result<(), LoadError> {
        match self.transport.flush() {
            Ok(_) => {
                self.blocked = self.transport.wants_write();
                Ok(())
            }
            Err(_) if self.phase == Phase::Leaving => Ok(()),
            Err(source) => Err(LoadError::System { action: "sending", source }),
        }
    }

    /// Asks to join a room.
    pub(super) fn join(&mut self, name: &str) {
        self.say(wire::Join { id: 2, name, after: None });
    }

    /// Says goodbye.
    pub(super) fn leave(&mut self) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Leaving;
            self.say(wire::Goodbye { reason: wire::goodbye::LEAVING, text: "" });
        }
    }

    /// Whether it has credit for a text, and fewer posts under way than `window`.
    pub(super) const fn may_post(&self, text: &str, window: u64) -> bool {
        self.posted - self.echoed < window
            && self.posted < self.credit.posts
            && self.posted_bytes + text.len() as u64 <= self.credit.bytes
    }

    /// Posts a text to its room.
    pub(super) fn post(&mut self, text: &str) {
        self.posted += 1;
        self.posted_bytes += text.len() as u64;
        let nonce = Nonce::new(self.posted);
        self.say(wire::Post { id: 3, room: self.room, nonce, kind: wire::kind::POSTED, text, to: None });
    }

    fn say<'a>(&mut self, message: impl Into<ToServer<'a>>) {
        message.into().encode(&mut self.to_send);
    }

    /// Writes once, if there is something and the socket is not known to be full.
    pub(super) fn send(&mut self) -> Result<(), LoadError> {
        if self.blocked || self.to_send.is_empty() {
            return Ok(());
        }
        match self.transport.write(&self.to_send) {
            Progress::Moved(count) => {
                self.to_send.drain(..count);
                self.blocked = !self.to_send.is_empty() || self.transport.wants_write();
            }
            Progress::Blocked => self.blocked = true,
            Progress::End | Progress::Secured(_) => return self.end(),
            Progress::Failed(_) if self.phase == Phase::Leaving => return Ok(()),
            Progress::Failed(source) => return Err(LoadError::System { action: "sending", source }),
        }
        self.watch()
    }

    /// Reads once, under TLS until nothing is left, and handles what came.
    pub(super) fn receive(&mut self, buffer: &mut [u8], observer: &mut Observer) -> Result<(), LoadError> {
        self.receive_once(buffer, observer)?;
        while self.transport.may_hold_more() {
            self.receive_once(buffer, observer)?;
        }
        Ok(())
    }

    fn receive_once(&mut self, buffer: &mut [u8], observer: &mut Observer) -> Result<(), LoadError> {
        let held = self.partial.len();
        buffer[..held].copy_from_slice(&self.partial);
        match self.transport.read(&mut buffer[held..]) {
            Progress::Moved(count) => self.handle(&buffer[..held + count], observer),
            Progress::Secured(_) => {
                self.greet();
                Ok(())
            }
            Progress::Blocked => Ok(()),
            Progress::End => {
                observer.left += usize::from(self.phase == Phase::Leaving);
                self.end()
            }
            Progress::Failed(_) if self.phase == Phase::Leaving => {
                observer.left += 1;
                self.end()
            }
            Progress::Failed(source) => Err(LoadError::System { action: "receiving", source }),
        }
    }

    fn handle(&mut self, bytes: &[u8], observer: &mut Observer) -> Result<(), LoadError> {
        let mut rest = bytes;
        while let Some((frame, after)) = split_frame(rest, FRAME_BYTES_MAX).map_err(LoadError::Protocol)? {
            match EventHead::decode(frame).map_err(LoadError::Protocol)? {
                Some(head) => self.see(head, frame, observer)?,
                None => self.hear(frame, observer)?,
            }
            rest = after;
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    fn see(&mut self, head: EventHead, frame: Frame<'_>, observer: &mut Observer) -> Result<(), LoadError> {
        if head.seq != self.next || head.room != self.room {
            return Err(LoadError::Hole { expected: self.next.get(), found: head.seq.get() });
        }
        self.next = self.next.next();
        if head.author == self.user {
            self.echoed += 1;
            observer.echoes += 1;
            return Ok(());
        }
        observer.deliveries += 1;
        if observer.measures_latency
            && let Some(ToClient::Event(event)) = ToClient::decode(frame).map_err(LoadError::Protocol)?
            && let Some(sent) = stamp(event.event.text)
        {
            observer.latencies.record(observer.now.since(sent));
        }
        Ok(())
    }

    fn hear(&mut self, frame: Frame<'_>, observer: &mut Observer) -> Result<(), LoadError> {
        let Some(message) = ToClient::decode(frame).map_err(LoadError::Protocol)? else { return Ok(()) };
        match message {
            ToClient::Welcome(_) => {
                self.phase = Phase::Entering;
                let nick = std::mem::take(&mut self.nick);
                self.say(wire::Guest { id: 1, nick: &nick });
            }
            ToClient::Ready(ready) => {
                self.phase = Phase::Entered;
                self.user = ready.user;
                observer.entered += 1;
            }
            ToClient::Joined(joined) => {
                self.room = joined.room.room;
                self.next = joined.room.last.next();
                observer.joined += 1;
            }
            ToClient::Credit(credit) => self.credit = credit,
            ToClient::Ping(wire::Ping { token }) => self.say(wire::Pong { token }),
            ToClient::Refused(refused) => return Err(LoadError::Refused(refused.text.to_owned())),
            ToClient::Waiting(_) => return Err(LoadError::Refused("There is no place free.".to_owned())),
            ToClient::Goodbye(goodbye) => return Err(LoadError::Ended(goodbye.text.to_owned())),
            ToClient::Error(error) => return Err(LoadError::Ended(error.text.to_owned())),
            ToClient::Posted(_)
            | ToClient::Presence(_)
            | ToClient::Challenge(_)
            | ToClient::DeviceList(_)
            | ToClient::Parted(_)
            | ToClient::ReadUpTo(_)
            | ToClient::RightsPage(_)
            | ToClient::Removed(_)
            | ToClient::Invited(_)
            | ToClient::Accepted(_)
            | ToClient::Stored(_)
            | ToClient::Window(_)
            | ToClient::Durable(_)
            | ToClient::Sending(_)
            | ToClient::Stopped(_)
            | ToClient::FilesPage(_)
            | ToClient::Data(_)
            | ToClient::Pong(_)
            | ToClient::Done(_)
            | ToClient::MembersPage(_)
            | ToClient::RoomsPage(_)
            | ToClient::HistoryPage(_)
            | ToClient::ManualText(_)
            | ToClient::Event(_)
            | ToClient::Opened(_)
            | ToClient::SearchPage(_)
            | ToClient::Trimmed(_) => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), LoadError> {
        if self.phase != Phase::Leaving {
            return Err(LoadError::Ended("without a word".to_owned()));
        }
        self.phase = Phase::Ended;
        self.watch()
    }

    fn watch(&mut self) -> Result<(), LoadError> {
        let interest = match self.phase {
            Phase::Connecting => Readiness::WRITE,
            Phase::Securing | Phase::Greeting | Phase::Entering | Phase::Entered | Phase::Leaving => {
                Readiness { read: true, write: self.blocked }
            }
            Phase::Ended => Readiness::NONE,
        };
        self.transport
            .watch(interest)
            .map_err(|source| LoadError::System { action: "watching a socket", source })
    }
}

fn connect(
    server: SocketAddr,
    securing: Option<&Securing>,
    poller: &Arc<Poller>,
    key: usize,
) -> io::Result<Transport> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    match SockRef::from(&stream).connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut stream = Watched::new(stream, poller, key);
    stream.watch(Readiness::WRITE)?;
    let Some(securing) = securing else { return Ok(Transport::Plaintext(stream)) };
    let stream = TlsStream::client(stream, Arc::clone(&securing.config), securing.name.clone());
    stream.map(|stream| Transport::Tls(Box::new(stream))).map_err(io::Error::other)
}
