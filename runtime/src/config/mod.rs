//! What an operator decides: flags, then environment, then file, then defaults; first as typed, then ready to use.

mod arguments;
mod file;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use palabre_core::{config::ServerConfig, limits::Limits, password::Stretching};

pub use self::arguments::{
    AccountsCommand, Arguments, Command, Invite, LogFormat, LogLevel, MayRegister, MayUpload,
    OperatorCommand, Preset,
};
use self::file::{File, FileLimits};
use crate::{
    listen::{AddressError, ListenAddress, Reach},
    plaintext::Plaintext,
    server::{Data, IdentitySource, Protection, ServerOptions},
    storage::{MEMORY_BYTES_MAX, SqliteOptions},
};

/// Where data is kept when nothing else is said.
const DATA_DEFAULT: &str = "palabre-data";
/// Where to listen when nothing else is said.
const PORT_DEFAULT: u16 = 4000;

/// The configuration, ready to use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the server is started with.
    pub server: ServerOptions,
    /// What is written into the log.
    pub log_level: LogLevel,
    /// How.
    pub log_format: LogFormat,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file is not there, or not for us to read.
    #[error("The configuration file {} cannot be read: {source}.", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration file is not what it should be.
    #[error("{}, line {line}: {reason}", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The configuration file has a key that means nothing.
    #[error(
        "{}, line {line}: there is no key \"{key}\". {}",
        .path.display(),
        .suggestion.as_ref().map_or_else(
            || "See docs/OPERATING.md for all keys.".to_owned(),
            |key| format!("Did you mean \"{key}\"?"),
        )
    )]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// The key.
        key: String,
        /// What it may have been meant to be.
        suggestion: Option<String>,
    },
    /// An address to listen on is none.
    #[error("\"{text}\" is not an address to listen on: {source}.")]
    Address {
        /// What was written.
        text: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// A certificate without its key, or the other way round.
    #[error("There is {there} but no {missing}: give both, or neither and the server makes its own.")]
    HalfAPair {
        /// What was given.
        there: &'static str,
        /// What was not.
        missing: &'static str,
    },
    /// A certificate for a server that does not encrypt.
    #[error(
        "--plaintext does not encrypt, so that --certificate and --key have no use: leave one or the other out."
    )]
    CertificateInPlaintext,
    /// A number is out of range.
    #[error("{key} = {value} is out of range: it must be from {min} to {max}.")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What was written.
        value: u64,
        /// The lowest that will do.
        min: u64,
        /// The highest.
        max: u64,
    },
    /// The manual cannot be read.
    #[error("The manual {} cannot be read: {source}.", .path.display())]
    ManualUnreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The manual is too long.
    #[error("The manual {} has {bytes} bytes; it may have at most {max}. Shorten it.", .path.display())]
    ManualTooLong {
        /// Which.
        path: PathBuf,
        /// How long it is.
        bytes: u64,
        /// How long it may be.
        max: usize,
    },
    /// The manual is not text.
    #[error("The manual {} is not UTF-8 text. Convert it, for example with iconv.", .path.display())]
    ManualNotText {
        /// Which.
        path: PathBuf,
    },
}

