//! The configuration file, as written.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::de::DeTable;

use super::{
    ConfigError,
    arguments::{LogFormat, LogLevel, MayRegister, MayUpload, Preset},
};
use crate::plaintext::Plaintext;

/// The keys of the file.
pub(super) const KEYS: &[&str] = &[
    "listen",
    "data",
    "max-clients",
    "queue",
    "manual",
    "limits",
    "ephemeral",
    "certificate",
    "key",
    "plaintext",
    "guests",
    "registration",
    "plain-logins",
    "files",
    "drain",
    "log",
    "log-format",
];

/// The keys of its table `[limits]`.
pub(super) const LIMITS_KEYS: &[&str] = &[
    "preset",
    "posts-per-second",
    "post-burst",
    "post-bytes-per-second",
    "post-burst-bytes",
    "requests-per-second",
    "request-burst",
    "source-connections",
    "source-connects",
    "loopback-exempt",
    "rooms",
    "rooms-created",
    "guest-kept-seconds",
    "entering-seconds",
    "stalled-seconds",
    "outbound-shared-bytes",
    "recent-bytes",
    "file-mib",
    "user-files-mib",
    "user-files",
    "file-kept-days",
    "window-bytes",
    "windows-bytes",
];

/// The file. What it does not say is `None`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct File {
    #[serde(deserialize_with = "one_or_more")]
    pub(super) listen: Vec<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) max_clients: Option<u32>,
    pub(super) queue: Option<u32>,
    pub(super) manual: Option<PathBuf>,
    #[serde(deserialize_with = "preset_or_table")]
    pub(super) limits: FileLimits,
    pub(super) ephemeral: Option<bool>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    #[serde(deserialize_with = "plaintext")]
    pub(super) plaintext: Option<Plaintext>,
    pub(super) guests: Option<bool>,
    pub(super) registration: Option<MayRegister>,
    pub(super) plain_logins: Option<bool>,
    pub(super) files: Option<MayUpload>,
    pub(super) drain: Option<u32>,
    pub(super) log: Option<LogLevel>,
    pub(super) log_format: Option<LogFormat>,
}

/// Its table `[limits]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct FileLimits {
    pub(super) preset: Option<Preset>,
    pub(super) posts_per_second: Option<u32>,
    pub(super) post_burst: Option<u32>,
    pub(super) post_bytes_per_second: Option<u32>,
    pub(super) post_burst_bytes: Option<u32>,
    pub(super) requests_per_second: Option<u32>,
    pub(super) request_burst: Option<u32>,
    pub(super) source_connections: Option<u32>,
    pub(super) source_connects: Option<u32>,
    pub(super) loopback_exempt: Option<bool>,
    pub(super) rooms: Option<u32>,
    pub(super) rooms_created: Option<u32>,
    pub(super) guest_kept_seconds: Option<u32>,
    pub(super) entering_seconds: Option<u32>,
    pub(super) stalled_seconds: Option<u32>,
    pub(super) outbound_shared_bytes: Option<u32>,
    pub(super) recent_bytes: Option<u32>,
    pub(super) file_mib: Option<u32>,
    pub(super) user_files_mib: Option<u32>,
    pub(super) user_files: Option<u32>,
    pub(super) file_kept_days: Option<u32>,
    pub(super) window_bytes: Option<u32>,
    pub(super) windows_bytes: Option<u32>,
}

impl File {
    /// Reads the file. Paths in it are relative to the directory it is in.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let mut file = Self::parse(&text, path)?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        let paths = [&mut file.data, &mut file.manual, &mut file.certificate, &mut file.key];
        for path in paths.into_iter().flatten() {
            *path = directory.join(&*path);
        }
        Ok(file)
    }

    /// Understands the text of the file; `path` is only for messages.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let malformed = |error: toml::de::Error| ConfigError::Malformed {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line(text, &span)),
            reason: error.message().to_owned(),
        };
        let table = DeTable::parse(text).map_err(malformed)?;
        check_keys(table.get_ref(), KEYS, text, path)?;
        if let Some(limits) = table.get_ref().get("limits").and_then(|value| value.get_ref().as_table()) {
            check_keys(limits, LIMITS_KEYS, text, path)?;
        }
        toml::from_str(text).map_err(malformed)
    }
}

