//! Making a connection: the name is looked up on a thread of its own, then its addresses are tried in order.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        mpsc::{self, Receiver, TryRecvError},
    },
    thread,
    time::Duration,
    vec,
};

use palabre_core::time::Monotonic;
use polling::Poller;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    readiness::{Readiness, Watched},
    transport,
};

/// How long a name may take to be looked up.
const LOOKUP_MAX: Duration = Duration::from_secs(10);
/// How long one address may take to answer.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// A connection that is being made.
#[derive(Debug)]
pub(super) struct Connecting {
    poller: Arc<Poller>,
    stage: Stage,
    /// Why the address tried last did not do.
    error: Option<io::Error>,
}

#[derive(Debug)]
enum Stage {
    /// The addresses of the name are being found out.
    LookingUp { answer: Receiver<io::Result<Vec<SocketAddr>>>, deadline: Monotonic },
    /// These addresses are still to be tried.
    Between { left: vec::IntoIter<SocketAddr> },
    /// One address is being tried.
    Trying { stream: Watched<TcpStream>, deadline: Monotonic, left: vec::IntoIter<SocketAddr> },
    /// Nothing is left to try.
    Over,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Attempts {
    /// Not there yet.
    Pending,
    /// There.
    Connected(Watched<TcpStream>),
    /// No address did; why the last did not.
    Failed(io::Error),
}

impl Connecting {
    /// Begins to connect to a name or an address.
    pub(super) fn new(host: &str, port: u16, poller: &Arc<Poller>, now: Monotonic) -> Self {
        let stage = match host.parse::<IpAddr>() {
            Ok(address) => Stage::Between { left: vec![SocketAddr::new(address, port)].into_iter() },
            Err(_) => {
                let answer = look_up(host.to_owned(), port, Arc::clone(poller));
                Stage::LookingUp { answer, deadline: now.after(LOOKUP_MAX) }
            }
        };
        Self { poller: Arc::clone(poller), stage, error: None }
    }

    /// Goes as far as it can without waiting.
    pub(super) fn advance(&mut self, last_key: &mut usize, now: Monotonic) -> Attempts {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::LookingUp { answer, deadline } => match looked_up(&answer, deadline, now) {
                    None => {
                        self.stage = Stage::LookingUp { answer, deadline };
                        return Attempts::Pending;
                    }
                    Some(Ok(addresses)) => self.stage = Stage::Between { left: addresses.into_iter() },
                    Some(Err(error)) => self.error = Some(error),
                },
                Stage::Between { left } => self.try_next(left, last_key, now),
                Stage::Trying { stream, deadline, left } => match state(&stream, deadline, now) {
                    Tried::Pending => {
                        self.stage = Stage::Trying { stream, deadline, left };
                        return Attempts::Pending;
                    }
                    Tried::Connected => return Attempts::Connected(stream),
                    Tried::Failed(error) => {
                        self.error = Some(error);
                        self.stage = Stage::Between { left };
                    }
                },
                Stage::Over => {
                    let unknown = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                    return Attempts::Failed(self.error.take().unwrap_or_else(unknown));
                }
            }
        }
    }

    /// When to go on although nothing is ready.
    pub(super) const fn deadline(&self) -> Monotonic {
        match &self.stage {
            Stage::LookingUp { deadline, .. } | Stage::Trying { deadline, .. } => *deadline,
            Stage::Between { .. } | Stage::Over => Monotonic::ZERO,
        }
    }

    fn try_next(&mut self, mut left: vec::IntoIter<SocketAddr>, last_key: &mut usize, now: Monotonic) {
        let Some(address) = left.next() else { return };
        *last_key += 1;
        self.stage = match begin(address, &self.poller, *last_key) {
            Ok(stream) => Stage::Trying { stream, deadline: now.after(ATTEMPT_MAX), left },
            Err(error) => {
                self.error = Some(error);
                Stage::Between { left }
            }
        };
    }
}

enum Tried {
    Pending,
    Connected,
    Failed(io::Error),
}

fn look_up(host: String, port: u16, poller: Arc<Poller>) -> Receiver<io::Result<Vec<SocketAddr>>> {
    let (sender, answer) = mpsc::channel();
    let lookup = move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody may wait for the answer any more.
        let _ = sender.send(addresses);
        let _ = poller.notify();
    };
    // Without a thread the sender is dropped, which is an answer too.
    let _ = thread::Builder::new().name("lookup".into()).spawn(lookup);
    answer
}

fn looked_up(
    answer: &Receiver<io::Result<Vec<SocketAddr>>>,
    deadline: Monotonic,
    now: Monotonic,
) -> Option<io::Result<Vec<SocketAddr>>> {
    match answer.try_recv() {
        Ok(result) => Some(result),
        Err(TryRecvError::Disconnected) => Some(Err(io::Error::other("the name could not be looked up"))),
        Err(TryRecvError::Empty) if now >= deadline => {
            Some(Err(io::Error::new(io::ErrorKind::TimedOut, "looking the name up took too long")))
        }
        Err(TryRecvError::Empty) => None,
    }
}

fn begin(address: SocketAddr, poller: &Arc<Poller>, key: usize) -> io::Result<Watched<TcpStream>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    let stream = TcpStream::from(socket);
    transport::prepare(&stream)?;
    match socket2::SockRef::from(&stream).connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut stream = Watched::new(stream, poller, key);
    stream.watch(Readiness::WRITE)?;
    Ok(stream)
}

fn state(stream: &Watched<TcpStream>, deadline: Monotonic, now: Monotonic) -> Tried {
    match stream.socket().take_error() {
        Ok(None) if stream.socket().peer_addr().is_ok() => Tried::Connected,
        Ok(None) if now < deadline => Tried::Pending,
        Ok(None) => Tried::Failed(io::ErrorKind::TimedOut.into()),
        Ok(Some(error)) | Err(error) => Tried::Failed(error),
    }
}
