//! What bytes travel over: a socket, as it is. Encryption will be another variant.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
};

use crate::readiness::{Readiness, Watched};

/// A connection to a peer that never blocks.
#[derive(Debug)]
pub(crate) enum Transport {
    /// The bytes go over the socket as they are.
    Plaintext(Watched<TcpStream>),
}

/// How far a read or a write came.
#[derive(Debug)]
pub(crate) enum Progress {
    /// So many bytes, at least one.
    Moved(usize),
    /// Nothing for now; readiness will be reported.
    Blocked,
    /// The peer will send nothing more. Only for reads.
    End,
    /// The connection is of no more use.
    Failed(io::Error),
}

impl Transport {
    /// Reads what has arrived, at most as much as fits into `bytes`, which is not empty.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Progress {
        match self {
            Self::Plaintext(stream) => match retried(|| stream.socket().read(bytes)) {
                Ok(0) => Progress::End,
                other => progress(other),
            },
        }
    }

    /// Writes as much of `bytes`, which are not empty, as is taken at once.
    pub(crate) fn write(&self, bytes: &[u8]) -> Progress {
        match self {
            Self::Plaintext(stream) => progress(retried(|| stream.socket().write(bytes))),
        }
    }

    /// Tells the peer that nothing more will be sent.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(crate) fn shut_down_sending(&self) -> io::Result<()> {
        match self {
            Self::Plaintext(stream) => stream.socket().shutdown(Shutdown::Write),
        }
    }

    /// Watches the socket for `interest` from now on.
    ///
    /// # Errors
    /// The poller cannot.
    pub(crate) fn watch(&mut self, interest: Readiness) -> io::Result<()> {
        match self {
            Self::Plaintext(stream) => stream.watch(interest),
        }
    }

    /// The key its readiness is reported with.
    pub(crate) const fn key(&self) -> usize {
        match self {
            Self::Plaintext(stream) => stream.key(),
        }
    }
}

/// Readies a socket for its service: small writes are not held back, and an urgent byte stands in line with the
/// others (out of line it would be reported as readable for ever).
///
/// # Errors
/// The connection is of no more use.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_out_of_band_inline(true)
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
