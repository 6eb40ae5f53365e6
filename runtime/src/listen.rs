//! Where a server listens: addresses as people write them, made into sockets.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
    str::FromStr,
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1_024;
/// How often another free port is tried when one is free on IPv4 but not on IPv6.
const FREE_PORT_TRIES: usize = 16;

/// An address to listen on, as written: `:4000`, `127.0.0.1:4000`, `[::1]:4000`, `localhost:4000`. Port 0 stands for
/// any that is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A port alone: on all addresses that [`Reach`] allows.
    Port(u16),
    /// An address.
    Address(SocketAddr),
    /// A name, on all the addresses it has.
    Name(String, u16),
}

/// Who may reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone.
    Loopback,
    /// Other machines too.
    Anywhere,
}

/// Why a text is not an address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no port in it.
    #[error("it has no port; write for example :4000, 127.0.0.1:4000 or [::1]:4000")]
    NoPort,
    /// The port is not one.
    #[error("the port must be a number from 0 to 65535, 0 for any that is free")]
    BadPort,
    /// The part before the port is not an address in brackets, an address or a name.
    #[error("an IPv6 address stands in brackets, as in [::1]:4000")]
    BadHost,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error(
        "{0} is in use: another program listens there, perhaps another runtime-server. Stop it, or choose another \
         port, for example --listen :{next}.",
        next = another_port(.0.port())
    )]
    InUse(SocketAddr),
    /// It is not allowed to.
    #[error(
        "There is no right to listen on {0}: ports below 1024 are for the administrator. Choose a port of 1024 or \
         more, for example --listen :4000."
    )]
    NotAllowed(SocketAddr),
    /// The address belongs to another machine, or to none.
    #[error("{0} is not an address of this machine. Choose one that `ip address` shows, or --listen :4000.")]
    NotHere(SocketAddr),
    /// The name means nothing.
    #[error("The name {name} cannot be found: {source}. Check its spelling, or write an address.")]
    UnknownName {
        /// The name.
        name: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Other machines could reach it, and nobody said that this is wanted.
    #[error(
        "{0} can be reached from other machines, and --plaintext does not encrypt: everybody on the way could read \
         along and change what is said. Leave --plaintext out, or listen on 127.0.0.1 or [::1]. If that network is \
         trusted nevertheless, say --plaintext twice."
    )]
    NotLoopback(SocketAddr),
    /// There is no network at all.
    #[error("This machine has neither 127.0.0.1 nor ::1 to listen on. Set up its loopback interface.")]
    NoLoopback,
    /// Anything else.
    #[error("Listening on {address} failed: {source}.")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Address(address));
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(AddressError::NoPort);
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
        let port = port.parse::<u16>().map_err(|_| AddressError::BadPort)?;
        match host {
            "" => Ok(Self::Port(port)),
            _ if host.contains([':', '[', ']', '/']) || host.contains(char::is_whitespace) => {
                Err(AddressError::BadHost)
            }
            _ => Ok(Self::Name(host.to_owned(), port)),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, ":{port}"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// Listens on all these addresses.
///
/// # Errors
/// [`ListenError`] says which is in the way and what to do.
pub(crate) fn bind(addresses: &[ListenAddress], reach: Reach) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners = Vec::new();
    for address in addresses {
        match address {
            ListenAddress::Port(port) => listeners.extend(bind_port(*port, reach)?),
            ListenAddress::Address(address) => listeners.push(bind_within(*address, reach)?),
            ListenAddress::Name(name, port) => {
                for address in look_up(name, *port)? {
                    listeners.push(bind_within(address, reach)?);
                }
            }
        }
    }
    Ok(listeners)
}

fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, ListenError> {
    let unknown = |source| ListenError::UnknownName { name: name.to_owned(), source };
    let mut addresses: Vec<_> = (name, port).to_socket_addrs().map_err(unknown)?.collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn bind_within(address: SocketAddr, reach: Reach) -> Result<TcpListener, ListenError> {
    if reach == Reach::Loopback && !address.ip().to_canonical().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    bind_one(address)
}

/// Both families, or the one there is. They get the same port, also where any will do.
fn bind_port(port: u16, reach: Reach) -> Result<Vec<TcpListener>, ListenError> {
    let (v4, v6) = match reach {
        Reach::Loopback => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
        Reach::Anywhere => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
    };
    let mut tries = 0;
    loop {
        let first = unless_missing(bind_one((v4, port).into()))?;
        let chosen = first.as_ref().and_then(|listener| listener.local_addr().ok());
        let second = unless_missing(bind_one((v6, chosen.map_or(port, |address| address.port())).into()));
        match second {
            Err(ListenError::InUse(_)) if port == 0 && tries < FREE_PORT_TRIES => tries += 1,
            Err(error) => return Err(error),
            Ok(second) => {
                let listeners: Vec<_> = first.into_iter().chain(second).collect();
                return if listeners.is_empty() { Err(ListenError::NoLoopback) } else { Ok(listeners) };
            }
        }
    }
}

fn unless_missing(bound: Result<TcpListener, ListenError>) -> Result<Option<TcpListener>, ListenError> {
    match bound {
        Ok(listener) => Ok(Some(listener)),
        Err(ListenError::NotHere(address)) => {
            tracing::warn!(%address, "this machine does not have this address; going on without it");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn bind_one(address: SocketAddr) -> Result<TcpListener, ListenError> {
    try_to_bind(address).map_err(|source| match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ADDRINUSE) => ListenError::InUse(address),
        Some(Errno::ACCESS | Errno::PERM) => ListenError::NotAllowed(address),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) => ListenError::NotHere(address),
        Some(_) | None => ListenError::Other { address, source },
    })
}

fn try_to_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn another_port(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(4000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<ListenAddress, AddressError> {
        text.parse()
    }

    #[test]
    fn every_form_of_an_address_is_understood() {
        assert_eq!(parsed(":4000"), Ok(ListenAddress::Port(4000)));
        assert_eq!(parsed(":0"), Ok(ListenAddress::Port(0)));
        assert_eq!(parsed("127.0.0.1:4000"), Ok(ListenAddress::Address(([127, 0, 0, 1], 4000).into())));
        assert_eq!(parsed("[::1]:4000"), Ok(ListenAddress::Address((Ipv6Addr::LOCALHOST, 4000).into())));
        assert_eq!(parsed("chat.example:4000"), Ok(ListenAddress::Name("chat.example".into(), 4000)));
    }

    #[test]
    fn what_is_no_address_is_told_so() {
        for text in ["4000", "localhost", "127.0.0.1", "::1", ""] {
            assert_eq!(parsed(text), Err(AddressError::NoPort), "{text}");
        }
        for text in [":", ":port", ":65536", "localhost:-1", "[::1]:"] {
            assert_eq!(parsed(text), Err(AddressError::BadPort), "{text}");
        }
        for text in ["[::1:4000", "http://host:4000", "a b:4000", "fe80::x:4000"] {
            assert_eq!(parsed(text), Err(AddressError::BadHost), "{text}");
        }
    }

    #[test]
    fn any_free_port_is_the_same_on_all_addresses() {
        let listeners = bind_port(0, Reach::Loopback).unwrap();
        let ports: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[test]
    fn an_address_of_the_network_is_not_for_loopback_alone() {
        let address: SocketAddr = ([0, 0, 0, 0], 0).into();
        assert!(matches!(bind_within(address, Reach::Loopback), Err(ListenError::NotLoopback(_))));
        assert!(bind_within(address, Reach::Anywhere).is_ok());
    }

    #[test]
    fn an_address_of_another_machine_is_told_so() {
        let bound = bind_within(([192, 0, 2, 1], 0).into(), Reach::Anywhere);
        assert!(matches!(bound, Err(ListenError::NotHere(_))));
    }
}
