//! A login as a text, to be given to a script on another machine: who one is on which server, and the device's token.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use palabre_core::{
    client::SavedSession,
    ids::{Incarnation, UserId},
    name::Nick,
    wire::Token,
};
use palabre_runtime::server_key::ServerKey;

/// What stands before it.
const PREFIX: &str = "palabre-token";

const CHECK_BYTES: usize = 4;
/// The server's key (zeros for plaintext), incarnation, user, token, and the check.
const BYTES: usize = 32 + 8 + 8 + 32 + CHECK_BYTES;

/// A login. It is written `palabre-token:NAME:` and the rest in base64 for URLs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PortableToken {
    pub(crate) session: SavedSession,
    /// The key of the server that it is for: it is shown to no other. None without encryption.
    pub(crate) server_key: Option<ServerKey>,
}

/// A text that is no login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no token, or cut short; `cli login NAME --print-token` prints one")]
pub(crate) struct PortableTokenError;

impl fmt::Display for PortableToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SavedSession { incarnation, user, nick, token, .. } = &self.session;
        let key = self.server_key.unwrap_or(ServerKey([0; 32]));
        let said =
            [&key.0[..], &incarnation.get().to_be_bytes(), &user.get().to_be_bytes(), &token.0].concat();
        let encoded = URL_SAFE_NO_PAD.encode([&said[..], &check(nick, &said)].concat());
        write!(f, "{PREFIX}:{nick}:{encoded}")
    }
}

/// A mistyped or shortened token is told from one that is not good any more.
fn check(nick: &Nick, said: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::hash(&[nick.as_str().as_bytes(), said].concat());
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash.as_bytes()[..CHECK_BYTES]);
    check
}

impl FromStr for PortableToken {
    type Err = PortableTokenError;

    fn from_str(text: &str) -> Result<Self, PortableTokenError> {
        let parts = text.trim().strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(':'));
        let (nick, encoded) = parts.and_then(|rest| rest.split_once(':')).ok_or(PortableTokenError)?;
        let nick = Nick::parse(nick).map_err(|_| PortableTokenError)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| PortableTokenError)?;
        if bytes.len() != BYTES {
            return Err(PortableTokenError);
        }
        let (said, checked) = bytes.split_at(BYTES - CHECK_BYTES);
        if check(&nick, said) != checked {
            return Err(PortableTokenError);
        }
        let key: [u8; 32] = part(said, 0);
        let session = SavedSession {
            incarnation: Incarnation::new(u64::from_be_bytes(part(said, 32))),
            user: UserId::new(u64::from_be_bytes(part(said, 40))),
            nick,
            token: Token(part(said, 48)),
            is_account: true,
            rooms: Vec::new(),
            outbox: Vec::new(),
        };
        let server_key = (key != [0; 32]).then_some(ServerKey(key));
        Ok(Self { session, server_key })
    }
}

fn part<const N: usize>(said: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&said[at..at + N]);
    part
}

impl fmt::Debug for PortableToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}:{}:…", self.session.nick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(server_key: Option<ServerKey>) -> PortableToken {
        let session = SavedSession {
            incarnation: Incarnation::new(u64::MAX - 5),
            user: UserId::new(7),
            nick: Nick::parse("Zoë-1.x").unwrap(),
            token: Token([0xa5; 32]),
            is_account: true,
            rooms: Vec::new(),
            outbox: Vec::new(),
        };
        PortableToken { session, server_key }
    }

    #[test]
    fn a_token_is_read_as_it_is_written() {
        for key in [None, Some(ServerKey([9; 32]))] {
            let text = token(key).to_string();
            assert!(text.starts_with("palabre-token:Zoë-1.x:"), "{text}");
            assert_eq!(format!("{text}\n").parse(), Ok(token(key)));
        }
    }

    #[test]
    fn what_was_cut_or_mistyped_is_no_token() {
        let text = token(Some(ServerKey([9; 32]))).to_string();
        let other_name = text.replace("Zoë", "Zoe");
        for wrong in [&text[..text.len() - 1], &text.to_uppercase(), &other_name, "", "palabre-token:ana:"] {
            assert_eq!(wrong.parse::<PortableToken>(), Err(PortableTokenError), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_not_shown_to_who_debugs() {
        assert_eq!(format!("{:?}", token(None)), "palabre-token:Zoë-1.x:…");
    }
}
