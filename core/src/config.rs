//! What an operator decides about a server.

use alloc::{string::String, sync::Arc};

use crate::{
    limits::Limits,
    password::{Setup, Stretching},
};

/// The configuration of a `Server`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What it holds itself and its peers to.
    pub limits: Limits,
    /// What program it says it is, at most 64 bytes.
    pub program: String,
    /// The manual it serves, at most [`Limits::manual_bytes_max`] bytes.
    pub manual: Arc<str>,
    /// Whether guests are let in.
    pub guests: bool,
    /// Accounts, if there are to be any.
    pub accounts: Option<AccountsConfig>,
    /// Whether files are taken, and from whom.
    pub files: FilesConfig,
}

/// What an operator decides about files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilesConfig {
    /// There are none.
    #[default]
    Off,
    /// Accounts upload them.
    Accounts,
    /// Guests do too.
    Everybody,
}

/// What an operator decides about accounts.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// The secret that passwords are kept by. All records that storage recovers must be of this setup.
    pub setup: Setup,
    /// Whether anybody may make one.
    pub registration: Registration,
    /// Whether clients that cannot do OPAQUE may send their password as it is, inside TLS.
    pub plain: bool,
    /// What clients are to spend on a new password.
    pub stretching: Stretching,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Whoever asks.
    Open,
    /// Who has an [invitation](crate::invitation::Invitation).
    Invite,
    /// Nobody.
    Closed,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            program: concat!("palabre/", env!("CARGO_PKG_VERSION")).into(),
            manual: crate::commands::MANUAL.into(),
            guests: true,
            accounts: None,
            files: FilesConfig::default(),
        }
    }
}
