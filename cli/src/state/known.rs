//! The servers that are trusted, and why: a line each in `known-servers`.

use std::{
    fmt,
    fs::{self, File},
    io,
    str::FromStr,
};

use palabre_runtime::server_key::ServerKey;

use super::{State, create_folder, open_private, replace};
use crate::arguments::Address;

const FILE: &str = "known-servers";

/// What stands in place of a key for servers that public authorities vouch for.
const AUTHORITIES: &str = "public-authorities";

/// Why a server is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It has this key.
    Key(ServerKey),
    /// Public authorities vouched for its name, and always must.
    Authorities,
}

impl State {
    /// Why a server is trusted; nothing if it is not known.
    pub(crate) fn known(&self, server: &Address) -> io::Result<Option<Known>> {
        let name = name_of(server);
        Ok(self.all_known()?.into_iter().find_map(|(known, why)| (known == name).then_some(why)))
    }

    /// All servers that are known.
    pub(crate) fn all_known(&self) -> io::Result<Vec<(String, Known)>> {
        let text = match fs::read_to_string(self.folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let line = |(index, line): (usize, &str)| parse(line).ok_or_else(|| senseless(index + 1));
        text.lines().enumerate().map(line).collect()
    }

    /// Trusts a server from now on, in place of what was known of it.
    pub(crate) fn know(&self, server: &Address, why: Known) -> io::Result<()> {
        create_folder(&self.folder)?;
        let _lock = self.lock_known()?;
        let mut all = self.all_known()?;
        let name = name_of(server);
        all.retain(|(known, _)| *known != name);
        all.push((name, why));
        self.write_known(&all)
    }

    /// Trusts a server no longer. Whether it was known.
    pub(crate) fn forget(&self, server: &Address) -> io::Result<bool> {
        create_folder(&self.folder)?;
        let _lock = self.lock_known()?;
        let mut all = self.all_known()?;
        let (name, count) = (name_of(server), all.len());
        all.retain(|(known, _)| *known != name);
        let was_known = all.len() < count;
        if was_known {
            self.write_known(&all)?;
        }
        Ok(was_known)
    }

    /// Held while the file is read and replaced: two programs may get to know servers at the same time.
    fn lock_known(&self) -> io::Result<File> {
        let lock = open_private(&self.folder.join(FILE).with_extension("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    fn write_known(&self, all: &[(String, Known)]) -> io::Result<()> {
        let text: String = all.iter().map(|(name, why)| format!("{name} {why}\n")).collect();
        replace(&self.folder.join(FILE), text.as_bytes())
    }
}

/// A server as it is written in the file: host names do not differ by case.
fn name_of(server: &Address) -> String {
    server.to_string().to_ascii_lowercase()
}

fn parse(line: &str) -> Option<(String, Known)> {
    let (name, why) = line.split_once(' ')?;
    Some((name.to_owned(), why.parse().ok()?))
}

fn senseless(line: usize) -> io::Error {
    let reason = format!("line {line} is not a server and its key; mend it or remove it");
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Authorities => f.write_str(AUTHORITIES),
        }
    }
}

impl FromStr for Known {
    type Err = palabre_runtime::server_key::ServerKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == AUTHORITIES { Ok(Self::Authorities) } else { text.parse().map(Self::Key) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn state() -> (tempfile::TempDir, State) {
        let home = tempfile::tempdir().unwrap();
        let state = State::new(home.path().join("palabre"));
        (home, state)
    }

    #[test]
    fn a_server_is_known_until_it_is_forgotten() {
        let (home, state) = state();
        let (a, b): (Address, Address) = ("a.example".parse().unwrap(), "[::1]:5000".parse().unwrap());
        assert_eq!(state.known(&a).unwrap(), None);
        let (first, second) = (Known::Key(ServerKey([1; 32])), Known::Key(ServerKey([2; 32])));
        state.know(&a, first).unwrap();
        state.know(&b, Known::Authorities).unwrap();
        assert_eq!(state.known(&"A.Example:4000".parse().unwrap()).unwrap(), Some(first));
        state.know(&a, second).unwrap();
        assert_eq!(state.known(&a).unwrap(), Some(second));
        assert_eq!(state.known(&b).unwrap(), Some(Known::Authorities));
        assert_eq!(
            state.known(&"a.example:4001".parse().unwrap()).unwrap(),
            None,
            "another port, another server"
        );
        assert!(state.forget(&a).unwrap());
        assert!(!state.forget(&a).unwrap());
        assert_eq!(state.all_known().unwrap(), [("[::1]:5000".to_owned(), Known::Authorities)]);
        let mode = fs::metadata(home.path().join("palabre/known-servers")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_line_is_never_taken_for_a_server_that_is_not_known() {
        let (home, state) = state();
        state.know(&"a.example".parse().unwrap(), Known::Authorities).unwrap();
        let file = home.path().join("palabre/known-servers");
        fs::write(&file, "b.example:4000 public-authorities\na.example:4000 sha256:damaged\n").unwrap();
        let error = state.known(&"a.example".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
