//! The phases of a client, and which of them an input belongs to.

use core::time::Duration;

use super::{
    OfflineCause,
    arrival::Arrival,
    entering::{Entering, Greeting, Naming, Waiting},
    goodbye,
    logging_in::LoggingIn,
    ready::Ready,
    session::Session,
    transfers::LocalDone,
};
use crate::{channel::Channel, password::WorkDone, time::Monotonic, wire::Goodbye};

/// How long making a connection may take, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(15);

/// Where a client stands.
///
/// ```text
///            ┌──────────────────────── lost ────────────────────────┬─────────┐
///            ▼                                                      │         │
/// Offline ──▶ Connecting ──▶ Greeting ──▶ Entering ─┬──────────▶ Ready ──▶ Leaving ──▶ Ended
///                                           ▲  │    └─▶ Waiting ──▲
///                                  rename   │  ▼ name refused
///                                          Naming
/// ```
#[derive(Debug)]
pub(super) enum Phase {
    Offline(Offline),
    Connecting(Connecting),
    Greeting(Greeting),
    LoggingIn(LoggingIn),
    Entering(Entering),
    Naming(Naming),
    Waiting(Waiting),
    Ready(Ready),
    Leaving(Leaving),
    Ended,
}

/// There is no connection.
#[derive(Debug)]
pub(super) struct Offline {
    /// When it is tried again; `None` while the application has to find another name first.
    pub(super) retry_at: Option<Monotonic>,
}

/// A connection was asked for.
#[derive(Debug)]
pub(super) struct Connecting {
    deadline: Monotonic,
}

/// It is over, but for what remains to be sent.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) cause: OfflineCause,
}

impl Phase {
    pub(super) fn connect(session: &mut Session) -> Self {
        session.link.connect(&mut session.outputs);
        Self::Connecting(Connecting { deadline: session.now.monotonic.after(CONNECT_MAX) })
    }

    pub(super) fn handle_connected(self, channel: Channel, session: &mut Session) -> Self {
        match self {
            Self::Connecting(_) if session.link.opened() => {
                session.channel = channel;
                Self::Greeting(Greeting::new(session))
            }
            Self::Offline(_)
            | Self::Connecting(_)
            | Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Ready(_)
            | Self::Leaving(_)
            | Self::Ended => self,
        }
    }

    /// The connection is gone; the link knows already.
    pub(super) fn handle_disconnected(self, session: &mut Session) -> Result<Self, OfflineCause> {
        match self {
            Self::Offline(_) | Self::Ended => Ok(self),
            Self::Connecting(_) => Err(OfflineCause::Unreachable),
            Self::Naming(_) if session.settings.reconnect => Ok(Self::Offline(Offline { retry_at: None })),
            Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Ready(_) => Err(OfflineCause::Cut),
            Self::Leaving(leaving) => Ok(session.finish(leaving.cause)),
        }
    }

