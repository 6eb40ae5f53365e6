//! TLS 1.3 over a socket (`PROTOCOL.md` section T), without ever waiting.
//!
//! Of rustls only what neither blocks nor loops is used: `read_tls`, `process_new_packets`, `write_tls`.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use palabre_core::channel::Channel;
use rustls::{ClientConfig, ClientConnection, Connection, pki_types::ServerName};
#[cfg(feature = "server")]
use rustls::{ServerConfig, ServerConnection};

use super::{Flushed, Progress, progress, read_socket, retried};
use crate::{readiness::Watched, server_key::ServerKey};

/// What both ends have to agree on in the handshake (T1).
pub(crate) const APPLICATION_PROTOCOL: &[u8] = b"palabre/1";

/// Bytes that wait for the socket, past which nothing more is taken: a record of 16 KiB and what is around it.
const WAITING_BYTES_MAX: usize = 20_000;
/// What a server reads of a handshake: a client's is 2 KiB long, one full of unknown extensions not much longer.
const HANDSHAKE_BYTES_MAX: usize = 16 << 10;
/// Reads in one call. A peer can send records without any content; those must not keep the others waiting.
const READS_PER_CALL_MAX: usize = 32;
/// What is still read of a peer whose handshake failed, so that the alert is not lost to a reset.
const LEFT_OVER_READS_MAX: usize = 8;
/// What surrounds a record of at most 16 KiB (RFC 8446 section 5.2).
const RECORD_BYTES_MAX: usize = 16 << 10;
const RECORD_OVERHEAD_BYTES: usize = 5 + 1 + 16;

/// A connection under TLS.
pub(crate) struct TlsStream {
    socket: Watched<TcpStream>,
    connection: Connection,
    stage: Stage,
    /// The last read gave something, so that more may be there.
    may_hold_more: bool,
    bytes_waiting: usize,
}

/// How far a connection under TLS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many bytes of the handshake were read, and the key that a server shows; a client does not know it yet.
    Handshaking {
        read: usize,
        own_key: Option<ServerKey>,
    },
    Open,
    /// The peer was told that nothing more comes.
    Closing,
}

impl TlsStream {
    /// The server's end, with a configuration that shows a certificate of this key.
    ///
    /// # Errors
    /// The configuration makes no sense.
    #[cfg(feature = "server")]
    pub(crate) fn server(
        socket: Watched<TcpStream>,
        config: Arc<ServerConfig>,
        key: ServerKey,
    ) -> Result<Self, rustls::Error> {
        let connection = ServerConnection::new(config)?;
        Ok(Self::new(socket, connection.into(), Some(key)))
    }

    /// The client's end.
    ///
    /// # Errors
    /// The configuration makes no sense.
    pub(crate) fn client(
        socket: Watched<TcpStream>,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        let connection = ClientConnection::new(config, name)?;
        Ok(Self::new(socket, connection.into(), None))
    }

    fn new(socket: Watched<TcpStream>, mut connection: Connection, own_key: Option<ServerKey>) -> Self {
        connection.set_buffer_limit(Some(WAITING_BYTES_MAX));
        let stage = Stage::Handshaking { read: 0, own_key };
        Self { socket, connection, stage, may_hold_more: false, bytes_waiting: 0 }
    }

    pub(super) const fn socket(&self) -> &Watched<TcpStream> {
        &self.socket
    }

    pub(super) const fn socket_mut(&mut self) -> &mut Watched<TcpStream> {
        &mut self.socket
    }

    pub(super) const fn may_hold_more(&self) -> bool {
        self.may_hold_more
    }

    #[cfg(feature = "server")]
    pub(super) const fn bytes_waiting(&self) -> usize {
        self.bytes_waiting
    }