impl Settings {
    /// Completes what was typed with the configuration file and the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] says what cannot be used and where it stands.
    pub fn resolve(typed: Arguments) -> Result<Self, ConfigError> {
        let file = typed.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let preset = typed.limits.or(file.limits.preset).unwrap_or_default();
        let mut limits = match preset {
            Preset::Default => Limits::default(),
            Preset::Open => Limits::open(),
        };
        apply(&file.limits, &mut limits)?;
        let clients_max = typed.max_clients.or(file.max_clients).unwrap_or(limits.clients_max);
        limits.clients_max = within("max-clients", u64::from(clients_max), 1, u64::from(u32::MAX))?;
        limits.queue_max = typed.queue.or(file.queue).unwrap_or(limits.queue_max);
        if let Some(seconds) = typed.drain.or(file.drain) {
            limits.drain_max = Duration::from_secs(u64::from(seconds));
        }
        let manual = typed.manual.or(file.manual);
        let manual = manual.map(|path| read_manual(&path, limits.manual_bytes_max)).transpose()?;
        let mut config = ServerConfig { limits, ..ServerConfig::default() };
        config.manual = manual.unwrap_or(config.manual);
        config.files = typed.files.or(file.files).unwrap_or_default().into();
        config.guests = typed.guests.or(file.guests).unwrap_or(config.guests);
        let plaintext = Plaintext::of(&typed.plaintext).or(file.plaintext).unwrap_or_default();
        let ephemeral = typed.ephemeral.or(file.ephemeral).unwrap_or(false);
        let directory = typed.data.or(file.data).unwrap_or_else(|| DATA_DEFAULT.into());
        let files = (typed.certificate.or(file.certificate), typed.key.or(file.key));
        let (protection, reach) = protection(plaintext, files, ephemeral, &directory)?;
        Ok(Self {
            server: ServerOptions {
                listen: listen(typed.listen, &file.listen)?,
                reach,
                protection,
                data: data(ephemeral, directory),
                config,
                registration: typed.registration.or(file.registration).unwrap_or_default().into(),
                plain_logins: typed.plain_logins.or(file.plain_logins).unwrap_or(false),
                stretching: Stretching::default(),
            },
            log_level: typed.log.or(file.log).unwrap_or_default(),
            log_format: typed.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

fn listen(typed: Vec<ListenAddress>, file: &[String]) -> Result<Vec<ListenAddress>, ConfigError> {
    if !typed.is_empty() {
        return Ok(typed);
    }
    if file.is_empty() {
        return Ok(vec![ListenAddress::Port(PORT_DEFAULT)]);
    }
    let parsed = |text: &String| {
        let address = text.parse::<ListenAddress>();
        address.map_err(|source| ConfigError::Address { text: text.clone(), source })
    };
    file.iter().map(parsed).collect()
}

fn protection(
    plaintext: Plaintext,
    files: (Option<PathBuf>, Option<PathBuf>),
    ephemeral: bool,
    directory: &Path,
) -> Result<(Protection, Reach), ConfigError> {
    let reach = match plaintext {
        Plaintext::No | Plaintext::Anywhere => Reach::Anywhere,
        Plaintext::Loopback => Reach::Loopback,
    };
    let source = match files {
        (Some(certificate), Some(key)) => IdentitySource::Files { certificate, key },
        (Some(_), None) => return Err(ConfigError::HalfAPair { there: "a certificate", missing: "key" }),
        (None, Some(_)) => return Err(ConfigError::HalfAPair { there: "a key", missing: "certificate" }),
        (None, None) if ephemeral => IdentitySource::Ephemeral,
        (None, None) => IdentitySource::Kept { directory: directory.to_owned() },
    };
    match (plaintext, source) {
        (Plaintext::No, source) => Ok((Protection::Tls(source), reach)),
        (Plaintext::Loopback | Plaintext::Anywhere, IdentitySource::Files { .. }) => {
            Err(ConfigError::CertificateInPlaintext)
        }
        (
            Plaintext::Loopback | Plaintext::Anywhere,
            IdentitySource::Ephemeral | IdentitySource::Kept { .. },
        ) => Ok((Protection::Plaintext, reach)),
    }
}

fn data(ephemeral: bool, directory: PathBuf) -> Data {
    if ephemeral {
        Data::Memory { bytes_max: MEMORY_BYTES_MAX }
    } else {
        Data::Sqlite(SqliteOptions::new(directory))
    }
}

fn read_manual(path: &Path, bytes_max: usize) -> Result<Arc<str>, ConfigError> {
    let unreadable = |source| ConfigError::ManualUnreadable { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > bytes_max as u64 {
        return Err(ConfigError::ManualTooLong { path: path.to_owned(), bytes, max: bytes_max });
    }
    let text = String::from_utf8(std::fs::read(path).map_err(unreadable)?);
    text.map(Arc::from).map_err(|_| ConfigError::ManualNotText { path: path.to_owned() })
}

/// Puts what the file says in place of the preset's values.
fn apply(file: &FileLimits, limits: &mut Limits) -> Result<(), ConfigError> {
    const ANY: u64 = u32::MAX as u64;
    const DAY_SECONDS: u64 = 24 * 60 * 60;
    const YEAR_SECONDS: u64 = 366 * DAY_SECONDS;
    let text_bytes_max = limits.text_bytes_max as u64;
    let seconds = |value: u64| Duration::from_secs(value);
    set("posts-per-second", file.posts_per_second, 0, ANY, &mut limits.posts_per_second)?;
    set("post-burst", file.post_burst, 1, ANY, &mut limits.post_burst)?;
    set("post-bytes-per-second", file.post_bytes_per_second, 1, ANY, &mut limits.post_bytes_per_second)?;
    set("post-burst-bytes", file.post_burst_bytes, text_bytes_max, ANY, &mut limits.post_burst_bytes)?;
    set("requests-per-second", file.requests_per_second, 0, ANY, &mut limits.requests_per_second)?;
    set("request-burst", file.request_burst, 1, ANY, &mut limits.request_burst)?;
    set("source-connections", file.source_connections, 1, ANY, &mut limits.source_connections_max)?;
    set("source-connects", file.source_connects, 1, ANY, &mut limits.source_connects_max)?;
    set("rooms", file.rooms, 1, ANY, &mut limits.rooms_max)?;
    set("rooms-created", file.rooms_created, 0, ANY, &mut limits.rooms_created_max)?;
    set("outbound-shared-bytes", file.outbound_shared_bytes, 0, ANY, &mut limits.outbound_shared_bytes_max)?;
    set("recent-bytes", file.recent_bytes, 0, ANY, &mut limits.recent_bytes_max)?;
    set("window-bytes", file.window_bytes, 131_072, limits.window_bytes_max, &mut limits.window_bytes)?;
    set("windows-bytes", file.windows_bytes, 1 << 20, ANY, &mut limits.windows_bytes_max)?;
    let mut file_mib = limits.file_bytes_max >> 20;
    set("file-mib", file.file_mib, 1, ANY, &mut file_mib)?;
    let mut user_files_mib = limits.user_files_bytes_max >> 20;
    set("user-files-mib", file.user_files_mib, 0, ANY, &mut user_files_mib)?;
    set("user-files", file.user_files, 0, ANY, &mut limits.user_files_max)?;
    let mut file_days = 0_u64;
    set("file-kept-days", file.file_kept_days, 0, 36_500, &mut file_days)?;
    limits.file_kept = (file_days > 0).then(|| Duration::from_secs(file_days * DAY_SECONDS));
    (limits.file_bytes_max, limits.user_files_bytes_max) = (file_mib << 20, user_files_mib << 20);
    let mut kept = limits.guest_kept.as_secs();
    set("guest-kept-seconds", file.guest_kept_seconds, 0, YEAR_SECONDS, &mut kept)?;
    let mut entering = limits.entering_max.as_secs();
    set("entering-seconds", file.entering_seconds, 1, 3_600, &mut entering)?;
    let mut stalled = limits.stalled_max.as_secs();
    set("stalled-seconds", file.stalled_seconds, 5, 3_600, &mut stalled)?;
    (limits.guest_kept, limits.entering_max, limits.stalled_max) =
        (seconds(kept), seconds(entering), seconds(stalled));
    limits.loopback_exempt = file.loopback_exempt.unwrap_or(limits.loopback_exempt);
    Ok(())
}

fn set<T: TryFrom<u64>>(
    key: &'static str,
    value: Option<u32>,
    min: u64,
    max: u64,
    target: &mut T,
) -> Result<(), ConfigError> {
    if let Some(value) = value {
        *target = within(key, u64::from(value), min, max)?;
    }
    Ok(())
}

fn within<T: TryFrom<u64>>(key: &'static str, value: u64, min: u64, max: u64) -> Result<T, ConfigError> {
    let converted = T::try_from(value).ok().filter(|_| (min..=max).contains(&value));
    converted.ok_or(ConfigError::OutOfRange { key, value, min, max })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;

    use super::*;

    fn typed(flags: &[&str], file: &str) -> (Arguments, tempfile::NamedTempFile) {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(file.as_bytes()).unwrap();
        let path = config.path().to_str().unwrap();
        let words = ["runtime-server", "--config", path].into_iter().chain(flags.iter().copied());
        (Arguments::try_parse_from(words).unwrap(), config)
    }

    fn resolved(flags: &[&str], file: &str) -> Result<Settings, ConfigError> {
        let (arguments, _config) = typed(flags, file);
        Settings::resolve(arguments)
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let settings = resolved(&["--queue", "7"], "queue = 5\nmax-clients = 50").unwrap();
        let limits = settings.server.config.limits;
        assert_eq!((limits.queue_max, limits.clients_max), (7, 50));
        assert_eq!(limits.drain_max, Limits::default().drain_max);
    }

    #[test]
    fn nothing_said_means_tls_on_port_4000_of_all_addresses_and_a_database() {
        let settings = Settings::resolve(Arguments::default()).unwrap().server;
        assert_eq!(settings.listen, [ListenAddress::Port(4000)]);
        assert_eq!(settings.reach, Reach::Anywhere);
        let kept = IdentitySource::Kept { directory: "palabre-data".into() };
        assert_eq!(settings.protection, Protection::Tls(kept));
        let Data::Sqlite(options) = settings.data else { panic!("nothing would be kept") };
        assert_eq!(options.directory, Path::new("palabre-data"));
    }

    #[test]
    fn plaintext_is_for_this_machine_unless_it_is_said_twice() {
        let reach = |flags: &[&str], file: &str| {
            let server = resolved(flags, file).unwrap().server;
            (server.protection == Protection::Plaintext).then_some(server.reach)
        };
        assert_eq!(reach(&["--plaintext"], ""), Some(Reach::Loopback));
        assert_eq!(reach(&["--plaintext", "--plaintext"], ""), Some(Reach::Anywhere));
        assert_eq!(reach(&["--plaintext=anywhere"], ""), Some(Reach::Anywhere));
        assert_eq!(reach(&["--plaintext=false"], "plaintext = true"), None);
        assert_eq!(reach(&["--plaintext", "--plaintext=false"], ""), None);
        assert_eq!(reach(&[], "plaintext = true"), Some(Reach::Loopback));
        assert_eq!(reach(&[], "plaintext = \"anywhere\""), Some(Reach::Anywhere));
        let error = resolved(&[], "plaintext = \"everywhere\"").unwrap_err().to_string();
        assert!(error.contains("line 1: plaintext is true, false or \"anywhere\""), "{error}");
    }

    #[test]
    fn a_certificate_comes_with_its_key_and_with_encryption() {
        let pair = ["--certificate", "a.pem", "--key", "b.pem"];
        let files = IdentitySource::Files { certificate: "a.pem".into(), key: "b.pem".into() };
        assert_eq!(resolved(&pair, "").unwrap().server.protection, Protection::Tls(files));
        assert!(matches!(resolved(&pair[..2], ""), Err(ConfigError::HalfAPair { missing: "key", .. })));
        assert!(matches!(
            resolved(&pair[2..], ""),
            Err(ConfigError::HalfAPair { missing: "certificate", .. })
        ));
        let plain = [&pair[..], &["--plaintext"]].concat();
        assert!(matches!(resolved(&plain, ""), Err(ConfigError::CertificateInPlaintext)));
        let Protection::Tls(IdentitySource::Files { key, .. }) =
            resolved(&pair[..2], "key = \"mine.pem\"").unwrap().server.protection
        else {
            panic!("the files are not used")
        };
        assert!(key.is_absolute(), "{}", key.display());
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let Data::Sqlite(options) = resolved(&[], "data = \"kept\"").unwrap().server.data else { panic!() };
        assert!(options.directory.is_absolute(), "{}", options.directory.display());
    }

    #[test]
    fn a_number_out_of_range_is_told_with_the_range() {
        let error = resolved(&[], "[limits]\npost-burst = 0").unwrap_err();
        assert_eq!(error.to_string(), "post-burst = 0 is out of range: it must be from 1 to 4294967295.");
        assert!(resolved(&[], "max-clients = 0").is_err());
    }

    #[test]
    fn a_limit_of_the_file_changes_the_preset() {
        let settings = resolved(&["--limits", "open"], "[limits]\npost-burst = 3").unwrap();
        let limits = settings.server.config.limits;
        assert_eq!((limits.posts_per_second, limits.post_burst), (0, 3));
    }

    /// Without what only a preset sets.
    fn without_preset(limits: Limits) -> Limits {
        let (logins_max, source_failures_free, registrations_max) = (0, 0, 0);
        let (entering_free, entering_full) = (0, 0);
        Limits { entering_free, entering_full, logins_max, source_failures_free, registrations_max, ..limits }
    }

    #[test]
    fn the_documented_limits_are_the_default_ones() {
        let documented = file::documented();
        let mut limits = Limits { posts_per_second: 1_000, ..Limits::open() };
        apply(&documented.limits, &mut limits).unwrap();
        assert_eq!(without_preset(limits), without_preset(Limits::default()));
    }

    #[test]
    fn a_manual_that_does_not_fit_is_refused() {
        let mut manual = tempfile::NamedTempFile::new().unwrap();
        let path = manual.path().to_owned();
        manual.write_all(b"Read this.").unwrap();
        assert_eq!(&*read_manual(&path, 10).unwrap(), "Read this.");
        assert!(matches!(read_manual(&path, 9), Err(ConfigError::ManualTooLong { bytes: 10, .. })));
        manual.write_all(b"\xff").unwrap();
        assert!(matches!(read_manual(&path, 11), Err(ConfigError::ManualNotText { .. })));
    }
}