fn check_keys(table: &DeTable<'_>, known: &[&str], text: &str, path: &Path) -> Result<(), ConfigError> {
    let unknown = table.iter().map(|(key, _)| key).find(|key| !known.contains(&key.get_ref().as_ref()));
    unknown.map_or(Ok(()), |key| {
        Err(ConfigError::UnknownKey {
            path: path.to_owned(),
            line: line(text, &key.span()),
            key: crate::printable::Printable(key.get_ref()).to_string(),
            suggestion: nearest(key.get_ref(), known),
        })
    })
}

fn line(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

/// The known key that was most likely meant, if any is close.
fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let spelled = key.to_lowercase().replace('_', "-");
    let similarity = |candidate: &&str| strsim::jaro_winkler(&spelled, candidate);
    let best = known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))?;
    (similarity(&best) > 0.8).then(|| best.to_owned())
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address or a list of addresses")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = items.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    deserializer.deserialize_any(OneOrMore)
}

fn plaintext<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Plaintext>, D::Error> {
    /// `true`, `false` or a word.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Plain(bool),
        Word(String),
    }
    let word = match Written::deserialize(deserializer) {
        Ok(Written::Plain(is_so)) => is_so.to_string(),
        Ok(Written::Word(word)) => word,
        Err(_) => String::new(),
    };
    let mistaken = |_| de::Error::custom("plaintext is true, false or \"anywhere\"");
    word.parse().map(Some).map_err(mistaken)
}

fn preset_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FileLimits, D::Error> {
    struct PresetOrTable;
    impl<'de> Visitor<'de> for PresetOrTable {
        type Value = FileLimits;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"default\", \"open\" or a table of limits")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<FileLimits, E> {
            let preset = Preset::deserialize(de::value::StrDeserializer::new(text))?;
            Ok(FileLimits { preset: Some(preset), ..FileLimits::default() })
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileLimits, A::Error> {
            FileLimits::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(PresetOrTable)
}

/// The file that `docs/OPERATING.md` shows, with its commented lines.
#[cfg(test)]
fn documented_text() -> String {
    let page = include_str!("../../../docs/OPERATING.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    example.expect("there is an example").replace("\n# ", "\n")
}

#[cfg(test)]
pub(super) fn documented() -> File {
    File::parse(&documented_text(), Path::new("OPERATING.md")).expect("it is understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented() {
        let text = documented_text();
        let table = DeTable::parse(&text).unwrap();
        let sorted = |keys: Vec<String>| {
            let mut keys = keys;
            keys.sort();
            keys
        };
        let keys = |table: &DeTable<'_>| sorted(table.keys().map(|key| key.get_ref().to_string()).collect());
        let known = |keys: &[&str]| sorted(keys.iter().map(|key| (*key).to_owned()).collect());
        assert_eq!(keys(table.get_ref()), known(KEYS));
        let limits = table.get_ref().get("limits").unwrap().get_ref().as_table().unwrap();
        assert_eq!(keys(limits), known(LIMITS_KEYS));
        documented();
    }

    fn problem(text: &str) -> String {
        File::parse(text, Path::new("palabre.toml")).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_was_meant() {
        let message = problem("listen = \":4000\"\n\nmax_client = 10\n");
        assert_eq!(
            message,
            "palabre.toml, line 3: there is no key \"max_client\". Did you mean \"max-clients\"?"
        );
        let message = problem("[limits]\npost-bursts = 3\n");
        assert_eq!(
            message,
            "palabre.toml, line 2: there is no key \"post-bursts\". Did you mean \"post-burst\"?"
        );
        let message = problem("zzz = 1");
        assert!(
            message.contains("there is no key \"zzz\". See docs/OPERATING.md for all keys."),
            "{message}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_told_with_its_line() {
        let message = problem("queue = 1\nmax-clients = \"many\"\n");
        assert!(message.starts_with("palabre.toml, line 2: invalid type: string \"many\""), "{message}");
        let message = problem("listen = [\n");
        assert!(message.starts_with("palabre.toml, line"), "{message}");
    }

    #[test]
    fn limits_are_a_preset_or_a_table() {
        let parse = |text| File::parse(text, Path::new("")).unwrap().limits;
        assert_eq!(parse("limits = \"open\"").preset, Some(Preset::Open));
        let table = parse("[limits]\npreset = \"open\"\nrooms = 7");
        assert_eq!((table.preset, table.rooms), (Some(Preset::Open), Some(7)));
    }

    #[test]
    fn one_address_needs_no_list() {
        let parse = |text| File::parse(text, Path::new("")).unwrap().listen;
        assert_eq!(parse("listen = \":1\""), [":1"]);
        assert_eq!(parse("listen = [\":1\", \":2\"]"), [":1", ":2"]);
    }
}
