//! Sockets that a poller watches. The one module of this crate with `unsafe` in it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
};

use polling::{Event, PollMode, Poller};

/// Which readiness of a socket is of interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// That it can be read from, or has ended.
    pub(crate) read: bool,
    /// That it can be written to, or has failed.
    pub(crate) write: bool,
}

impl Readiness {
    /// Nothing at all: not even that the peer hung up.
    pub(crate) const NONE: Self = Self { read: false, write: false };
    /// Only that it can be read from.
    #[cfg(any(test, feature = "server"))]
    pub(crate) const READ: Self = Self { read: true, write: false };
    /// Only that it can be written to.
    pub(crate) const WRITE: Self = Self { read: false, write: true };
}

/// A socket, and what a poller watches it for: nothing at first.
///
/// It is watched in level mode, so that readiness not used up is reported again. A socket of no interest is
/// taken out of the poller altogether, since a hang-up would be reported nevertheless, for ever.
#[derive(Debug)]
pub(crate) struct Watched<S: AsFd> {
    socket: S,
    poller: Arc<Poller>,
    key: usize,
    interest: Readiness,
}

impl<S: AsFd> Watched<S> {
    /// Puts `socket` under the care of `poller`, to be reported with `key`.
    pub(crate) fn new(socket: S, poller: &Arc<Poller>, key: usize) -> Self {
        Self { socket, poller: Arc::clone(poller), key, interest: Readiness::NONE }
    }

    /// The socket. It is not handed out mutably: it must stay the one that the poller knows.
    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    /// The key its readiness is reported with.
    pub(crate) const fn key(&self) -> usize {
        self.key
    }

    /// Watches for `interest` from now on. Costs nothing when that is what is watched for already.
    ///
    /// # Errors
    /// The poller has no memory for it, or may not watch so many.
    #[allow(unsafe_code)]
    pub(crate) fn watch(&mut self, interest: Readiness) -> io::Result<()> {
        if interest == self.interest {
            return Ok(());
        }
        let event = Event::new(self.key, interest.read, interest.write);
        if interest == Readiness::NONE {
            self.poller.delete(&self.socket)?;
        } else if self.interest == Readiness::NONE {
            let descriptor = self.socket.as_fd().as_raw_fd();
            // SAFETY: the poller must forget the descriptor before it is closed. The socket is owned by `self`,
            // never replaced or handed out mutably, and `drop` deletes it from the poller first.
            unsafe { self.poller.add_with_mode(descriptor, event, PollMode::Level)? };
        } else {
            self.poller.modify_with_mode(&self.socket, event, PollMode::Level)?;
        }
        self.interest = interest;
        Ok(())
    }
}

impl<S: AsFd> Drop for Watched<S> {
    fn drop(&mut self) {
        if self.interest != Readiness::NONE {
            // It can only fail for a descriptor that the poller does not know, which is what is wanted.
            let _ = self.poller.delete(&self.socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        net::{TcpListener, TcpStream},
        time::Duration,
    };

    use polling::Events;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    fn events(poller: &Poller) -> Vec<(usize, bool, bool)> {
        let mut events = Events::new();
        poller.wait(&mut events, Some(Duration::from_millis(50))).unwrap();
        events.iter().map(|event| (event.key, event.readable, event.writable)).collect()
    }

    #[test]
    fn readiness_not_used_up_is_reported_again() {
        let poller = Arc::new(Poller::new().unwrap());
        let (near, mut far) = pair();
        let mut watched = Watched::new(near, &poller, 7);
        watched.watch(Readiness::READ).unwrap();
        far.write_all(b"x").unwrap();
        assert_eq!(events(&poller), [(7, true, false)]);
        assert_eq!(events(&poller), [(7, true, false)]);
    }

    #[test]
    fn a_hang_up_of_no_interest_is_not_reported() {
        let poller = Arc::new(Poller::new().unwrap());
        let (near, far) = pair();
        let mut watched = Watched::new(near, &poller, 7);
        watched.watch(Readiness { read: true, write: true }).unwrap();
        watched.watch(Readiness::NONE).unwrap();
        watched.socket().shutdown(std::net::Shutdown::Both).unwrap();
        drop(far);
        assert_eq!(events(&poller), []);
        watched.watch(Readiness::READ).unwrap();
        assert_eq!(events(&poller).len(), 1);
    }
}
