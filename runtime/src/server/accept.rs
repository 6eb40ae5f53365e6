//! Taking connections, as long as there are descriptors for them.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use palabre_core::{output::Source, time::Monotonic};
use polling::Poller;
use rustix::{
    io::Errno,
    net::{SocketFlags, acceptfrom_with},
};

use super::keys;
use crate::{
    readiness::{Readiness, Watched},
    transport,
};

/// How long accepting pauses when there are no descriptors, unless a connection ends before.
const PAUSE: Duration = Duration::from_millis(100);
/// How far apart warnings about missing descriptors are at least.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The listening sockets. After [`close`](Self::close) there are none.
#[derive(Debug)]
pub(super) struct Listeners {
    sockets: Vec<Watched<TcpListener>>,
    connections_max: usize,
    accepting: Accepting,
    warned: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    Now,
    /// There are no descriptors; to be tried again at this time.
    Paused(Monotonic),
}

/// What a listener had to give.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A connection.
    Connection(TcpStream, Source),
    /// One that was gone before it was taken.
    Lost,
    /// No more for now.
    Nothing,
}

impl Listeners {
    /// Begins to watch listening sockets. No more than `connections_max` connections are taken at a time.
    ///
    /// # Errors
    /// They cannot be watched.
    pub(super) fn new(
        listeners: Vec<TcpListener>,
        connections_max: usize,
        poller: &Arc<Poller>,
    ) -> io::Result<Self> {
        let watched = |(index, listener)| Watched::new(listener, poller, keys::of_listener(index));
        let sockets = listeners.into_iter().enumerate().map(watched).collect();
        let mut listeners = Self { sockets, connections_max, accepting: Accepting::Now, warned: None };
        listeners.watch(Readiness::READ)?;
        Ok(listeners)
    }

    /// Takes a connection from the listener with this index, when `open` are taken already.
    pub(super) fn accept(&mut self, index: usize, open: usize, now: Monotonic) -> Accepted {
        let Some(listener) = self.sockets.get(index).filter(|_| self.accepting == Accepting::Now) else {
            return Accepted::Nothing;
        };
        if open >= self.connections_max {
            return self
                .pause(now, &"as many connections are open as there are descriptors set apart for them");
        }
        match acceptfrom_with(listener.socket(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((socket, address)) => {
                let address = address.and_then(|address| SocketAddr::try_from(address).ok());
                received(TcpStream::from(socket), address)
            }
            Err(Errno::AGAIN) => Accepted::Nothing,
            Err(error) if is_of_one_connection(error) => Accepted::Lost,
            Err(error) => self.pause(now, &error),
        }
    }

    /// A connection has ended, so that there is a descriptor for another one.
    pub(super) const fn note_ended(&mut self) {
        if let Accepting::Paused(_) = self.accepting {
            self.accepting = Accepting::Paused(Monotonic::ZERO);
        }
    }

    /// Goes on accepting if the time has come.
    ///
    /// # Errors
    /// The sockets cannot be watched.
    pub(super) fn resume_if_due(&mut self, now: Monotonic) -> io::Result<()> {
        match self.accepting {
            Accepting::Paused(until) if until <= now => {
                self.accepting = Accepting::Now;
                self.watch(Readiness::READ)
            }
            Accepting::Paused(_) | Accepting::Now => Ok(()),
        }
    }

    /// When to go on accepting.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        match self.accepting {
            Accepting::Paused(until) if !self.sockets.is_empty() => Some(until),
            Accepting::Paused(_) | Accepting::Now => None,
        }
    }

    /// Takes no more connections, ever.
    pub(super) fn close(&mut self) {
        self.sockets.clear();
    }

    fn pause(&mut self, now: Monotonic, reason: &dyn std::fmt::Display) -> Accepted {
        if self.warned.is_none_or(|warned| now.since(warned) >= WARNING_INTERVAL) {
            self.warned = Some(now);
            tracing::warn!(
                %reason,
                "no more connections can be accepted for now; those that ask have to wait. Raise the limit of open \
                 files (ulimit -n)"
            );
        }
        self.accepting = Accepting::Paused(now.after(PAUSE));
        if let Err(error) = self.watch(Readiness::NONE) {
            tracing::error!(%error, "a listener cannot be taken out of the poller");
        }
        Accepted::Nothing
    }

    fn watch(&mut self, interest: Readiness) -> io::Result<()> {
        self.sockets.iter_mut().try_for_each(|socket| socket.watch(interest))
    }
}

fn received(stream: TcpStream, address: Option<SocketAddr>) -> Accepted {
    match (transport::prepare(&stream), address) {
        (Ok(()), Some(address)) => Accepted::Connection(stream, source(address.ip())),
        (Ok(()), None) | (Err(_), _) => Accepted::Lost,
    }
}

fn source(address: IpAddr) -> Source {
    match address {
        IpAddr::V4(address) => Source::V4(address.octets()),
        IpAddr::V6(address) => Source::V6(address.octets()),
    }
}

/// Whether accepting failed for a reason that lies with one connection; the next may do. Linux passes errors of
/// the network on, see accept(2).
fn is_of_one_connection(error: Errno) -> bool {
    [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PERM,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::OPNOTSUPP,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NONET,
        Errno::TIMEDOUT,
    ]
    .contains(&error)
}
