//! Getting to know a server, without telling it anything.

use std::{io, num::NonZeroUsize, sync::Arc, time::Duration};

use palabre_core::channel::Channel;
use polling::{Events, Poller};

use super::{
    DriveError,
    link::{Arrived, Link},
    trust::{Judgement, Securing},
};
use crate::{clock::Clock, server_key::ServerKey};

/// What a server says of itself in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Its key, which it has shown to have.
    pub key: ServerKey,
    /// Whether the public authorities that this system trusts say that the host's name is its own; else why not.
    pub vouched_for: Result<(), String>,
}

/// Connects, shakes hands and ends: who is it? Nothing is believed and nothing is said.
///
/// # Errors
/// It cannot be reached within `timeout`, or does not speak Palabre over TLS.
pub fn probe(host: &str, port: u16, timeout: Duration) -> Result<Probed, DriveError> {
    let clock = Clock::start();
    let until = clock.monotonic().after(timeout);
    let poller = Arc::new(Poller::new()?);
    let mut events = Events::with_capacity(NonZeroUsize::new(16).expect("16 is not 0"));
    let securing = Securing::new(host, Judgement::Curiosity)?;
    let mut link = Link::new(host, port, Some(securing.clone()), &poller);
    link.connect(clock.monotonic());
    loop {
        let now = clock.monotonic();
        match link.advance(now) {
            Arrived::Nothing => {}
            Arrived::Connected(Channel::Tls { server_key, .. }) => {
                link.close();
                link.all_sent(now);
                let key = ServerKey(server_key);
                let seen = securing.seen().filter(|seen| seen.key == key);
                let vouched_for =
                    seen.map_or_else(|| Err("nobody asked them".to_owned()), |seen| seen.vouched_for);
                return Ok(Probed { key, vouched_for });
            }
            Arrived::Connected(Channel::Plain) => unreachable!("it was to be secured"),
            Arrived::Disconnected => return Err(unreached(&link).into()),
            Arrived::Distrusted(distrust) => return Err(DriveError::Distrusted(distrust)),
        }
        if now >= until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer").into());
        }
        let wait = link.deadline().into_iter().chain([until]).min();
        events.clear();
        poller.wait(&mut events, wait.map(|until| until.since(now)))?;
    }
}

fn unreached(link: &Link) -> io::Error {
    let because = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
    link.connect_error().map_or_else(|| io::ErrorKind::ConnectionAborted.into(), because)
}
