//! The configuration file: what a person always wants, so that it need not be typed.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use palabre_core::name::nearest;
use serde::Deserialize;

use crate::failure::{ExitStatus, Failure};

/// The keys that a configuration file may have.
const KEYS: [&str; 9] = ["server", "nick", "room", "host-key", "plaintext", "keys", "mouse", "bell", "theme"];

/// `config.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// The server, `HOST[:PORT]`.
    pub(crate) server: Option<String>,
    /// The name to enter by.
    pub(crate) nick: Option<String>,
    /// The room that `connect` enters.
    pub(crate) room: Option<String>,
    /// What to do about a server that is not known yet.
    pub(crate) host_key: Option<String>,
    /// Whether to do without encryption.
    pub(crate) plaintext: Option<Written>,
    /// The keys of the full screen: an action, and what it is bound to.
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    /// Whether the full screen uses the mouse.
    pub(crate) mouse: Option<bool>,
    /// Whether a notice rings the bell.
    pub(crate) bell: Option<bool>,
    /// The colours of the full screen: `dark`, `light`, or a file.
    pub(crate) theme: Option<String>,
}

/// A word, or a truth value, which is as good as its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Written {
    Truth(bool),
    Word(String),
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truth(truth) => truth.fmt(f),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Config {
    /// Reads the files that exist; what the first of them says goes. With warnings for people.
    pub(crate) fn read<'a>(
        files: impl IntoIterator<Item = &'a Path>,
    ) -> Result<(Self, Vec<String>), Failure> {
        let mut config = Self::default();
        let mut warnings = Vec::new();
        for file in files {
            let text = match fs::read_to_string(file) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Failure::local(file.display(), &error)),
            };
            let (read, unknown) = Self::parse(&text).map_err(|error| invalid(file, &text, &error))?;
            config = config.or(read);
            warnings.extend(unknown.iter().map(|key| unknown_key(file, key)));
        }
        Ok((config, warnings))
    }

    /// The configuration, and the keys that mean nothing.
    fn parse(text: &str) -> Result<(Self, Vec<String>), toml::de::Error> {
        let table: toml::Table = toml::from_str(text)?;
        let unknown = table.keys().filter(|key| !KEYS.contains(&key.as_str())).cloned().collect();
        Ok((toml::Value::Table(table).try_into()?, unknown))
    }

    fn or(self, other: Self) -> Self {
        Self {
            server: self.server.or(other.server),
            nick: self.nick.or(other.nick),
            room: self.room.or(other.room),
            host_key: self.host_key.or(other.host_key),
            plaintext: self.plaintext.or(other.plaintext),
            keys: if self.keys.is_empty() { other.keys } else { self.keys },
            mouse: self.mouse.or(other.mouse),
            bell: self.bell.or(other.bell),
            theme: self.theme.or(other.theme),
        }
    }
}

fn invalid(file: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let sentence = format!("{}: line {line}: {}", file.display(), error.message());
    Failure::new(ExitStatus::Usage, "config-invalid", sentence)
}

fn unknown_key(file: &Path, key: &str) -> String {
    let file = file.display();
    match nearest(key, KEYS.into_iter()) {
        Some(meant) => format!("{file}: unknown key {key}; did you mean {meant}?"),
        None => format!("{file}: unknown key {key}; there are {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_persons_file_goes_before_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let (own, system) = (folder.path().join("own.toml"), folder.path().join("system.toml"));
        fs::write(&own, "nick = \"ana\"\n").unwrap();
        fs::write(&system, "nick = \"guest\"\nserver = \"chat.example\"\n").unwrap();
        let missing = folder.path().join("missing.toml");
        let (config, warnings) = Config::read([own.as_path(), &missing, &system]).unwrap();
        assert_eq!(config.nick.as_deref(), Some("ana"));
        assert_eq!(config.server.as_deref(), Some("chat.example"));
        assert!(warnings.is_empty());
    }

    #[test]
    fn an_unknown_key_is_a_warning_with_a_suggestion() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, "sever = \"chat.example\"\n").unwrap();
        let (config, warnings) = Config::read([file.as_path()]).unwrap();
        assert_eq!(config, Config::default());
        assert!(warnings[0].ends_with("unknown key sever; did you mean server?"), "{warnings:?}");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, "room = \"tea\"\nnick = \n").unwrap();
        let failure = Config::read([file.as_path()]).unwrap_err();
        assert_eq!(failure.status, ExitStatus::Usage);
        assert!(failure.sentence.contains("config.toml: line 2: "), "{failure}");
        assert!(!failure.sentence.contains('\n'), "{failure}");
        fs::write(&file, "nick = 7\n").unwrap();
        assert!(Config::read([file.as_path()]).unwrap_err().sentence.contains("config.toml"));
    }
}
