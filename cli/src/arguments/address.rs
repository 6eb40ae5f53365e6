//! Where a server is.

use std::{fmt, net::IpAddr, str::FromStr};

use palabre_runtime::server_key::ServerKey;

/// The port of a server unless said.
const PORT_DEFAULT: u16 = 4000;

/// What an invitation begins with.
const SCHEME: &str = "palabre://";

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    /// 4000 unless said.
    pub(crate) port: u16,
    /// The key that an invitation says the server has. It is no part of where the server is, and not shown with it.
    pub(crate) key: Option<ServerKey>,
}

impl Address {
    /// Whether a text is an address with its port spelled out, as the ancestor had it, or an invitation.
    pub(crate) fn has_port(text: &str) -> bool {
        text.starts_with(SCHEME)
            || text.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok() && text.parse::<Self>().is_ok()
            })
    }

    /// Whether it is this machine, whatever else may be true of names.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (text, key) = match text.strip_prefix(SCHEME) {
            None => (text, None),
            Some(rest) => {
                let (place, key) = rest.split_once('#').ok_or(AddressError::Invitation)?;
                let key = key.parse().map_err(|_| AddressError::Invitation)?;
                (place.strip_suffix('/').unwrap_or(place), Some(key))
            }
        };
        let (host, port) = split(text)?;
        let port = match port {
            None => PORT_DEFAULT,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Port)?,
        };
        let is_odd = |char: char| char.is_whitespace() || char.is_control() || matches!(char, '/' | '#');
        if host.is_empty() || host.contains(is_odd) {
            return Err(AddressError::Host);
        }
        Ok(Self { host: host.to_owned(), port, key })
    }
}

/// `[v6]:port`, `v6`, `host:port` or `host`.
fn split(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(AddressError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(AddressError::Host),
        };
    }
    Ok(match text.split_once(':') {
        Some((_, port)) if port.contains(':') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// There is no host.
    #[error("a server is written HOST or HOST:PORT, like chat.example:4000")]
    Host,
    /// The port is none.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// It begins as an invitation and is none.
    #[error("an invitation is written palabre://HOST:PORT/#sha256:…, as the server prints it at its start")]
    Invitation,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, u16) {
        let address: Address = text.parse().unwrap();
        (address.host, address.port)
    }

    #[test]
    fn the_port_may_be_left_out() {
        assert_eq!(parsed("chat.example"), ("chat.example".into(), 4000));
        assert_eq!(parsed("chat.example:5000"), ("chat.example".into(), 5000));
        assert_eq!(parsed("[::1]:5000"), ("::1".into(), 5000));
        assert_eq!(parsed("[::1]"), ("::1".into(), 4000));
        assert_eq!(parsed("fe80::1"), ("fe80::1".into(), 4000));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", ":4000", "host:", "host:0", "host:70000", "[::1", "[::1]x", "a b"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_is_typed() {
        for text in ["chat.example:5000", "[::1]:5000"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_invitation_says_where_and_who() {
        let key = ServerKey([9; 32]);
        for text in ["palabre://chat.example:5000/", "palabre://chat.example:5000"] {
            let address: Address = format!("{text}#{key}").parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.key), ("chat.example:5000", Some(key)));
        }
        let address: Address = format!("palabre://[::1]/#{key}").parse().unwrap();
        assert_eq!((address.host.as_str(), address.port, address.key), ("::1", 4000, Some(key)));
        for text in ["palabre://chat.example:5000", "palabre://host/#sha256:short", "palabre://host/#"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Invitation), "{text}");
        }
        assert!(format!("palabre:///#{key}").parse::<Address>().is_err());
    }

    #[test]
    fn this_machine_is_known_by_its_address_or_name() {
        for (text, is_loopback) in [
            ("localhost", true),
            ("LocalHost:5000", true),
            ("127.3.2.1", true),
            ("[::1]:5000", true),
            ("::ffff:127.0.0.1", true),
            ("localhost.example", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_loopback(), is_loopback, "{text}");
        }
    }

    #[test]
    fn only_a_spelled_out_port_makes_an_address_of_a_first_argument() {
        assert!(Address::has_port("localhost:4000"));
        assert!(Address::has_port("[::1]:4000"));
        assert!(Address::has_port("palabre://localhost:4000/#sha256:and-so-on"));
        for text in ["localhost", "connect", "send:", ":4000", "a:b"] {
            assert!(!Address::has_port(text), "{text}");
        }
    }
}
