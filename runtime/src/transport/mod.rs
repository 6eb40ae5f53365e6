//! What bytes travel over: a socket, as it is or under TLS.

mod tls;

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
};

use palabre_core::channel::Channel;

pub(crate) use self::tls::{APPLICATION_PROTOCOL, TlsStream};
use crate::readiness::{Readiness, Watched};

/// A connection to a peer that never blocks.
#[derive(Debug)]
pub(crate) enum Transport {
    /// The bytes go over the socket as they are.
    Plaintext(Watched<TcpStream>),
    /// They are encrypted.
    Tls(Box<TlsStream>),
}

/// How far a read or a write came.
#[derive(Debug)]
pub(crate) enum Progress {
    /// So many bytes, at least one.
    Moved(usize),
    /// The handshake is over: bytes may follow. Only for reads under TLS, once and before the first byte.
    Secured(Channel),
    /// Nothing for now; readiness will be reported.
    Blocked,
    /// The peer will send nothing more, and said so. Only for reads.
    End,
    /// The connection is of no more use.
    Failed(io::Error),
}

/// What is left of bytes that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing: the system has all of them.
    All,
    /// Some wait until the socket can be written to.
    Blocked,
}

impl Transport {
    /// Reads what has arrived, at most as much as fits into `bytes`, which is not empty.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Progress {
        match self {
            Self::Plaintext(stream) => read_socket(stream, bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }

    /// Whether there may be something to read that the socket is not reported as readable for. To be read then
    /// until nothing is left, or later.
    pub(crate) const fn may_hold_more(&self) -> bool {
        match self {
            Self::Plaintext(_) => false,
            Self::Tls(stream) => stream.may_hold_more(),
        }
    }

    /// Whether a read of less than was asked for says that there is nothing more.
    #[cfg(feature = "server")]
    pub(crate) const fn is_emptied_by_a_short_read(&self) -> bool {
        match self {
            Self::Plaintext(_) => true,
            Self::Tls(_) => false,
        }
    }

    /// Reads what nobody wants to know any more: nothing is read as anything else afterwards.
    pub(crate) fn discard(&mut self, scratch: &mut [u8]) -> Progress {
        match self {
            Self::Plaintext(stream) => read_socket(stream, scratch),
            Self::Tls(stream) => stream.discard(scratch),
        }
    }

    /// Takes as much of `bytes`, which are not empty, as it can at once.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Progress {
        match self {
            Self::Plaintext(stream) => progress(retried(|| stream.socket().write(bytes))),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Hands what was taken to the system.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(crate) fn flush(&mut self) -> io::Result<Flushed> {
        match self {
            Self::Plaintext(_) => Ok(Flushed::All),
            Self::Tls(stream) => stream.flush(),
        }
    }

    /// Whether something that was taken waits until the socket can be written to.
    pub(crate) fn wants_write(&self) -> bool {
        match self {
            Self::Plaintext(_) => false,
            Self::Tls(stream) => stream.wants_write(),
        }
    }

    /// How many bytes were taken that the system does not have yet.
    #[cfg(feature = "server")]
    pub(crate) const fn bytes_waiting(&self) -> usize {
        match self {
            Self::Plaintext(_) => 0,
            Self::Tls(stream) => stream.bytes_waiting(),
        }
    }

    /// Tells the peer that nothing more will be sent. To be called again when the socket can be written to, as long
    /// as that is blocked.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(crate) fn shut_down_sending(&mut self) -> io::Result<Flushed> {
        match self {
            Self::Plaintext(stream) => stream.socket().shutdown(Shutdown::Write).map(|()| Flushed::All),
            Self::Tls(stream) => stream.shut_down_sending(),
        }
    }

    /// Watches the socket for `interest` from now on.
    ///
    /// # Errors
    /// The poller cannot.
    pub(crate) fn watch(&mut self, interest: Readiness) -> io::Result<()> {
        match self {
            Self::Plaintext(stream) => stream.watch(interest),
            Self::Tls(stream) => stream.socket_mut().watch(interest),
        }
    }

    /// The key its readiness is reported with.
    pub(crate) const fn key(&self) -> usize {
        match self {
            Self::Plaintext(stream) => stream.key(),
            Self::Tls(stream) => stream.socket().key(),
        }
    }
}

fn read_socket(stream: &Watched<TcpStream>, bytes: &mut [u8]) -> Progress {
    match retried(|| stream.socket().read(bytes)) {
        Ok(0) => Progress::End,
        other => progress(other),
    }
}

fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn progress(result: io::Result<usize>) -> Progress {
    match result {
        Ok(0) => Progress::Failed(io::ErrorKind::WriteZero.into()),
        Ok(count) => Progress::Moved(count),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Blocked,
        Err(error) => Progress::Failed(error),
    }
}
