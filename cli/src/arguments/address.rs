//! Where a server is.

use std::{fmt, str::FromStr};

/// The port of a server unless said.
const PORT_DEFAULT: u16 = 4000;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    /// 4000 unless said.
    pub(crate) port: u16,
}

impl Address {
    /// Whether a text is an address with its port spelled out, as the ancestor had it.
    pub(crate) fn has_port(text: &str) -> bool {
        text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok() && text.parse::<Self>().is_ok()
        })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split(text)?;
        let port = match port {
            None => PORT_DEFAULT,
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Port)?,
        };
        if host.is_empty() || host.contains(|char: char| char.is_whitespace() || char.is_control()) {
            return Err(AddressError::Host);
        }
        Ok(Self { host: host.to_owned(), port })
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
    fn only_a_spelled_out_port_makes_an_address_of_a_first_argument() {
        assert!(Address::has_port("localhost:4000"));
        assert!(Address::has_port("[::1]:4000"));
        for text in ["localhost", "connect", "send:", ":4000", "a:b"] {
            assert!(!Address::has_port(text), "{text}");
        }
    }
}