    /// Work is done. That of a connection before is of no use.
    pub(super) fn handle_work(self, done: WorkDone, session: &mut Session) -> Result<Self, OfflineCause> {
        match self {
            Self::LoggingIn(logging_in) => logging_in.worked(done, session),
            Self::Ready(ready) => {
                session.password_stretched(done)?;
                Ok(Self::Ready(ready))
            }
            Self::Offline(_)
            | Self::Connecting(_)
            | Self::Greeting(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Leaving(_)
            | Self::Ended => Ok(self),
        }
    }

    /// Something was done with the file of a transfer.
    pub(super) fn handle_local(self, done: LocalDone, session: &mut Session) -> Result<Self, OfflineCause> {
        session.local_done(done)?;
        Ok(self)
    }

    /// A message of the server, which only comes over an open connection.
    pub(super) fn handle(self, arrival: Arrival<'_>, session: &mut Session) -> Result<Self, OfflineCause> {
        match self {
            Self::Greeting(greeting) => greeting.handle(arrival, session),
            Self::LoggingIn(logging_in) => logging_in.handle(arrival, session),
            Self::Entering(entering) => entering.handle(arrival, session),
            Self::Naming(naming) => naming.handle(arrival, session),
            Self::Waiting(waiting) => waiting.handle(arrival, session),
            Self::Ready(ready) => ready.handle(arrival, session),
            Self::Offline(_) | Self::Connecting(_) | Self::Leaving(_) | Self::Ended => Ok(self),
        }
    }

    pub(super) fn handle_timeout(self, session: &mut Session) -> Result<Self, OfflineCause> {
        session.link.stop_lingering(session.now.monotonic, &mut session.outputs);
        let is_due = |deadline: Monotonic, session: &Session| deadline <= session.now.monotonic;
        match self {
            Self::Offline(Offline { retry_at: Some(at) }) if is_due(at, session) => {
                Ok(Self::connect(session))
            }
            Self::Connecting(Connecting { deadline }) if is_due(deadline, session) => {
                Err(OfflineCause::Unreachable)
            }
            Self::Greeting(Greeting { deadline }) if is_due(deadline, session) => Err(OfflineCause::TimedOut),
            Self::LoggingIn(LoggingIn { deadline, .. }) | Self::Entering(Entering { deadline, .. })
                if is_due(deadline, session) =>
            {
                Err(OfflineCause::TimedOut)
            }
            Self::Naming(_) | Self::Waiting(_) | Self::Ready(_) => session.keep_alive().map(|()| self),
            Self::Leaving(leaving) => Ok(session.finish(leaving.cause)),
            Self::Offline(_)
            | Self::Connecting(_)
            | Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Ended => Ok(self),
        }
    }

    pub(super) fn deadline(&self, session: &Session) -> Option<(Monotonic, &'static str)> {
        match self {
            Self::Offline(Offline { retry_at }) => retry_at.map(|at| (at, "reconnect")),
            Self::Connecting(Connecting { deadline }) => Some((*deadline, "connect")),
            Self::Greeting(Greeting { deadline }) => Some((*deadline, "greet")),
            Self::LoggingIn(LoggingIn { deadline, .. }) | Self::Entering(Entering { deadline, .. }) => {
                Some((*deadline, "enter"))
            }
            Self::Naming(_) | Self::Waiting(_) => Some((session.keepalive.deadline(), "keep-alive")),
            Self::Ready(_) => {
                let transfer = session.transfers.deadline().map(|at| (at, "transfer"));
                transfer.into_iter().chain([(session.keepalive.deadline(), "keep-alive")]).min()
            }
            Self::Leaving(_) | Self::Ended => None,
        }
    }

    pub(super) fn connect_now(self, session: &mut Session) -> Self {
        match self {
            Self::Offline(_) => Self::connect(session),
            Self::Connecting(_)
            | Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Ready(_)
            | Self::Leaving(_)
            | Self::Ended => self,
        }
    }

    /// Enters by the name that is wished for now, where it is what the client waits for.
    pub(super) fn enter_as_wished(self, session: &mut Session) -> Self {
        match self {
            Self::Naming(naming) => naming.rename(session),
            Self::Offline(_)
            | Self::Connecting(_)
            | Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Waiting(_)
            | Self::Ready(_)
            | Self::Leaving(_)
            | Self::Ended => self.connect_now(session),
        }
    }

    /// The connection took bytes: perhaps the last.
    pub(super) fn end_if_all_sent(self, session: &mut Session) -> Self {
        match self {
            Self::Leaving(leaving) => session.finish(leaving.cause),
            Self::Offline(_)
            | Self::Connecting(_)
            | Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Ready(_)
            | Self::Ended => self,
        }
    }

    /// Says goodbye (K3) where somebody listens.
    pub(super) fn leave(self, keep: bool, session: &mut Session) -> Self {
        match self {
            Self::Leaving(_) | Self::Ended => return self,
            Self::Offline(_) | Self::Connecting(_) => session.link.drop_now(&mut session.outputs),
            Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Ready(_) => {
                let reason = if keep { goodbye::DETACHING } else { goodbye::LEAVING };
                session.send(Goodbye { reason, text: "" });
                session.link.close(session.now.monotonic, &mut session.outputs);
            }
        }
        session.finish(OfflineCause::Left)
    }

    pub(super) const fn has_ended(&self) -> bool {
        match self {
            Self::Leaving(_) | Self::Ended => true,
            Self::Offline(_)
            | Self::Connecting(_)
            | Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Ready(_) => false,
        }
    }

    /// Sends what may be sent by now of what waits.
    pub(super) fn send_waiting(&mut self, session: &mut Session) {
        match self {
            Self::Ready(ready) => ready.send_waiting(session),
            Self::Offline(_)
            | Self::Connecting(_)
            | Self::Greeting(_)
            | Self::LoggingIn(_)
            | Self::Entering(_)
            | Self::Naming(_)
            | Self::Waiting(_)
            | Self::Leaving(_)
            | Self::Ended => {}
        }
    }
}