    pub(super) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// It is read from the socket only when rustls has nothing left, so that its buffer never is full; and until the
    /// socket has nothing left, which gives the buffer's memory back.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Progress {
        self.may_hold_more = false;
        for _ in 0..READS_PER_CALL_MAX {
            match self.stage {
                Stage::Handshaking { .. } => {}
                Stage::Open | Stage::Closing => match self.connection.reader().read(bytes) {
                    Ok(0) => return Progress::End,
                    Ok(count) => {
                        self.may_hold_more = true;
                        return Progress::Moved(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Progress::Failed(error),
                },
            }
            match self.take_in() {
                Progress::Moved(_) => {}
                secured @ Progress::Secured(_) => {
                    self.may_hold_more = true;
                    return secured;
                }
                other @ (Progress::Blocked | Progress::End | Progress::Failed(_)) => return other,
            }
        }
        Progress::Blocked
    }

    /// Reads once from the socket.
    fn take_in(&mut self) -> Progress {
        let count = match retried(|| self.connection.read_tls(&mut self.socket.socket())) {
            // Whether it is an end or a cut depends on what was said before, which the reader knows.
            Ok(0) if self.connection.is_handshaking() => {
                return Progress::Failed(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Blocked,
            Err(error) => return Progress::Failed(error),
        };
        if let Err(error) = self.connection.process_new_packets() {
            self.say_why();
            return Progress::Failed(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        // What the peer is owed goes out now if it can. If the socket is of no more use for that, what has arrived
        // is to be read nevertheless.
        let _ = self.flush();
        match &mut self.stage {
            Stage::Handshaking { own_key, .. } if !self.connection.is_handshaking() => {
                let own_key = *own_key;
                self.stage = Stage::Open;
                self.secured(own_key)
            }
            Stage::Handshaking { read, own_key: Some(_) } if *read + count > HANDSHAKE_BYTES_MAX => {
                Progress::Failed(io::Error::new(io::ErrorKind::InvalidData, "the handshake is too long"))
            }
            Stage::Handshaking { read, .. } => {
                *read += count;
                Progress::Moved(count)
            }
            Stage::Open | Stage::Closing => Progress::Moved(count),
        }
    }

    fn secured(&self, own_key: Option<ServerKey>) -> Progress {
        match self.channel(own_key) {
            Ok(channel) => Progress::Secured(channel),
            Err(error) => Progress::Failed(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    fn channel(&self, own_key: Option<ServerKey>) -> Result<Channel, rustls::Error> {
        if self.connection.alpn_protocol() != Some(APPLICATION_PROTOCOL) {
            return Err(rustls::Error::NoApplicationProtocol);
        }
        let key = match (own_key, self.connection.peer_certificates()) {
            (Some(key), _) => key,
            (None, Some([certificate, ..])) => ServerKey::of_certificate(certificate)?,
            (None, Some([]) | None) => return Err(rustls::Error::NoCertificatesPresented),
        };
        let label = Channel::EXPORTER_LABEL.as_bytes();
        let exporter = self.connection.export_keying_material([0; 32], label, None)?;
        Ok(Channel::Tls { exporter, server_key: key.0 })
    }

    /// Sends the alert that a failure of the peer calls for, if it can be sent at once.
    fn say_why(&mut self) {
        let _ = self.flush();
        let _ = self.socket.socket().shutdown(Shutdown::Write);
        let mut scratch = [0; 4_096];
        for _ in 0..LEFT_OVER_READS_MAX {
            match read_socket(&self.socket, &mut scratch) {
                Progress::Moved(_) => {}
                Progress::Secured(_) | Progress::Blocked | Progress::End | Progress::Failed(_) => return,
            }
        }
    }

    pub(super) fn discard(&mut self, scratch: &mut [u8]) -> Progress {
        self.may_hold_more = false;
        read_socket(&self.socket, scratch)
    }

    /// Takes no more than fits beside what waits, so that at most [`WAITING_BYTES_MAX`] and a handshake do.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Progress {
        let mut taken = 0;
        loop {
            match self.flush() {
                Ok(Flushed::All) if taken < bytes.len() => {}
                Ok(Flushed::All | Flushed::Blocked) => break,
                Err(error) => return Progress::Failed(error),
            }
            match self.connection.writer().write(&bytes[taken..]) {
                Ok(0) => break,
                Ok(count) => {
                    taken += count;
                    self.bytes_waiting += count + count.div_ceil(RECORD_BYTES_MAX) * RECORD_OVERHEAD_BYTES;
                }
                Err(error) => return Progress::Failed(error),
            }
        }
        if taken == 0 { Progress::Blocked } else { Progress::Moved(taken) }
    }

    pub(super) fn flush(&mut self) -> io::Result<Flushed> {
        while self.connection.wants_write() {
            match progress(retried(|| self.connection.write_tls(&mut self.socket.socket()))) {
                Progress::Moved(count) => self.bytes_waiting = self.bytes_waiting.saturating_sub(count),
                Progress::Blocked => return Ok(Flushed::Blocked),
                Progress::Failed(error) => return Err(error),
                Progress::Secured(_) | Progress::End => unreachable!("only reads are answered so"),
            }
        }
        self.bytes_waiting = 0;
        Ok(Flushed::All)
    }

    /// A peer that is not protected yet is told nothing (T4), any other by an alert that it can trust.
    pub(super) fn shut_down_sending(&mut self) -> io::Result<Flushed> {
        match self.stage {
            Stage::Handshaking { .. } | Stage::Closing => {}
            Stage::Open => self.connection.send_close_notify(),
        }
        self.stage = Stage::Closing;
        let flushed = self.flush()?;
        if flushed == Flushed::All {
            self.socket.socket().shutdown(Shutdown::Write)?;
        }
        Ok(flushed)
    }
}

// What rustls would show of itself are secrets.
impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("socket", &self.socket)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
